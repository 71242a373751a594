import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.gains.calibration import (
    MIN_MODELS,
    PAPER,
    PUBLISHED,
    Calibration,
    fit_line,
    interval,
    load_calibrations,
    probability_positive,
    spread_at,
)

Array = NDArray[np.float64]
FITTED = sorted(name for name, item in load_calibrations(PUBLISHED).items() if item.n >= MIN_MODELS)


def calibration(lp: Array, gain: Array, line: tuple[float, float] | None = None) -> Calibration:
    return Calibration(
        name="test",
        architecture="roberta-base",
        lp=tuple(lp),
        gain=tuple(gain),
        base_lp=50.0,
        base_lp_missing="",
        seed_sd=0.3,
        line=line,
        run_shift=3.0,
        run_sd=4.0,
        target_group="site36",
        date="2023",
        source="made up",
    )


def straight(n: int, seed: int = 0, noise: float = 1.0) -> Calibration:
    rng = np.random.default_rng(seed)
    lp = rng.uniform(40, 80, n)
    return calibration(lp, 0.1 * lp - 6 + noise * rng.normal(size=n))


def left_out_by_hand(item: Calibration, lp: float) -> Array:
    x, y = np.asarray(item.lp), np.asarray(item.gain)
    values = []
    for i in range(len(x)):
        slope, intercept = np.polyfit(np.delete(x, i), np.delete(y, i), 1)
        values.append(slope * lp + intercept + y[i] - slope * x[i] - intercept)
    return np.sort(values)


@pytest.mark.parametrize("seed", range(5))
def test_the_line_is_numpys_least_squares_line(seed: int) -> None:
    item = straight(30, seed)
    found = fit_line(np.asarray(item.lp), np.asarray(item.gain))
    assert found == pytest.approx(tuple(np.polyfit(item.lp, item.gain, 1)), rel=1e-9)


@pytest.mark.parametrize("lp", [-10.0, 41.0, 60.0, 100.0])
def test_the_spread_is_that_of_refitting_without_each_model(lp: float) -> None:
    item = straight(25, 3)
    assert spread_at(item, lp).values == pytest.approx(left_out_by_hand(item, lp), rel=1e-9)


def test_the_interval_is_between_the_right_order_statistics() -> None:
    item = straight(39)
    spread = spread_at(item, 60.0)
    # (39 + 1) * 0.05 = 2: second from either end.
    by_hand = left_out_by_hand(item, 60.0)
    assert interval(spread, level=0.9) == pytest.approx((by_hand[1], by_hand[-2]))


@pytest.mark.parametrize(("n", "level"), [(20, 0.95), (31, 0.95), (25, 0.99)])
def test_a_level_that_the_models_cannot_support_is_refused(n: int, level: float) -> None:
    with pytest.raises(SettingsError, match=rf"needs at least .* this calibration has {n}"):
        interval(spread_at(straight(n), 60.0), level=level)


@pytest.mark.parametrize(("n", "level"), [(20, 0.9), (19, 0.9), (39, 0.95)])
def test_the_least_number_of_models_that_a_level_needs_is_enough(n: int, level: float) -> None:
    low, high = interval(spread_at(straight(n), 60.0), level=level)
    assert low < high


def test_a_borrowed_interval_is_wider_by_the_written_formula() -> None:
    item = straight(99)
    spread = spread_at(item, 60.0)
    low, high = interval(spread, level=0.9)
    extra = NormalDist().inv_cdf(0.95) * abs(spread.slope) * 5.0
    expected = (
        spread.gain - math.hypot(spread.gain - low, extra),
        spread.gain + math.hypot(high - spread.gain, extra),
    )
    assert item.run_spread == 5.0  # hypot(3, 4)
    assert interval(spread, level=0.9, lp_sd=item.run_spread) == pytest.approx(expected)


def test_probability_counts_the_values_above_zero() -> None:
    # Fixed line y = 0, so the spread is the gains themselves: 3 of 4 above 0.
    item = calibration(np.arange(4.0), np.array([-1.0, 1.0, 2.0, 3.0]), line=(0.0, 0.0))
    assert probability_positive(spread_at(item, 10.0)) == pytest.approx((3 + 0.5) / 5)


def test_a_blurred_probability_is_the_mean_over_normals() -> None:
    item = calibration(np.arange(3.0), np.array([-1.0, 0.5, 2.0]), line=(1.0, 0.0))
    spread = spread_at(item, 0.0)
    expected = sum(
        NormalDist(value, 2.0).cdf(math.inf) - NormalDist(value, 2.0).cdf(0.0)
        for value in spread.values
    )
    found = probability_positive(spread, lp_sd=2.0)
    assert found == pytest.approx((expected + 0.5) / 4)


