from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares as scipy_least_squares

from hubbot.gains.analysis.fits import leave_one_out_errors, regress
from hubbot.gains.analysis.matrix import Floats, GainMatrix
from hubbot.gains.analysis.regression import closed_form_mse, fit_interaction


def scipy_minimum(gains: Floats, *, starts: int) -> float:
    """Least mean squared error of b_i u_j + c_j by Levenberg-Marquardt from many starts."""
    known = np.isfinite(gains)
    n, m = gains.shape

    def residuals(x: Floats) -> Floats:
        b, u, c = x[:n], x[n : n + m], x[n + m :]
        return np.asarray((np.outer(b, u) + c - gains)[known])

    generator = np.random.default_rng(1)
    ends = [
        scipy_least_squares(residuals, generator.normal(size=n + 2 * m), max_nfev=2000).cost
        for _ in range(starts)
    ]
    return float(2 * min(ends) / int(known.sum()))


def test_the_minimum_with_missing_cells_is_what_scipy_finds_from_many_starts(gappy: Floats) -> None:
    solution = fit_interaction(gappy, restarts=20, seed=0)
    assert solution.closed_form is None
    assert solution.mse == pytest.approx(scipy_minimum(gappy, starts=15), rel=1e-6)


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (2, 2), (3, 40), (30, 2)])
def test_a_complete_matrix_reaches_its_closed_form_from_every_start(shape: tuple[int, int]) -> None:
    gains = np.random.default_rng(3).normal(size=shape) * 4 + 1
    solution = fit_interaction(gains, restarts=10, seed=5)
    centred = gains - gains.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    best = gains.mean(axis=0) + values[0] * np.outer(left[:, 0], right[0])
    assert solution.closed_form == pytest.approx(np.mean((gains - best) ** 2), abs=1e-12)
    assert solution.mse == pytest.approx(solution.closed_form, abs=1e-9)
    np.testing.assert_allclose(solution.predicted(), best, atol=1e-4)
    assert solution.n_agreeing == 11


def test_gains_made_by_the_form_are_fitted_exactly_with_their_coefficients() -> None:
    quality = np.array([-2.0, -1.0, 0.0, 3.0])
    sensitivity = np.array([0.5, 2.0, 1.0])
    offset = np.array([1.0, -1.0, 0.5])
    gains = (quality[:, None] + offset) * sensitivity
    gains[0, 1] = np.nan
    solution = fit_interaction(gains, restarts=5, seed=0)
    assert solution.mse == pytest.approx(0, abs=1e-12)
    scale = np.sqrt(np.mean(sensitivity**2))
    np.testing.assert_allclose(solution.sensitivity, sensitivity / scale, atol=1e-5)
    np.testing.assert_allclose(solution.quality, quality * scale, atol=1e-5)
    np.testing.assert_allclose(solution.offset, offset * scale, atol=1e-4)
    assert solution.predicted()[0, 1] == pytest.approx(-6.0, abs=1e-4)


def test_a_target_without_sensitivity_has_no_offset() -> None:
    gains = np.column_stack([np.arange(5.0), np.full(5, 2.0), -np.arange(5.0)])
    solution = fit_interaction(gains, restarts=3, seed=0)
    assert solution.sensitivity[1] == pytest.approx(0, abs=1e-9)
    assert np.isnan(solution.offset[1])
    assert solution.intercept[1] == pytest.approx(2.0)


def test_sources_and_targets_without_cells_have_no_coefficients(gappy: Floats) -> None:
    wider = np.full((10, 7), np.nan)
    wider[:9, :6] = gappy
    solution, small = (fit_interaction(g, restarts=5, seed=0) for g in (wider, gappy))
    assert solution.mse == pytest.approx(small.mse)
    assert np.isnan(solution.quality[9])
    assert np.isnan(solution.sensitivity[6])
    np.testing.assert_allclose(solution.quality[:9], small.quality, atol=1e-4)


def test_equal_gains_everywhere_are_fitted_by_their_mean() -> None:
    solution = fit_interaction(np.full((3, 4), 1.5), restarts=2, seed=0)
    assert solution.mse == pytest.approx(0)
    np.testing.assert_allclose(solution.predicted(), 1.5)


