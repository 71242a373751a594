from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from hubbot.gains.analysis.correlation import correlate, correlate_ranking, correlate_rows
from hubbot.gains.analysis.matrix import Floats, GainMatrix


def test_pearson_and_spearman_by_their_formulas() -> None:
    x = np.array([1.0, 2.0, 2.0, 5.0, 9.0, np.nan])
    y = np.array([0.0, 1.0, 3.0, 2.0, 8.0, 1.0])
    found = correlate(x, y)
    assert found.n == 5
    r = np.corrcoef(x[:5], y[:5])[0, 1]
    assert found.pearson == pytest.approx(r)
    rank = np.corrcoef([1, 2.5, 2.5, 4, 5], [1, 2, 4, 3, 5])[0, 1]
    assert found.spearman == pytest.approx(rank)
    for value, p in ((r, found.pearson_p), (rank, found.spearman_p)):
        t = abs(value) * np.sqrt(3 / (1 - value**2))
        assert p == pytest.approx(2 * stats.t.sf(t, 3))


@pytest.mark.parametrize("x", [[1.0, 2.0], [1.0, 1.0, 1.0, 1.0], [np.nan, 1.0, 2.0, np.nan]])
def test_too_few_or_constant_pairs_have_no_correlation(x: list[float]) -> None:
    found = correlate(np.array(x), np.arange(len(x), dtype=float))
    assert (found.pearson, found.spearman, found.pearson_p) == (None, None, None)


def test_rows_are_compared_with_the_best_of_all_and_of_the_others(
    gappy: Floats, matrix_of: Callable[..., GainMatrix]
) -> None:
    rows = correlate_rows(matrix_of(gappy))
    for i in range(gappy.shape[0]):
        others = np.nanmax(np.delete(gappy, i, axis=0), axis=0)
        assert rows[f"s{i}"].with_max == correlate(gappy[i], np.nanmax(gappy, axis=0))
        assert rows[f"s{i}"].with_max_of_others == correlate(gappy[i], others)


def test_the_line_of_a_ranking_is_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=20) * 10
    y = 0.3 * x + generator.normal(size=20)
    x[3] = np.nan
    keep = np.isfinite(x)
    line = stats.linregress(x[keep], y[keep])
    found = correlate_ranking(x, y)
    assert found.slope == pytest.approx(line.slope)
    assert found.intercept == pytest.approx(line.intercept)
    residual = y[keep] - line.intercept - line.slope * x[keep]
    assert found.rmse == pytest.approx(np.sqrt(np.mean(residual**2)))


def test_a_constant_ranking_has_no_line() -> None:
    found = correlate_ranking(np.ones(5), np.arange(5.0))
    assert (found.slope, found.intercept, found.rmse) == (None, None, None)
