"""Pull requests and discussions through the official client."""

from collections.abc import Callable

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, DiscussionComment, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hubbot.localhub.server import LocalHub

from_card = b"---\nlicense: mit\n---\n\n# A model\n\nWords.\n"
Propose = Callable[..., CommitInfo]


def test_a_pull_request_leaves_main_alone(
    world: LocalHub, stranger: HfApi, propose: Propose
) -> None:
    before = world.head("me/m")
    info = propose(from_card + b"More.\n", title="Add more", parent=before)
    assert (info.pr_num, info.pr_revision) == (1, "refs/pr/1")
    assert info.pr_url == f"{world.url}/me/m/discussions/1"
    assert world.head("me/m") == before
    details = stranger.get_discussion_details("me/m", 1)
    assert (details.title, details.status, details.author) == ("Add more", "open", "bot")
    assert [event.type for event in details.events] == ["comment", "commit"]
    first = details.events[0]
    assert isinstance(first, DiscussionComment)
    assert first.content == "Because."
    assert (details.conflicting_files, details.target_branch) == ([], "refs/heads/main")
    assert details.diff is not None
    assert details.diff.endswith("\n # A model\n \n Words.\n+More.\n")
    (view,) = world.pull_requests("me/m")
    assert (view.num, view.status, view.diff) == (1, "open", details.diff)


def test_a_commit_to_the_branch_updates_the_pull_request(
    world: LocalHub, stranger: HfApi, propose: Propose
) -> None:
    first = propose(b"# one\n")
    stranger.create_commit(
        "me/m",
        [CommitOperationAdd("README.md", b"# two\n")],
        commit_message="Again",
        revision="refs/pr/1",
        parent_commit=first.oid,
    )
    (view,) = world.pull_requests("me/m")
    assert view.commits == ("Edit card", "Again")
    assert world.read_file("me/m", "README.md", "refs/pr/1") == b"# two\n"


@pytest.mark.parametrize("revision", ["main", "refs/pr/1"])
def test_a_stale_parent_is_refused_with_412(
    world: LocalHub, owner: HfApi, propose: Propose, revision: str
) -> None:
    stale = world.head("me/m")
    propose(b"# one\n")
    world.commit("me/m", {"README.md": b"# moved\n"}, "me")
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as caught:
        owner.create_commit(
            "me/m",
            [CommitOperationAdd("README.md", b"# two\n")],
            commit_message="x",
            revision=revision,
            parent_commit=stale,
        )
    assert caught.value.response.status_code == 412


def test_a_stale_parent_of_a_new_pull_request_is_where_it_starts(
    world: LocalHub, propose: Propose
) -> None:
    stale = world.head("me/m")
    world.commit("me/m", {"README.md": from_card.replace(b"Words", b"Other")}, "me")
    propose(from_card.replace(b"Words", b"Mine"), parent=stale)
    (view,) = world.pull_requests("me/m")
    assert view.conflicts == ("README.md",)
    assert "-Words.\n+Mine.\n" in view.diff


def test_merge_joins_changes_that_do_not_touch(
    world: LocalHub, owner: HfApi, propose: Propose
) -> None:
    propose(from_card + b"\nAt the end.\n", title="Add an end")
    world.commit("me/m", {"README.md": from_card.replace(b"mit", b"apache-2.0")}, "me")
    owner.merge_pull_request("me/m", 1, comment="Thanks")
    merged = from_card.replace(b"mit", b"apache-2.0") + b"\nAt the end.\n"
    assert world.read_file("me/m", "README.md") == merged
    details = owner.get_discussion_details("me/m", 1)
    assert (details.status, details.merge_commit_oid) == ("merged", world.head("me/m"))
    assert owner.list_repo_commits("me/m")[0].title == "Add an end (#1)"
    assert world.pull_requests("me/m")[0].comments == (("me", "Thanks"),)


