import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hubbot.records.record import Record
from hubbot.records.store import read_record, record_text, write_record

DESIGN = """schema_version, model, revision, weights_digest, architecture, base_model, lineage,
protocol, dataset_revision, lp_accuracy, lp_accuracy_interval, lp_gain, predicted_gain,
predicted_gain_interval, interval_level, probability_positive, calibration, target_group, measured,
flags, source, hubbot_version, versions, device, dtype, seconds, cost, date"""

GAIN = {
    **{"gain": 3.1, "se": 0.4, "seeds": 5, "interval": [1.9, 4.3]},
    **{"score": 64.1, "base_score": 61.0, "n_test": 277},
}
"""A gain with all that is known of it."""

STSB = {"gain": -30.5, "se": None, "seeds": [0, 1], "score": -20.5, "base_score": 10.0}
"""Correlations may be below 0."""

WITHOUT_PROBE: dict[str, Any] = {
    "protocol": "",
    "lp_accuracy": {},
    "lp_accuracy_interval": {},
    "lp_gain": None,
    "lp_gain_interval": None,
    "predicted_gain": None,
    "predicted_gain_interval": None,
    "probability_positive": None,
    "prediction_head": None,
}


def test_record_has_the_keys_of_the_design(values: dict[str, Any]) -> None:
    assert set(re.findall(r"\w+", DESIGN)) <= set(Record.model_fields)
    assert set(values) == set(Record.model_fields)


def test_plain_values_make_the_same_record_again(values: dict[str, Any]) -> None:
    record = Record.model_validate(values)
    assert record.plain() == values
    assert Record.model_validate(record.plain()) == record


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"lp_accuracy": {"head": 100.1, "linear": 1.0}}, "less than or equal to 100"),
        ({"lp_accuracy": {"head": -0.1, "linear": 1.0}}, "greater than or equal to 0"),
        ({"lp_accuracy": {"head": float("nan"), "linear": 1.0}}, "lp_accuracy.head"),
        ({"lp_accuracy": {"head": float("inf"), "linear": 1.0}}, "lp_accuracy.head"),
        ({"lp_accuracy": {"head": "71.5", "linear": 1.0}}, "valid number"),
        ({"lp_accuracy": {"head": True, "linear": 1.0}}, "valid number"),
        ({"lp_accuracy": {"mlp": 50.0}}, "'linear' or 'head'"),
        ({"lp_accuracy": {}, "measured": {}}, "are both empty; expected at least one number"),
        ({"lp_accuracy": {}}, "protocol is 'lp-mnli', but lp_accuracy is empty"),
        ({"lp_accuracy": {}}, "predicted_gain is 1.2, but lp_accuracy is empty"),
        ({"lp_accuracy": {}}, "lp_accuracy_interval has 'head', lp_accuracy has not"),
        ({"lp_accuracy": {}, "gain_protocol": ""}, "gain_protocol is empty, expected that of"),
        ({"protocol": ""}, "protocol is empty, expected the probe's"),
        ({"lp_accuracy_interval": {"head": [72.4, 70.6]}}, "lies above upper end"),
        ({"lp_accuracy_interval": {"head": [10.0, 20.0]}}, "lies outside its interval"),
        ({"lp_gain": {"head": 16.3}}, "expected the heads of lp_accuracy"),
        ({"lp_gain": None}, "lp_gain_interval has 'head', lp_gain has not"),
        ({"predicted_gain": 101.0}, "less than or equal to 100"),
        ({"predicted_gain": 9.0}, "lies outside its interval"),
        ({"predicted_gain": None}, "go together"),
        ({"predicted_gain_interval": None}, "go together"),
        ({"predicted_gain_interval": [float("-inf"), 3.0]}, "finite"),
        ({"interval_level": 90}, "less than 1"),
        ({"probability_positive": 1.5}, "less than or equal to 1"),
        ({"measured": {"rte": {"gain": 3.0, "se": -1.0, "seeds": 5}}}, "greater than or equal"),
        ({"measured": {"rte": {"gain": 3.0, "seeds": 0}}}, "greater than or equal"),
        ({"measured": {"rte": GAIN | {"interval": [1.0, 2.0]}}}, "gain 3.1 lies outside its int"),
        ({"measured": {"rte": GAIN | {"interval": [4.0, 2.0]}}}, "lies above upper end"),
        ({"measured": {"rte": GAIN | {"base_score": 60.0}}}, "gain 3.1 is not score 64.1 minus"),
        ({"measured": {"rte": GAIN | {"score": 164.1}}}, "less than or equal to 100"),
        ({"measured": {"rte": GAIN | {"n_test": 0}}}, "greater than or equal to 1"),
        ({"seconds": {"encode": -1.0}}, "greater than or equal"),
        ({"cost": float("nan")}, "cost"),
        ({"model": ""}, "at least 1 character"),
        ({"model": "x" * 501}, "at most 500"),
        ({"date": "yesterday"}, "valid date"),
        ({"schema_version": 0}, "greater than or equal to 1"),
        ({"lp_acuracy": {}}, "unknown key 'lp_acuracy'"),
    ],
)
def test_record_that_does_not_add_up_is_refused(
    change: dict[str, Any], match: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError, match=match):
        Record.model_validate(values | change)


