"""Measured gains join the record of the same model, and nothing else."""

import datetime
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from hubbot.errors import IntegrityError, SettingsError
from hubbot.gains.groups import GROUPS
from hubbot.outcomes import Evaluation, TargetGain
from hubbot.records.measured import (
    earlier_record,
    is_full,
    keep_measured,
    main_gain_protocol,
    with_measured,
    write_measured,
    write_probed,
)
from hubbot.records.record import Record
from hubbot.records.store import read_record, record_path, write_record

DAY = datetime.date(2026, 3, 4)


def a_gain(gain: float = 3.123456, **changes: Any) -> TargetGain:
    values: dict[str, Any] = {
        "gain": gain,
        "se": 0.411111,
        "interval": (gain - 1.2, gain + 1.2),
        "seeds": 5,
        "score": 60.0 + gain,
        "base_score": 60.0,
        "n_train": 1000,
        "n_test": 277,
        "metric": "accuracy",
    }
    return TargetGain(**(values | changes))


def found_on(gains: dict[str, TargetGain], **changes: Any) -> Evaluation:
    values: dict[str, Any] = {
        "model": "someone/probed-model",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "architecture": "roberta-base",
        "base_model": "FacebookAI/roberta-base",
        "weights_digest": "sha256:5f70",
        "protocol": "gain-roberta@1",
        "gains": gains,
        "avg_gain": 3.0,
        "avg_gain_se": 0.4,
        "failed": {},
        "seconds": 123.456,
    }
    return Evaluation(**(values | changes))


@pytest.fixture
def record(values: dict[str, Any]) -> Record:
    return Record.model_validate(values)


def test_without_a_record_one_of_measured_gains_alone_is_made() -> None:
    found = found_on({"rte": a_gain(), "cb": a_gain(-1.5, se=None, seeds=1)})
    made = with_measured(
        None, found, flags=["learned nothing on cb"], versions={"torch": "2.13.0"},
        device="cpu", dtype="float32", date=DAY,
    )  # fmt: skip
    assert not made.has_probe
    assert (made.model, made.revision, made.weights_digest) == (
        found.model,
        found.revision,
        found.weights_digest,
    )
    assert made.gain_protocol == "gain-roberta@1"
    assert made.plain()["measured"] == {
        "rte": {
            "gain": 3.1235,
            "se": 0.4111,
            "seeds": 5,
            "interval": [1.9235, 4.3235],
            "score": 63.1235,
            "base_score": 60.0,
            "n_train": 1000,
            "n_test": 277,
        },
        "cb": {
            "gain": -1.5,
            "se": None,
            "seeds": 1,
            "interval": [-2.7, -0.3],
            "score": 58.5,
            "base_score": 60.0,
            "n_train": 1000,
            "n_test": 277,
        },
    }
    assert made.flags == ("learned nothing on cb",)
    assert (made.device, made.dtype, made.date) == ("cpu", "float32", DAY)
    assert made.seconds == {"finetune": 123.5}


def test_gains_are_added_and_all_else_stays(record: Record) -> None:
    merged = with_measured(record, found_on({"cb": a_gain(2.0)}), date=DAY, device="GPU")
    assert set(merged.measured) == {"rte", "cb"}
    assert merged.measured["rte"] == record.measured["rte"]
    changed = {"measured", "seconds", "date", "hubbot_version"}
    for name in set(Record.model_fields) - changed:
        assert getattr(merged, name) == getattr(record, name)
    assert merged.seconds == {**record.seconds, "finetune": 123.5}
    assert merged.date == DAY


def test_a_target_measured_again_gets_the_new_gain(record: Record) -> None:
    merged = with_measured(record, found_on({"rte": a_gain(4.0)}))
    assert merged.measured["rte"].gain == 4.0
    assert merged.measured["rte"].n_test == 277