@given(
    shift=st.floats(-50, 50),
    scale=st.floats(0.1, 10),
    seed=st.integers(0, 20),
    lp=st.floats(0, 100),
)
def test_moving_and_stretching_gains_moves_and_stretches_the_prediction(
    shift: float, scale: float, seed: int, lp: float
) -> None:
    item = straight(24, seed)
    moved = replace(item, gain=tuple(scale * np.asarray(item.gain) + shift))
    before, after = spread_at(item, lp), spread_at(moved, lp)
    assert after.gain == pytest.approx(scale * before.gain + shift, abs=1e-6)
    expected = [scale * end + shift for end in interval(before, level=0.9)]
    assert interval(after, level=0.9) == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 1000))
def test_the_order_of_the_models_changes_nothing(seed: int) -> None:
    item = straight(24)
    order = np.random.default_rng(seed).permutation(24)
    mixed = replace(
        item, lp=tuple(np.asarray(item.lp)[order]), gain=tuple(np.asarray(item.gain)[order])
    )
    assert interval(spread_at(mixed, 55.0), level=0.9) == pytest.approx(
        interval(spread_at(item, 55.0), level=0.9)
    )


@given(low=st.floats(0.5, 0.9), high=st.floats(0.5, 0.9), lp=st.floats(30, 90))
def test_a_higher_level_never_gives_a_narrower_interval(low: float, high: float, lp: float) -> None:
    assume(low < high)
    spread = spread_at(straight(40), lp)
    inner, outer = interval(spread, level=low), interval(spread, level=high)
    assert outer[0] <= inner[0] <= inner[1] <= outer[1]


def coverage(item: Calibration, *, splits: int, share: float, seed: int) -> float:
    """Share of models left aside whose gain lies in the interval made from the others."""
    rng = np.random.default_rng(seed)
    lp, gain = np.asarray(item.lp), np.asarray(item.gain)
    hits: list[bool] = []
    for _ in range(splits):
        order = rng.permutation(item.n)
        cut = round(share * item.n)
        known = replace(item, lp=tuple(lp[order[:cut]]), gain=tuple(gain[order[:cut]]))
        for i in order[cut:]:
            low, high = interval(spread_at(known, lp[i]), level=0.9)
            hits.append(bool(low <= gain[i] <= high))
    return float(np.mean(hits))


@pytest.mark.parametrize("shape", ["normal", "skewed", "heavy", "wider where LP is low"])
def test_nine_of_ten_unseen_synthetic_models_lie_in_the_interval(shape: str) -> None:
    rng = np.random.default_rng(7)
    hits = []
    for _ in range(1500):
        lp = rng.uniform(40, 80, 41)
        noise = {
            "normal": rng.normal(size=41),
            "skewed": -rng.exponential(size=41),
            "heavy": rng.standard_t(2, size=41),
            "wider where LP is low": rng.normal(size=41) * (90 - lp) / 20,
        }[shape]
        gain = 0.1 * lp - 6 + noise
        low, high = interval(spread_at(calibration(lp[:-1], gain[:-1]), lp[-1]), level=0.9)
        hits.append(low <= gain[-1] <= high)
    # 1500 draws of probability 0.9 have a standard deviation of 0.8 points.
    assert 0.875 <= np.mean(hits) <= 0.94


@pytest.mark.parametrize("architecture", FITTED)
def test_nine_of_ten_unseen_published_models_lie_in_the_interval(architecture: str) -> None:
    item = load_calibrations(PUBLISHED)[architecture]
    assert 0.87 <= coverage(item, splits=30, share=0.75, seed=1) <= 0.96


def test_the_published_tables_hold_what_the_source_note_says() -> None:
    found = load_calibrations(PUBLISHED)
    assert set(found) == {
        "roberta-base",
        "bert-base-uncased",
        "bert-base-cased",
        "t5-base",
        "google/t5-v1_1-base",
        "microsoft/deberta-v3-base",
    }
    # Right answers of 9832 that give the published LP of each base model.
    for name, answers in {
        "roberta-base": 5578,
        "bert-base-uncased": 4644,
        "bert-base-cased": 4390,
    }.items():
        assert found[name].base_lp == pytest.approx(100 * answers / 9832, abs=1e-4)
        assert min(abs(lp - 100 * 3463 / 9832) for lp in found[name].lp) > 1e-3


def test_every_published_lp_is_a_whole_number_of_right_answers() -> None:
    for item in load_calibrations(PUBLISHED).values():
        answers = np.asarray(item.lp) * 9832 / 100
        assert np.abs(answers - np.round(answers)).max() < 0.01  # four decimals were kept


def test_least_squares_on_the_papers_table_is_not_the_papers_line() -> None:
    item = load_calibrations(PAPER)["roberta-base"]
    slope, intercept = fit_line(np.asarray(item.lp), np.asarray(item.gain))
    assert (slope, intercept) == pytest.approx((0.126, -1.83), abs=0.03)
    assert item.line == (0.0822, -0.940)
