"""What calibrations are fitted on, and that the packaged ones are what fitting gives."""

import csv
import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hubbot.gains.calibrating import (
    Sample,
    calibrate,
    fit_all,
    mean_gain,
    published_samples,
    summarise,
)
from hubbot.gains.calibration import PUBLISHED, Calibration, Refused, Scale
from hubbot.gains.calibration_file import dump_calibrations, load_calibrations, load_packaged
from hubbot.gains.flags import FUSED
from hubbot.gains.groups import AFTER_QUICK, GROUPS, QUICK
from hubbot.gains.predict import predict_columns
from hubbot.gains.smoother import Rows

RAW = Path(__file__).parents[3] / "shared" / "recycling" / "models_tested.csv"
"""The raw published table, where it lies beside the checkout."""

COUNTS = {
    "roberta-base": 221,
    "bert-base-uncased": 243,
    "bert-base-cased": 119,
    "microsoft/deberta-v3-base": 45,
    "t5-base": 31,
    "google/t5-v1_1-base": 19,
}


def sample(n: int = 24, *, name: str = "lp-mnli@4000", seed: int = 0, missing: int = 0) -> Sample:
    """Models whose gain rises with LP, measured on all 36 targets; the last few on one less."""
    rng = np.random.default_rng(seed)
    targets = GROUPS["site36"]
    lp = rng.uniform(45, 75, n)
    gains = 0.1 * (lp - 60)[:, None] + rng.normal(0, 0.5, (n, len(targets)))
    gains[:missing, :2] = np.nan
    return Sample(
        name=name,
        architecture="roberta-base",
        models=tuple(f"owner-{i}/model" for i in range(n)),
        lp=lp,
        flags=tuple((FUSED,) if i % 5 == 0 else () for i in range(n)),
        targets=targets,
        gains=gains,
        base_scores=dict.fromkeys(targets, 70.0),
        scale=Scale(base_lp=55.0, base_lp_missing="", seed_sd=None),
        date="2026-01-01",
        source="made up",
    )


# The mean over a group


def one_row(**gains: float) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    return np.array([list(gains.values())]), tuple(gains)


def test_the_mean_runs_over_the_group_and_nothing_else() -> None:
    gains, targets = one_row(rte=1.0, cb=2.0, mrpc=3.0, cola=6.0, imdb=1000.0)
    assert mean_gain(gains, targets, "quick") == pytest.approx([3.0])


def general_but(**gains: float) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """A row of gains of 3 points on each general target, some of them replaced."""
    return one_row(**(dict.fromkeys(GROUPS["general"], 3.0) | gains))


def test_one_missing_target_is_left_out_of_the_mean() -> None:
    gains, targets = general_but(cb=math.nan, rte=16.0)
    assert mean_gain(gains, targets, "general") == pytest.approx([4.0])


def test_two_missing_targets_leave_no_mean() -> None:
    gains, targets = general_but(cb=math.nan, copa=math.nan)
    assert np.isnan(mean_gain(gains, targets, "general")).all()


def test_a_target_without_a_column_is_missing_as_well() -> None:
    gains, targets = general_but()
    assert mean_gain(gains[:, 1:], targets[1:], "general") == pytest.approx([3.0])
    assert np.isnan(mean_gain(gains[:, 2:], targets[2:], "general")).all()


def test_none_of_the_quick_four_can_be_spared() -> None:
    gains, targets = one_row(rte=1.0, mrpc=3.0, cola=5.0)
    assert np.isnan(mean_gain(gains, targets, "quick")).all()


def test_no_column_of_the_group_leaves_no_mean() -> None:
    gains, targets = one_row(imdb=1.0)
    assert np.isnan(mean_gain(gains, targets, "quick")).all()


def test_the_order_of_the_columns_does_not_matter() -> None:
    targets = GROUPS["site36"]
    gains = np.random.default_rng(0).normal(size=(5, 36))
    assert mean_gain(gains[:, ::-1], targets[::-1], "site32") == pytest.approx(
        mean_gain(gains, targets, "site32")
    )


def test_the_groups_fit_together() -> None:
    assert [len(GROUPS[name]) for name in ("site36", "site32", "general", "quick")] == [
        36,
        32,
        14,
        4,
    ]
    assert set(GROUPS["site32"]) == set(GROUPS["site36"]) - set(QUICK)
    assert set(GROUPS["general"]) < set(GROUPS["site36"])


