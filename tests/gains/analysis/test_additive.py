from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm

from hubbot.gains.analysis.additive import (
    LeastSquares,
    fit_additive,
    fit_base_only,
    fit_constant,
    fit_target_only,
)
from hubbot.gains.analysis.matrix import Floats


def indicators(gains: Floats, *, sources: bool, targets: bool) -> tuple[Floats, Floats]:
    """Design matrix and gains of the known cells, in their order."""
    rows, columns = np.nonzero(np.isfinite(gains))
    parts = [np.ones((len(rows), 1))]
    if sources:
        parts.append(np.eye(gains.shape[0])[rows])
    if targets:
        parts.append(np.eye(gains.shape[1])[columns])
    return np.hstack(parts), gains[rows, columns]


@pytest.mark.parametrize(
    ("fit", "sources", "targets"),
    [
        (fit_constant, False, False),
        (fit_base_only, True, False),
        (fit_target_only, False, True),
        (fit_additive, True, True),
    ],
)
def test_fits_are_least_squares_on_indicators_as_statsmodels_has_them(
    gappy: Floats, fit: Callable[[Floats], LeastSquares], sources: bool, targets: bool
) -> None:
    design, values = indicators(gappy, sources=sources, targets=targets)
    rank = int(np.linalg.matrix_rank(design))
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    other = sm.OLS(values, left[:, sizes > 1e-9]).fit()  # the same space, nothing redundant
    found = fit(gappy)
    assert found.mse == pytest.approx(np.mean(other.resid**2), rel=1e-9)
    assert found.n_parameters == rank
    assert found.mse_per_df == pytest.approx(np.sum(other.resid**2) / (len(values) - rank))
    leverage = np.diag(design @ np.linalg.pinv(design))
    assert found.mse_left_out == pytest.approx(np.mean((other.resid / (1 - leverage)) ** 2))
    assert found.n_left_out == len(values)


def test_a_cell_left_out_is_missed_by_what_a_fit_without_it_says(gappy: Floats) -> None:
    errors = []
    for i, j in np.argwhere(np.isfinite(gappy)):
        without = gappy.copy()
        without[i, j] = np.nan
        design, values = indicators(without, sources=True, targets=True)
        weights = np.linalg.lstsq(design, values, rcond=None)[0]
        row = np.concatenate([[1], np.eye(gappy.shape[0])[i], np.eye(gappy.shape[1])[j]])
        errors.append(gappy[i, j] - row @ weights)
    assert fit_additive(gappy).mse_left_out == pytest.approx(np.mean(np.square(errors)))


def test_a_source_known_on_one_target_cannot_be_left_out(gappy: Floats) -> None:
    lonely = gappy.copy()
    lonely[0, 1:] = np.nan
    lonely[0, 0] = 4.0
    found = fit_base_only(lonely)
    assert found.n_left_out == np.isfinite(lonely).sum() - 1
    assert fit_additive(lonely).n_left_out == np.isfinite(lonely).sum() - 1


def test_two_unconnected_parts_lose_one_parameter_more() -> None:
    gains = np.full((4, 4), np.nan)
    gains[:2, :2] = [[1, 2], [3, 5]]
    gains[2:, 2:] = [[0, 1], [1, 4]]
    assert fit_additive(gains).n_parameters == 4 + 4 - 2


def test_empty_rows_and_columns_change_nothing(gappy: Floats) -> None:
    wider = np.full((11, 8), np.nan)
    wider[:9, :6] = gappy
    for fit in (fit_constant, fit_base_only, fit_target_only, fit_additive):
        assert fit(wider).mse == pytest.approx(fit(gappy).mse)
        assert fit(wider).n_parameters == fit(gappy).n_parameters