@pytest.mark.parametrize("key", ["model", "architecture", "protocol", "lp_accuracy", "date"])
def test_key_that_is_needed_is_asked_for(key: str, values: dict[str, Any]) -> None:
    del values[key]
    with pytest.raises(ValidationError, match=rf"{key}\n  Field required"):
        Record.model_validate(values)


def test_keys_of_a_newer_version_are_kept(values: dict[str, Any]) -> None:
    newer = values | {"schema_version": 2, "energy": {"kWh": 0.1}}
    assert Record.model_validate(newer).plain() == newer


@pytest.mark.parametrize(
    ("heads", "used", "expected"),
    [
        ({"linear": 60.0, "head": 70.0}, None, "head"),
        ({"linear": 60.0, "head": 70.0}, "linear", "linear"),
        ({"linear": 60.0}, None, "linear"),
        ({"linear": 60.0}, "head", "linear"),
    ],
)
def test_one_head_stands_for_the_probe(
    heads: dict[str, float], used: str | None, expected: str, values: dict[str, Any]
) -> None:
    change = {"lp_accuracy": heads, "prediction_head": used}
    none: dict[str, Any] = {"lp_accuracy_interval": {}, "lp_gain": None, "lp_gain_interval": None}
    assert Record.model_validate(values | change | none).head == expected


def test_a_record_may_hold_measured_gains_alone(values: dict[str, Any]) -> None:
    record = Record.model_validate(values | WITHOUT_PROBE | {"measured": {"rte": GAIN}})
    assert not record.has_probe
    assert record.plain() == values | WITHOUT_PROBE | {"measured": {"rte": GAIN}}
    with pytest.raises(ValueError, match=r"record of someone/probed-model holds no probe; ask has"):
        _ = record.head


def test_a_record_of_before_reads_and_writes_as_it_stands(
    values: dict[str, Any], tmp_path: Path
) -> None:
    del values["gain_protocol"]
    record = Record.model_validate(values)
    assert record.gain_protocol == ""
    assert record.plain() == values
    text = record_text(record)
    assert "gain_protocol" not in text
    for word in ("    interval", "score:", "n_test"):
        assert word not in text
    (tmp_path / "x.yaml").write_text(text)
    assert record_text(read_record(tmp_path / "x.yaml")) == text


def test_all_that_is_known_of_a_gain_survives_the_file(
    values: dict[str, Any], tmp_path: Path
) -> None:
    record = Record.model_validate(values | {"measured": {"rte": GAIN, "stsb": STSB}})
    path = write_record(record, tmp_path)
    assert read_record(path) == record
    assert read_record(path).plain()["measured"] == {"rte": GAIN, "stsb": STSB}


def test_keys_that_a_gain_has_beside_ours_are_kept(values: dict[str, Any]) -> None:
    gains = {"rte": GAIN | {"energy": 0.1}}
    assert Record.model_validate(values | {"measured": gains}).plain()["measured"] == gains