def test_merging_twice_is_merging_once(record: Record) -> None:
    found = found_on({"cb": a_gain(2.0)})
    once = with_measured(record, found, date=DAY)
    assert with_measured(once, found, date=DAY) == once


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights_digest": "sha256:other"}, "of weights sha256:5f70, now it is sha256:other"),
        ({"revision": "f" * 40}, "of revision 0123456789abcdef"),
        ({"revision": ""}, "now it is unknown"),
        ({"architecture": "bert-base-uncased"}, "of architecture roberta-base, now it is bert"),
    ],
)
def test_gains_of_other_weights_make_a_record_of_their_own(
    record: Record, change: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = found_on({"cb": a_gain(2.0)}, **change)
    with caplog.at_level(logging.WARNING, "hubbot"):
        made = with_measured(record, found, date=DAY)
    assert made == with_measured(None, found, date=DAY)
    assert "the earlier record is replaced" in caplog.text
    assert told in caplog.text


def test_gains_by_another_protocol_take_the_place_of_earlier_ones(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    found = found_on({"cb": a_gain(2.0)}, protocol="gain-roberta@1+train1000")
    with caplog.at_level(logging.WARNING, "hubbot"):
        merged = with_measured(record, found)
    assert set(merged.measured) == {"cb"}
    assert merged.gain_protocol == "gain-roberta@1+train1000"
    assert merged.lp_accuracy == record.lp_accuracy
    assert (
        "gains on rte by gain-roberta@1 are left out: now they are by gain-roberta@1+train1000"
        in caplog.text
    )


def test_flags_about_a_target_go_with_its_gain(values: dict[str, Any]) -> None:
    flags = ["borrowed", "learned nothing on rte", "a run collapsed on cb", "odd on rte"]
    gains = {"rte": values["measured"]["rte"], "cb": {"gain": 1.0, "seeds": 5}}
    record = Record.model_validate(values | {"flags": flags, "measured": gains})
    again = with_measured(record, found_on({"rte": a_gain()}), flags=["x on rte", "borrowed"])
    assert again.flags == ("borrowed", "a run collapsed on cb", "odd on rte", "x on rte")
    other = with_measured(record, found_on({"wnli": a_gain()}, protocol="gain-roberta@2"))
    assert other.flags == ("borrowed", "odd on rte")


def test_a_new_probe_keeps_the_gains_on_record(record: Record, values: dict[str, Any]) -> None:
    earlier = with_measured(record, found_on({"cb": a_gain(2.0)}), flags=["a run collapsed on cb"])
    bare = {"measured": {}, "gain_protocol": "", "flags": ["extrapolated"]}
    fresh = Record.model_validate(values | bare | {"lp_accuracy_interval": {}})
    kept = keep_measured(fresh, earlier)
    assert kept.measured == earlier.measured
    assert kept.gain_protocol == "gain-roberta@1"
    assert kept.flags == ("extrapolated", "a run collapsed on cb")
    assert kept.lp_accuracy_interval == {}
    assert kept.seconds["finetune"] == 123.5
    assert Record.model_validate(kept.plain()) == kept


def test_a_new_probe_of_other_weights_leaves_them_out(
    record: Record, values: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    fresh = Record.model_validate(values | {"measured": {}, "weights_digest": "sha256:new"})
    with caplog.at_level(logging.WARNING, "hubbot"):
        assert keep_measured(fresh, record) == fresh
    assert "the measured gains on record are left out" in caplog.text
    assert keep_measured(fresh, None) == fresh


def test_gains_are_put_into_the_file_of_the_model(record: Record, tmp_path: Path) -> None:
    path = write_record(record, tmp_path)
    written = write_measured(tmp_path, found_on({"cb": a_gain(2.0)}))
    assert read_record(path) == written
    assert set(written.measured) == {"rte", "cb"}
    assert written.has_probe


def test_processes_that_measure_one_model_at_once_lose_no_gain(tmp_path: Path) -> None:
    targets = list(GROUPS["site36"])
    with ProcessPoolExecutor(6, mp_context=get_context("fork")) as pool:
        list(pool.map(write_one, [tmp_path] * len(targets), targets))
    (path,) = (tmp_path / "roberta-base").iterdir()
    assert set(read_record(path).measured) == set(targets)


def write_one(folder: Path, target: str) -> None:
    write_measured(folder, found_on({target: a_gain()}))


def test_a_probe_keeps_the_gains_on_file(record: Record, values: Any, tmp_path: Path) -> None:
    write_record(record, tmp_path)
    fresh = Record.model_validate(values | {"measured": {}, "device": "another"})
    written = write_probed(tmp_path, fresh)
    assert read_record(record_path(tmp_path, record)) == written
    assert written.measured == record.measured
    assert written.device == "another"


def test_a_records_folder_that_is_a_file_is_told_of(record: Record, tmp_path: Path) -> None:
    (tmp_path / "scores").write_text("no folder")
    with pytest.raises(SettingsError, match="choose another records_dir"):
        write_probed(tmp_path / "scores", record)


def test_a_model_without_a_file_gets_one(tmp_path: Path) -> None:
    written = write_measured(tmp_path, found_on({"cb": a_gain(2.0)}, model="my-folder"))
    assert read_record(tmp_path / "roberta-base" / "my-folder.yaml") == written


def test_a_broken_file_is_replaced_and_told_of(
    record: Record, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_record(record, tmp_path)
    path.write_text("model: [")
    with caplog.at_level(logging.WARNING, "hubbot"):
        written = write_measured(tmp_path, found_on({"cb": a_gain(2.0)}))
    assert read_record(path) == written
    assert "replaced:" in caplog.text


def test_another_models_file_is_not_touched(record: Record, tmp_path: Path) -> None:
    path = write_record(record, tmp_path)
    before = path.read_bytes()
    found = found_on({"cb": a_gain()}, model="someone--probed-model")
    assert record_path(tmp_path, with_measured(None, found)) == path
    assert earlier_record(tmp_path, with_measured(None, found)) is None
    with pytest.raises(IntegrityError, match="holds the record of 'someone/probed-model'"):
        write_measured(tmp_path, found)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("names", "enough", "expected"),
    [
        (["a@1"], 1, "a@1"),
        (["a@1", "a@1+train10", "a@1+train10"], 1, "a@1"),
        (["a@1", "a@1+train10", "a@1+train10"], 2, "a@1+train10"),
        (["a@1", "a@2", "a@2"], 1, "a@2"),
        (["", "", "a@1+epochs3"], 1, ""),
    ],
)
def test_one_gain_protocol_is_taken(names: list[str], enough: int, expected: str) -> None:
    assert main_gain_protocol(names, enough=enough) == expected
    assert main_gain_protocol(reversed(names), enough=enough) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("gain-bert@1", True), ("", True), ("gain-bert@1+as-written", False), ("x@1+epochs3", False)],
)
def test_a_varied_protocol_is_not_full(name: str, expected: bool) -> None:
    assert is_full(name) is expected


def test_notes_and_failures_of_an_evaluation_are_no_part_of_the_record(record: Record) -> None:
    found = found_on({"cb": a_gain(2.0)})
    noted = replace(found, failed={"wnli": "no rows"}, gains={"cb": a_gain(2.0, notes=("cut",))})
    assert with_measured(record, noted, date=DAY) == with_measured(record, found, date=DAY)
