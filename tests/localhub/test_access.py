"""Who sees and changes what, in the official client's exceptions."""

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from hubbot.localhub.server import LocalHub

OTHER = CommitOperationAdd("README.md", b"# other\n")


@pytest.mark.parametrize("token", ["hf_bot", False], ids=["stranger", "nobody"])
@pytest.mark.parametrize("repo_id", ["me/secret", "me/nothing", "nobody/m"])
def test_a_private_repository_looks_like_a_missing_one(
    world: LocalHub, token: str | bool, repo_id: str
) -> None:
    world.add_model("me/secret", {"README.md": b"# s\n"}, private=True)
    api = HfApi(token=token)
    for call in (
        lambda: api.model_info(repo_id),
        lambda: api.list_repo_files(repo_id),
        lambda: list(api.get_repo_discussions(repo_id)),
    ):
        with pytest.raises(RepositoryNotFoundError) as caught:
            call()
        assert caught.value.response.status_code == (401 if token is False else 404)


def test_the_owner_and_members_of_an_organisation_see_a_private_one(world: LocalHub) -> None:
    world.add_org("team", ["me"])
    world.add_model("team/secret", {"README.md": b"# s\n"}, private=True)
    assert HfApi(token="hf_me").model_info("team/secret").private
    with pytest.raises(RepositoryNotFoundError):
        HfApi(token="hf_bot").model_info("team/secret")


@pytest.mark.parametrize(("token", "status"), [("hf_bot", 403), (False, 401)])
def test_behind_a_gate_the_page_is_seen_but_no_file(
    world: LocalHub, tmp_path: Path, token: str | bool, status: int
) -> None:
    world.add_model("me/gated", {"README.md": b"# g\n"}, gated="manual", approved=["friend"])
    world.add_user("friend", "hf_friend")
    assert HfApi(token=token).model_info("me/gated").gated == "manual"
    with pytest.raises(GatedRepoError) as caught:
        hf_hub_download("me/gated", "README.md", token=token, cache_dir=tmp_path)
    assert caught.value.response.status_code == status
    for friend in ("hf_friend", "hf_me"):
        assert hf_hub_download("me/gated", "README.md", token=friend, cache_dir=tmp_path)


def test_a_disabled_repository_says_so_even_to_its_owner(world: LocalHub, owner: HfApi) -> None:
    world.add_model("me/off", {"README.md": b"# o\n"}, disabled=True)
    with pytest.raises(DisabledRepoError, match="Access to this resource is disabled"):
        owner.model_info("me/off")
    # A download wraps it: the client takes every refusal it has no own name for as no connection.
    with pytest.raises(LocalEntryNotFoundError) as caught:
        hf_hub_download("me/off", "README.md", token="hf_me")
    assert isinstance(caught.value.__cause__, DisabledRepoError)


def test_a_renamed_repository_is_found_under_its_old_name(
    world: LocalHub, tmp_path: Path, stranger: HfApi
) -> None:
    world.rename("me/m", "you/m2")
    world.rename("you/m2", "you/m3")
    for old in ("me/m", "you/m2"):
        assert stranger.model_info(old).id == "you/m3"
    assert hf_hub_download("me/m", "README.md", cache_dir=tmp_path)
    assert 307 in {record.status for record in world.log}
    world.add_model("you/m2", {"new.txt": b"n"})
    assert stranger.list_repo_files("you/m2") == ["new.txt"]
    assert stranger.model_info("me/m").id == "you/m3"


def test_disabled_discussions_refuse_pull_requests(
    world: LocalHub, stranger: HfApi, propose: Callable[..., CommitInfo]
) -> None:
    world.configure("me/m", discussions_disabled=True)
    for call in (
        lambda: propose(b"# other\n"),
        lambda: list(stranger.get_repo_discussions("me/m")),
        lambda: stranger.create_discussion("me/m", "A title"),
    ):
        with pytest.raises(HfHubHTTPError, match="403 Forbidden: Discussions and pull requests"):
            call()
    assert world.pull_requests("me/m") == ()


def test_an_owner_changes_the_settings(world: LocalHub, owner: HfApi, stranger: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="403"):
        stranger.update_repo_settings("me/m", private=True)
    owner.update_repo_settings("me/m", gated="auto", visibility="private")
    info = owner.model_info("me/m")
    assert (info.gated, info.private) == ("auto", True)


def test_a_stranger_is_told_to_open_a_pull_request(stranger: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="pass `create_pr=1`"):
        stranger.create_commit("me/m", [OTHER], commit_message="x")


def test_a_read_token_writes_nothing(
    world: LocalHub, reader: HfApi, propose: Callable[..., CommitInfo]
) -> None:
    propose(b"# other\n")
    before = world.pull_requests("me/m")
    for call in (
        lambda: reader.create_commit("me/m", [OTHER], commit_message="x", create_pr=True),
        lambda: reader.create_commit("me/m", [OTHER], commit_message="x", revision="refs/pr/1"),
        lambda: reader.create_repo("bot/x"),
        lambda: reader.create_discussion("me/m", "A title"),
        lambda: reader.comment_discussion("me/m", 1, "hm"),
        lambda: reader.change_discussion_status("me/m", 1, "closed"),
        lambda: reader.rename_discussion("me/m", 1, "Another title"),
    ):
        with pytest.raises(HfHubHTTPError, match="403 Forbidden: This token can only read"):
            call()
    assert world.pull_requests("me/m") == before


def test_without_a_token_nothing_is_written(world: LocalHub, nobody: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="401"):
        nobody.create_commit("me/m", [OTHER], commit_message="x", create_pr=True)
    with pytest.raises(HfHubHTTPError, match="401"):
        nobody.create_discussion("me/m", "A title")
    assert world.pull_requests("me/m") == ()


def test_someone_elses_pull_request_is_not_to_be_written_to(
    world: LocalHub, propose: Callable[..., CommitInfo], owner: HfApi
) -> None:
    propose(b"# other\n")
    world.add_user("third", "hf_third")
    third = HfApi(token="hf_third")
    with pytest.raises(HfHubHTTPError, match="403"):
        third.create_commit("me/m", [OTHER], commit_message="x", revision="refs/pr/1")
    with pytest.raises(HfHubHTTPError, match="403"):
        third.merge_pull_request("me/m", 1)
    with pytest.raises(HfHubHTTPError, match="403"):
        third.change_discussion_status("me/m", 1, "closed")
    owner.create_commit(
        "me/m",
        [CommitOperationAdd("README.md", b"# better\n")],
        commit_message="x",
        revision="refs/pr/1",
    )
    assert world.read_file("me/m", "README.md", "refs/pr/1") == b"# better\n"