# What is fitted


def test_a_sample_gives_a_calibration_for_each_group_it_covers() -> None:
    done, refused = calibrate(sample())
    assert [item.target_group for item in done] == [
        *("site36", "general", "quick"),
        AFTER_QUICK,
    ]
    assert not refused
    by_group = {item.target_group: item for item in done}
    assert set(by_group["site36"].choices) == {"lp", "lp+flags"}
    assert set(by_group[AFTER_QUICK].choices) == {"lp+quick", "lp+flags+quick"}
    assert by_group[AFTER_QUICK].quick_base == (70.0,) * 4


def test_the_gain_is_the_mean_over_the_groups_targets() -> None:
    given = sample()
    (item, *_) = calibrate(given)[0]
    assert item.gain == pytest.approx(given.gains.mean(axis=1))
    assert item.rows.flags is not None
    assert item.rows.flags[:, 1].tolist() == [1.0 if i % 5 == 0 else 0.0 for i in range(24)]


@pytest.mark.parametrize("n", [1, 19])
def test_too_few_models_are_refused_with_their_number(n: int) -> None:
    done, refused = calibrate(sample(n))
    assert not done
    assert {(item.target_group, item.n) for item in refused} == {
        ("site36", n),
        ("general", n),
        ("quick", n),
        (AFTER_QUICK, n),
    }
    assert f"{n} model(s) with a usable LP" in refused[0].reason


def measured_on(*targets: str) -> Sample:
    """A sample of 24 models measured on some of the targets alone."""
    given = sample()
    columns = [given.targets.index(target) for target in targets]
    return replace(given, targets=targets, gains=given.gains[:, columns])


def test_the_quick_four_alone_give_a_calibration() -> None:
    given = measured_on(*QUICK)
    (item,), refused = calibrate(given)
    assert (item.target_group, refused) == ("quick", [])
    assert item.gain == pytest.approx(given.gains.mean(axis=1))


@pytest.mark.parametrize(
    ("targets", "group", "missing"),
    [
        (("rte", "mrpc", "cola", "irony"), "quick", "missing: cb"),
        (tuple(t for t in GROUPS["general"] if t not in ("cb", "copa")), "quick", "missing: cb"),
        (("wic",), "quick", "missing: rte, cb, mrpc, cola"),
    ],
)
def test_no_whole_group_names_what_is_missing(
    targets: tuple[str, ...], group: str, missing: str
) -> None:
    given = sample()
    gains = np.zeros((24, len(targets)))
    done, (refused,) = calibrate(replace(given, targets=targets, gains=gains))
    assert not done
    assert (refused.target_group, refused.n) == (group, 0)
    assert refused.reason.endswith(missing)


def test_models_that_lack_targets_do_not_count() -> None:
    done, refused = calibrate(sample(22, missing=3))
    assert not [item for item in done if item.target_group == "site36"]
    assert [item.n for item in refused if item.target_group == "site36"] == [19]


def test_models_without_lp_do_not_count() -> None:
    given = sample(22)
    given.lp[0] = np.nan
    (item, *_) = calibrate(given)[0]
    assert (item.n, item.models[0]) == (21, "owner-1/model")


def test_models_that_all_have_the_same_lp_are_refused() -> None:
    given = sample()
    given.lp[:] = 60.0
    done, refused = calibrate(given)
    assert not done
    assert refused[0].reason == "all models have the same LP"


def test_without_scores_of_the_base_model_there_is_no_second_stage() -> None:
    given = sample()
    done, refused = calibrate(replace(given, base_scores={}))
    assert AFTER_QUICK not in {item.target_group for item in done}
    assert not refused


def test_a_summary_has_a_line_for_every_choice_and_every_refusal() -> None:
    done, refused = fit_all([sample(), sample(19, name="lp-mnli")])
    lines = summarise(done, refused)
    assert [(line.target_group, line.knows) for line in lines if line.form] == [
        ("site36", "lp"),
        ("site36", "lp+flags"),
        ("general", "lp"),
        ("general", "lp+flags"),
        ("quick", "lp"),
        ("quick", "lp+flags"),
        ("site32", "lp+quick"),
        ("site32", "lp+flags+quick"),
    ]
    first = lines[0]
    slope, intercept = np.polyfit(done[0].rows.lp, done[0].gain, 1)
    assert (first.slope, first.intercept) == pytest.approx((slope, intercept))
    assert first.rmse == min(first.tried.values())
    assert {line.n for line in lines if not line.form} == {19}
    assert all(line.reason for line in lines if not line.form)


