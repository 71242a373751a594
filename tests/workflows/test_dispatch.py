"""The workflows that are started by hand, and the action, run step by step on the embedded Hub."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hubbot.localhub.server import LocalHub
from tests.workflows.machine import StepResult
from tests.workflows.runner import JobResult, Runner

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ANNOTATE = ROOT / ".github" / "workflows" / "annotate.yml"
SENSITIVITY = ROOT / ".github" / "workflows" / "sensitivity.yml"
TOKEN = "hf_of_the_workflow"


def writes(hub: LocalHub) -> list[str]:
    return [f"{one.method} {one.target}" for one in hub.log if one.is_write]


def assert_went_well(job: JobResult) -> None:
    said = [f"{step.name}: {step.stdout}{step.stderr}" for step in job.steps]
    assert job.result == "success", "\n".join(said)


def holds_token(step: StepResult) -> bool:
    return TOKEN in "".join(step.environment.values())


def cells(job: JobResult) -> list[tuple[Any, ...]]:
    """Return the finished fine-tunings, with their dates and times, in a job's ledger."""
    assert job.workspace is not None
    with sqlite3.connect(job.workspace / "ledger" / "ledger.sqlite") as connection:
        return sorted(connection.execute("SELECT * FROM cells"), key=repr)


def test_a_model_is_measured_without_the_token_and_proposed_with_it(
    runner: Runner, hub: LocalHub
) -> None:
    runner.inputs = {"model": "me/child", "send": True}
    done = runner.run(ANNOTATE)
    (measure,), (propose,) = done["measure"], done["propose"]
    assert_went_well(measure)
    assert_went_well(propose)
    assert [step.name for step in (*measure.steps, *propose.steps) if holds_token(step)] == [
        "Propose"
    ]
    (opened,) = hub.pull_requests("me/child")
    assert (opened.status, opened.author) == ("open", "me")
    assert "    me/child: Dry run: nothing was written." in measure.step("Measure").summary
    assert "    me/child: Pull request opened." in propose.step("Propose").summary

    before = len(writes(hub))
    (again,) = runner.run(ANNOTATE)["propose"]
    assert "Nothing to do: the scores stand there already." in again.step("Propose").stdout
    assert len(writes(hub)) == before


def forging(edit: str) -> str:
    """Return the script that measures, with an edit of the record after it."""
    jobs = YAML(typ="safe").load(ANNOTATE.read_text("utf-8"))["jobs"]
    (script,) = [
        str(one["run"]) for one in jobs["measure"]["steps"] if one.get("name") == "Measure"
    ]
    end = 'exit "$code"'
    assert script.rstrip().endswith(end)
    return script.rstrip().removesuffix(end) + f"sed -i '{edit}' records/*/*.yaml\n"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        ("s/^prediction_note:.*/prediction_note: Buy [this](http:..evil.example)!/", None),
        ("s/^flags:.*/flags: [Buy this]/", "a flag that hubbot does not set: Buy this"),
        ("s/^date:.*/date: 9999-12-31/", "it is of 9999-12-31"),
        ('s/^weights_digest:.*/weights_digest: ""/', "other weights"),
    ],
)
def test_nothing_but_numbers_of_a_runner_reaches_the_card(
    runner: Runner, hub: LocalHub, edit: str, why: str | None
) -> None:
    runner.inputs = {"model": "me/child", "send": True}
    runner.replaced = {**runner.replaced, "Measure": forging(edit)}
    done = runner.run(ANNOTATE)
    assert_went_well(done["measure"][0])
    propose = done["propose"][0].step("Propose")
    if why is not None:
        assert (propose.result, why in propose.stderr) == ("failure", True), propose.stderr
        assert writes(hub) == []
        return
    assert_went_well(done["propose"][0])
    (opened,) = hub.pull_requests("me/child")
    assert "evil" not in opened.diff + opened.description


def test_without_send_nothing_is_proposed(runner: Runner, hub: LocalHub) -> None:
    runner.inputs = {"model": "me/child"}
    done = runner.run(ANNOTATE)
    assert_went_well(done["measure"][0])
    assert done["propose"][0].result == "skipped"
    assert writes(hub) == []


@pytest.mark.parametrize(
    "model",
    ["me/child; touch pwned", "$(touch pwned)", "`touch pwned`", '" && touch pwned #', "--send"],
)
def test_an_input_is_data_whatever_it_says(runner: Runner, hub: LocalHub, model: str) -> None:
    runner.inputs = {"model": model, "send": True}
    done = runner.run(ANNOTATE)
    (measure,) = done["measure"]
    assert measure.step("Measure").result == "failure"
    assert done["propose"][0].result == "skipped"
    assert writes(hub) == []
    assert not list(runner.folder.rglob("pwned"))


def test_a_model_that_is_left_alone_is_told_of_and_not_proposed(
    runner: Runner, hub: LocalHub, sound: Mapping[str, Any]
) -> None:
    hub.add_model("me/quiet", {**sound, "README.md": b"---\nhubbot: false\n---\nHello.\n"})
    runner.inputs = {"model": "me/quiet", "send": True}
    done = runner.run(ANNOTATE)
    assert "Left alone." in done["measure"][0].step("Measure").summary
    assert "expected one record, found 0" in done["propose"][0].step("Propose").stderr
    assert writes(hub) == []


