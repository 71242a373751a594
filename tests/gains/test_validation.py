"""Cross-validation itself: nothing of a held-out model may reach its prediction."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from hubbot.gains.calibration import PUBLISHED, Calibration
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.smoother import Rows
from hubbot.gains.validation import Validation, cross_validate, folds

Array = NDArray[np.float64]


@given(n=st.integers(2, 60), n_folds=st.integers(2, 12), seed=st.integers(0, 99))
def test_every_row_is_predicted_once_from_all_others_of_other_folds(
    n: int, n_folds: int, seed: int
) -> None:
    held: list[int] = []
    for fitted, held_out in folds(n, n_folds=n_folds, seed=seed):
        assert sorted([*fitted, *held_out]) == list(range(n))
        held += list(held_out)
        assert len(held_out) in (n // n_folds, n // n_folds + 1)
    assert sorted(held) == list(range(n))


@given(
    owners=st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=40), seed=st.integers(0, 9)
)
def test_a_group_is_never_on_both_sides(owners: list[str], seed: int) -> None:
    held: list[int] = []
    for fitted, held_out in folds(len(owners), n_folds=4, seed=seed, groups=owners):
        assert not {owners[i] for i in fitted} & {owners[i] for i in held_out}
        held += list(held_out)
    assert sorted(held) == list(range(len(owners)))


def test_two_seeds_split_differently_and_one_seed_the_same() -> None:
    first, again, other = (
        [list(held) for _, held in folds(50, n_folds=5, seed=seed)] for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_a_held_out_models_gain_does_not_reach_its_own_prediction() -> None:
    rng = np.random.default_rng(0)
    rows = Rows(lp=rng.uniform(40, 80, 60), flags=(rng.random((60, 3)) < 0.3).astype(float))
    gain = 0.1 * rows.lp + rng.normal(size=60)
    before = cross_validate(rows, gain, n_folds=6)
    fold = next(held for _, held in folds(60, n_folds=6, seed=0))
    changed = gain.copy()
    changed[fold] += 1000.0
    after = cross_validate(rows, changed, n_folds=6)
    assert after.predicted[0, fold] == pytest.approx(before.predicted[0, fold], abs=1e-9)
    assert after.ends[0, 0, fold] == pytest.approx(before.ends[0, 0, fold], abs=1e-9)
    others = np.setdiff1d(np.arange(60), fold)
    assert np.abs(after.predicted[0, others] - before.predicted[0, others]).min() > 1


@pytest.mark.parametrize("seed", range(3))
def test_pure_noise_is_not_predicted_better_than_by_its_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = Rows(
        lp=rng.normal(60, 10, 60),
        flags=(rng.random((60, 3)) < 0.4).astype(float),
        quick=rng.normal(size=(60, 4)),
    )
    gain = rng.normal(size=60)
    found = cross_validate(rows, gain, n_folds=6)
    assert len(found.forms) == 6
    # Each mean lacks the fold's own rows, so even the mean itself does worse than the deviation.
    assert found.rmse > 0.99 * gain.std(ddof=1)


def validation(ends: list[list[float]], gain: list[float]) -> Validation:
    return Validation(
        gain=np.array(gain),
        predicted=np.array([[1.0] * len(gain)]),
        levels=(0.9,),
        ends=np.array(ends)[None, None],
        probability_positive=np.full((1, len(gain)), 0.5),
        forms=("line",),
    )


def test_coverage_error_and_width_are_counted_by_hand() -> None:
    found = validation([[0, 2], [0, 2], [0, 4], [1, 1]], [2.0, 3.0, -1.0, 1.0])
    assert found.coverage(0.9) == pytest.approx(2 / 4)
    assert found.width(0.9) == pytest.approx((2 + 2 + 4 + 0) / 4)
    assert found.rmse == pytest.approx(math.sqrt((1 + 4 + 4 + 0) / 4))


def test_a_prediction_without_interval_counts_neither_as_covered_nor_as_missed() -> None:
    found = validation([[0, 2], [math.nan, math.nan]], [1.0, 1.0])
    assert (found.coverage(0.9), found.width(0.9)) == (1.0, 2.0)


def test_levels_that_the_folds_cannot_support_have_no_coverage() -> None:
    rng = np.random.default_rng(0)
    found = cross_validate(Rows(lp=rng.normal(size=24)), rng.normal(size=24), levels=(0.8, 0.99))
    assert 0 < found.coverage(0.8) <= 1
    assert math.isnan(found.coverage(0.99))
    assert math.isnan(found.width(0.99))


# The published models


LARGE = [item for item in load_packaged().values() if item.name == PUBLISHED and item.n >= 40]
CASES = [
    # A split of 200 models and more takes seconds, since forms and numbers are chosen in each fold.
    pytest.param(
        item,
        id=f"{item.architecture}-{item.target_group}",
        marks=[pytest.mark.slow] if item.n >= 200 else [],
    )
    for item in LARGE
]


def repeats(item: Calibration) -> int:
    return 1 if item.n >= 200 else 2


@cache
def validated(item: Calibration) -> Validation:
    return cross_validate(item.rows, item.gain, n_repeats=repeats(item), levels=(0.9,))


@cache
def line_of_lp(item: Calibration) -> Array:
    return _baseline(item, lambda rows: rows.lp[:, None])


@cache
def mean_of_others(item: Calibration) -> Array:
    return _baseline(item, lambda rows: np.zeros((len(rows), 1)))


def _baseline(item: Calibration, columns: Callable[[Rows], Array]) -> Array:
    predicted = np.full((repeats(item), item.n), np.nan)
    for repeat in range(repeats(item)):
        for fitted, held_out in folds(item.n, n_folds=10, seed=repeat):
            model = LinearRegression().fit(columns(item.rows[fitted]), item.gain[fitted])
            predicted[repeat, held_out] = model.predict(columns(item.rows[held_out]))
    return predicted


@pytest.mark.parametrize("item", CASES)
def test_nine_of_ten_unseen_published_models_lie_in_the_interval(item: Calibration) -> None:
    low, high = (0.85, 0.95) if item.n >= 200 else (0.82, 0.98)
    assert low <= validated(item).coverage(0.9) <= high


@pytest.mark.parametrize("baseline", [line_of_lp, mean_of_others])
@pytest.mark.parametrize("item", CASES)
def test_no_simpler_predictor_beats_ours_by_more_than_the_error_of_the_difference(
    item: Calibration, baseline: Callable[[Calibration], Array]
) -> None:
    ours = ((validated(item).predicted - item.gain) ** 2).mean(axis=0)
    theirs = ((baseline(item) - item.gain) ** 2).mean(axis=0)
    drawn = np.random.default_rng(0).integers(item.n, size=(1000, item.n))
    differences = np.sqrt(ours[drawn].mean(axis=1)) - np.sqrt(theirs[drawn].mean(axis=1))
    assert np.sqrt(ours.mean()) - np.sqrt(theirs.mean()) <= differences.std()


@pytest.mark.parametrize("item", CASES)
def test_a_published_probability_comes_true_about_as_often_as_it_says(item: Calibration) -> None:
    found = validated(item)
    came = np.broadcast_to(item.gain > 0, found.probability_positive.shape)
    for low, high in ((0.0, 0.5), (0.5, 1.0)):
        inside = (found.probability_positive >= low) & (found.probability_positive < high)
        error = 3 / math.sqrt(max(inside.sum() / repeats(item), 1)) / 2 + 0.03
        said = found.probability_positive[inside].mean()
        assert came[inside].mean() == pytest.approx(said, abs=error)
