"""Coverage and reliability against counts made by hand."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from hubbot.gains.calibration import Calibration
from hubbot.gains.pictures.coverage import (
    LEVELS,
    check_calibrations,
    coverage_of,
    reliability_of,
)
from hubbot.gains.validation import Validation


def make_validation(
    n: int, *, half_widths: tuple[float, ...], levels: tuple[float, ...]
) -> Validation:
    """Gains 1 .. n, one repeat, an interval of each half width around 0."""
    gain = np.arange(1.0, n + 1)
    ends = np.array([[[(-half, half)] * n] for half in half_widths])
    return Validation(
        gain=gain,
        predicted=np.zeros((1, n)),
        levels=levels,
        ends=ends,
        probability_positive=np.full((1, n), 0.5),
        forms=(),
    )


def test_achieved_coverage_is_the_share_of_models_inside() -> None:
    found = coverage_of(make_validation(20, half_widths=(8.0, 19.5), levels=(0.5, 0.9)))
    assert found.nominal.tolist() == [0.5, 0.9]
    assert found.achieved.tolist() == [8 / 20, 19 / 20]


def test_levels_that_the_folds_do_not_allow_are_left_out() -> None:
    found = coverage_of(make_validation(20, half_widths=(8.0, math.nan), levels=(0.5, 0.9)))
    assert found.nominal.tolist() == [0.5]


@pytest.mark.parametrize("n", [20, 45, 221])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_the_band_leaves_out_at_most_a_fortieth_on_each_side(n: int, level: float) -> None:
    found = coverage_of(make_validation(n, half_widths=(1.0,), levels=(level,)))
    chance = [math.comb(n, k) * level**k * (1 - level) ** (n - k) for k in range(n + 1)]
    low, high = round(found.low[0] * n), round(found.high[0] * n)
    assert sum(chance[:low]) <= 0.025 < sum(chance[: low + 1])
    assert sum(chance[high + 1 :]) <= 0.025 < sum(chance[high:])


def test_reliability_groups_every_model_once_by_its_probability() -> None:
    n = 100
    validation = replace(
        make_validation(n, half_widths=(1.0,), levels=(0.5,)),
        gain=np.where(np.arange(n) % 4 == 0, 1.0, -1.0),
        probability_positive=np.random.default_rng(0).permuted(np.linspace(0, 1, n))[None, :],
    )
    found = reliability_of(validation)
    assert sum(found.n) == n
    assert np.all(np.diff(found.promised) > 0)
    weights = np.array(found.n) / n
    assert float(found.promised @ weights) == pytest.approx(0.5)
    assert float(found.achieved @ weights) == pytest.approx(0.25)


def test_reliability_intervals_are_wilsons() -> None:
    n = 60
    validation = replace(
        make_validation(n, half_widths=(1.0,), levels=(0.5,)),
        gain=np.where(np.arange(n) % 3 == 0, 1.0, 0.0),
        probability_positive=np.linspace(0, 1, n)[None, :],
    )
    found = reliability_of(validation)
    for share, low, high, size in zip(found.achieved, found.low, found.high, found.n, strict=True):
        expected = proportion_confint(round(share * size), size, alpha=0.05, method="wilson")
        assert (low, high) == pytest.approx(expected)


def test_lines_printed_elsewhere_are_not_validated(
    make_calibration: Callable[..., Calibration],
) -> None:
    fitted = make_calibration(n=30)
    printed = replace(fitted, line=(0.1, -1.0))
    checked = check_calibrations([printed, fitted])
    assert [item.calibration for item in checked] == [fitted]
    assert checked[0].validation.levels == LEVELS
    assert LEVELS[0] == 0.5
    assert LEVELS[-1] == 0.95
