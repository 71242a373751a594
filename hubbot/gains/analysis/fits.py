"""The regression of the paper with all its baselines, on the gains and on shuffled gains."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hubbot.gains.analysis.additive import (
    LeastSquares,
    fit_additive,
    fit_base_only,
    fit_constant,
    fit_target_only,
    least_squares,
)
from hubbot.gains.analysis.matrix import Floats, GainMatrix, number_or_none
from hubbot.gains.analysis.regression import Solution, fit_interaction

MAX_REFITS = 1_000
"""Known cells up to which the interaction fit is repeated without each of them."""

SHUFFLE_RESTARTS = 8
"""Random starts for each shuffled matrix, whose minima lie closer together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A number over many shuffles."""

    mean: float
    """Mean."""
    sd: float
    """Standard deviation with n - 1; 0 for a single shuffle."""
    least: float
    """Smallest."""
    greatest: float
    """Largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffledFits:
    """The same fits after the known gains were shuffled over the known cells."""

    shuffles: int
    """How many shuffles."""
    seed: int
    """Seed of the shuffles."""
    interaction: Spread
    """Mean squared errors of (b_i + t_j) * u_j, squared points."""
    base_only: Spread
    """Of b_i."""
    target_only: Spread
    """Of t_j."""
    additive: Spread
    """Of b_i + t_j."""
    p_value: float
    """Chance of so small an error of the interaction fit if neither source nor target mattered:
    (1 + shuffles at or below the real one) / (1 + shuffles)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionFit:
    """(b_i + t_j) * u_j and how sure its minimum is."""

    fit: LeastSquares
    """Error on the known cells and on cells left out."""
    closed_form_mse: float | None
    """The minimum by singular values; None where cells are missing."""
    starts: int
    """Starts of the search: the singular vector and the random ones."""
    starts_agreeing: int
    """Starts that ended in the best minimum."""
    minima_spread: float
    """Worst minus best of the minima found, squared points."""
    quality: Mapping[str, float | None]
    """b_i of each source, points, mean 0: its gain over the mean source on a target of usual
    sensitivity."""
    sensitivity: Mapping[str, float | None]
    """u_j of each target, mean square 1: points gained per point of quality."""
    offset: Mapping[str, float | None]
    """t_j of each target, points; null where u_j is 0 and t_j not defined."""
    intercept: Mapping[str, float | None]
    """t_j * u_j of each target: gain of a source of mean quality, points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """The paper's regression and its baselines on one matrix."""

    n_cells: int
    """Known cells."""
    interaction: InteractionFit
    """(b_i + t_j) * u_j."""
    constant: LeastSquares
    """One number for all."""
    base_only: LeastSquares
    """b_i."""
    target_only: LeastSquares
    """t_j."""
    additive: LeastSquares
    """b_i + t_j."""
    shuffled: ShuffledFits | None
    """Fits on shuffled gains; None where none were asked for."""
    note: str
    """What to keep in mind; empty where nothing is."""


def regress(matrix: GainMatrix, *, restarts: int, shuffles: int, seed: int) -> Regression:
    """Fit a matrix of gains in all forms.

    Args:
        matrix: At least one known cell.
        restarts: Random starts of the interaction fit.
        shuffles: Shuffled matrices to fit, 0 for none.
        seed: Of starts and shuffles.
    """
    gains = matrix.gains
    solution = fit_interaction(gains, restarts=restarts, seed=seed)
    known = matrix.known
    free = int(known.any(axis=1).sum()) + 2 * int(known.any(axis=0).sum()) - 2
    fit = least_squares(gains - solution.predicted(), None, n_parameters=free)
    if matrix.n_cells <= MAX_REFITS and fit.mse_per_df is not None:
        errors = leave_one_out_errors(gains, solution)
        if errors.size:
            fit = replace(fit, mse_left_out=float(np.mean(errors**2)), n_left_out=errors.size)
    return Regression(
        n_cells=matrix.n_cells,
        interaction=_interaction(matrix, solution, fit),
        constant=fit_constant(gains),
        base_only=fit_base_only(gains),
        target_only=fit_target_only(gains),
        additive=fit_additive(gains),
        shuffled=shuffled_fits(gains, shuffles=shuffles, seed=seed, real=solution.mse)
        if shuffles
        else None,
        note=_note(matrix, solution, fit),
    )


