"""``hubbot calibrate``: refitted calibrations are written, and predictions use them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.gains.calibration import PUBLISHED
from hubbot.gains.calibration_file import dump_calibrations, load_packaged
from hubbot.gains.groups import GROUPS
from hubbot.records.record import Record
from hubbot.records.store import write_record

PROTOCOL = "lp-mnli@4000"


@pytest.fixture
def calibrations(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where predictions of this test look for refitted calibrations."""
    path = tmp_path / "own" / "calibrations.json"
    monkeypatch.setenv("HUBBOT_CALIBRATIONS_FILE", str(path))
    return path


@pytest.fixture
def records(environment: Path) -> Path:
    """Records of 24 roberta-base models whose gain is a fifth of their LP gain."""
    for number in range(24):
        gain = number / 5 + 0.1 * (-1) ** number
        measured = {target: {"gain": gain, "seeds": 1} for target in GROUPS["site36"]}
        values = {
            "model": f"owner-{number}/model",
            "revision": "0" * 40,
            "weights_digest": "",
            "architecture": "roberta-base",
            "base_model": "FacebookAI/roberta-base",
            "protocol": PROTOCOL,
            "dataset_revision": "1" * 40,
            "lp_accuracy": {"head": 50.0 + number},
            "lp_gain": {"head": float(number)},
            "measured": measured,
            "hubbot_version": "0.1.0",
            "date": "2026-01-02",
        }
        write_record(Record.model_validate(values), environment)
    return environment


BORROWED = ("predict", "-a", "roberta-base", "--lp-gain", "10", "--protocol", PROTOCOL, "--json")


def test_measured_records_give_a_calibration_that_predictions_then_use(
    hubbot: Callable[..., Any], calibrations: Path, records: Path
) -> None:
    before = hubbot(*BORROWED).json
    assert before["is_borrowed"]
    ran = hubbot("calibrate", "--json")
    assert ran.code == 0
    own = [line for line in ran.json if line["protocol"] == PROTOCOL]
    assert [(line["target_group"], line["knows"], line["n"]) for line in own] == [
        ("site36", "lp", 24),
        ("site36", "lp+flags", 24),
        ("general", "lp", 24),
        ("general", "lp+flags", 24),
        ("quick", "lp", 24),
        ("quick", "lp+flags", 24),
    ]
    assert own[0]["slope"] == pytest.approx(0.2, abs=0.01)
    published = [line for line in ran.json if line["protocol"] == PUBLISHED and line["form"]]
    assert {line["architecture"] for line in published} == {
        key[1] for key in load_packaged() if key[0] == PUBLISHED
    }
    assert any("19 model(s)" in line["reason"] for line in ran.json)
    after = hubbot(*BORROWED).json
    assert (after["is_borrowed"], after["calibration"], after["n"]) == (False, PROTOCOL, 24)
    assert after["gain"] == pytest.approx(2.0, abs=0.15)
    # What was refitted from the published rows alone is what came with hubbot.
    single = ("predict", "-a", "bert-base-uncased", "--lp-accuracy", "55", "--json")
    refitted = hubbot(*single).json
    calibrations.unlink()
    packaged = hubbot(*single).json
    assert refitted["gain"] == pytest.approx(packaged["gain"], abs=1e-6)
    assert refitted["interval"] == pytest.approx(packaged["interval"], abs=1e-6)


def test_a_dry_run_writes_nothing(
    hubbot: Callable[..., Any], calibrations: Path, records: Path
) -> None:
    before = sorted(records.parent.rglob("*"))
    ran = hubbot("calibrate", "--dry-run")
    assert ran.code == 0
    assert sorted(records.parent.rglob("*")) == before
    assert not calibrations.exists()
    for words in ("roberta-base", "lp+flags+quick", "RMSE", "No calibration for google/t5-v1_1"):
        assert words in ran.out


def test_another_file_and_folder_can_be_named(
    hubbot: Callable[..., Any], calibrations: Path, tmp_path: Path
) -> None:
    ran = hubbot("calibrate", "--out", tmp_path / "new.json", "--records", tmp_path / "none")
    assert ran.code == 0
    assert not calibrations.exists()
    names = {
        item["name"] for item in json.loads((tmp_path / "new.json").read_text())["calibrations"]
    }
    assert names == {PUBLISHED}


def test_the_file_of_the_settings_stands_before_the_packaged_one(
    hubbot: Callable[..., Any], calibrations: Path
) -> None:
    item = load_packaged()[PUBLISHED, "t5-base", "site36"]
    single = ("predict", "-a", "t5-base", "--lp-accuracy", "82.5", "--json")
    before = hubbot(*single).json["gain"]
    calibrations.parent.mkdir()
    for shift in (3.0, 4.0):  # written anew within one process
        moved = replace(item, gain=np.asarray(item.gain) + shift)
        calibrations.write_text(dump_calibrations([moved], []))
        assert hubbot(*single).json["gain"] == pytest.approx(before + shift, abs=1e-3)


def test_a_broken_file_is_named_with_the_remedy(
    hubbot: Callable[..., Any], calibrations: Path
) -> None:
    calibrations.parent.mkdir()
    calibrations.write_text('{"version": 7}')
    ran = hubbot("predict", "-a", "roberta-base", "--lp-accuracy", "72.5")
    assert (ran.code, ran.out) == (2, "")
    assert "calibrations.json: version 7, expected 1; write it anew with `hubbot" in ran.err


def test_a_file_that_cannot_be_written_is_wrong_usage(
    hubbot: Callable[..., Any], calibrations: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ran = hubbot("calibrate", "--out", tmp_path / "file" / "below.json")
    assert ran.code == 2
    assert "below.json: cannot be written" in ran.err
