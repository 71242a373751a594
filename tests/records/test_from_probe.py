"""From a finished probe to its record: which prediction it gets, and which flags."""

from dataclasses import replace
from typing import Any

import pytest

from hubbot.errors import SettingsError
from hubbot.gains.calibration import Scale
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.predict import predict_gain
from hubbot.gains.published import load_published_models
from hubbot.records.from_probe import make_record
from hubbot.records.from_published import published_record
from hubbot.schema import ProbeResult

RESULT = ProbeResult(
    model="someone/model",
    revision="0" * 40,
    architecture="roberta-base",
    base_model="FacebookAI/roberta-base",
    protocol="lp-mnli@4000",
    dataset_revision="1" * 40,
    weights_digest="sha256:" + "2" * 64,
    lp_accuracy={"linear": 60.123456, "head": 62.0},
    lp_accuracy_interval={"linear": (59.0, 61.0), "head": (61.0, 63.0)},
    lp_gain={"linear": 10.0, "head": 12.0},
    lp_gain_interval={"linear": (9.0, 11.0), "head": (11.0, 13.0)},
    base_lp_accuracy={"linear": 50.123456, "head": 50.0},
    n_train=4000,
    n_test=9832,
    seconds={"download": 1.23},
    device="cpu",
    dtype="float32",
    details={"flags": ["trained on MNLI"]},
)


def with_gain(**changes: Any) -> ProbeResult:
    return replace(RESULT, **changes)


def test_the_prediction_is_made_from_the_default_heads_gain_and_is_borrowed() -> None:
    record = make_record(RESULT)
    expected = predict_gain(
        "roberta-base", lp_gain=12.0, protocol="lp-mnli@4000", flags=("trained on MNLI",)
    )
    assert expected.gain is not None
    assert record.predicted_gain == pytest.approx(expected.gain, abs=1e-4)
    assert record.predicted_gain_interval == pytest.approx(expected.interval, abs=1e-4)
    assert record.prediction_head == "head"
    assert record.flags == ("trained on MNLI", "borrowed")


def test_an_architecture_without_calibration_gets_a_reason_and_no_flag_of_a_prediction() -> None:
    record = make_record(
        with_gain(
            architecture="all-MiniLM-L6-v2", base_model="sentence-transformers/all-MiniLM-L6-v2"
        )
    )
    assert record.predicted_gain is None
    assert "no calibration for all-MiniLM-L6-v2" in record.prediction_note
    assert record.flags == ("trained on MNLI",)
    assert record.lineage == "nreimers/MiniLM-L6-H384-uncased"


def test_the_flags_of_the_checkpoint_count_in_its_prediction() -> None:
    flagged = make_record(RESULT).predicted_gain
    plain = make_record(with_gain(details={"flags": []})).predicted_gain
    assert flagged is not None
    assert plain is not None
    assert abs(flagged - plain) > 0.01


def test_a_calibration_of_its_own_protocol_is_used_where_there_is_one() -> None:
    packaged = load_packaged()
    own = replace(
        packaged["model-recycling-2023", "roberta-base", "site36"],
        name="lp-mnli@4000",
        scale=Scale(base_lp=50.0, base_lp_missing="", seed_sd=None),
    )
    key = (own.name, own.architecture, own.target_group)
    record = make_record(RESULT, calibrations={**packaged, key: own})
    assert record.calibration == "lp-mnli@4000"
    assert record.flags == ("trained on MNLI",)


def test_a_gain_far_outside_the_calibration_is_flagged() -> None:
    record = make_record(with_gain(lp_gain={"linear": 10.0, "head": 49.0}, lp_gain_interval=None))
    assert "extrapolated" in record.flags


def test_without_a_base_model_there_is_no_prediction_and_the_reason_stands() -> None:
    record = make_record(
        with_gain(
            lp_gain=None,
            lp_gain_interval=None,
            base_lp_accuracy=None,
            details={"no_gain": "the base model cannot be had"},
        )
    )
    assert record.lp_gain is None
    assert record.predicted_gain is None
    assert record.prediction_note == "the base model cannot be had"


def test_points_are_kept_finer_than_one_row_of_mnli() -> None:
    assert make_record(RESULT).lp_accuracy["linear"] == 60.1235


def test_a_published_record_has_the_gain_over_the_published_base_model() -> None:
    record = published_record("roberta-base", "ibm/ColD-Fusion-itr13-seed0", revision="0" * 40)
    assert record.lp_accuracy["head"] == pytest.approx(86.249, abs=1e-3)
    assert record.lp_gain is not None
    # 56.73 is the roberta-base probe of the published results (rounded there).
    assert record.lp_gain["head"] == pytest.approx(86.249 - 56.73, abs=0.01)
    assert record.source == "model-recycling-2023"


def test_a_published_record_is_predicted_with_what_its_name_calls_for() -> None:
    record = published_record("roberta-base", "ibm/ColD-Fusion-itr13-seed0", revision="0" * 40)
    expected = predict_gain(
        "roberta-base",
        lp_accuracy=record.lp_accuracy["head"],
        flags=("fused or multi-task",),
    )
    assert record.predicted_gain == expected.gain
    assert record.flags[0] == "fused or multi-task"
    assert len(record.measured) == 36
    mean = sum(item.gain for item in record.measured.values()) / 36
    assert mean == pytest.approx(2.4, abs=0.5)  # table of the paper: among the best


def test_a_row_without_sound_scores_has_no_measured_gains() -> None:
    row = next(
        model
        for model in load_published_models("roberta-base")
        if "misaligned" in model.findings and model.lp_accuracy
    )
    record = published_record("roberta-base", row.model, revision="0" * 40)
    assert record.measured == {}
    assert "published row: misaligned" in record.flags


def test_an_unknown_published_row_gets_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match="did you mean 'ibm/ColD-Fusion-itr13-seed0'"):
        published_record("roberta-base", "ibm/ColD-Fusion-itr13-sed0", revision="0" * 40)