def test_conflicts_are_shown_and_refuse_the_merge(
    world: LocalHub, owner: HfApi, propose: Propose
) -> None:
    propose(from_card.replace(b"Words", b"Mine"))
    assert owner.get_discussion_details("me/m", 1).conflicting_files == []
    world.commit("me/m", {"README.md": from_card.replace(b"Words", b"Theirs")}, "me")
    assert owner.get_discussion_details("me/m", 1).conflicting_files == ["README.md"]
    with pytest.raises(HfHubHTTPError, match="409"):
        owner.merge_pull_request("me/m", 1)
    with pytest.raises(ValueError, match=r"conflicts with main in README\.md"):
        world.merge_pull_request("me/m", 1, "me")
    assert b"Theirs" in world.read_file("me/m", "README.md")


@pytest.mark.parametrize("end", ["closed", "merged"])
def test_a_finished_pull_request_takes_no_commits(
    world: LocalHub, stranger: HfApi, propose: Propose, end: str
) -> None:
    propose(b"# one\n")
    if end == "closed":
        world.close_pull_request("me/m", 1, "me")
    else:
        world.merge_pull_request("me/m", 1, "me")
    with pytest.raises(HfHubHTTPError, match=f"Pull request 1 is {end}"):
        stranger.create_commit(
            "me/m",
            [CommitOperationAdd("README.md", b"# two\n")],
            commit_message="x",
            revision="refs/pr/1",
        )


def test_lists_are_filtered_and_paged_by_number(
    world: LocalHub, stranger: HfApi, owner: HfApi, propose: Propose
) -> None:
    world.state.discussion_page_size = 2
    for number in range(3):
        propose(b"# %d\n" % number)
    owner.create_discussion("me/m", "A question", description="Why?")
    world.close_pull_request("me/m", 2, "me")
    everything = list(stranger.get_repo_discussions("me/m"))
    assert [value.num for value in everything] == [4, 3, 2, 1]
    mine = stranger.get_repo_discussions(
        "me/m", author="bot", discussion_type="pull_request", discussion_status="open"
    )
    assert [value.num for value in mine] == [3, 1]
    closed = stranger.get_repo_discussions("me/m", discussion_status="closed")
    assert [(value.num, value.status) for value in closed] == [(2, "closed")]


def test_a_discussion_lives(world: LocalHub, owner: HfApi, stranger: HfApi) -> None:
    made = stranger.create_discussion("me/m", "A question", description="Why?")
    assert (made.num, made.is_pull_request) == (1, False)
    comment = stranger.comment_discussion("me/m", 1, "And when?")
    edited = stranger.edit_discussion_comment("me/m", 1, comment.id, "And how?")
    assert (edited.content, edited.edited, edited.number_of_edits) == ("And how?", True, 1)
    hidden = owner.hide_discussion_comment("me/m", 1, comment.id)
    assert hidden.hidden
    assert stranger.rename_discussion("me/m", 1, "A better title").new_title == "A better title"
    owner.change_discussion_status("me/m", 1, "closed", comment="Answered")
    details = stranger.get_discussion_details("me/m", 1)
    assert (details.title, details.status) == ("A better title", "closed")
    kinds = ["comment", "comment", "title-change", "comment", "status-change"]
    assert [event.type for event in details.events] == kinds


def test_a_pull_request_without_commits_is_a_draft(world: LocalHub, stranger: HfApi) -> None:
    made = stranger.create_pull_request("me/m", "To be written", description="Soon")
    assert (made.status, made.diff) == ("draft", "")
    stranger.change_discussion_status("me/m", made.num, "open")
    assert world.pull_requests("me/m")[0].status == "open"


@pytest.mark.parametrize("title", ["ab", "x" * 201])
def test_titles_have_a_length(stranger: HfApi, title: str) -> None:
    with pytest.raises(HfHubHTTPError, match='"title" must be a string of 3 to 200'):
        stranger.create_discussion("me/m", title)


def test_an_unknown_number_is_not_found(stranger: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="404"):
        stranger.get_discussion_details("me/m", 7)


def test_data_sets_have_pull_requests_too(world: LocalHub, stranger: HfApi) -> None:
    world.add_dataset("me/d", {"README.md": b"# d\n"})
    info = stranger.create_commit(
        "me/d",
        [CommitOperationAdd("README.md", b"# dd\n")],
        commit_message="Edit",
        create_pr=True,
        repo_type="dataset",
    )
    assert info.pr_url == f"{world.url}/datasets/me/d/discussions/1"
    assert world.pull_requests("me/d", kind="datasets")[0].title == "Edit"
