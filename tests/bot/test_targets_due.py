"""What is due to be fine-tuned: values of a ledger in, an order out; nothing is measured here."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hubbot.bot.evaluations_due import Evaluation, due_evaluations, is_evaluated
from hubbot.bot.targets_due import (
    Sensitivity,
    due_sensitivities,
    is_sensed,
    minutes_for_checkpoints,
    names_at_work,
    unusable_settings,
)
from hubbot.bot.workplace import Budget, Workplace
from hubbot.records.pass_rows import BotLedger, SensedRow
from hubbot.settings import BotSettings, Settings
from tests.records.listed_rows import SHA, a_row

ONE, OTHER = "all-MiniLM-L6-v2", "roberta-base"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[BotLedger]:
    with BotLedger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        records_dir=tmp_path / "scores",
        ledger_file=tmp_path / "ledger.sqlite",
        calibrations_file=tmp_path / "none.json",
    )


def work_of(
    ledger: BotLedger, settings: Settings, minutes: float | None = None, **bot: Any
) -> Workplace:
    changed = settings.model_copy(update={"bot": BotSettings(**bot)})
    return Workplace(ledger=ledger, settings=changed, budget=Budget(minutes=minutes), number=1)


def record(ledger: BotLedger, model: str, gain: float, name: str = ONE, **changes: Any) -> str:
    """Note a checkpoint as recorded; returns the digest of its weights."""
    digest = f"sha256:{model}"
    ledger.note_listed([a_row(model, architecture=name)])
    values = {"weights_digest": digest, "measured_revision": SHA, "lp_gain": gain} | changes
    ledger.note_checkpoint(model, "recorded", **values)
    return digest


def note(ledger: BotLedger, target: str, state: str, **changes: Any) -> None:
    values: dict[str, Any] = {
        "architecture": ONE,
        "weights_digest": "sha256:me/top",
        "model": "me/top",
        "protocol": "",
        "reason": "",
        "note": "{}",
        "url": "",
    }
    ledger.note_sensed(SensedRow(target=target, state=state, **(values | changes)))


def targets(work: Workplace, most: int | None = None) -> list[tuple[str, str]]:
    due = due_sensitivities(work, names_at_work(work, ()))
    return [(one.target, one.architecture) for one in islice(due, most)]


# Which checkpoints


@pytest.mark.parametrize("forgotten", ["measured_revision", "weights_digest"])
def test_a_checkpoint_whose_commit_or_weights_are_forgotten_is_not_asked_for(
    ledger: BotLedger, settings: Settings, forgotten: str
) -> None:
    record(ledger, "me/renamed", 9.0, **{forgotten: ""})
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings)
    assert {one.model for one in due_sensitivities(work, [ONE])} == {"me/top"}
    assert [one.model for one in due_evaluations(work, [ONE])] == ["me/top"]


def test_an_architecture_of_which_nothing_is_left_is_not_at_work(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/renamed", 9.0, measured_revision="")
    assert names_at_work(work_of(ledger, settings), ()) == []


def test_a_checkpoint_of_unknown_architecture_is_nobody_s_top(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/unknown", 9.0, name="")
    record(ledger, "me/top", 5.0)
    (first, *_) = due_sensitivities(work_of(ledger, settings), [ONE])
    assert first.model == "me/top"


# The order of sensitivities


def test_watched_data_sets_come_first_then_the_quick_ones(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, watch=("ann/films", "emotion"), evaluate_targets="rte")
    assert [target for target, _ in targets(work, 3)] == ["ann/films", "tweet_ev_emotion", "rte"]
    assert len(targets(work)) == len(set(targets(work)))


@pytest.mark.parametrize("state", ["measured", "capped", "published", "unpublished", "stranger"])
def test_what_was_measured_is_not_due_whatever_became_of_its_note(
    ledger: BotLedger, settings: Settings, state: str
) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, watch=("ann/films",))
    work.is_sending = True
    note(ledger, "ann/films", state)
    assert ("ann/films", ONE) not in targets(work)


def test_what_failed_comes_after_all_else_until_its_attempts_are_used_up(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, watch=("ann/films", "ann/books"), max_attempts=3)
    note(ledger, "ann/films", "failed")
    note(ledger, "ann/films", "failed")
    note(ledger, "ann/books", "failed")
    assert [target for target, _ in targets(work)][-2:] == ["ann/books", "ann/films"]
    note(ledger, "ann/films", "failed")
    assert [target for target, _ in targets(work)][-1] == "ann/books"
    assert ("ann/films", ONE) not in targets(work)
    digest = record(ledger, "me/better", 9.0)
    assert targets(work)[0] == ("ann/films", ONE), "other weights may do better"
    note(ledger, "ann/films", "failed", model="me/better", weights_digest=digest)
    (row,) = [row for row in ledger.sensed() if row.target == "ann/films"]
    assert row.attempts == 1


def test_another_top_makes_a_sensitivity_due_after_what_was_never_measured(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, watch=("ann/a", "ann/b"))
    note(ledger, "ann/a", "published", weights_digest="sha256:me/former")
    assert [target for target, _ in targets(work, 2)] == ["ann/b", "ann/a"]


def test_architectures_take_turns_where_one_has_more_behind_it(
    ledger: BotLedger, settings: Settings
) -> None:
    record(ledger, "me/top", 5.0)
    record(ledger, "you/top", 5.0, OTHER)
    names = ("ann/a", "ann/b", "ann/c")
    work = work_of(ledger, settings, watch=names)
    for target in names[:2]:
        note(ledger, target, "published")
    assert targets(work, 4) == [
        ("ann/a", OTHER),
        ("ann/b", OTHER),
        ("ann/c", ONE),
        ("ann/c", OTHER),
    ]


# The order of evaluations


def models(work: Workplace) -> list[str]:
    return [one.model for one in due_evaluations(work, names_at_work(work, ()))]


def test_evaluations_go_by_turns_over_architectures(ledger: BotLedger, settings: Settings) -> None:
    for number in range(10):
        record(ledger, f"a/{number}", float(number))
        record(ledger, f"b/{number}", float(number), OTHER)
    work = work_of(ledger, settings)
    done: Counter[str] = Counter()
    for _ in range(10):
        model = models(work)[0]  # one a pass
        ledger.note_evaluated(model, f"sha256:{model}", state="measured", reason="")
        done[model[0]] += 1
    assert done == {"a": 5, "b": 5}


def test_the_upper_band_and_others_take_turns(ledger: BotLedger, settings: Settings) -> None:
    for number in range(20):
        record(ledger, f"a/{number:02}", float(number))
    first = models(work_of(ledger, settings))[:4]
    upper = {f"a/{number}" for number in (16, 17, 18, 19)}
    assert [model in upper for model in first] == [True, False, True, False]
    assert first[0] == "a/19"


def test_an_evaluation_that_failed_comes_last_until_its_attempts_are_used_up(
    ledger: BotLedger, settings: Settings
) -> None:
    for model, gain in {"a/1": 9.0, "a/2": 5.0, "a/3": 1.0}.items():
        record(ledger, model, gain)
    work = work_of(ledger, settings, max_attempts=2)
    ledger.note_evaluated("a/1", "sha256:a/1", state="failed", reason="500")
    assert models(work)[-1] == "a/1"
    ledger.note_evaluated("a/1", "sha256:a/1", state="failed", reason="500")
    assert "a/1" not in models(work)
    ledger.note_evaluated("a/2", "sha256:a/2", state="failed", reason="gone", attempts=2)
    ledger.note_evaluated("a/3", "sha256:a/3", state="refused", reason="copy")
    assert models(work) == []


def test_what_is_left_of_a_failure_is_told_to_who_brings_results(
    ledger: BotLedger, settings: Settings
) -> None:
    work = work_of(ledger, settings, max_attempts=2)
    common = {"model": "me/top", "revision": SHA, "weights_digest": "sha256:me/top"}
    sensitivity = Sensitivity(target="rte", architecture=ONE, **common)
    evaluation = Evaluation(**common)
    for is_settled in (False, False, True):
        assert is_sensed(work, sensitivity) == is_settled
        assert is_evaluated(work, evaluation) == is_settled
        note(ledger, "rte", "failed")
        ledger.note_evaluated("me/top", "sha256:me/top", state="failed", reason="")
    note(ledger, "cola", "measured")
    assert is_sensed(work, Sensitivity(target="cola", architecture=ONE, **common))


# Settings


@pytest.mark.parametrize(
    ("bot", "setting", "words"),
    [
        ({"watch": ("nyu-mll/glue",)}, "bot.watch, nyu-mll/glue", "stands for"),
        ({"evaluate_targets": "quikc"}, "bot.evaluate_targets", "quick"),
        ({"gain_train": 1}, "bot.gain_train", "training rows or more"),
    ],
)
def test_settings_under_which_nothing_is_fine_tuned_are_named(
    ledger: BotLedger, settings: Settings, bot: dict[str, Any], setting: str, words: str
) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, **bot)
    (found,) = unusable_settings(work.settings).items()
    assert found[0] == setting
    assert words in found[1]
    assert ("nyu-mll/glue", ONE) not in targets(work)
    assert bool(models(work)) == (setting == "bot.watch, nyu-mll/glue")


# The share of the budget


def test_part_of_the_minutes_is_kept_for_fine_tuning_while_some_is_due(
    ledger: BotLedger, settings: Settings
) -> None:
    work = work_of(ledger, settings, minutes=100)
    assert minutes_for_checkpoints(work, ()) == 100, "nothing is recorded yet"
    record(ledger, "me/top", 5.0)
    assert minutes_for_checkpoints(work, ()) == 75
    assert minutes_for_checkpoints(work, (OTHER,)) == 100
    assert minutes_for_checkpoints(work, (), is_due=False) == 100
    larger = work_of(ledger, settings, minutes=100, target_share=0.5)
    assert minutes_for_checkpoints(larger, ()) == 50
    none = {"sensitivities_per_pass": 0, "evaluations_per_pass": 0}
    assert minutes_for_checkpoints(work_of(ledger, settings, minutes=100, **none), ()) == 100
    assert minutes_for_checkpoints(work_of(ledger, settings), ()) is None


def test_gains_alone_keep_the_share_as_well(ledger: BotLedger, settings: Settings) -> None:
    record(ledger, "me/top", 5.0)
    work = work_of(ledger, settings, minutes=100, sensitivities_per_pass=0)
    assert minutes_for_checkpoints(work, ()) == 75
    ledger.note_evaluated("me/top", "sha256:me/top", state="measured", reason="")
    assert minutes_for_checkpoints(work, ()) == 100
