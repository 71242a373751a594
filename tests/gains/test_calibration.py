"""A calibration and what it says of new models."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from hubbot.gains.calibration import (
    PAPER,
    PUBLISHED,
    Calibration,
    Choice,
    Scale,
    context,
    load_scales,
    owner_numbers,
    predictor_of,
    spread_at,
)
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.smoother import Rows, Tuning, fit, form_named
from hubbot.gains.spread import intervals

Array = NDArray[np.float64]

PACKAGED = [item for item in load_packaged().values() if item.name == PUBLISHED]


def choice(form: str) -> Choice:
    ridge = 0.3 if form_named(form).is_penalised else 1e-6
    return Choice(form=form_named(form), tuning=Tuning(ridge=ridge), tried={form: 1.0})


def made_up(n: int = 30, *, quick: bool = False) -> Calibration:
    rng = np.random.default_rng(0)
    lp, flags = rng.uniform(40, 80, n), (rng.random((n, 3)) < 0.4).astype(np.float64)
    scores = rng.normal(0, 3, (n, 4))
    gain = 0.1 * lp - 6 - flags[:, 0] + scores @ (0.1, 0.2, 0.3, 0.4) + rng.normal(0, 0.3, n)
    ends = "+quick" if quick else ""
    return Calibration(
        name="lp-mnli@4000",
        architecture="roberta-base",
        target_group="site32" if quick else "site36",
        models=tuple(f"owner-{i}/model" for i in range(n)),
        rows=Rows(lp=lp, flags=flags, quick=scores if quick else None),
        gain=gain,
        quick_targets=("rte", "cb", "mrpc", "cola") if quick else (),
        quick_base=(60.0, 70.0, 80.0, 80.0) if quick else (),
        choices={
            f"lp{ends}": choice("quick line" if quick else "line"),
            f"lp+flags{ends}": choice(
                "quick bent line and flags" if quick else "bent line and flags"
            ),
        },
        line=None,
        scale=Scale(base_lp=50.0, base_lp_missing="", seed_sd=0.3, run_shift=3.0, run_sd=4.0),
        date="2026-01-01",
        source="made up",
    )


@pytest.mark.parametrize("has_flags", [False, True])
@pytest.mark.parametrize("has_quick", [False, True])
def test_a_context_names_what_is_known(has_flags: bool, has_quick: bool) -> None:
    name = context(has_flags=has_flags, has_quick=has_quick)
    assert name.split("+") == ["lp", *["flags"] * has_flags, *["quick"] * has_quick]


def test_two_runs_differ_by_shift_and_scatter_together() -> None:
    assert made_up().scale.run_spread == 5.0


def test_without_flags_the_form_without_flags_answers() -> None:
    item = made_up()
    new = Rows(lp=np.array([45.0, 77.0]))
    expected = np.polyval(np.polyfit(item.rows.lp, item.gain, 1), new.lp)
    assert spread_at(item, new).gain == pytest.approx(expected, abs=1e-4)


def test_with_flags_they_move_the_expected_gain() -> None:
    item = made_up()
    lp = np.full(2, 60.0)
    found = spread_at(item, Rows(lp=lp, flags=np.array([[0.0, 0, 0], [1, 0, 0]])))
    assert found.gain[1] - found.gain[0] == pytest.approx(-1.0, abs=0.4)


@pytest.mark.parametrize("columns", [(0,), (3,), (0, 2), (0, 1, 2, 3)])
def test_with_some_quick_columns_the_known_models_are_stripped_to_the_same(
    columns: tuple[int, ...],
) -> None:
    item = made_up(quick=True)
    assert item.rows.quick is not None
    asked = np.full((3, 4), math.nan)
    asked[:, columns] = np.random.default_rng(1).normal(0, 2, (3, len(columns)))
    lp = np.array([45.0, 60.0, 75.0])
    chosen = item.choices["lp+quick"]
    stripped = Rows(lp=item.rows.lp, quick=item.rows.quick[:, columns])
    expected = fit(chosen.form, chosen.tuning, stripped, item.gain).predict(
        Rows(lp=lp, quick=asked[:, columns])
    )
    found = spread_at(item, Rows(lp=lp, quick=asked))
    assert found.gain == pytest.approx(expected, abs=1e-9)
    assert np.isfinite(found.values).all()


def test_quick_columns_known_for_some_rows_only_are_a_mistake() -> None:
    asked = np.zeros((2, 4))
    asked[1, 2] = math.nan
    with pytest.raises(ValueError, match="known for all rows of a call or for none"):
        spread_at(made_up(quick=True), Rows(lp=np.array([50.0, 60.0]), quick=asked))


def test_a_printed_line_is_not_fitted_and_its_residuals_are_taken_from_it() -> None:
    item = replace(made_up(), line=(0.2, -11.0), choices={})
    found = spread_at(item, Rows(lp=np.array([50.0])))
    residuals = item.gain - (0.2 * item.rows.lp - 11.0)
    assert found.gain == pytest.approx([-1.0])
    assert found.values[0] == pytest.approx(-1.0 + residuals)
    assert (found.slope[0], found.n) == (0.2, 30)


def test_a_calibration_is_fitted_once() -> None:
    item = made_up()
    assert predictor_of(item, has_flags=True) is predictor_of(item, has_flags=True)
    assert predictor_of(item, has_flags=True) is not predictor_of(made_up(), has_flags=True)


@pytest.mark.parametrize("item", PACKAGED, ids=lambda item: f"{item.architecture}-{item.n}")
def test_the_order_and_the_names_of_the_models_change_nothing(item: Calibration) -> None:
    order = np.random.default_rng(0).permutation(item.n)
    mixed = replace(
        item,
        rows=item.rows[order],
        gain=item.gain[order],
        models=tuple(f"renamed/{i}" for i in range(item.n)),
    )
    quick = None if item.rows.quick is None else item.rows.quick[:5] + 0.1
    new = Rows(lp=item.rows.lp[:5] + 0.1, flags=np.zeros((5, 3)), quick=quick)
    before, after = spread_at(item, new), spread_at(mixed, new)
    assert after.gain == pytest.approx(before.gain, abs=1e-6)
    assert intervals(after, level=0.9) == pytest.approx(intervals(before, level=0.9), abs=1e-6)


def test_models_of_one_account_are_numbered_alike() -> None:
    found = owner_numbers(["a/x", "b/y", "A/z", "b/x", "bert", "roberta", "a-b/x"])
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert len({found[0], found[1], found[4], found[5], found[6]}) == 5


@pytest.mark.parametrize(
    ("architecture", "right"),
    # Right answers of 9832 that give the published LP of each base model.
    [("roberta-base", 5578), ("bert-base-uncased", 4644), ("bert-base-cased", 4390)],
)
def test_the_base_models_lp_is_a_whole_number_of_right_answers(
    architecture: str, right: int
) -> None:
    assert load_scales(PUBLISHED)[architecture].base_lp == pytest.approx(
        100 * right / 9832, abs=1e-4
    )


@pytest.mark.parametrize(
    "architecture", ["microsoft/deberta-v3-base", "t5-base", "google/t5-v1_1-base"]
)
def test_an_unusable_lp_of_a_base_model_is_missing_with_its_reason(architecture: str) -> None:
    scale = load_scales(PUBLISHED)[architecture]
    assert scale.base_lp is None
    assert scale.base_lp_missing


def test_on_the_papers_scale_the_base_model_gains_nothing() -> None:
    assert load_scales(PAPER)["roberta-base"].base_lp == 0.0


@pytest.mark.parametrize("item", PACKAGED, ids=lambda item: f"{item.architecture}-{item.n}")
def test_every_published_lp_is_a_whole_number_of_right_answers(item: Calibration) -> None:
    right = item.rows.lp * 9832 / 100
    assert np.abs(right - np.round(right)).max() < 0.01  # four decimals were kept
    assert np.abs(item.rows.lp - 100 * 3463 / 9832).min() > 1e-3  # one class: nothing learned
