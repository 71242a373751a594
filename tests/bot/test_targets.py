"""Fine-tuning in a pass, on cells that lie in the ledger already: nothing is trained here."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbot.bot.target_errors import known_errors, raise_for_all
from hubbot.bot.targets import BudgetSpent, counting, measure_targets, sense
from hubbot.bot.targets_due import due_sensitivities
from hubbot.bot.workplace import Budget, Workplace
from hubbot.errors import (
    DatasetError,
    HubbotError,
    ProbeError,
    RemoteError,
    SettingsError,
    StorageError,
)
from hubbot.measurement import obtain
from hubbot.records.pass_rows import BotLedger, SensedRow
from hubbot.records.store import read_record
from hubbot.settings import BotSettings, Settings
from tests.records.listed_rows import a_row
from tests.test_evaluating import MINILM, World
from tests.test_evaluating import world as world

CHILD, FILMS = "me/model", "ann/films"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    settings = Settings(ledger_file=tmp_path / "ledger.sqlite")
    with BotLedger(settings.ledger_file) as ledger:
        yield Workplace(ledger=ledger, settings=settings, budget=Budget(minutes=1.0), number=1)


# The budget


def test_a_fine_tuning_that_was_begun_is_finished_and_no_other_is_begun(work: Workplace) -> None:
    report = counting(work)
    report("me/x on rte, seed 0: load", 0, 1)
    work.begun -= 120  # two minutes later
    report("me/x on rte, seed 0: train", 5, 10)
    report("all fine-tunings (rows)", 10, 100)
    with pytest.raises(BudgetSpent, match="the budget of 1 minutes is spent"):
        report("me/x on rte, seed 1: load", 0, 1)


def test_while_the_budget_lasts_everything_is_told_on(work: Workplace) -> None:
    told: list[str] = []
    work.report = lambda task, done, total: told.append(task)
    report = counting(work)
    tasks = [f"me/x on rte, seed {seed}: load" for seed in range(3)]
    for task in tasks:
        report(task, 0, 1)
    assert told == tasks


# Errors


@pytest.mark.parametrize(
    "error",
    [
        SettingsError("no data set flims"),
        DatasetError("no labels"),
        ProbeError("killed"),
        RemoteError("500", kind="server"),
        RemoteError("429", kind="rate_limited"),
        RemoteError("404", kind="not_found"),
    ],
)
def test_what_befalls_one_item_leaves_the_others(work: Workplace, error: HubbotError) -> None:
    for _ in range(10):
        raise_for_all(work, error)


@pytest.mark.parametrize(
    "error",
    [StorageError("the disk is full"), RemoteError("wrong token", kind="unauthorised")],
)
def test_what_every_item_would_meet_ends_the_pass(work: Workplace, error: HubbotError) -> None:
    with pytest.raises(type(error), match=str(error)):
        raise_for_all(work, error)


def test_a_hub_out_of_reach_ends_the_pass_when_that_goes_on(work: Workplace) -> None:
    none = RemoteError("no answer", kind="unreachable")
    for error in (none, none, RemoteError("500", kind="server"), none, none):
        raise_for_all(work, error)
    with pytest.raises(RemoteError, match="no answer"):
        raise_for_all(work, none)


def test_an_error_that_nobody_foresaw_is_one_item_s(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(HubbotError, match="hubbot does not know: KeyError"), known_errors("rte"):
        raise KeyError("n_train")
    assert "Traceback" in caplog.text
    with pytest.raises(StorageError, match="rte: No space left"), known_errors("rte"):
        raise OSError(28, "No space left on device")
    with pytest.raises(BudgetSpent), known_errors("rte"):
        raise BudgetSpent


# Passes


class Bot:
    """A Hub with one checkpoint whose cells are there, and one pass after the other."""

    def __init__(self, world: World, ledger: BotLedger) -> None:
        self.world, self.ledger, self.hub = world, ledger, world.hub
        self.add(CHILD, 1)

    def add(self, model: str, number: int, **changes: Any) -> None:
        self.world.add(model, number)
        local = obtain(model, self.world.settings).local
        self.ledger.note_listed(
            [a_row(model, revision=local.revision, architecture=MINILM.name, value=-number)]
        )
        values = {"weights_digest": local.weights_digest, "measured_revision": local.revision}
        self.ledger.note_checkpoint(
            model, "recorded", lp_gain=5.0 - number, protocol="lp-mnli@100", **(values | changes)
        )

    def run(self, *, from_hub: bool = False, minutes: float | None = None, **bot: Any) -> Workplace:
        """Do the targets of a pass; MultiNLI's cells are there, so it needs no training."""
        values = {
            "gain_seeds": 2,
            "evaluate_targets": "mnli",
            "sensitivities_per_pass": 1,
            "evaluations_per_pass": 1,
        }
        settings = self.world.settings.model_copy(
            update={"bot": BotSettings.model_validate(values | bot)}
            | ({"data_dir": None} if from_hub else {})
        )
        work = Workplace(
            ledger=self.ledger,
            settings=settings,
            budget=Budget(minutes=minutes),
            number=self.ledger.begin_pass(),
        )
        measure_targets(work, ())
        return work

    def serve(self) -> None:
        """Put MultiNLI on the Hub as well."""
        folder = self.world.settings.data_dir
        assert folder is not None
        files: dict[str, bytes | Path] = {one.name: one for one in (folder / "mnli").iterdir()}
        splits = "\n".join(f"  - {{split: {Path(name).stem}, path: {name}}}" for name in files)
        card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{splits}\n---\n"
        self.hub.add_dataset("nyu-mll/multi_nli", {**files, "README.md": card.encode()})

    def sensed(self) -> dict[str, SensedRow]:
        return {row.target: row for row in self.ledger.sensed()}

    def evaluated(self) -> dict[str, str]:
        return {model: state for (model, _), state in self.ledger.evaluated().items()}