def shuffled_fits(gains: Floats, *, shuffles: int, seed: int, real: float) -> ShuffledFits:
    """Fit all forms to shuffled gains: their distribution stays, source and target tell nothing.

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.
        shuffles: How many, 1 or more.
        seed: Of the shuffles.
        real: Mean squared error of the interaction fit on the gains themselves.
    """
    generator = np.random.default_rng(seed)
    known = np.isfinite(gains)
    errors = np.empty((shuffles, 4))
    for k in range(shuffles):
        mixed = gains.copy()
        mixed[known] = generator.permutation(gains[known])
        errors[k] = (
            fit_interaction(mixed, restarts=SHUFFLE_RESTARTS, seed=seed + k).mse,
            fit_base_only(mixed).mse,
            fit_target_only(mixed).mse,
            fit_additive(mixed).mse,
        )
    return ShuffledFits(
        shuffles=shuffles,
        seed=seed,
        interaction=_spread(errors[:, 0]),
        base_only=_spread(errors[:, 1]),
        target_only=_spread(errors[:, 2]),
        additive=_spread(errors[:, 3]),
        p_value=float((1 + np.sum(errors[:, 0] <= real)) / (1 + shuffles)),
    )


def leave_one_out_errors(gains: Floats, solution: Solution) -> Floats:
    """Return the error of the interaction fit at each cell when that cell was not seen.

    Every refit starts from the full solution. A cell that is alone in its row, or has fewer than
    two others in its column, is passed over: nothing would be known of its source or its line.

    Args:
        gains: float64 of shape (n_sources, n_targets), points, NaN for missing.
        solution: Fit to all of them.

    Returns:
        Errors in points, in the order of the cells.
    """
    known = np.isfinite(gains)
    movable = known & (known.sum(axis=1, keepdims=True) > 1) & (known.sum(axis=0) > 2)
    errors = []
    for i, j in np.argwhere(movable):
        without = gains.copy()
        without[i, j] = np.nan
        fitted = fit_interaction(without, restarts=0, seed=0, start=solution.quality)
        errors.append(gains[i, j] - fitted.predicted()[i, j])
    return np.array(errors)


def _interaction(matrix: GainMatrix, solution: Solution, fit: LeastSquares) -> InteractionFit:
    def named(names: tuple[str, ...], values: Floats) -> dict[str, float | None]:
        return {n: number_or_none(v) for n, v in zip(names, values, strict=True)}

    return InteractionFit(
        fit=fit,
        closed_form_mse=solution.closed_form,
        starts=len(solution.minima),
        starts_agreeing=solution.n_agreeing,
        minima_spread=max(solution.minima) - min(solution.minima),
        quality=named(matrix.sources, solution.quality),
        sensitivity=named(matrix.targets, solution.sensitivity),
        offset=named(matrix.targets, solution.offset),
        intercept=named(matrix.targets, solution.intercept),
    )


def _note(matrix: GainMatrix, solution: Solution, fit: LeastSquares) -> str:
    parts = []
    if fit.mse_per_df is None:
        parts.append(
            f"{fit.n_parameters} parameters for {matrix.n_cells} cells: the interaction fit must "
            "come near to them whatever they are"
        )
    flat = [n for n, t in zip(matrix.targets, solution.offset, strict=True) if np.isnan(t)]
    if flat:
        parts.append(f"t_j is not defined where u_j is 0: {', '.join(flat[:5])}")
    if solution.n_agreeing == 1 and len(solution.minima) > 1 and solution.closed_form is None:
        parts.append("only one start reached the best minimum: raise --restarts")
    return "; ".join(parts)


def _spread(values: Floats) -> Spread:
    return Spread(
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        least=float(values.min()),
        greatest=float(values.max()),
    )