# The published results


def test_the_published_samples_are_as_large_as_the_usable_rows() -> None:
    found = {item.architecture: item for item in published_samples()}
    assert {name: len(item.models) for name, item in found.items()} == COUNTS
    for item in found.values():
        assert np.isfinite(item.lp).all()
        assert np.isfinite(mean_gain(item.gains, item.targets, "site36")).all()
        assert item.architecture not in item.models
        # 3463 of 9832, the share of one class: such a probe learned nothing.
        assert np.abs(item.lp - 100 * 3463 / 9832).min() > 0.001


@pytest.mark.skipif(not RAW.exists(), reason="the raw published table is not on this machine")
def test_the_published_samples_are_the_usable_rows_without_failed_probes_and_base_models() -> None:
    with RAW.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    usable = [row for row in rows if row["usable"] == "True"]
    assert len(usable) == 687
    wanted = {
        (row["base_model"], row["model_name"])
        for row in usable
        if row["lp_is_class_prior"] != "True" and row["model_name"] != row["base_model"]
    }
    found = {(item.architecture, model) for item in published_samples() for model in item.models}
    assert found == wanted
    assert Counter(architecture for architecture, _ in wanted) == COUNTS


@pytest.mark.skipif(not RAW.exists(), reason="the raw published table is not on this machine")
def test_published_gains_are_those_of_the_raw_table() -> None:
    with RAW.open(encoding="utf-8") as file:
        raw = {row["model_name"]: row for row in csv.DictReader(file) if row["usable"] == "True"}
    for item in published_samples():
        gain = mean_gain(item.gains, item.targets, "site36")
        for row, model in enumerate(item.models):
            assert item.lp[row] == pytest.approx(100 * float(raw[model]["mnli_lp"]), abs=1e-3)
            assert gain[row] == pytest.approx(float(raw[model]["avg_gain"]), abs=2e-3)


@pytest.fixture(scope="module")
def refitted() -> tuple[list[Calibration], list[Refused]]:
    return fit_all(published_samples())


@pytest.mark.slow
def test_refitting_the_packaged_results_gives_the_packaged_forms(
    refitted: tuple[list[Calibration], list[Refused]],
) -> None:
    done, refused = refitted
    packaged = {key: item for key, item in load_packaged().items() if key[0] == PUBLISHED}
    assert {(item.name, item.architecture, item.target_group) for item in done} == set(packaged)
    for item in done:
        kept = packaged[item.name, item.architecture, item.target_group]
        assert item.models == kept.models
        assert {name: (choice.form, choice.tuning) for name, choice in item.choices.items()} == {
            name: (choice.form, choice.tuning) for name, choice in kept.choices.items()
        }
    assert {(item.architecture, item.n) for item in refused} == {("google/t5-v1_1-base", 19)}


@pytest.mark.slow
def test_refitting_the_packaged_results_gives_the_packaged_predictions(
    refitted: tuple[list[Calibration], list[Refused]], tmp_path: Path
) -> None:
    path = tmp_path / "calibrations.json"
    path.write_text(dump_calibrations(*refitted))
    again, packaged = load_calibrations(path), load_packaged()
    for key, item in packaged.items():
        if key[0] != PUBLISHED:
            continue
        lp = np.linspace(*item.lp_range, 25)
        flags = (np.arange(75).reshape(25, 3) % 2).astype(np.float64)
        quick = None if item.rows.quick is None else np.linspace(-3, 3, 100).reshape(25, 4)
        rows = Rows(lp=lp, flags=flags, quick=quick)
        before, after = predict_columns(item, rows), predict_columns(again[key], rows)
        for name in ("gain", "low", "high", "probability_positive"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), abs=1e-6)


def test_the_packaged_file_says_why_an_architecture_has_none() -> None:
    path = Path(__file__).parents[2] / "hubbot" / "gains" / "data" / "calibrations.json"
    refused = json.loads(path.read_text())["refused"]
    assert {(item["architecture"], item["target_group"]) for item in refused} == {
        ("google/t5-v1_1-base", "site36"),
        ("google/t5-v1_1-base", "site32"),
    }
