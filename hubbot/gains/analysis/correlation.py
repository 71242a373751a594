"""Correlations with their p-values, and the line through two columns."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.matrix import Floats, GainMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """How two columns go together; None where constant, or with fewer than three pairs."""

    n: int
    """Pairs with both numbers known."""
    pearson: float | None
    """Product-moment correlation, -1 to 1."""
    pearson_p: float | None
    """Two-sided p-value."""
    spearman: float | None
    """Rank correlation, ties at their mean rank, -1 to 1."""
    spearman_p: float | None
    """Two-sided p-value (Student's t)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCorrelation:
    """Does one source tell how much a target can gain at all?"""

    with_max: Correlation
    """Its gains against max-gain, over the targets."""
    with_max_of_others: Correlation
    """Against the best gain of all other sources: the row has no part in what it is compared to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingCorrelation:
    """A ranking column against the mean gain, over the sources."""

    correlation: Correlation
    """Of the two."""
    slope: float | None
    """Least-squares slope, points of mean gain per unit of the column."""
    intercept: float | None
    """Mean gain where the column is 0, points."""
    rmse: float | None
    """Root mean squared residual, points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlations:
    """All correlations of one matrix."""

    rows: Mapping[str, RowCorrelation]
    """For each source."""
    n_rows_tested: int
    """Sources with a correlation with the best of the others: as many p-values, none of them
    corrected for their number."""
    rankings: Mapping[str, RankingCorrelation]
    """For each ranking column."""


def correlate(x: Floats, y: Floats) -> Correlation:
    """Return Pearson's and Spearman's correlation over the pairs that are known.

    Args:
        x: float64 of shape (n,), NaN for missing.
        y: The same.

    Source:
        scipy.stats.pearsonr and spearmanr.
    """
    from scipy.stats import pearsonr, spearmanr

    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(n=len(x), pearson=None, pearson_p=None, spearman=None, spearman_p=None)
    pearson, spearman = pearsonr(x, y), spearmanr(x, y)
    return Correlation(
        n=len(x),
        pearson=float(pearson.statistic),
        pearson_p=float(pearson.pvalue),
        spearman=float(spearman.statistic),
        spearman_p=float(spearman.pvalue),
    )


def correlate_rows(matrix: GainMatrix) -> dict[str, RowCorrelation]:
    """Correlate each source's gains with max-gain over the targets.

    Args:
        matrix: Missing cells are left out of a source's own pairs.
    """
    best = matrix.max_gain
    others = _BestOfOthers(matrix.gains)
    return {
        name: RowCorrelation(
            with_max=correlate(matrix.gains[i], best),
            with_max_of_others=correlate(matrix.gains[i], others(i)),
        )
        for i, name in enumerate(matrix.sources)
    }


def correlate_ranking(ranking: Floats, mean_gain: Floats) -> RankingCorrelation:
    """Correlate a ranking column with the mean gain and fit the line between them.

    Args:
        ranking: float64 of shape (n_sources,), NaN for missing.
        mean_gain: float64 of the same shape, points.
    """
    correlation = correlate(ranking, mean_gain)
    if correlation.pearson is None:
        return RankingCorrelation(correlation=correlation, slope=None, intercept=None, rmse=None)
    both = np.isfinite(ranking) & np.isfinite(mean_gain)
    x, y = ranking[both], mean_gain[both]
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    intercept = float(y.mean() - slope * x.mean())
    return RankingCorrelation(
        correlation=correlation,
        slope=slope,
        intercept=intercept,
        rmse=float(np.sqrt(np.mean((y - slope * x - intercept) ** 2))),
    )


class _BestOfOthers:
    """The greatest gain of each column without one row, from its two greatest."""

    def __init__(self, gains: Floats) -> None:
        filled = np.where(np.isfinite(gains), gains, -np.inf)
        self.holder = filled.argmax(axis=0)
        ordered = np.sort(filled, axis=0)
        self.first, self.second = ordered[-1], ordered[-2]

    def __call__(self, row: int) -> Floats:
        best = np.where(self.holder == row, self.second, self.first)
        return np.where(np.isfinite(best), best, np.nan)
