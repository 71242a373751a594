"""Scores filed by pull request, over the wire: PyGithub against the embedded GitHub."""

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.errors import RemoteError
from hubbot.hub.client import Backoff
from hubbot.hub.github import (
    Description,
    ProposedScores,
    PublishedScores,
    Wording,
    follow_pulls,
    number_of,
    publish_scores,
)
from hubbot.localhub.faults import When
from hubbot.localhub.github_answers import primary_limit, secondary_limit
from hubbot.localhub.server import LocalHub
from hubbot.settings import GithubSettings

REPOSITORY = "me/hubbot-scores"
BRANCH = "hubbot/scores-2026-01-02"
OLD = "cards/scores/bert/old--one.yaml"

Publish = Callable[..., PublishedScores]


@pytest.fixture
def world(hub: LocalHub) -> LocalHub:
    """A repository of ``me`` that ``bot`` may push to."""
    files = {"README.md": "# Scores\n", OLD: "gain: 1\n", "cards/templates/x.md": "x\n"}
    hub.github.add_repository(REPOSITORY, files, collaborators={"bot": "push"})
    hub.github.add_token("gh_bot", "bot")
    return hub


def settings_for(hub: LocalHub, **changes: Any) -> GithubSettings:
    values = {"repository": REPOSITORY, "token": SecretStr("gh_bot"), "base_url": hub.github.url}
    return GithubSettings(**{**values, **changes})


def wording_for(title: str = "Scores", body: str | None = None, most: int = 3) -> Wording:
    """Words that tell what they were made from; all titles without a colon are ours."""

    def describe(proposed: ProposedScores) -> Description:
        lines = [f"{path}: {file.old!r} to {file.new!r}" for path, file in proposed.files.items()]
        text = "\n".join([f"{len(proposed.paths)} scores", *lines])
        return Description(title=title, body=text if body is None else body)

    return Wording(describe=describe, is_title=lambda text: ":" not in text, most_files=most)


@pytest.fixture
def publish(world: LocalHub, quick: Backoff) -> Publish:
    def run(
        files: dict[str, str],
        *,
        branch: str = BRANCH,
        closed: tuple[int, ...] = (),
        is_sending: bool = True,
        **changes: Any,
    ) -> PublishedScores:
        words = {name: changes.pop(name) for name in ("title", "body", "most") if name in changes}
        return publish_scores(
            files,
            settings=settings_for(world, **changes),
            wording=wording_for(**words),
            branch=branch,
            closed=closed,
            is_sending=is_sending,
            backoff=quick,
        )

    return run


def told(hub: LocalHub, number: int = 1) -> list[str]:
    """Return the lines of our part of a description."""
    body = hub.github.pull_requests(REPOSITORY)[number - 1].body
    begin, *lines, end = body.strip().splitlines()
    assert begin.startswith("<!-- hubbot:scores:begin ")
    assert end == "<!-- hubbot:scores:end -->"
    return lines


def edit(hub: LocalHub, number: int, **changes: Any) -> None:
    """Change a pull request as its maintainers do."""
    pull = hub.github.state.repositories[REPOSITORY].pulls[number]
    for name, value in changes.items():
        setattr(pull, name, value)


def writes(hub: LocalHub) -> list[str]:
    return [f"{record.method} {record.path}" for record in hub.log if record.is_write]


# Opening


def test_a_run_is_one_pull_request_with_one_commit(world: LocalHub, publish: Publish) -> None:
    done = publish({"bert/me--a.yaml": "gain: 2\n", "bert/me--b.yaml": "gain: 3\n"})
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert done.url == f"{world.github.url}/{REPOSITORY}/pull/1"
    assert (pull.title, pull.author) == ("Scores", "bot")
    assert told(world)[0] == "2 scores"
    assert (pull.head, pull.base, pull.labels) == (BRANCH, "main", ["hubbot"])
    commits = world.github.history(REPOSITORY, BRANCH)
    assert [commit.message for commit in commits] == ["Scores", "Initial commit"]
    before, after = (world.github.files(REPOSITORY, name) for name in ("main", BRANCH))
    assert after == before | {
        "cards/scores/bert/me--a.yaml": "gain: 2\n",
        "cards/scores/bert/me--b.yaml": "gain: 3\n",
    }