def test_no_known_cell_is_a_wrong_argument() -> None:
    with pytest.raises(ValueError, match="no cell is known"):
        fit_interaction(np.full((2, 2), np.nan), restarts=0, seed=0)


def test_left_out_errors_are_those_of_fits_that_never_saw_the_cell(gappy: Floats) -> None:
    errors = leave_one_out_errors(gappy, fit_interaction(gappy, restarts=10, seed=0))
    first = tuple(np.argwhere(np.isfinite(gappy))[0])
    without = gappy.copy()
    without[first] = np.nan
    fresh = fit_interaction(without, restarts=20, seed=1)
    assert errors[0] == pytest.approx(gappy[first] - fresh.predicted()[first], abs=1e-4)
    assert len(errors) == np.isfinite(gappy).sum()


def test_shuffled_fits_keep_cells_and_depend_on_the_seed_alone(
    gappy: Floats, matrix_of: Callable[..., GainMatrix]
) -> None:
    first, again, other = (
        regress(matrix_of(gappy), restarts=2, shuffles=5, seed=seed).shuffled for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first is not None
    assert first.base_only.least <= first.base_only.mean <= first.base_only.greatest
    assert 1 / 6 <= first.p_value <= 1


def test_more_parameters_than_cells_is_said(matrix_of: Callable[..., GainMatrix]) -> None:
    fits = regress(matrix_of([[1, 2], [3, 5]]), restarts=1, shuffles=0, seed=0)
    assert fits.interaction.fit.mse == pytest.approx(0, abs=1e-12)
    assert fits.interaction.fit.mse_per_df is None
    assert "4 parameters for 4 cells" in fits.note
    assert fits.shuffled is None


small_matrices = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).normal(size=(6, 4)).round(3) * 3
)


@settings(max_examples=25, deadline=None)
@given(gains=small_matrices, constant=st.floats(-50, 50), seed=st.integers(0, 99))
def test_a_constant_on_a_target_moves_its_intercept_alone(
    gains: Floats, constant: float, seed: int
) -> None:
    moved = gains.copy()
    moved[:, 2] += constant
    before, after = (fit_interaction(g, restarts=3, seed=seed) for g in (gains, moved))
    assert after.mse == pytest.approx(before.mse, abs=1e-7)
    np.testing.assert_allclose(after.quality, before.quality, atol=1e-2)
    np.testing.assert_allclose(after.intercept[2] - before.intercept[2], constant, atol=1e-2)
    np.testing.assert_allclose(
        np.delete(after.intercept, 2), np.delete(before.intercept, 2), atol=1e-2
    )


@settings(max_examples=25, deadline=None)
@given(gains=small_matrices, factor=st.floats(0.1, 20), seed=st.integers(0, 99))
def test_scaled_gains_scale_the_errors_and_the_qualities(
    gains: Floats, factor: float, seed: int
) -> None:
    before = fit_interaction(gains, restarts=3, seed=seed)
    after = fit_interaction(gains * factor, restarts=3, seed=seed)
    assert after.mse == pytest.approx(before.mse * factor**2, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(after.quality, before.quality * factor, atol=1e-2 * factor)
    np.testing.assert_allclose(after.sensitivity, before.sensitivity, atol=1e-2)


@settings(max_examples=25, deadline=None)
@given(gains=small_matrices, order=st.permutations(range(6)), columns=st.permutations(range(4)))
def test_the_order_of_sources_and_targets_changes_nothing(
    gains: Floats, order: list[int], columns: list[int]
) -> None:
    before = fit_interaction(gains, restarts=3, seed=0)
    after = fit_interaction(gains[np.ix_(order, columns)], restarts=3, seed=0)
    assert after.mse == pytest.approx(before.mse, abs=1e-9)
    assert closed_form_mse(gains) == pytest.approx(before.mse, abs=1e-9)
    np.testing.assert_allclose(after.quality, before.quality[order], atol=1e-2)
