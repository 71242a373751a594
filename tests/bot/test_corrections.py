"""Corrections: a published prediction that moved is made anew, once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbot.bot.cards import path_of
from hubbot.bot.corrections import find_moved
from hubbot.bot.workplace import Budget, Workplace
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.predict import predict_gain
from hubbot.records.pass_rows import BotLedger
from hubbot.records.record import Record
from hubbot.records.store import read_record, write_record
from hubbot.settings import BotSettings, Settings
from tests.records.listed_rows import a_row

MODEL = "you/x"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    settings = Settings(
        ledger_file=tmp_path / "ledger.sqlite",
        records_dir=tmp_path / "scores",
        calibrations_file=tmp_path / "none.json",
        bot=BotSettings(tolerance_points=0.5),
    )
    with BotLedger(settings.ledger_file) as ledger:
        yield Workplace(ledger=ledger, settings=settings, budget=Budget(), number=1)


def publish(work: Workplace, *, off_by: float, code: str = "", **changes: Any) -> None:
    """File a record whose predicted gain is off from today's calibration, as if on a card."""
    prediction = predict_gain(
        "roberta-base", lp_gain=16.3, protocol="lp-mnli", flags=(), calibrations=load_packaged()
    )
    assert prediction.gain is not None
    assert prediction.interval is not None
    low, high = prediction.interval
    values: dict[str, Any] = {
        "model": MODEL,
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
        "predicted_gain": prediction.gain + off_by,
        "predicted_gain_interval": [low + off_by, high + off_by],
        "probability_positive": 0.9,
        "prediction_head": "head",
        "calibration": "an older one",
        "target_group": "site36",
        "hubbot_version": "0.1.0",
        "date": "2026-01-02",
    }
    write_record(Record.model_validate(values | changes), work.settings.records_dir)
    work.ledger.note_listed([a_row(MODEL)])
    work.ledger.note_checkpoint(MODEL, "published", code=code)


def state(work: Workplace) -> tuple[str, str]:
    row = work.ledger.find_checkpoint(MODEL)
    assert row is not None
    return row.state, row.code


@pytest.mark.parametrize(
    ("off_by", "expected"),
    [(0.4, ("published", "")), (0.6, ("recorded", "moved")), (-0.6, ("recorded", "moved"))],
)
def test_a_prediction_beyond_the_tolerance_is_corrected(
    work: Workplace, off_by: float, expected: tuple[str, str]
) -> None:
    publish(work, off_by=off_by)
    find_moved(work)
    assert state(work) == expected


def test_the_record_then_holds_what_is_predicted_now(work: Workplace) -> None:
    publish(work, off_by=3.0)
    row = work.ledger.find_checkpoint(MODEL)
    assert row is not None
    before = read_record(path_of(row, work))
    find_moved(work)
    after = read_record(path_of(row, work))
    assert before.predicted_gain is not None
    assert after.predicted_gain == pytest.approx(before.predicted_gain - 3.0, abs=1e-3)
    assert after.calibration != "an older one"
    assert after.lp_gain == before.lp_gain
    assert after.date == before.date


def test_what_was_corrected_once_is_left_as_it_is(work: Workplace) -> None:
    publish(work, off_by=3.0, code="moved")
    find_moved(work)
    assert state(work) == ("published", "moved")


def test_a_record_that_is_gone_is_told_and_stops_nothing(work: Workplace) -> None:
    publish(work, off_by=3.0)
    row = work.ledger.find_checkpoint(MODEL)
    assert row is not None
    path_of(row, work).unlink()
    find_moved(work)
    (problem,) = work.problems
    assert "cannot be read" in problem
