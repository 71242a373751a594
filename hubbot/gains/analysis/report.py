"""All statistics of one matrix of gains together: what ``hubbot analyse`` prints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubbot.errors import SettingsError
from hubbot.gains.analysis.correlation import Correlations, correlate_ranking, correlate_rows
from hubbot.gains.analysis.fits import Regression, regress
from hubbot.gains.analysis.groups import Groups, group_gains
from hubbot.gains.analysis.matrix import Floats, GainMatrix, number_or_none
from hubbot.gains.analysis.selection import Loss, left_out_loss, random_loss, selection_loss
from hubbot.gains.analysis.significance import Shares, shares
from hubbot.gains.analysis.symmetry import Symmetry, symmetry

BY_MEAN_OF_OTHERS = "mean gain over the other targets"
"""Name of the ranking by mean gain in which the target that a loss is counted on has no part."""

BY_MEAN = "mean gain, these targets included"
"""Name of the ranking by mean gain over all targets, as in the paper's Table 6: its losses are
counted on the gains that made the ranking, so that even noise looks better than random choice."""

AT_RANDOM = "random choice"
"""Name under which the expected loss of a random choice is reported."""

DEFAULT_TOP = (1, 3)
"""Sizes of the choice, as in the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The matrix in numbers."""

    name: str
    """File it was read from."""
    n_sources: int
    """Rows."""
    n_targets: int
    """Columns."""
    n_cells: int
    """Known cells."""
    mean: float
    """Mean of the known cells, points."""
    left_out: tuple[str, ...]
    """Columns of the file that were not used."""
    empty: tuple[str, ...]
    """Sources and targets without any known cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything that is computed from one matrix of gains; points throughout."""

    matrix: Described
    """What was analysed."""
    regression: Regression
    """(b_i + t_j) * u_j and its baselines."""
    symmetry: Symmetry
    """Does A help B as much as B helps A?"""
    selection_loss: Mapping[str, Mapping[str, Loss]]
    """For each ranking, the one that can be trusted first, and for random choice: the loss by the
    number of sources tried."""
    correlation: Correlations
    """Rows with max-gain, rankings with mean gain."""
    mean_gain: Mapping[str, float | None]
    """Of each source, points."""
    max_gain: Mapping[str, float | None]
    """Of each target, points."""
    groups: Groups | None
    """Group means and tests; None without groups."""
    significance: Shares
    """Positive and significant gains."""


def analyse_matrix(
    matrix: GainMatrix,
    *,
    top: Sequence[int] = DEFAULT_TOP,
    restarts: int = 20,
    shuffles: int = 100,
    seed: int = 0,
    seeds: int | None = None,
) -> Analysis:
    """Compute all statistics of a matrix of gains.

    Args:
        matrix: Two sources and two targets at least, one cell known.
        top: How many best-ranked sources are tried, each 1 or more.
        restarts: Random starts of the interaction fit.
        shuffles: Shuffled matrices to compare with, 0 for none.
        seed: Of starts and shuffles.
        seeds: Seeds behind each gain, for standard errors; None where not known.

    Raises:
        SettingsError: If the matrix is smaller than that.
    """
    if min(matrix.gains.shape) < 2 or not matrix.n_cells:
        raise SettingsError(
            f"{matrix.name}: {len(matrix.sources)} sources, {len(matrix.targets)} targets and "
            f"{matrix.n_cells} known gains; expected two of each and one gain at least"
        )
    return Analysis(
        matrix=_described(matrix),
        regression=regress(matrix, restarts=restarts, shuffles=shuffles, seed=seed),
        symmetry=symmetry(matrix, shuffles=shuffles, seed=seed),
        selection_loss=_losses(matrix, top),
        correlation=_correlations(matrix),
        mean_gain=_named(matrix.sources, matrix.mean_gain),
        max_gain=_named(matrix.targets, matrix.max_gain),
        groups=group_gains(matrix),
        significance=shares(matrix, seeds=seeds),
    )


def _correlations(matrix: GainMatrix) -> Correlations:
    rows = correlate_rows(matrix)
    return Correlations(
        rows=rows,
        n_rows_tested=sum(row.with_max_of_others.pearson is not None for row in rows.values()),
        rankings={
            name: correlate_ranking(values, matrix.mean_gain)
            for name, values in matrix.rankings.items()
        },
    )


def _losses(matrix: GainMatrix, top: Sequence[int]) -> dict[str, dict[str, Loss]]:
    rankings = {**matrix.rankings, BY_MEAN: matrix.mean_gain}
    return {
        BY_MEAN_OF_OTHERS: {str(n): left_out_loss(matrix, n) for n in top},
        **{
            name: {str(n): selection_loss(matrix, values, n) for n in top}
            for name, values in rankings.items()
        },
        AT_RANDOM: {str(n): random_loss(matrix, n) for n in top},
    }


def _described(matrix: GainMatrix) -> Described:
    known = matrix.known
    empty_rows = [name for i, name in enumerate(matrix.sources) if not known[i].any()]
    empty_columns = [name for j, name in enumerate(matrix.targets) if not known[:, j].any()]
    return Described(
        name=matrix.name,
        n_sources=len(matrix.sources),
        n_targets=len(matrix.targets),
        n_cells=matrix.n_cells,
        mean=float(np.nanmean(matrix.gains)),
        left_out=matrix.left_out,
        empty=(*empty_rows, *empty_columns),
    )


def _named(names: Sequence[str], values: Floats) -> dict[str, float | None]:
    return {name: number_or_none(value) for name, value in zip(names, values, strict=True)}