def test_nothing_is_forced_and_the_base_is_never_written(world: LocalHub, publish: Publish) -> None:
    head = world.github.branches(REPOSITORY)["main"]
    publish({"a.yaml": "1\n"})
    publish({"a.yaml": "2\n"})
    assert world.github.branches(REPOSITORY)["main"] == head
    forced = [r.body for r in world.log if r.method == "PATCH" and "/git/refs/" in r.path]
    assert [body["force"] for body in forced] == [False]


def test_scores_that_are_filed_already_make_no_write(world: LocalHub, publish: Publish) -> None:
    done = publish({"bert/old--one.yaml": "gain: 1\n"})
    assert (done.action, done.url) == ("unchanged", None)
    assert "holds these scores already" in done.reason
    assert writes(world) == []


def test_without_scores_nothing_is_asked(world: LocalHub, publish: Publish) -> None:
    assert publish({}).action == "unchanged"
    assert world.log == ()


def test_many_scores_are_still_one_commit(world: LocalHub, publish: Publish) -> None:
    files = {f"bert/me--{number}.yaml": f"gain: {number}\n" for number in range(250)}
    publish(files)
    assert len(world.github.history(REPOSITORY, BRANCH)) == 2
    assert len(world.github.files(REPOSITORY, BRANCH)) == 253
    assert len([line for line in writes(world) if line.endswith("/git/trees")]) == 3


