"""Scores filed by pull request, over the wire: PyGithub against the embedded GitHub."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.errors import RemoteError
from hubbot.hub.client import Backoff
from hubbot.hub.github import PublishedScores, publish_scores, read_scores
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


@pytest.fixture
def publish(world: LocalHub, quick: Backoff) -> Publish:
    def run(files: dict[str, str], *, branch: str = BRANCH, **changes: Any) -> PublishedScores:
        text = {"title": "Scores", "body": f"{len(files)} scores"} | {
            name: changes.pop(name) for name in ("title", "body") if name in changes
        }
        return publish_scores(
            files, settings=settings_for(world, **changes), branch=branch, backoff=quick, **text
        )

    return run


def writes(hub: LocalHub) -> list[str]:
    return [f"{record.method} {record.path}" for record in hub.log if record.is_write]


# Opening


def test_a_run_is_one_pull_request_with_one_commit(world: LocalHub, publish: Publish) -> None:
    done = publish({"bert/me--a.yaml": "gain: 2\n", "bert/me--b.yaml": "gain: 3\n"})
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert done.url == f"{world.github.url}/{REPOSITORY}/pull/1"
    assert (pull.title, pull.body, pull.author) == ("Scores", "2 scores", "bot")
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


def test_a_changed_text_alone_is_brought_up_to_date(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    assert publish({"a.yaml": "1\n"}, body="other words").action == "updated"
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.body == "other words"
    assert len(world.github.history(REPOSITORY, BRANCH)) == 2


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


def test_a_branch_deleted_between_two_runs_is_made_anew(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"})
    world.github.delete_branch(REPOSITORY, BRANCH, "me")
    done = publish({"a.yaml": "1\n"})
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert [pull.state for pull in world.github.pull_requests(REPOSITORY)] == ["closed", "open"]


def test_closing_and_then_deleting_the_branch_is_a_no(
    world: LocalHub, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish({"a.yaml": "1\n"})
    world.github.close(REPOSITORY, 1, "me")
    later = datetime.now(UTC) + timedelta(minutes=1)
    monkeypatch.setattr(world.state, "clock", lambda: later)
    world.github.delete_branch(REPOSITORY, BRANCH, "me")
    assert publish({"a.yaml": "1\n"}).action == "skipped"


def test_a_branch_deleted_between_look_and_write_is_made_anew(
    world: LocalHub, publish: Publish
) -> None:
    publish({"a.yaml": "1\n"})
    world.clear_log()
    world.faults.slow("POST", "/git/commits$", 0.5)

    def delete_once_the_tree_is_written() -> None:
        deadline = time.monotonic() + 10
        while not writes(world) and time.monotonic() < deadline:
            time.sleep(0.01)
        world.github.delete_branch(REPOSITORY, BRANCH, "me")

    owner = threading.Thread(target=delete_once_the_tree_is_written)
    owner.start()
    done = publish({"a.yaml": "2\n"})
    owner.join()
    assert (done.action, done.branch) == ("opened", BRANCH)
    assert world.github.files(REPOSITORY, BRANCH)["cards/scores/a.yaml"] == "2\n"
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
    done = publish({"b.yaml": "3\n"})
    newest = world.github.history(REPOSITORY, BRANCH)[0]
    assert done.action == "updated"
    assert newest.parents == (before[BRANCH], before["main"])
    assert world.github.conflicts(REPOSITORY, 1) == ()
    files = world.github.files(REPOSITORY, BRANCH)
    assert (files[OLD], files["README.md"]) == ("gain: 2\n", "# New\n")
    assert (files["cards/scores/a.yaml"], files["cards/scores/b.yaml"]) == ("1\n", "3\n")
    world.github.merge(REPOSITORY, 1, "me")
    assert world.github.files(REPOSITORY)[OLD] == "gain: 2\n"


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
        publish({"b.yaml": "3\n"})
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
    assert (pull.state, pull.body, pull.labels) == ("open", "more", ["hubbot"])
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
    assert (pull.state, pull.labels) == ("open", ["hubbot"])
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
    assert (pull.title, pull.labels) == ("Run 2", ["hubbot"])
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


def test_missing_labels_are_made_and_others_stay(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"}, labels=("hubbot",))
    publish({"a.yaml": "2\n"}, labels=("hubbot", "scores"))
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


# Reading


def test_what_is_filed_and_what_would_change_are_read(
    world: LocalHub, publish: Publish, quick: Backoff
) -> None:
    done = publish({"a.yaml": "1\n", "bert/old--one.yaml": "gain: 2\n"})
    world.github.commit(REPOSITORY, {"cards/scores/same.yaml": "9\n"}, "me")
    asked = {"b.yaml": "5\n", "bert/old--one.yaml": "gain: 3\n", "same.yaml": "9\n"}
    found = read_scores(asked, settings=settings_for(world), backoff=quick)
    assert found.base == {"bert/old--one.yaml": "gain: 1\n"}
    assert found.pending == {"a.yaml": "1\n", "b.yaml": "5\n", "bert/old--one.yaml": "gain: 3\n"}
    assert found.url == done.url


def test_without_scores_and_pull_request_nothing_would_change(
    world: LocalHub, quick: Backoff
) -> None:
    found = read_scores({}, settings=settings_for(world), backoff=quick)
    assert (found.base, found.pending, found.url) == ({}, {}, None)


def test_another_date_alone_is_no_reason_to_write(world: LocalHub, publish: Publish) -> None:
    publish({"a.yaml": "1\n"}, title="Scores, 2026-01-02")
    assert publish({"a.yaml": "1\n"}, title="Scores, 2026-01-03").action == "unchanged"
    publish({"a.yaml": "2\n"}, title="Scores, 2026-01-04")
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.title == "Scores, 2026-01-04"
