"""Fits without interaction: a constant, a number per source, one per target, and both added.

Each is an ordinary linear regression on indicators with missing cells allowed, so its minimum is
exact, and so is the error at a cell that was left out: residual / (1 - leverage).
"""

from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.matrix import Floats, mean_of_known

_SURE = 1e-9
"""1 - leverage below which the cell is the only one that tells of its source or target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastSquares:
    """How well one form fits the known cells."""

    mse: float
    """Mean squared error, squared points."""
    n_parameters: int
    """Free numbers of the form on these cells."""
    mse_per_df: float | None
    """Squared error divided by cells minus parameters; None where no cell is left over."""
    mse_left_out: float | None
    """Mean squared error at cells left out one by one, over those that can be left out (a cell
    that is alone in its row or column cannot); None where not computed."""
    n_left_out: int
    """Cells behind ``mse_left_out``."""


def fit_constant(gains: Floats) -> LeastSquares:
    """Fit one number to all cells: what remains is the variance of the gains.

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.
    """
    known = np.isfinite(gains)
    residual = gains - gains[known].mean()
    leverage = np.full(gains.shape, 1.0 / known.sum())
    return least_squares(residual, leverage, n_parameters=1)


def fit_base_only(gains: Floats) -> LeastSquares:
    """Fit b_i, one number per source (the paper's "base model only").

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.
    """
    return _fit_means(gains, axis=1)


def fit_target_only(gains: Floats) -> LeastSquares:
    """Fit t_j, one number per target.

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.
    """
    return _fit_means(gains, axis=0)


def fit_additive(gains: Floats) -> LeastSquares:
    """Fit b_i + t_j.

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.

    Source:
        Two-way layout with unequal counts: the sources are eliminated from the normal equations,
        what remains has one unknown per target.
    """
    known = np.isfinite(gains)
    rows, columns = known.any(axis=1), known.any(axis=0)
    part = gains[np.ix_(rows, columns)]
    weights = np.isfinite(part).astype(np.float64)
    values = np.where(np.isfinite(part), part, 0.0)
    per_source = weights.sum(axis=1)
    shares = weights / per_source[:, None]
    normal = np.diag(weights.sum(axis=0)) - weights.T @ shares
    inverse = np.linalg.pinv(normal, hermitian=True)
    target = inverse @ (values.sum(axis=0) - shares.T @ values.sum(axis=1))
    source = (values.sum(axis=1) - weights @ target) / per_source
    spread = shares @ inverse
    leverage = (
        1 / per_source[:, None]
        + np.diag(inverse)
        - 2 * spread
        + np.sum(spread * shares, axis=1)[:, None]
    )
    rank = len(per_source) + int(np.linalg.matrix_rank(normal, hermitian=True))
    return least_squares(part - source[:, None] - target, leverage, n_parameters=rank)


def least_squares(residual: Floats, leverage: Floats | None, *, n_parameters: int) -> LeastSquares:
    """Summarise residuals.

    Args:
        residual: float64 of shape (n_sources, n_targets), points, NaN for missing.
        leverage: Diagonal of the hat matrix in the same shape; None where the form is not linear.
        n_parameters: Free numbers of the form.
    """
    known = np.isfinite(residual)
    squares = float(np.sum(residual[known] ** 2))
    n_cells = int(known.sum())
    left_out = np.empty(0)
    if leverage is not None:
        movable = known & (1 - leverage > _SURE)
        left_out = (residual[movable] / (1 - leverage[movable])) ** 2
    spare = n_cells - n_parameters
    return LeastSquares(
        mse=squares / n_cells,
        n_parameters=n_parameters,
        mse_per_df=squares / spare if spare > 0 else None,
        mse_left_out=float(left_out.mean()) if left_out.size else None,
        n_left_out=left_out.size,
    )


def _fit_means(gains: Floats, *, axis: int) -> LeastSquares:
    known = np.isfinite(gains)
    count = known.sum(axis=axis, keepdims=True)
    means = np.expand_dims(mean_of_known(gains, axis=axis), axis)
    leverage = np.broadcast_to(1 / np.maximum(count, 1), gains.shape)
    return least_squares(gains - means, leverage, n_parameters=int(np.sum(count > 0)))