def test_the_folder_may_be_new(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"}, folder="deep/er/scores")
    assert world.github.files(REPOSITORY, BRANCH)["deep/er/scores/a.yaml"] == "1\n"


def test_a_long_listing_that_github_cuts_off_is_read_folder_by_folder(
    world: LocalHub, publish: Publish
) -> None:
    known = {f"cards/scores/{a}/m{i}.yaml": f"{i}\n" for a in "xyz" for i in range(4)}
    world.github.commit(REPOSITORY, known, "me")
    world.github.state.tree_limit = 5
    done = publish({path.removeprefix("cards/scores/"): text for path, text in known.items()})
    assert done.action == "unchanged"


@pytest.mark.parametrize(
    "path", ["../README.md", "a/../../x", "/etc/passwd", "a//b", "", ".git/config", "a\\b", "a/."]
)
def test_a_path_that_leads_out_of_the_folder_is_refused(
    world: LocalHub, publish: Publish, path: str
) -> None:
    with pytest.raises(ValueError, match="inside the folder of the scores"):
        publish({path: "x"})
    assert world.log == ()


@pytest.mark.parametrize("branch", ["main", "hubbot/scores-", "scores-2026"])
def test_a_branch_of_another_name_is_refused(publish: Publish, branch: str) -> None:
    with pytest.raises(ValueError, match="begins with hubbot/scores-"):
        publish({"a.yaml": "1\n"}, branch=branch)


def test_a_file_in_the_place_of_the_folder_is_refused(world: LocalHub, publish: Publish) -> None:
    with pytest.raises(RemoteError, match=r"README.md in me/hubbot-scores is a file"):
        publish({"a.yaml": "1\n"}, folder="README.md")
    assert writes(world) == []


# Updating


def test_the_open_pull_request_gets_a_commit_rather_than_a_second_one(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    done = publish({"b.yaml": "2\n"}, branch="hubbot/scores-2026-01-03", title="More")
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (done.action, done.branch, pull.title) == ("updated", BRANCH, "More")
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files["cards/scores/a.yaml"], files["cards/scores/b.yaml"]) == ("1\n", "2\n")
    assert len(world.github.history(REPOSITORY, BRANCH)) == 3
    assert set(world.github.branches(REPOSITORY)) == {"main", BRANCH}


def test_the_same_scores_again_write_nothing(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.clear_log()
    done = publish({"a.yaml": "1\n"})
    assert (done.action, writes(world)) == ("unchanged", [])
    assert done.url is not None


def test_pull_requests_of_others_are_left_alone(world: LocalHub, publish: Publish) -> None:
    world.github.add_token("gh_me", "me")
    world.github.commit(REPOSITORY, {"notes.md": "x\n"}, "me", branch="hubbot/scores-mine")
    publish({"z.yaml": "9\n"}, branch="hubbot/scores-mine2", token=SecretStr("gh_me"))
    done = publish({"a.yaml": "1\n"})
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert [pull.author for pull in world.github.pull_requests(REPOSITORY)] == ["me", "bot"]


def test_after_a_merge_the_next_run_opens_another(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.github.merge(REPOSITORY, 1, "me")
    assert publish({"a.yaml": "1\n"}).action == "unchanged"
    done = publish({"a.yaml": "2\n"})
    assert (done.action, done.branch) == ("opened", f"{BRANCH}-2")
    assert [pull.state for pull in world.github.pull_requests(REPOSITORY)] == ["closed", "open"]


# Closed, deleted, killed between


def test_what_was_closed_is_not_proposed_again(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    world.clear_log()
    done = publish({"a.yaml": "1\n"})
    assert (done.action, done.url) == ("skipped", f"{world.github.url}/{REPOSITORY}/pull/1")
    assert "closed without merging" in done.reason
    assert writes(world) == []


def test_what_was_merged_and_taken_out_again_may_be_proposed_again(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.merge(REPOSITORY, 1, "me")
    world.github.commit(REPOSITORY, {"cards/scores/a.yaml": None}, "me")
    assert publish({"a.yaml": "1\n"}).action == "opened"


def test_new_scores_go_on_without_those_that_were_closed(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    done = publish({"a.yaml": "1\n", "b.yaml": "2\n"})
    assert (done.action, done.branch) == ("opened", f"{BRANCH}-2")
    files = world.github.files(REPOSITORY, f"{BRANCH}-2")
    assert "cards/scores/b.yaml" in files
    assert "cards/scores/a.yaml" not in files


@pytest.mark.parametrize("is_closed_first", [True, False])
def test_closing_by_deleting_the_branch_is_a_no(
    world: LocalHub, publish: Publish, is_closed_first: bool
) -> None:
    publish({"a.yaml": "1\n"})
    if is_closed_first:
        world.github.close(REPOSITORY, 1, "me")
    world.github.delete_branch(REPOSITORY, BRANCH, "me")
    assert publish({"a.yaml": "1\n"}).action == "skipped"
    assert publish({"a.yaml": "2\n"}).action == "opened"


@pytest.mark.parametrize("more", [{"b.yaml": "2\n"}, {"bert/old--one.yaml": "gain: 1\n"}])
def test_a_branch_deleted_between_look_and_write_is_made_anew(
    world: LocalHub, publish: Publish, more: dict[str, str]
) -> None:
    publish({"a.yaml": "1\n", "bert/old--one.yaml": "gain: 2\n"})
    world.clear_log()
    world.faults.slow("POST", "/git/commits$", 0.5)

    def delete_once_the_tree_is_written() -> None:
        deadline = time.monotonic() + 10
        while not writes(world) and time.monotonic() < deadline:
            time.sleep(0.01)
        world.github.delete_branch(REPOSITORY, BRANCH, "me")

    owner = threading.Thread(target=delete_once_the_tree_is_written)
    owner.start()
    done = publish({"a.yaml": "1\n", **more})
    owner.join()
    assert (done.action, done.branch) == ("opened", BRANCH)
    files = world.github.files(REPOSITORY, BRANCH)
    # What was open a moment ago is no refusal of these scores.
    wanted = {"a.yaml": "1\n", **more}
    assert {path: files[f"cards/scores/{path}"] for path in wanted} == wanted
    assert [pull.state for pull in world.github.pull_requests(REPOSITORY)] == ["closed", "open"]


def test_a_branch_left_behind_without_a_pull_request_is_used(
    world: LocalHub, publish: Publish
) -> None:
    world.faults.fail("POST", "/pulls$", 403, times=None)
    with pytest.raises(RemoteError, match="pull requests: write"):
        publish({"a.yaml": "1\n"})
    world.faults.clear()
    done = publish({"a.yaml": "1\n"})
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert len(world.github.history(REPOSITORY, BRANCH)) == 2


# The base moves


def test_a_base_that_moved_elsewhere_needs_no_merge(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.github.commit(REPOSITORY, {"README.md": "# New\n"}, "me")
    publish({"b.yaml": "1\n"})
    assert [len(c.parents) for c in world.github.history(REPOSITORY, BRANCH)] == [1, 1, 0]
    assert world.github.conflicts(REPOSITORY, 1) == ()


def test_a_conflict_is_settled_by_a_merge_that_takes_our_files(
    world: LocalHub, publish: Publish
) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n", "a.yaml": "1\n"})
    world.github.commit(REPOSITORY, {OLD: "gain: 7\n", "README.md": "# New\n"}, "me")
    assert world.github.conflicts(REPOSITORY, 1) == (OLD,)
    before = world.github.branches(REPOSITORY)
    done = publish({"bert/old--one.yaml": "gain: 2\n", "b.yaml": "3\n"})
    newest = world.github.history(REPOSITORY, BRANCH)[0]
    assert done.action == "updated"
    assert newest.parents == (before[BRANCH], before["main"])
    assert world.github.conflicts(REPOSITORY, 1) == ()
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files[OLD], files["README.md"]) == ("gain: 2\n", "# New\n")
    assert (files["cards/scores/a.yaml"], files["cards/scores/b.yaml"]) == ("1\n", "3\n")
    world.github.merge(REPOSITORY, 1, "me")
    assert world.github.files(REPOSITORY)[OLD] == "gain: 2\n"


@pytest.mark.parametrize("here", [{}, {"bert/old--one.yaml": "gain: 7\n"}])
def test_a_newer_file_on_the_base_is_never_taken_back(
    world: LocalHub, publish: Publish, here: dict[str, str]
) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n", "a.yaml": "1\n"})
    world.github.commit(REPOSITORY, {OLD: "gain: 7\n"}, "me")
    publish({"b.yaml": "3\n", **here})
    assert told(world)[0] == "2 scores"
    assert world.github.conflicts(REPOSITORY, 1) == ()
    world.github.merge(REPOSITORY, 1, "me")
    files = world.github.files(REPOSITORY)
    assert files[OLD] == "gain: 7\n"
    assert (files["cards/scores/a.yaml"], files["cards/scores/b.yaml"]) == ("1\n", "3\n")


def test_a_newer_file_stands_even_where_we_may_not_merge(world: LocalHub, publish: Publish) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n"})
    world.github.commit(REPOSITORY, {"README.md": "# Theirs\n"}, "me", branch=BRANCH)
    world.github.commit(REPOSITORY, {OLD: "gain: 7\n"}, "me")
    publish({"b.yaml": "3\n", "bert/old--one.yaml": "gain: 7\n"})
    assert world.github.conflicts(REPOSITORY, 1) == ()
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files["README.md"], files[OLD]) == ("# Theirs\n", "gain: 7\n")


def test_what_is_no_longer_wanted_leaves_our_branch(world: LocalHub, publish: Publish) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n", "a.yaml": "1\n"})
    done = publish({"bert/old--one.yaml": "gain: 1\n", "a.yaml": "1\n"})
    assert (done.action, done.n_files, told(world)[0]) == ("updated", 1, "1 scores")
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files[OLD], files["cards/scores/a.yaml"]) == ("gain: 1\n", "1\n")


def test_after_a_settled_conflict_the_same_scores_write_nothing(
    world: LocalHub, publish: Publish
) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n"})
    world.github.commit(REPOSITORY, {OLD: "gain: 7\n"}, "me")
    assert publish({"bert/old--one.yaml": "gain: 2\n"}).action == "updated"
    assert publish({"bert/old--one.yaml": "gain: 2\n"}).action == "unchanged"


def test_an_owners_other_edits_on_our_branch_are_never_lost(
    world: LocalHub, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish({"bert/old--one.yaml": "gain: 2\n"})
    world.github.commit(REPOSITORY, {"README.md": "# Theirs\n"}, "me", branch=BRANCH)
    world.github.commit(REPOSITORY, {OLD: "gain: 7\n"}, "me")
    with caplog.at_level(logging.WARNING):
        publish({"bert/old--one.yaml": "gain: 2\n", "b.yaml": "3\n"})
    assert "merge by hand" in caplog.text
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files["README.md"], files["cards/scores/b.yaml"]) == ("# Theirs\n", "3\n")


# Faults

WHEN: tuple[When, ...] = ("before", "after")
WRITES = ["/git/trees$", "/git/commits$", "/git/refs", "/pulls", "/labels$"]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["fail", "drop"])
def test_a_write_that_fails_once_is_neither_lost_nor_done_twice(
    world: LocalHub, publish: Publish, path: str, when: str, kind: str
) -> None:
    for method in ("POST", "PATCH"):
        getattr(world.faults, kind)(method, path, when=when)
    first = publish({"a.yaml": "1\n"})
    second = publish({"a.yaml": "2\n"}, body="more")
    assert (first.action, second.action) == ("opened", "updated")
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (pull.state, told(world), pull.labels) == ("open", ["more"], ["hubbot"])
    assert world.github.files(REPOSITORY, BRANCH)["cards/scores/a.yaml"] == "2\n"
    assert len(world.github.history(REPOSITORY, BRANCH)) == 3
    assert set(world.github.branches(REPOSITORY)) == {"main", BRANCH}


@pytest.mark.parametrize("when", ["before", "after"])
def test_being_stopped_at_any_write_and_run_again_ends_the_same(
    world: LocalHub, publish: Publish, when: Any
) -> None:
    files = {"a.yaml": "1\n", "bert/b.yaml": "2\n"}
    stops = 0
    for count in range(6):  # Tree, commit, branch, pull request, label, its use.
        world.faults.fail("POST", "", 400, when=when, skip=count)
        try:
            publish(files)
        except RemoteError:
            stops += 1
        world.faults.clear()
    publish(files)
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (pull.state, told(world)[0]) == ("open", "2 scores")
    assert len(world.github.history(REPOSITORY, BRANCH)) == 2
    assert stops >= 2
    assert publish(files).action == "unchanged"


@pytest.mark.parametrize("seed", range(4))
def test_a_storm_of_faults_leaves_one_pull_request_and_one_commit_a_run(
    world: LocalHub, publish: Publish, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a fixed sequence is wanted
    files: dict[str, str] = {}
    for run in range(3):
        files |= {f"m{run}.yaml": f"{seed}\n", "bert/old--one.yaml": f"gain: {run + 5}\n"}
        for _ in range(12):
            method, when = chance.choice(["POST", "PATCH", "GET"]), chance.choice(WHEN)
            order = chance.choice([world.faults.fail, world.faults.drop])
            order(method, "/github/", when=when, skip=chance.choice([0, 1, 2, 3, 5, 8]))
        for _ in range(40):
            try:
                publish(files, title=f"Run {run}")
                break
            except RemoteError:
                continue
        world.faults.clear()
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (pull.title, told(world)[0]) == ("Run 2", "4 scores")
    assert set(world.github.branches(REPOSITORY)) == {"main", BRANCH}
    assert len(world.github.history(REPOSITORY, BRANCH)) == 4
    filed = world.github.files(REPOSITORY, BRANCH)
    assert {path: filed[f"cards/scores/{path}"] for path in files} == files


def test_a_list_that_lags_behind_makes_no_second_pull_request(
    world: LocalHub, publish: Publish
) -> None:
    world.faults.fail("POST", "/pulls$", 502, when="after")
    world.github.state.lagging_lists = 3
    assert publish({"a.yaml": "1\n"}).action == "opened"
    assert len(world.github.pull_requests(REPOSITORY)) == 1
    assert set(world.github.branches(REPOSITORY)) == {"main", BRANCH}


def test_a_secondary_rate_limit_is_waited_out(world: LocalHub, publish: Publish) -> None:
    world.faults.add("POST", "/github/.*/pulls$", secondary_limit(1))
    assert publish({"a.yaml": "1\n"}).action == "opened"
    assert len(world.github.pull_requests(REPOSITORY)) == 1


def test_a_rate_limit_of_an_hour_is_not_waited_for(world: LocalHub, publish: Publish) -> None:
    reset = world.state.clock().timestamp() + 3000
    world.faults.add("GET", "/github/.*/git/ref/", primary_limit(reset), times=None)
    with pytest.raises(RemoteError, match=r"try again in (29\d\d|300\d) s") as caught:
        publish({"a.yaml": "1\n"})
    assert caught.value.kind == "rate_limited"
    assert caught.value.retry_after_s == pytest.approx(3000, abs=5)


def test_githubs_own_count_of_calls_ends_in_a_rate_limit(world: LocalHub, publish: Publish) -> None:
    world.github.state.hourly_limit = 3
    with pytest.raises(RemoteError) as caught:
        publish({"a.yaml": "1\n"})
    assert caught.value.kind == "rate_limited"
    assert caught.value.retry_after_s is not None
    assert 0 <= caught.value.retry_after_s <= 3601


# Labels


def test_missing_labels_are_made(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"}, labels=("hubbot", "scores"))
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.labels == ["hubbot", "scores"]


def test_a_repository_that_refuses_labels_is_only_warned_about(
    world: LocalHub, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    world.faults.fail("POST", "/labels$", 403, times=None)
    with caplog.at_level(logging.WARNING):
        assert publish({"a.yaml": "1\n"}).action == "opened"
    assert "issues: write" in caplog.text
    assert "stays without labels" in caplog.text


def test_labels_that_somebody_took_off_stay_off(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    edit(world, 1, labels=[])
    publish({"a.yaml": "2\n"})
    assert world.github.pull_requests(REPOSITORY)[0].labels == []


# Words


def test_the_words_tell_of_all_that_the_branch_changes(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n", "bert/old--one.yaml": "gain: 2\n"})
    done = publish({"bert/old--one.yaml": "gain: 3\n", "c.yaml": "1\n"})
    assert done.n_files == 3
    assert told(world) == [
        "3 scores",
        "a.yaml: None to '1\\n'",
        "bert/old--one.yaml: 'gain: 1\\n' to 'gain: 3\\n'",
        "c.yaml: None to '1\\n'",
    ]


def test_a_file_that_somebody_took_off_the_branch_is_told_of(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.commit(REPOSITORY, {OLD: None}, "me", branch=BRANCH)
    publish({"a.yaml": "2\n"})
    assert told(world)[2] == "bert/old--one.yaml: 'gain: 1\\n' to None"


def test_only_texts_that_are_told_of_are_read(world: LocalHub, publish: Publish) -> None:
    old = {f"bert/m{number:03}.yaml": f"old: {number}\n" for number in range(250)}
    world.github.commit(REPOSITORY, {f"cards/scores/{p}": text for p, text in old.items()}, "me")
    new = {path: f"new: {text}" for path, text in old.items()}
    publish(new, most=10)
    assert len([r for r in world.log if "/git/blobs/" in r.path]) == 10
    assert len(world.log) < 40
    world.clear_log()
    assert publish(new, most=10).action == "unchanged"
    assert not [r for r in world.log if "/git/blobs/" in r.path]


def test_what_maintainers_write_stays_where_there_is_nothing_new(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    body = world.github.pull_requests(REPOSITORY)[0].body
    ours = {"title": "chore: a score", "body": f"Closes #7\n\n{body}\nReviewed.\n", "labels": []}
    edit(world, 1, **ours)
    world.clear_log()
    assert publish({"a.yaml": "1\n"}, title="Later").action == "unchanged"
    assert writes(world) == []


def test_what_maintainers_write_stays_where_there_is_something_new(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    body = world.github.pull_requests(REPOSITORY)[0].body
    edit(world, 1, title="chore: a score", body=f"Closes #7\r\n\r\n{body}Reviewed.\r\n")
    publish({"a.yaml": "1\n", "b.yaml": "2\n"})
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.title == "chore: a score"
    assert pull.body.startswith("Closes #7\r\n\r\n<!-- hubbot:scores:begin ")
    assert pull.body.endswith("<!-- hubbot:scores:end -->\nReviewed.\r\n")
    assert "2 scores" in pull.body
    assert "1 scores" not in pull.body


def test_a_description_whose_marks_are_gone_stays(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    edit(world, 1, body="My own words.")
    assert publish({"a.yaml": "1\n"}).action == "unchanged"
    assert publish({"a.yaml": "2\n"}, title="More").action == "updated"
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (pull.title, pull.body) == ("More", "My own words.")


def test_a_description_without_room_stays(
    world: LocalHub, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    publish({"a.yaml": "1\n"})
    body = world.github.pull_requests(REPOSITORY)[0].body
    edit(world, 1, body=body + "x" * (65_536 - len(body)))
    publish({"a.yaml": "1\n", "b.yaml": "2\n"}, body="longer " * 100)
    assert "no room left" in caplog.text
    assert "1 scores" in world.github.pull_requests(REPOSITORY)[0].body


def test_a_run_stopped_before_its_words_is_made_good_by_the_next(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.faults.fail("PATCH", "/pulls/1$", 400)
    with pytest.raises(RemoteError):
        publish({"a.yaml": "1\n", "b.yaml": "2\n"})
    assert told(world)[0] == "1 scores"
    publish({"a.yaml": "1\n", "b.yaml": "2\n"})
    assert told(world)[0] == "2 scores"


def test_another_day_alone_is_no_reason_to_write(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"}, title="Scores, 2026-01-02")
    assert publish({"a.yaml": "1\n"}, title="Scores, 2026-01-03").action == "unchanged"
    publish({"a.yaml": "2\n"}, title="Scores, 2026-01-04")
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.title == "Scores, 2026-01-04"


# A no that stands


def fill(hub: LocalHub, count: int) -> None:
    """Put in closed pull requests of somebody else, after ours."""
    pulls = hub.github.state.repositories[REPOSITORY].pulls
    pattern = pulls[1]
    for number in range(len(pulls) + 1, len(pulls) + 1 + count):
        branch = f"bump-{number}"
        pulls[number] = dataclasses.replace(
            pattern, number=number, head=branch, author="me", labels=[], events=[]
        )


def test_declined_scores_are_neither_told_of_nor_added_later(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    both = {"a.yaml": "1\n", "b.yaml": "2\n"}
    done = publish(both)
    assert (done.action, done.n_files) == ("opened", 1)
    assert done.declined == (f"{world.github.url}/{REPOSITORY}/pull/1",)
    assert told(world, 2) == ["1 scores", "b.yaml: None to '2\\n'"]
    assert publish(both).action == "unchanged"
    assert publish({**both, "c.yaml": "3\n"}).n_files == 2
    assert "cards/scores/a.yaml" not in world.github.files(REPOSITORY, f"{BRANCH}-2")


def test_a_no_is_found_behind_the_pull_requests_of_others(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    fill(world, 450)
    world.clear_log()
    assert publish({"a.yaml": "1\n"}).action == "skipped"
    assert len(world.log) < 30


def test_a_no_behind_thousands_is_remembered_by_its_number(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    fill(world, 3000)
    world.clear_log()
    assert publish({"a.yaml": "1\n"}, closed=(1, 2, 9999)).action == "skipped"
    assert len(world.log) < 60, "the calls are bounded"


def test_older_refusals_of_ours_are_all_looked_into(world: LocalHub, publish: Publish) -> None:
    for number in range(8):
        publish({"a.yaml": f"{number}\n"})
        world.github.close(REPOSITORY, number + 1, "me")
    done = [publish({"a.yaml": f"{number}\n"}).action for number in (0, 7, 8)]
    assert done == ["skipped", "skipped", "opened"]


def test_a_remembered_one_that_was_merged_after_all_is_no_refusal(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.merge(REPOSITORY, 1, "me")
    world.github.commit(REPOSITORY, {"cards/scores/a.yaml": None}, "me")
    assert publish({"a.yaml": "1\n"}, closed=(1,)).action == "opened"


# Dry runs


def test_a_dry_run_tells_what_would_be_filed_and_writes_nothing(
    world: LocalHub, publish: Publish
) -> None:
    files = {"a.yaml": "1\n", "bert/old--one.yaml": "gain: 1\n"}
    done = publish(files, is_sending=False)
    assert (done.action, done.n_files, done.url) == ("would-file", 1, None)
    assert writes(world) == []
    publish(files)
    world.clear_log()
    url = f"{world.github.url}/{REPOSITORY}/pull/1"
    again = publish(files, is_sending=False)
    assert (again.action, again.n_files, again.url) == ("unchanged", 1, url)
    more = publish({**files, "b.yaml": "2\n"}, is_sending=False)
    assert (more.action, more.n_files, more.url) == ("would-file", 2, url)
    world.github.close(REPOSITORY, 1, "me")
    assert publish(files, is_sending=False).action == "skipped"
    assert writes(world) == []


# Following


def test_what_became_of_pull_requests_is_told(
    world: LocalHub, publish: Publish, quick: Backoff
) -> None:
    for number in (1, 2, 3):
        publish({"a.yaml": f"{number}\n"})
        if number == 1:
            world.github.merge(REPOSITORY, 1, "me")
        elif number == 2:
            world.github.close(REPOSITORY, 2, "me")
    page = f"{world.github.url}/{REPOSITORY}/pull"
    urls = [*(f"{page}/{number}" for number in (1, 2, 3, 4)), "https://github.com/me"]
    found = follow_pulls(urls, settings=settings_for(world), backoff=quick)
    assert list(found.values()) == ["merged", "closed", "open", "gone"]


def test_a_repository_that_cannot_be_seen_is_no_news_of_its_pull_requests(
    world: LocalHub, quick: Backoff
) -> None:
    settings = settings_for(world, repository="me/other")
    with pytest.raises(RemoteError, match="me/other"):
        follow_pulls(["https://github.com/me/other/pull/1"], settings=settings, backoff=quick)


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("https://github.com/me/scores/pull/12", 12),
        ("https://ghe.example/git/me/scores/pull/3/", 3),
        ("https://github.com/me/scores/issues/3", None),
        ("https://github.com/me/scores/pull/03", None),
        ("", None),
    ],
)
def test_the_number_is_read_off_the_address(url: str, number: int | None) -> None:
    assert number_of(url) == number
