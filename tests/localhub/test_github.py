"""The embedded GitHub is as strict as the real one, as PyGithub and plain requests meet it."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import github
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github import Auth, Github, InputGitTreeElement
from github.Repository import Repository

from hubbot.localhub.github_answers import primary_limit, secondary_limit
from hubbot.localhub.limits import RateLimits
from hubbot.localhub.server import LocalHub

NAME = "me/scores"
HERE = f"/github/repos/{NAME}"

Client = Callable[[str], Repository]
Call = Callable[..., httpx2.Response]


@pytest.fixture
def client(hub: LocalHub) -> Client:
    hub.github.add_repository(
        NAME, {"README.md": "# Hi\n", "a/b.txt": "b\n"}, collaborators={"bot": "push"}
    )
    for login in ("me", "bot", "stranger"):
        hub.github.add_token(f"gh_{login}", login)

    def connect(token: str) -> Repository:
        return Github(
            auth=Auth.Token(token),
            base_url=hub.github.url,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
        ).get_repo(NAME)

    return connect


@pytest.fixture
def call(hub: LocalHub, client: Client) -> Call:
    def run(
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "gh_bot",  # noqa: S107
    ) -> httpx2.Response:
        headers = {} if token is None else {"Authorization": f"token {token}"}
        return httpx2.request(method, hub.url + path, json=body, headers=headers)

    return run


def words(answer: httpx2.Response) -> str:
    body = answer.json()
    errors = [item.get("message") or item.get("field") or "" for item in body.get("errors", ())]
    return "; ".join([body["message"], *errors])


def propose(repo: Repository, branch: str, text: str = "x\n") -> str:
    """Commit through the git interface, onto a branch made for it; return the commit."""
    head = repo.get_git_commit(repo.get_branch("main").commit.sha)
    tree = repo.create_git_tree(
        [InputGitTreeElement("a/new.txt", "100644", "blob", content=text)], head.tree
    )
    commit = repo.create_git_commit("New", tree, [head])
    repo.create_git_ref(f"refs/heads/{branch}", commit.sha)
    return commit.sha


# The client's way


def test_a_commit_through_the_git_interface_becomes_a_pull_request(
    hub: LocalHub, client: Client
) -> None:
    repo = client("gh_bot")
    propose(repo, "topic/one")
    pull = repo.create_pull("main", "topic/one", title="One", body="Words")
    assert (pull.number, pull.state, pull.user.login, pull.mergeable) == (1, "open", "bot", True)
    assert pull.head.label == "me:topic/one"
    assert pull.html_url == f"{hub.github.url}/{NAME}/pull/1"
    assert [found.number for found in repo.get_pulls(head="me:topic/one")] == [1]
    assert repo.get_pulls(head="me:other").totalCount == 0
    hub.github.merge(NAME, 1, "me")
    assert hub.github.files(NAME)["a/new.txt"] == "x\n"
    merged = repo.get_pull(1)
    assert (merged.state, merged.merged) == ("closed", True)
    assert [event.event for event in merged.get_issue_events()] == ["merged", "closed"]


def test_contents_trees_and_blobs_show_the_same_file(client: Client) -> None:
    repo = client("gh_bot")
    file = repo.get_contents("a/b.txt")
    assert not isinstance(file, list)
    assert file.decoded_content == b"b\n"
    tree = repo.get_git_tree("main", recursive=True)
    assert [(item.path, item.type) for item in tree.tree] == [
        ("README.md", "blob"),
        ("a", "tree"),
        ("a/b.txt", "blob"),
    ]
    assert base64.b64decode(repo.get_git_blob(file.sha).content) == b"b\n"
    listed = repo.get_contents("a")
    assert isinstance(listed, list)
    assert [item.path for item in listed] == ["a/b.txt"]


def test_a_comparison_counts_both_sides(hub: LocalHub, client: Client) -> None:
    repo = client("gh_bot")
    start = repo.get_branch("main").commit.sha
    propose(repo, "topic")
    hub.github.commit(NAME, {"README.md": "# New\n"}, "me")
    found = repo.compare("main", "topic")
    assert (found.status, found.ahead_by, found.behind_by) == ("diverged", 1, 1)
    assert found.merge_base_commit.sha == start
    assert [file.filename for file in found.files] == ["a/new.txt"]


def test_long_lists_come_in_pages(hub: LocalHub, client: Client) -> None:
    repo = client("gh_bot")
    for number in range(45):
        repo.create_label(f"label {number}", "ededed")
    assert len(list(repo.get_labels())) == 45
    assert [r.query for r in hub.log if r.path.endswith("/labels") and r.method == "GET"][1:] == [
        (("page", "2"),)
    ]


def test_a_deleted_branch_closes_what_is_proposed_from_it(hub: LocalHub, client: Client) -> None:
    repo = client("gh_bot")
    propose(repo, "topic")
    pull = repo.create_pull("main", "topic", title="One")
    repo.get_git_ref("heads/topic").delete()
    assert repo.get_pull(1).state == "closed"
    events = [event.event for event in repo.get_pull(1).get_issue_events()]
    assert events == ["closed", "head_ref_deleted"]
    with pytest.raises(github.GithubException, match="state cannot be changed"):
        pull.edit(state="open")


# Strictness


def test_refusals_have_githubs_status_and_words(hub: LocalHub, client: Client, call: Call) -> None:
    repo = client("gh_bot")
    made = propose(repo, "topic")
    repo.create_pull("main", "topic", title="One")
    hub.github.commit(NAME, {"README.md": "# New\n"}, "me")
    refs, pulls = f"{HERE}/git/refs", f"{HERE}/pulls"
    cases: list[tuple[str, str, Any, int, str]] = [
        ("POST", refs, {"ref": "refs/heads/topic", "sha": made}, 422, "Reference already exists"),
        ("POST", refs, {"ref": "topic", "sha": made}, 422, "not a valid ref name"),
        ("POST", refs, {"ref": "refs/heads/a..b", "sha": made}, 422, "not a valid ref name"),
        ("POST", refs, {"ref": "refs/heads/x", "sha": "0" * 40}, 422, "Object does not exist"),
        ("POST", refs, {"ref": "refs/heads/topic/x", "sha": made}, 422, "Reference update failed"),
        ("PATCH", f"{refs}/heads/main", {"sha": made}, 422, "Update is not a fast forward"),
        ("PATCH", f"{refs}/heads/none", {"sha": made}, 422, "Reference does not exist"),
        ("DELETE", f"{refs}/heads/none", None, 422, "Reference does not exist"),
        ("GET", f"{HERE}/git/ref/heads/none", None, 404, "Not Found"),
        ("GET", f"{HERE}/branches/none", None, 404, "Branch not found"),
        (
            "POST",
            pulls,
            {"title": "x", "head": "topic", "base": "main"},
            422,
            "A pull request already exists for me:topic.",
        ),
        ("POST", pulls, {"title": "x", "head": "none", "base": "main"}, 422, "head"),
        ("POST", pulls, {"head": "topic", "base": "main"}, 422, '"title" wasn\'t supplied'),
        ("PATCH", f"{pulls}/1", {"title": "x" * 257}, 422, "too long"),
        ("PATCH", f"{pulls}/1", {"body": "x" * 65_537}, 422, "too long"),
        ("GET", f"{pulls}/99", None, 404, "Not Found"),
        ("POST", f"{HERE}/git/trees", {"tree": []}, 422, "Invalid tree info"),
        ("POST", f"{HERE}/git/commits", {"message": "x", "tree": "0" * 40}, 422, "Tree SHA"),
        ("GET", f"{HERE}/git/commits/{'0' * 40}", None, 404, "Not Found"),
        ("GET", f"{HERE}/contents/none", None, 404, "Not Found"),
        ("POST", f"{HERE}/labels", {"name": "x", "color": "red"}, 422, "color"),
        ("GET", f"{HERE}/labels/none", None, 404, "Not Found"),
        ("GET", "/github/nowhere", None, 404, "Not Found"),
    ]
    for method, path, body, status, said in cases:
        answer = call(method, path, body)
        assert answer.status_code == status, (method, path, answer.text)
        assert said in words(answer), (method, path, answer.text)


def test_a_branch_without_anything_new_cannot_be_proposed(hub: LocalHub, call: Call) -> None:
    head = hub.github.branches(NAME)["main"]
    call("POST", f"{HERE}/git/refs", {"ref": "refs/heads/same", "sha": head})
    answer = call("POST", f"{HERE}/pulls", {"title": "x", "head": "same", "base": "main"})
    assert (answer.status_code, words(answer)) == (
        422,
        "Validation Failed; No commits between main and same",
    )


def test_a_forced_update_is_possible_and_only_then_backwards(hub: LocalHub, call: Call) -> None:
    first = hub.github.branches(NAME)["main"]
    hub.github.commit(NAME, {"README.md": "# New\n"}, "me")
    path = f"{HERE}/git/refs/heads/main"
    assert call("PATCH", path, {"sha": first, "force": False}).status_code == 422
    assert call("PATCH", path, {"sha": first, "force": True}).status_code == 200
    assert hub.github.branches(NAME)["main"] == first


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"path": "/x", "content": ""}, "cannot start with a slash"),
        ({"path": "a/../x", "content": ""}, "malformed path component"),
        ({"path": ".git/x", "content": ""}, "malformed path component"),
        ({"path": "x", "mode": "777", "content": ""}, "valid tree.mode"),
        ({"path": "x"}, "Must supply either"),
        ({"path": "x", "content": "", "sha": "0" * 40}, "Must supply either"),
        ({"path": "x", "sha": "0" * 40}, "is not a valid blob"),
        ({"path": "none", "sha": None}, "BadObjectState"),
    ],
)
def test_a_tree_takes_sound_entries_only(call: Call, entry: dict[str, Any], said: str) -> None:
    body = {"base_tree": "main", "tree": [{"mode": "100644", "type": "blob"} | entry]}
    head = call("GET", f"{HERE}/git/trees/main").json()["sha"]
    answer = call("POST", f"{HERE}/git/trees", body | {"base_tree": head})
    assert answer.status_code == 422
    assert said in words(answer)


def test_a_file_is_replaced_only_by_who_knows_it(client: Client) -> None:
    repo = client("gh_bot")
    with pytest.raises(github.GithubException) as caught:
        repo.update_file("a/b.txt", "Update", "c\n", "0" * 40)
    assert caught.value.status == 409
    with pytest.raises(github.GithubException) as caught:
        repo.create_file("a/b.txt", "Create", "c\n")
    assert caught.value.status == 422
    known = repo.get_contents("a/b.txt")
    assert not isinstance(known, list)
    repo.update_file("a/b.txt", "Update", "c\n", known.sha)
    again = repo.get_contents("a/b.txt")
    assert not isinstance(again, list)
    assert again.decoded_content == b"c\n"


def test_an_empty_repository_has_no_git_interface(hub: LocalHub, call: Call) -> None:
    hub.github.add_repository("me/empty", {})
    answer = call("GET", "/github/repos/me/empty/git/ref/heads/main")
    assert (answer.status_code, words(answer)) == (409, "Git Repository is empty.")


# Who may


def test_a_wrong_token_has_bad_credentials_even_to_read(call: Call) -> None:
    answer = call("GET", HERE, token="gh_wrong")
    assert (answer.status_code, words(answer)) == (401, "Bad credentials")


def test_without_a_token_public_things_are_read_and_nothing_is_written(call: Call) -> None:
    assert call("GET", HERE, token=None).status_code == 200
    answer = call("POST", f"{HERE}/labels", {"name": "x"}, token=None)
    assert (answer.status_code, words(answer)) == (401, "Requires authentication")


def test_a_stranger_reads_what_is_public_and_writes_nothing(hub: LocalHub, call: Call) -> None:
    assert call("GET", HERE, token="gh_stranger").status_code == 200
    assert call("POST", f"{HERE}/labels", {"name": "x"}, token="gh_stranger").status_code == 404
    hub.github.add_repository("me/secret", {"a": "b"}, private=True, collaborators={"bot": "pull"})
    assert call("GET", "/github/repos/me/secret", token="gh_stranger").status_code == 404
    assert call("GET", "/github/repos/me/secret", token="gh_bot").status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "needed"),
    [
        ("/git/blobs", {"content": "x"}, "contents=write"),
        ("/pulls", {"title": "x", "head": "a", "base": "main"}, "pull_requests=write"),
        ("/labels", {"name": "x"}, "issues=write; pull_requests=write"),
    ],
)
def test_a_fine_grained_token_may_what_it_was_given(
    hub: LocalHub, call: Call, path: str, body: dict[str, str], needed: str
) -> None:
    hub.github.add_token("gh_fine", "bot", {"metadata": "read"})
    answer = call("POST", HERE + path, body, token="gh_fine")
    assert answer.status_code == 403
    assert words(answer) == "Resource not accessible by personal access token"
    assert answer.headers["X-Accepted-GitHub-Permissions"] == needed


def test_an_unknown_permission_is_refused_when_seeding(hub: LocalHub) -> None:
    with pytest.raises(ValueError, match="unknown permission 'pulls'; known: contents"):
        hub.github.add_token("gh_x", "bot", {"pulls": "write"})


# Apps


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_an_apps_signature_is_checked(hub: LocalHub, call: Call, key: rsa.RSAPrivateKey) -> None:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hub.github.add_app(7, public.decode(), repositories=[NAME], permissions={"contents": "write"})
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    sound = {"iat": now - 60, "exp": now + 300, "iss": "7"}

    def ask(claims: dict[str, Any], key: rsa.RSAPrivateKey = key) -> tuple[int, str]:
        token = jwt.encode(claims, key, algorithm="RS256")
        answer = call("GET", "/github/app", token=token)
        return answer.status_code, answer.text

    assert ask(sound)[0] == 200
    assert ask(sound | {"exp": now - 1})[0] == 401
    assert "too far in the future" in ask(sound | {"exp": now + 3600})[1]
    assert "'iat'" in ask(sound | {"iat": now + 600})[1]
    assert "could not be decoded" in ask(sound, other)[1]
    assert ask(sound | {"iss": "8"})[0] == 404
    unsigned = jwt.encode(sound, "x" * 32, algorithm="HS256")
    assert call("GET", "/github/app", token=unsigned).status_code == 401


def test_an_installations_token_acts_for_the_app_on_its_repositories(
    hub: LocalHub, call: Call, key: rsa.RSAPrivateKey
) -> None:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hub.github.add_repository("me/other", {"a": "b"})
    hub.github.add_app(7, public.decode(), repositories=[NAME], permissions={"contents": "write"})
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 300, "iss": "7"}
    signed = jwt.encode(claims, key, algorithm="RS256")
    number = call("GET", f"{HERE}/installation", token=signed).json()["id"]
    path = f"/github/app/installations/{number}/access_tokens"
    token = call("POST", path, {}, token=signed).json()["token"]
    assert call("GET", "/github/user", token=token).status_code == 403
    blob = {"content": "x"}
    assert call("POST", f"{HERE}/git/blobs", blob, token=token).status_code == 201
    other = call("POST", "/github/repos/me/other/git/blobs", blob, token=token)
    assert words(other) == "Resource not accessible by integration"
    asked = {"permissions": {"issues": "write"}}
    assert call("POST", path, asked, token=signed).status_code == 422


# Limits and faults


def test_calls_are_counted_by_the_hour(hub: LocalHub, call: Call) -> None:
    hub.github.state.hourly_limit = 2
    answers = [call("GET", HERE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert "API rate limit exceeded" in words(answers[2])
    assert int(answers[2].headers["X-RateLimit-Reset"]) > time.time()
    core = call("GET", "/github/rate_limit").json()["resources"]["core"]
    assert (core["limit"], core["remaining"]) == (2, 0)


def test_the_hubs_limits_do_not_count_githubs_calls(hub: LocalHub, call: Call) -> None:
    hub.rate_limits = RateLimits(pages=1)
    assert [call("GET", HERE).status_code for _ in range(3)] == [200] * 3


def test_ordered_rate_limits_read_like_githubs(hub: LocalHub, client: Client) -> None:
    repo = client("gh_bot")
    hub.faults.add("POST", "/labels$", secondary_limit(60))
    hub.faults.add("POST", "/labels$", primary_limit(time.time() + 60))
    for words_ in ("secondary rate limit", "API rate limit exceeded"):
        with pytest.raises(github.RateLimitExceededException) as caught:
            repo.create_label("x", "ededed")
        assert words_ in str(caught.value.data)
    assert hub.github.state.repositories[NAME].labels == {}


def test_a_fault_after_the_effect_leaves_the_effect(hub: LocalHub, client: Client) -> None:
    repo = client("gh_bot")
    hub.faults.fail("POST", "/github/.*/labels$", 502, when="after")
    with pytest.raises(github.GithubException):
        repo.create_label("x", "ededed")
    assert list(hub.github.state.repositories[NAME].labels) == ["x"]


def test_requests_are_logged_with_the_account(hub: LocalHub, call: Call) -> None:
    call("POST", f"{HERE}/labels", {"name": "x"})
    last = hub.log[-1]
    assert (last.user, last.status, last.is_write) == ("bot", 201, True)


# Keeping


def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    with LocalHub(folder=tmp_path) as hub:
        hub.github.add_repository(NAME, {"a.txt": "a\n"}, collaborators={"bot": "push"})
        hub.github.add_token("gh_bot", "bot", {"contents": "write"})
        hub.github.add_app(7, "PEM", repositories=[NAME], permissions={"contents": "write"})
        hub.github.commit(NAME, {"b.txt": "b\n"}, "bot", branch="topic")
        body = {"title": "One", "head": "topic", "base": "main"}
        hub.github.add_token("gh_me", "me")
        headers = {"Authorization": "token gh_me"}
        httpx2.post(f"{hub.url}{HERE}/pulls", json=body, headers=headers)
        hub.github.close(NAME, 1, "me")
        before = hub.github
    again = LocalHub(folder=tmp_path).github
    assert again.pull_requests(NAME) == before.pull_requests(NAME)
    assert again.files(NAME, "topic") == {"a.txt": "a\n", "b.txt": "b\n"}
    assert again.state.tokens == before.state.tokens
    assert again.state.apps == before.state.apps


def test_a_reset_leaves_nothing(hub: LocalHub, client: Client) -> None:
    hub.reset()
    assert hub.github.state.repositories == {}
    assert not (hub.folder / "github").exists()