@pytest.fixture
def bot(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with BotLedger(world.settings.ledger_file) as ledger:
        yield Bot(world, ledger)


def test_a_pass_measures_a_sensitivity_and_gains(bot: Bot) -> None:
    work = bot.run(watch=("mnli",))
    assert bot.sensed()["mnli"].state == "unpublished", "its data were read from a folder"
    assert bot.evaluated() == {CHILD: "measured"}
    assert not work.problems
    assert dict(work.events) == {"sensitivities unpublished": 1, "evaluations": 1}


def test_a_data_set_that_fails_now_ends_no_pass_and_is_tried_again_after_others(
    bot: Bot,
) -> None:
    bot.hub.faults.fail("GET", f"/api/datasets/{FILMS}", 500, times=None)
    watch = (FILMS, "mnli")
    work = bot.run(watch=watch)
    (row,) = bot.sensed().values()
    assert (row.target, row.state, row.attempts) == (FILMS, "failed", 1)
    assert bot.evaluated() == {CHILD: "measured"}
    assert any(FILMS in problem and "500" in problem for problem in work.problems)
    bot.run(watch=watch)
    assert bot.sensed()["mnli"].state == "unpublished", "its turn comes before another attempt"


def test_a_watched_data_set_that_nobody_has_is_told_in_every_pass_and_given_up(bot: Bot) -> None:
    watch = ("ann/flims", "mnli")
    for number in range(3):
        work = bot.run(watch=watch)
        assert any("ann/flims" in problem for problem in work.problems), number
    row = bot.sensed()["ann/flims"]
    assert (row.state, row.attempts) == ("failed", work.settings.bot.max_attempts)
    assert bot.sensed()["mnli"].state == "unpublished"
    assert "ann/flims" not in {one.target for one in due_sensitivities(work, [MINILM.name])}


def test_a_misspelt_name_of_the_catalog_is_one_failure_that_names_the_nearest(bot: Bot) -> None:
    work = bot.run(watch=("emotoin",))
    assert "emotion" in bot.sensed()["emotoin"].reason
    assert bot.evaluated() == {CHILD: "measured"}
    assert any("emotoin" in problem for problem in work.problems)


def test_a_name_for_several_data_sets_is_told_and_the_rest_goes_on(bot: Bot) -> None:
    work = bot.run(watch=("nyu-mll/glue", "mnli"))
    assert any("bot.watch, nyu-mll/glue" in problem for problem in work.problems)
    assert bot.sensed().keys() == {"mnli"}
    assert bot.evaluated() == {CHILD: "measured"}


def test_a_renamed_model_is_not_asked_for(bot: Bot) -> None:
    bot.ledger.note_checkpoint(CHILD, "unpublished", measured_revision="", weights_digest="")
    work = bot.run(watch=("mnli",))
    assert not work.problems
    assert not bot.sensed()
    assert not bot.evaluated()


def test_a_checkpoint_that_is_gone_is_given_up_and_the_next_pass_takes_another(bot: Bot) -> None:
    bot.add("me/other", 2)
    bot.hub.faults.fail("GET", f"/api/models/{CHILD}", 404, times=None)
    bot.run(sensitivities_per_pass=0)
    assert bot.evaluated() == {CHILD: "failed"}
    bot.run(sensitivities_per_pass=0)
    assert bot.evaluated() == {CHILD: "failed", "me/other": "measured"}
    assert not bot.run(sensitivities_per_pass=0).problems


def test_gains_of_which_a_target_could_not_be_read_now_stay_due(bot: Bot) -> None:
    bot.serve()
    bot.hub.faults.fail("GET", "/api/datasets/aps/super_glue", 500, times=None)
    changes: dict[str, Any] = {
        "from_hub": True,
        "sensitivities_per_pass": 0,
        "evaluate_targets": "mnli,cb",
    }
    for attempts in (1, 2):
        work = bot.run(**changes)
        assert bot.evaluated() == {CHILD: "failed"}
        assert set(bot.ledger.evaluations_to_repeat(3).values()) == {attempts}
        assert any("cb" in problem for problem in work.problems)
    (path,) = bot.world.settings.records_dir.glob("*/*.yaml")
    assert read_record(path).measured.keys() == {"mnli"}, "what was measured is kept"
    bot.run(**changes)
    assert not bot.ledger.evaluations_to_repeat(3)
    assert not bot.run(**changes).problems, "its attempts are used up"


def test_gains_of_which_a_target_is_not_to_be_had_are_done(bot: Bot) -> None:
    bot.serve()
    changes: dict[str, Any] = {
        "from_hub": True,
        "sensitivities_per_pass": 0,
        "evaluate_targets": "mnli,cb",
    }
    work = bot.run(**changes)
    assert any("cb" in problem for problem in work.problems), "the Hub has no such data set"
    assert bot.evaluated() == {CHILD: "measured"}


def test_without_any_target_nothing_counts_as_measured(bot: Bot) -> None:
    changes: dict[str, Any] = {
        "from_hub": True,
        "sensitivities_per_pass": 0,
        "evaluate_targets": "cb",
    }
    bot.run(**changes)
    assert bot.evaluated() == {CHILD: "failed"}
    assert not bot.ledger.evaluations_to_repeat(3), "it would be so each time"


def test_what_other_machines_have_not_trained_yet_is_no_failure(bot: Bot) -> None:
    bot.world.settings = bot.world.settings.model_copy(
        update={"finetune": bot.world.settings.finetune.model_copy(update={"trains": False})}
    )
    bot.run(gain_seeds=3, watch=("mnli",))
    assert not bot.sensed()
    assert set(bot.ledger.evaluations_to_repeat(1).values()) == {0}
    bot.world.plant(obtain(CHILD, bot.world.settings), [2], 1)
    bot.world.plant(obtain(MINILM.hub_id, bot.world.settings), [2], 0)
    bot.run(gain_seeds=3, watch=("mnli",))
    assert bot.sensed()["mnli"].state == "unpublished"
    assert bot.evaluated() == {CHILD: "measured"}


def test_sensitivities_and_gains_begin_by_turns(bot: Bot) -> None:
    bot.hub.faults.fail("GET", f"/api/datasets/{FILMS}", 500, times=None)
    bot.hub.faults.fail("GET", f"/api/models/{CHILD}", 500, times=None)
    first = [bot.run(watch=(FILMS,)).problems[0]]
    bot.ledger.note_sensed(
        SensedRow(
            target=FILMS,
            architecture=MINILM.name,
            weights_digest="another",
            model="",
            protocol="",
            state="published",
            reason="",
            note="{}",
            url="",
        )
    )
    first.append(bot.run(watch=(FILMS,)).problems[0])
    assert [problem.partition(":")[0] for problem in first] == [
        f"{FILMS} with {MINILM.name}",
        CHILD,
    ]


def test_a_spent_budget_begins_nothing_and_counts_no_failure(bot: Bot) -> None:
    work = bot.run(minutes=1e-9, watch=("mnli",))
    assert work.events["stopped by the budget"] == 1
    assert not bot.sensed()
    assert not bot.evaluated()


def test_a_ledger_that_cannot_be_written_ends_the_pass(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    bot.hub.faults.fail("GET", f"/api/datasets/{FILMS}", 404, times=None)
    settings = bot.world.settings.model_copy(update={"bot": BotSettings(watch=(FILMS,))})
    work = Workplace(ledger=bot.ledger, settings=settings, budget=Budget(), number=1)
    one = next(due_sensitivities(work, [MINILM.name]))
    bot.ledger.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(SettingsError, match=r"ledger .* cannot be opened for writing"):
        sense(work, one)
