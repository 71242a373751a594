"""Tokens, Apps, refusals and settings: who may file scores, and what is said where not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.client import Backoff
from hubbot.hub.github import Description, Wording, check_access, publish_scores
from hubbot.hub.github_refusals import SECONDARY_WAIT_S, seconds_to_wait
from hubbot.localhub.faults import Fault
from hubbot.localhub.server import LocalHub
from hubbot.settings import GithubSettings

REPOSITORY = "me/hubbot-scores"
WRITE = {"contents": "write", "pull_requests": "write", "metadata": "read"}

Settings = Callable[..., GithubSettings]


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def settings(hub: LocalHub) -> Settings:
    hub.github.add_repository(
        REPOSITORY, {"README.md": "# Scores\n"}, collaborators={"bot": "push", "reader": "pull"}
    )
    hub.github.add_token("gh_bot", "bot")
    hub.github.add_token("gh_reader", "reader")

    def make(token: str | None = "gh_bot", **changes: Any) -> GithubSettings:  # noqa: S107
        secret = None if token is None else SecretStr(token)
        values = {"repository": REPOSITORY, "token": secret, "base_url": hub.github.url}
        return GithubSettings(**{**values, **changes})

    return make


@pytest.fixture
def app(hub: LocalHub, settings: Settings, key: rsa.RSAPrivateKey, tmp_path: Path) -> Settings:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hub.github.add_app(
        7, public.decode(), repositories=[REPOSITORY], permissions=WRITE, installation=42
    )
    file = tmp_path / "key.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return lambda **changes: settings(
        **{"token": None, "app_id": 7, "private_key_file": file} | changes
    )


def publish(settings: GithubSettings, quick: Backoff, text: str = "1\n") -> Any:
    wording = Wording(
        describe=lambda proposed: Description(title="Scores", body="Words"),
        is_title=lambda title: True,
        most_files=0,
    )
    return publish_scores(
        {"a.yaml": text},
        settings=settings,
        wording=wording,
        branch="hubbot/scores-1",
        backoff=quick,
    )


# Access


def test_a_token_tells_its_account_and_what_it_may(settings: Settings, quick: Backoff) -> None:
    access = check_access(settings(), backoff=quick)
    assert (access.login, access.repository, access.missing) == ("bot", REPOSITORY, ())
    assert access.is_told
    assert {"push", "pull", "scope repo"} <= set(access.permissions)
    assert access.rate_left == 5000 - 2
    assert 0 <= access.rate_reset_s <= 3600


def test_what_a_fine_grained_token_may_is_not_told(
    hub: LocalHub, settings: Settings, quick: Backoff
) -> None:
    hub.github.add_token("gh_fine", "bot", {"contents": "read", "metadata": "read"})
    access = check_access(settings("gh_fine"), backoff=quick)
    assert (access.is_told, access.permissions, access.missing) == (False, (), ())
    assert access.needed == ("contents: write", "pull_requests: write")


def test_a_fine_grained_token_may_no_more_than_its_account(
    hub: LocalHub, settings: Settings, quick: Backoff
) -> None:
    hub.github.add_token("gh_fine", "reader", {"contents": "write", "metadata": "read"})
    access = check_access(settings("gh_fine"), backoff=quick)
    assert (access.is_told, access.missing) == (False, ("contents: write",))


@pytest.mark.parametrize("path", ["/user", "/repos/me/hubbot-scores$", "/rate_limit"])
def test_a_failed_look_is_taken_again(
    hub: LocalHub, settings: Settings, quick: Backoff, path: str
) -> None:
    hub.faults.fail("GET", path, 502, times=2)
    assert check_access(settings(), backoff=quick).login == "bot"
    assert hub.faults.pending() == 0


def test_an_account_that_may_only_read_lacks_a_permission(
    settings: Settings, quick: Backoff
) -> None:
    assert check_access(settings("gh_reader"), backoff=quick).missing == ("contents: write",)


def test_an_app_files_scores_under_its_own_name(
    hub: LocalHub, app: Settings, quick: Backoff
) -> None:
    assert [publish(app(), quick, text).action for text in ("1\n", "1\n", "2\n")] == [
        "opened",
        "unchanged",
        "updated",
    ]
    (pull,) = hub.github.pull_requests(REPOSITORY)
    assert (pull.author, pull.labels) == ("hubbot[bot]", ["hubbot"])


@pytest.mark.parametrize("number", [None, 42])
def test_an_apps_installation_is_found_or_given(
    app: Settings, quick: Backoff, number: int | None
) -> None:
    access = check_access(app(installation_id=number), backoff=quick)
    assert access.login == "hubbot[bot]"
    assert access.permissions == ("contents: write", "metadata: read", "pull_requests: write")
    assert access.missing == ()


def test_an_app_without_a_permission_is_known_beforehand(
    hub: LocalHub, app: Settings, key: rsa.RSAPrivateKey, quick: Backoff
) -> None:
    public = hub.github.state.apps[7].public_key
    hub.github.add_app(
        7, public, repositories=[REPOSITORY], permissions={"contents": "read"}, installation=42
    )
    missing = ("contents: write", "pull_requests: write")
    assert check_access(app(), backoff=quick).missing == missing
    with pytest.raises(RemoteError, match="needs the permission contents: write"):
        publish(app(), quick)


def test_an_app_that_is_not_installed_there_is_told_so(
    hub: LocalHub, app: Settings, quick: Backoff
) -> None:
    hub.github.add_repository("me/other", {"a": "b"})
    with pytest.raises(RemoteError, match="the App installed on this repository") as caught:
        publish(app(repository="me/other"), quick)
    assert caught.value.kind == "not_found"


def test_another_key_than_the_apps_is_refused(
    app: Settings, quick: Backoff, tmp_path: Path
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "other.pem"
    file.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(RemoteError, match="could not be decoded") as caught:
        publish(app(private_key_file=file), quick)
    assert caught.value.kind == "unauthorised"


def test_a_workflows_token_that_may_not_ask_who_it_is_still_files(
    hub: LocalHub, app: Settings, settings: Settings, quick: Backoff
) -> None:
    check_access(app(), backoff=quick)  # which makes a token
    (token,) = [t for t, value in hub.github.state.tokens.items() if value.installation]
    done = [publish(settings(token), quick, text).action for text in ("1\n", "2\n")]
    assert done == ["opened", "updated"]
    access = check_access(settings(token), backoff=quick)
    assert (access.login, access.is_told, access.missing) == ("", False, ())
    assert len(hub.github.pull_requests(REPOSITORY)) == 1


# Refusals


@pytest.mark.parametrize(
    ("permissions", "words", "kind"),
    [
        ({"contents": "read"}, "needs the permission contents: write", "forbidden"),
        ({"contents": "write"}, "needs the permission pull_requests: write", "forbidden"),
    ],
)
def test_a_missing_permission_is_named(
    hub: LocalHub,
    settings: Settings,
    quick: Backoff,
    permissions: dict[str, str],
    words: str,
    kind: str,
) -> None:
    hub.github.add_token("gh_fine", "bot", permissions)
    with pytest.raises(RemoteError, match=words) as caught:
        publish(settings("gh_fine"), quick)
    assert caught.value.kind == kind
    assert REPOSITORY in str(caught.value)
    assert hub.github.pull_requests(REPOSITORY) == ()


def test_a_classic_token_without_push_is_told_what_it_lacks(
    settings: Settings, quick: Backoff
) -> None:
    with pytest.raises(RemoteError, match="permission contents: write") as caught:
        publish(settings("gh_reader"), quick)
    assert caught.value.kind == "not_found"


@pytest.mark.parametrize(
    ("changes", "words", "kind"),
    [
        ({"token": "gh_wrong"}, "Bad credentials", "unauthorised"),
        ({"repository": "me/none"}, "check github.repository", "not_found"),
        ({"base": "develop"}, "has no branch develop; name the branch", "revision_not_found"),
    ],
)
def test_what_is_wrong_is_named_with_the_next_step(
    settings: Settings, quick: Backoff, changes: dict[str, Any], words: str, kind: str
) -> None:
    with pytest.raises(RemoteError, match=words) as caught:
        publish(settings(**changes), quick)
    assert caught.value.kind == kind


def test_a_private_repository_reads_like_none(
    hub: LocalHub, settings: Settings, quick: Backoff
) -> None:
    hub.github.add_repository("me/secret", {"a": "b"}, private=True)
    with pytest.raises(RemoteError, match="may not see it") as caught:
        publish(settings(repository="me/secret"), quick)
    assert caught.value.kind == "not_found"


def test_an_empty_repository_is_told_to_get_a_commit(
    hub: LocalHub, settings: Settings, quick: Backoff
) -> None:
    hub.github.add_repository("bot/empty", {})
    with pytest.raises(RemoteError, match="no commit yet; push a first one"):
        publish(settings(repository="bot/empty"), quick)


def test_a_server_that_stays_down_is_named(
    hub: LocalHub, settings: Settings, quick: Backoff
) -> None:
    hub.faults.fail("GET", "/github/", 502, times=None)
    with pytest.raises(RemoteError, match="failed with status 502; try again later") as caught:
        publish(settings(), quick)
    assert caught.value.kind == "server"


@pytest.mark.parametrize(
    "path",
    [
        "/user",
        "/git/ref/",
        "/git/commits/",
        "/git/trees/",
        "/pulls",
        "/git/trees$",
        "/git/commits$",
    ],
)
def test_an_html_page_in_the_place_of_an_answer_is_an_error_of_ours(
    hub: LocalHub, settings: Settings, quick: Backoff, path: str
) -> None:
    hub.faults.add("*", path, Fault(kind="html", status=200), times=None)
    with pytest.raises(RemoteError, match="proxy or login page") as caught:
        publish(settings(), quick)
    assert caught.value.kind == "server"
    assert hub.github.pull_requests(REPOSITORY) == ()


def test_a_server_that_is_not_there_is_named(settings: Settings, quick: Backoff) -> None:
    with pytest.raises(RemoteError, match="could not be reached") as caught:
        publish(settings(base_url="http://127.0.0.1:9"), quick)
    assert caught.value.kind == "unreachable"


# Settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repository": ""}, "github.repository is not set"),
        ({"token": None}, "set HUBBOT_GITHUB__TOKEN, or github.app_id"),
        ({"token": ""}, "github.token is empty"),
        ({"token": None, "app_id": 7}, "with github.private_key_file"),
        ({"app_id": 7}, "both set; keep one"),
        ({"base_url": "api.github.com"}, r"expected an http\(s\) address"),
        (
            {"token": None, "app_id": 7, "private_key_file": Path("/nowhere/key.pem")},
            "cannot read /nowhere/key.pem",
        ),
        (
            {"token": None, "app_id": 7, "private_key_file": Path(__file__)},
            "holds no RSA key in PEM",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_any_call(
    hub: LocalHub, settings: Settings, quick: Backoff, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        publish(settings(**changes), quick)
    assert hub.log == ()


def test_a_token_is_in_no_message_and_no_log(
    settings: Settings, quick: Backoff, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"), pytest.raises(RemoteError) as caught:
        publish(settings("gh_very_secret"), quick)
    assert "gh_very_secret" not in caplog.text + str(caught.value) + repr(
        settings("gh_very_secret")
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17),
        ({"retry-after": "17", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, 17),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1767225700",
                "date": "Thu, 01 Jan 2026 00:00:00 GMT",
            },
            100,
        ),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": "1767225500",
                "date": "Thu, 01 Jan 2026 00:00:00 GMT",
            },
            0,
        ),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1767225700"}, SECONDARY_WAIT_S),
        ({}, SECONDARY_WAIT_S),
    ],
)
def test_how_long_to_wait_is_read_by_githubs_own_clock(
    headers: dict[str, str], seconds: float
) -> None:
    assert seconds_to_wait(headers) == seconds
