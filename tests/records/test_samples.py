"""Score records with measured gains teach a calibration of their own."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hubbot.errors import IntegrityError
from hubbot.gains.calibrating import fit_all
from hubbot.gains.calibration_file import dump_calibrations, load_calibrations
from hubbot.gains.groups import GROUPS
from hubbot.gains.predict import predict_gain
from hubbot.records.from_published import published_record
from hubbot.records.record import Record
from hubbot.records.samples import record_samples
from hubbot.records.store import write_record

PROTOCOL = "lp-mnli@4000"


def record(values: dict[str, Any], number: int, **changes: Any) -> Record:
    """One probed model whose gain on every target is a tenth of its LP gain, and some noise."""
    lp_gain = float(number)
    rng = np.random.default_rng(number)
    measured = {
        target: {"gain": 0.1 * lp_gain + float(rng.normal(0, 0.2)), "se": 0.1, "seeds": 5}
        for target in GROUPS["site36"]
    }
    own = {
        "model": f"owner-{number}/model",
        "protocol": PROTOCOL,
        "lp_accuracy": {"head": 52.0 + lp_gain},
        "lp_accuracy_interval": {},
        "lp_gain": {"head": lp_gain},
        "lp_gain_interval": None,
        "predicted_gain": None,
        "predicted_gain_interval": None,
        "probability_positive": None,
        "measured": measured,
    }
    return Record.model_validate(values | own | changes)


@pytest.fixture
def folder(values: dict[str, Any], tmp_path: Path) -> Path:
    """Records of 24 models with measured gains."""
    for number in range(24):
        write_record(record(values, number), tmp_path / "scores")
    return tmp_path / "scores"


def test_records_of_one_architecture_and_protocol_make_one_sample(folder: Path) -> None:
    (found,) = record_samples(folder)
    assert (found.name, found.architecture, len(found.models)) == (PROTOCOL, "roberta-base", 24)
    row = found.models.index("owner-7/model")
    assert found.lp[row] == 59.0
    assert found.scale.base_lp == pytest.approx(52.0)
    assert np.isfinite(found.gains).all()
    assert found.gains[row].mean() == pytest.approx(0.7, abs=0.15)
    assert found.source == "24 score records of hubbot, gains by gain-roberta@1"


def test_enough_records_replace_the_borrowed_calibration(folder: Path, tmp_path: Path) -> None:
    before = predict_gain("roberta-base", lp_gain=12.0, protocol=PROTOCOL)
    path = tmp_path / "calibrations.json"
    path.write_text(dump_calibrations(*fit_all(record_samples(folder))))
    after = predict_gain(
        "roberta-base", lp_gain=12.0, protocol=PROTOCOL, calibrations=load_calibrations(path)
    )
    assert before.is_borrowed
    assert not after.is_borrowed
    assert (after.calibration, after.n) == (PROTOCOL, 24)
    assert after.gain == pytest.approx(1.2, abs=0.15)
    # The records' own noise is small, that of the published table is not.
    assert before.interval is not None
    assert after.interval is not None
    assert after.interval[1] - after.interval[0] < before.interval[1] - before.interval[0]


def test_too_few_records_leave_the_borrowed_one(folder: Path, tmp_path: Path) -> None:
    for number in range(5):
        (folder / "roberta-base" / f"owner-{number}--model.yaml").unlink()
    done, refused = fit_all(record_samples(folder))
    assert not done
    assert {item.n for item in refused} == {19}
    path = tmp_path / "calibrations.json"
    path.write_text(dump_calibrations(done, refused))
    found = predict_gain(
        "roberta-base", lp_gain=12.0, protocol=PROTOCOL, calibrations=load_calibrations(path)
    )
    assert found.is_borrowed


def test_protocols_and_architectures_are_not_mixed(folder: Path, values: dict[str, Any]) -> None:
    write_record(record(values, 30, protocol="lp-mnli"), folder)
    write_record(record(values, 31, architecture="bert-base-uncased"), folder)
    assert [
        (item.architecture, item.name, len(item.models)) for item in record_samples(folder)
    ] == [
        ("bert-base-uncased", PROTOCOL, 1),
        ("roberta-base", "lp-mnli", 1),
        ("roberta-base", PROTOCOL, 24),
    ]


def test_targets_that_a_record_lacks_are_missing(folder: Path, values: dict[str, Any]) -> None:
    write_record(record(values, 30, measured={"rte": {"gain": 2.0, "seeds": 1}}), folder)
    (found,) = record_samples(folder)
    row = found.models.index("owner-30/model")
    assert found.gains[row, found.targets.index("rte")] == 2.0
    assert np.isnan(found.gains[row]).sum() == 35
    (item, *_) = fit_all([found])[0]
    assert item.n == 24


@pytest.mark.parametrize("changes", [{"measured": {}}, {"source": "model-recycling-2023"}])
def test_records_without_gains_of_their_own_teach_nothing(
    folder: Path, values: dict[str, Any], changes: dict[str, Any]
) -> None:
    write_record(record(values, 30, **changes), folder)
    (found,) = record_samples(folder)
    assert len(found.models) == 24


def test_rows_of_the_published_table_are_not_counted_twice(tmp_path: Path) -> None:
    row = published_record("roberta-base", "ibm/ColD-Fusion-itr13-seed0", revision="0" * 40)
    assert row.measured
    write_record(row, tmp_path)
    assert record_samples(tmp_path) == []


def test_records_that_disagree_on_the_base_model_are_refused(
    folder: Path, values: dict[str, Any]
) -> None:
    write_record(record(values, 30, lp_accuracy={"head": 83.0}), folder)
    with pytest.raises(IntegrityError, match=r"disagree .* 52\.00 by .*, 53\.00 by owner-30/model"):
        record_samples(folder)


def test_records_that_differ_by_rounding_agree(folder: Path, values: dict[str, Any]) -> None:
    write_record(record(values, 30, lp_accuracy={"head": 82.4}), folder)
    (found,) = record_samples(folder)
    assert found.scale.base_lp == pytest.approx(52.0)


def test_without_any_lp_gain_the_base_models_lp_is_missing(
    values: dict[str, Any], tmp_path: Path
) -> None:
    write_record(record(values, 3, lp_gain=None), tmp_path)
    (found,) = record_samples(tmp_path)
    assert (found.scale.base_lp, found.scale.base_lp_missing) == (
        None,
        "no record holds an LP gain",
    )


@pytest.mark.parametrize("content", ["model: [", "", "model: someone/else\n", "\0"])
def test_a_broken_record_is_passed_over_with_a_warning(
    folder: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "roberta-base" / "broken--one.yaml").write_text(content)
    with caplog.at_level(logging.WARNING, "hubbot"):
        (found,) = record_samples(folder)
    assert len(found.models) == 24
    assert "broken--one.yaml" in caplog.text


def test_a_folder_that_is_not_there_holds_no_records(tmp_path: Path) -> None:
    assert record_samples(tmp_path / "nowhere") == []


# Gain protocols


def test_gains_by_several_protocols_are_never_mixed(
    folder: Path, values: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(30, 33):
        write_record(record(values, number, gain_protocol="gain-roberta@1+train1000"), folder)
    with caplog.at_level(logging.WARNING, "hubbot"):
        (found,) = record_samples(folder)
    assert len(found.models) == 24
    assert found.source.endswith("gains by gain-roberta@1")
    assert "3 record(s) with gains by gain-roberta@1+train1000 are left out" in caplog.text


@pytest.mark.parametrize(
    ("n_full", "n_short", "chosen"),
    [
        (20, 23, "gain-roberta@1"),  # enough for a calibration
        (19, 23, "gain-roberta@1+train1000"),
        (3, 2, "gain-roberta@1"),
        (2, 3, "gain-roberta@1+train1000"),
    ],
)
def test_a_full_protocol_goes_first_where_enough_have_it(
    values: dict[str, Any], tmp_path: Path, n_full: int, n_short: int, chosen: str
) -> None:
    for number in range(n_full):
        write_record(record(values, number), tmp_path)
    for number in range(100, 100 + n_short):
        short = record(values, number, gain_protocol="gain-roberta@1+train1000",
                       lp_accuracy={"head": 60.0}, lp_gain={"head": 8.0})  # fmt: skip
        write_record(short, tmp_path)
    (found,) = record_samples(tmp_path)
    assert found.source.endswith(f"gains by {chosen}")


def test_the_choice_is_made_for_each_probes_protocol(folder: Path, values: dict[str, Any]) -> None:
    short = {"gain_protocol": "gain-roberta@1+train1000", "protocol": "lp-mnli"}
    write_record(record(values, 30, **short), folder)
    assert [(item.name, item.source) for item in record_samples(folder)] == [
        ("lp-mnli", "1 score records of hubbot, gains by gain-roberta@1+train1000"),
        (PROTOCOL, "24 score records of hubbot, gains by gain-roberta@1"),
    ]


def test_records_of_before_are_a_group_of_their_own(values: dict[str, Any], tmp_path: Path) -> None:
    del values["gain_protocol"]
    write_record(record(values, 1), tmp_path)
    (found,) = record_samples(tmp_path)
    assert found.source == "1 score records of hubbot"


def test_records_without_a_probe_are_skipped(folder: Path, values: dict[str, Any]) -> None:
    alone = record(values, 30, lp_accuracy={}, lp_gain=None, protocol="", prediction_head=None)
    write_record(alone, folder)
    (found,) = record_samples(folder)
    assert len(found.models) == 24


def test_targets_of_no_group_are_passed_over(folder: Path, values: dict[str, Any]) -> None:
    own = {"my_data": {"gain": 9.0, "seeds": 1}}
    write_record(record(values, 30, measured=own), folder)
    both = record(values, 31).plain()["measured"] | own
    write_record(record(values, 31, measured=both), folder)
    (found,) = record_samples(folder)
    assert "my_data" not in found.targets
    assert "owner-30/model" not in found.models
    assert len(found.models) == 25


def test_the_base_models_scores_are_known_where_every_gain_names_its_own(
    values: dict[str, Any], tmp_path: Path
) -> None:
    for number, base_score in enumerate((60.0, 61.0, 65.0)):
        gains = {
            "rte": {"gain": 1.0, "seeds": 3, "base_score": base_score, "score": base_score + 1},
            "cb": {"gain": 2.0, "seeds": 3, "base_score": 80.0} if number else
                  {"gain": 2.0, "seeds": 3},
        }  # fmt: skip
        write_record(record(values, number, measured=gains), tmp_path)
    (found,) = record_samples(tmp_path)
    assert found.base_scores == {"rte": 61.0}


def test_own_records_with_scores_teach_what_four_targets_tell(
    values: dict[str, Any], tmp_path: Path
) -> None:
    for number in range(24):
        one = record(values, number).plain()["measured"]
        gains = {name: gain | {"base_score": 60.0} for name, gain in one.items()}
        write_record(record(values, number, measured=gains), tmp_path)
    done, _ = fit_all(record_samples(tmp_path))
    assert {item.target_group for item in done} == {"site36", "general", "quick", "site32"}


@pytest.mark.parametrize("flag", ["partial data", "mixed precision"])
def test_gains_that_do_not_compare_teach_nothing(
    flag: str, values: dict[str, Any], tmp_path: Path
) -> None:
    for number in range(3):
        flags = (f"{flag} on rte",) if number == 1 else ()
        write_record(record(values, number, flags=flags), tmp_path)
    (found,) = record_samples(tmp_path)
    at = found.targets.index("rte")
    assert np.isnan(found.gains[:, at]).tolist() == [False, True, False]
    assert np.isfinite(np.delete(found.gains, at, axis=1)).all()