def test_a_model_of_somebody_else_needs_the_box(
    runner: Runner, hub: LocalHub, sound: Mapping[str, Any]
) -> None:
    hub.add_user("ann", "hf_of_ann")
    hub.add_model("ann/child", dict(sound))
    runner.inputs = {"model": "ann/child", "send": True}
    refused = runner.run(ANNOTATE)["propose"][0]
    assert refused.result == "failure"
    assert writes(hub) == []
    runner.inputs = {"model": "ann/child", "send": True, "strangers": True}
    assert_went_well(runner.run(ANNOTATE)["propose"][0])
    (opened,) = hub.pull_requests("ann/child")
    assert opened.author == "me"


def test_the_action_measures_without_the_token_and_proposes_with_it(
    runner: Runner, hub: LocalHub
) -> None:
    # The tests' rows are fewer than the action's default; the number is the author's to choose.
    runner.inputs = {"model": "me/child", "send": "true", "hub-token": TOKEN, "max-train": ""}
    done = runner.run_action(ROOT / "action.yml")
    assert_went_well(done)
    assert [step.name for step in done.steps if holds_token(step)] == ["Propose"]
    assert len(hub.pull_requests("me/child")) == 1


def test_the_action_shows_the_diff_unless_told_to_send(runner: Runner, hub: LocalHub) -> None:
    runner.inputs = {"model": "me/child", "max-train": ""}
    done = runner.run_action(ROOT / "action.yml")
    assert_went_well(done)
    assert done.step("Propose").result == "skipped"
    assert "    +<!-- hubbot:begin -->" in done.step("Measure").summary
    assert writes(hub) == []


def test_the_action_stops_at_another_version_than_expected(runner: Runner) -> None:
    runner.inputs = {"model": "me/child", "version": "99.0"}
    done = runner.run_action(ROOT / "action.yml")
    assert done.result == "failure"
    assert "expected 99.0, found hubbot" in done.step("Check the version").stderr
    assert done.step("Measure").result == "skipped"


def test_a_data_set_is_fine_tuned_without_the_token_and_proposed_from_the_ledger(
    runner: Runner, hub: LocalHub, films: Any
) -> None:
    runner.limit_s = 600  # four fine-tunings, maybe on a busy machine
    files = {f"{split}.csv": path for split, path in films.files.items()}
    hub.add_user("ann", "hf_of_ann")
    hub.add_dataset("ann/films", {"README.md": b"# Films\n", **files})
    runner.inputs = {
        **{"dataset": "ann/films", "architecture": "all-MiniLM-L6-v2", "seeds": "2"},
        **{"model": "me/child", "send": True, "strangers": True},
    }
    done = runner.run(SENSITIVITY)
    (measure,), (propose,) = done["measure"], done["propose"]
    assert_went_well(measure)
    assert_went_well(propose)
    assert [step.name for step in (*measure.steps, *propose.steps) if holds_token(step)] == [
        "Propose"
    ]
    (opened,) = hub.pull_requests("ann/films", kind="datasets")
    assert opened.author == "me"
    assert len(cells(measure)) == 4
    assert cells(propose) == cells(measure), "nothing was trained beside the token"


def test_where_a_fine_tuning_is_missing_nothing_is_trained_beside_the_token(
    runner: Runner, hub: LocalHub, films: Any
) -> None:
    files = {f"{split}.csv": path for split, path in films.files.items()}
    hub.add_dataset("me/films", {"README.md": b"# Films\n", **files})
    runner.inputs = {
        **{"dataset": "me/films", "architecture": "all-MiniLM-L6-v2", "seeds": "2"},
        **{"model": "me/child", "send": True},
    }
    empty = "from hubbot.records.ledger import *; Ledger(Path('ledger/ledger.sqlite')).close()"
    script = f'mkdir -p ledger; python -c "from pathlib import Path; {empty}"'
    runner.replaced = {**runner.replaced, "Measure": script}
    (propose,) = runner.run(SENSITIVITY)["propose"]
    assert "taken over: 0" in propose.step("Take the fine-tunings over").stderr
    assert "nothing is fine-tuned here" in propose.step("Propose").stderr
    assert cells(propose) == []
    assert writes(hub) == []


def test_a_ledger_that_hubbot_did_not_write_is_not_opened_beside_the_token(
    runner: Runner, hub: LocalHub
) -> None:
    runner.inputs = {"dataset": "me/films", "architecture": "all-MiniLM-L6-v2", "send": True}
    runner.replaced = {**runner.replaced, "Measure": "mkdir ledger; date > ledger/ledger.sqlite"}
    (propose,) = runner.run(SENSITIVITY)["propose"]
    assert "no ledger of hubbot's" in propose.step("Take the fine-tunings over").stderr
    assert propose.step("Propose").result == "skipped"
