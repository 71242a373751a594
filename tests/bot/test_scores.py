"""The scores of a pass on GitHub: what is filed, told of, remembered and noted in the ledger."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from hubbot.bot.scores import file_scores
from hubbot.bot.workplace import Budget, Workplace
from hubbot.hub import github_client
from hubbot.localhub.server import LocalHub
from hubbot.publishing.scores_pull_request import is_scores_title
from hubbot.records.pass_rows import BotLedger
from hubbot.records.record import Record
from hubbot.records.store import record_text, write_record
from hubbot.settings import GithubSettings, Settings

REPOSITORY = "me/scores"

Machine = Callable[..., Workplace]


def record_of(model: str, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "model": model,
        "revision": "a" * 40,
        "weights_digest": "sha256:5f70",
        "architecture": "roberta-base",
        "base_model": "FacebookAI/roberta-base",
        "protocol": "lp-mnli",
        "dataset_revision": "b" * 40,
        "lp_accuracy": {"linear": 69.9, "head": 71.5},
        "lp_accuracy_interval": {"linear": [69.0, 70.8], "head": [70.6, 72.4]},
        "lp_gain": {"linear": 14.2, "head": 16.3},
        "lp_gain_interval": {"linear": [13.1, 15.4], "head": [15.0, 17.6]},
        "target_group": "site36",
        "hubbot_version": "0.1.0",
        "date": "2026-01-02",
    }
    return Record.model_validate(values | changes)


def path_of(model: str) -> str:
    return f"cards/scores/roberta-base/{model.replace('/', '--')}.yaml"


@pytest.fixture
def world(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """A repository of ``me`` that ``bot`` may push to; no pause between two writes."""
    monkeypatch.setattr(github_client, "_WRITES_APART_S", 0.0)
    hub.github.add_repository(
        REPOSITORY, {"README.md": "# Scores\n"}, collaborators={"bot": "push"}
    )
    hub.github.add_token("gh_bot", "bot")
    return hub


@pytest.fixture
def machine(world: LocalHub, tmp_path: Path) -> Iterator[Machine]:
    """Makes workplaces: each name has a ledger and a folder of records of its own."""
    with ExitStack() as stack:

        def make(*models: str, name: str = "one", is_sending: bool = True) -> Workplace:
            github = GithubSettings(
                repository=REPOSITORY, token=SecretStr("gh_bot"), base_url=world.github.url
            )
            settings = Settings(
                ledger_file=tmp_path / f"{name}.sqlite",
                records_dir=tmp_path / name,
                github=github,
            )
            for model in models:
                write_record(record_of(model), settings.records_dir)
            return Workplace(
                ledger=stack.enter_context(BotLedger(settings.ledger_file)),
                settings=settings,
                budget=Budget(),
                number=1,
                is_sending=is_sending,
            )

        yield make


def changed(hub: LocalHub, number: int) -> set[str]:
    """Return the models whose files a pull request changes."""
    pull = hub.github.pull_requests(REPOSITORY)[number - 1]
    base, head = hub.github.files(REPOSITORY), hub.github.files(REPOSITORY, pull.head)
    return {
        Path(path).stem.replace("--", "/")
        for path in {*base, *head}
        if base.get(path) != head.get(path)
    }


def rows(hub: LocalHub, number: int) -> set[str]:
    """Return the models in the table of a pull request."""
    body = hub.github.pull_requests(REPOSITORY)[number - 1].body
    return {line.split("`")[1] for line in body.splitlines() if line.startswith("| [`")}


def states(work: Workplace) -> dict[str, str]:
    """Return the last known state of each pull request, by its number."""
    found = work.ledger.pull_requests(kind="github")
    return {one.url.rpartition("/")[2]: one.state for one in found}


# What is told


def test_a_pass_on_another_machine_adds_to_the_table(world: LocalHub, machine: Machine) -> None:
    file_scores(machine("me/one", "me/two"))
    told = file_scores(machine("me/three", name="other"))
    everything = {"me/one", "me/two", "me/three"}
    assert (told["action"], told["records"]) == ("updated", 3)
    assert rows(world, 1) == changed(world, 1) == everything
    (pull,) = world.github.pull_requests(REPOSITORY)
    assert pull.title.startswith("Scores of 3 models, ")
    assert is_scores_title(pull.title)
    assert "- score records: 3\n- architectures: 1\n" in pull.body


def test_declined_scores_have_no_row(world: LocalHub, machine: Machine) -> None:
    file_scores(machine("me/one", "me/two"))
    world.github.close(REPOSITORY, 1, "me")
    told = file_scores(machine("me/three"))
    assert (told["action"], told["records"]) == ("opened", 1)
    assert rows(world, 2) == changed(world, 2) == {"me/three"}
    assert world.github.pull_requests(REPOSITORY)[1].title.startswith("Scores of 1 model, ")
    assert file_scores(machine())["action"] == "unchanged"


def test_a_changed_record_is_compared_with_the_one_that_is_filed(
    world: LocalHub, machine: Machine
) -> None:
    old = record_of("me/one", lp_gain={"linear": 14.2, "head": 15.3})
    world.github.commit(REPOSITORY, {path_of("me/one"): record_text(old)}, "me")
    file_scores(machine("me/one"))
    assert "LP +1.00" in world.github.pull_requests(REPOSITORY)[0].body


def test_a_newer_record_on_the_base_is_never_taken_back(world: LocalHub, machine: Machine) -> None:
    file_scores(machine("me/one"))
    newer = record_text(record_of("me/one", revision="c" * 40, date="2026-02-01"))
    world.github.commit(REPOSITORY, {path_of("me/one"): newer}, "me")
    work = machine("me/two", name="other")
    write_record(
        record_of("me/one", revision="c" * 40, date="2026-02-01"), work.settings.records_dir
    )
    assert file_scores(work)["records"] == 1
    assert rows(world, 1) == changed(world, 1) == {"me/two"}
    world.github.merge(REPOSITORY, 1, "me")
    assert world.github.files(REPOSITORY)[path_of("me/one")] == newer


def test_what_maintainers_write_stays(world: LocalHub, machine: Machine) -> None:
    file_scores(machine("me/one"))
    pull = world.github.state.repositories[REPOSITORY].pulls[1]
    pull.title, pull.labels = "chore(scores): add one model", []
    pull.body = f"Closes #7\n\n{pull.body}"
    world.clear_log()
    assert file_scores(machine())["action"] == "unchanged"
    assert not [record for record in world.log if record.is_write]
    file_scores(machine("me/two"))
    assert (pull.title, pull.labels) == ("chore(scores): add one model", [])
    assert pull.body.startswith("Closes #7\n\n")
    assert rows(world, 1) == {"me/one", "me/two"}


def test_a_file_that_is_no_record_is_counted_but_has_no_row(
    world: LocalHub, machine: Machine
) -> None:
    file_scores(machine("me/one"))
    head = world.github.pull_requests(REPOSITORY)[0].head
    world.github.commit(REPOSITORY, {path_of("me/odd"): "gain: ?\n"}, "me", branch=head)
    file_scores(machine("me/two"))
    assert rows(world, 1) == {"me/one", "me/two"}
    assert "And 1 more" in world.github.pull_requests(REPOSITORY)[0].body


def test_more_changed_records_than_an_hour_has_calls_are_filed_all_the_same(
    world: LocalHub, machine: Machine
) -> None:
    names = [f"me/m{number}" for number in range(300)]
    old = {path_of(name): "old: 1\n" for name in names}
    world.github.commit(REPOSITORY, old, "me")
    world.github.state.hourly_limit = 200
    work = machine(*names)
    assert file_scores(work)["action"] == "opened"
    assert changed(world, 1) == {*names}
    assert file_scores(work)["action"] == "unchanged"


# What is remembered


def test_closing_with_the_branch_deleted_is_a_no(world: LocalHub, machine: Machine) -> None:
    work = machine("me/one")
    file_scores(work)
    head = world.github.pull_requests(REPOSITORY)[0].head
    world.github.close(REPOSITORY, 1, "me")
    world.github.delete_branch(REPOSITORY, head, "me")
    assert file_scores(work)["action"] == "skipped"
    assert len(world.github.pull_requests(REPOSITORY)) == 1


def test_the_ledger_learns_what_was_merged_and_closed(world: LocalHub, machine: Machine) -> None:
    work = machine("me/one")
    file_scores(work)
    assert states(work) == {"1": "open"}
    world.github.merge(REPOSITORY, 1, "me")
    assert file_scores(work)["action"] == "unchanged"
    assert states(work) == {"1": "merged"}
    file_scores(machine("me/two"))
    world.github.close(REPOSITORY, 2, "me")
    assert file_scores(work)["action"] == "skipped"
    assert states(work) == {"1": "merged", "2": "closed"}
    assert work.events["pull requests found merged"] == 1
    assert work.events["pull requests found closed"] == 1


def test_a_lost_ledger_learns_from_github_what_was_declined(
    world: LocalHub, machine: Machine
) -> None:
    file_scores(machine("me/one"))
    world.github.close(REPOSITORY, 1, "me")
    work = machine("me/one", name="other")
    assert file_scores(work)["action"] == "skipped"
    assert states(work) == {"1": "closed"}


def test_a_no_behind_thousands_of_others_is_known_from_the_ledger(
    world: LocalHub, machine: Machine
) -> None:
    work = machine("me/one")
    file_scores(work)
    world.github.close(REPOSITORY, 1, "me")
    pulls = world.github.state.repositories[REPOSITORY].pulls
    for number in range(2, 3102):
        pulls[number] = dataclasses.replace(pulls[1], number=number, head="bump", author="me")
    assert file_scores(work)["action"] == "skipped"


def test_one_that_was_opened_again_is_open(world: LocalHub, machine: Machine) -> None:
    work = machine("me/one")
    file_scores(work)
    world.github.close(REPOSITORY, 1, "me")
    file_scores(work)
    world.github.reopen(REPOSITORY, 1, "me")
    assert file_scores(work)["action"] == "unchanged"
    assert states(work) == {"1": "open"}


def test_the_ledger_learns_where_nothing_is_to_be_filed(world: LocalHub, machine: Machine) -> None:
    work = machine("me/one")
    file_scores(work)
    world.github.merge(REPOSITORY, 1, "me")
    for file in work.settings.records_dir.glob("*/*.yaml"):
        file.unlink()
    assert file_scores(work) == {}
    assert states(work) == {"1": "merged"}
    world.clear_log()
    assert file_scores(work) == {}
    assert world.log == ()


def test_a_dry_run_follows_and_files_nothing(world: LocalHub, machine: Machine) -> None:
    file_scores(machine("me/one"))
    world.github.merge(REPOSITORY, 1, "me")
    work = machine("me/two", is_sending=False)
    world.clear_log()
    told = file_scores(work)
    assert (told["action"], told["records"]) == ("would-file", 1)
    assert states(work) == {"1": "merged"}
    assert not [record for record in world.log if record.is_write]


@pytest.mark.parametrize("has_records", [True, False])
def test_a_github_that_refuses_is_a_problem_and_no_end(
    world: LocalHub, machine: Machine, has_records: bool
) -> None:
    work = machine("me/one")
    file_scores(work)
    if not has_records:
        for file in work.settings.records_dir.glob("*/*.yaml"):
            file.unlink()
    world.faults.fail("GET", "/github/user$", 401, times=None)
    told = file_scores(work)
    assert told.get("action") == ("failed" if has_records else None)
    assert len(work.problems) == 1
    assert states(work) == {"1": "open"}
