"""95 % intervals of a probe's accuracy, and of its gain over the base model's probe.

Two things make an accuracy uncertain: which rows the test set happens to hold, and which seeds the
head was trained with. Rows and seeds are crossed (every seed predicts every row), so their shares
are told apart by a two-way analysis of variance without replication.

Source:
    Var(mean) = (MS_rows + MS_seeds - MS_rest) / (n_rows * n_seeds), with Satterthwaite's degrees of
    freedom: Searle, Casella, McCulloch, "Variance Components" (1992), chapter 4; Satterthwaite,
    "An approximate distribution of estimates of variance components" (1946).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hubbot.schema import Interval

LEVEL = 0.95
"""Nominal coverage of every interval here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeanVariance:
    variance: float
    """Of the mean over all cells."""
    degrees: float
    """Degrees of freedom behind it; infinite for a single seed."""


def accuracy_interval(correct: NDArray[np.bool_]) -> tuple[float, Interval]:
    """Return mean accuracy and its 95 % interval, both in points.

    Args:
        correct: bool of shape (n_seeds, n_rows) or (n_rows,): whether each seed's head labels each
            test row correctly. One seed stands for a head that has none (``linear``).

    Raises:
        ValueError: If there is no row.

    Source:
        One seed: Wilson, "Probable inference" (1927), the score interval. Several: the same
        interval with the number of rows that would give the variance above, and Student's t in
        place of the normal quantile.
    """
    table = _as_table(correct)
    n_seeds, n_rows = table.shape
    share = float(table.mean())
    spread = share * (1 - share)
    found = _variance_of_mean(table, single=spread / n_rows)
    rows = spread / found.variance if found.variance > 0 else float(n_rows)
    low, high = _wilson(share, min(rows, n_rows * n_seeds), _t_quantile(found.degrees))
    return 100 * share, (100 * low, 100 * high)


def paired_gain_interval(
    correct: NDArray[np.bool_], base_correct: NDArray[np.bool_]
) -> tuple[float, Interval]:
    """Return the mean LP gain over the base model and its 95 % interval, both in points.

    The rows are the same for both, so what they find hard alike cancels out.

    Args:
        correct: bool of shape (n_seeds, n_rows) or (n_rows,): the checkpoint's heads.
        base_correct: bool of the same shape: the base model's, same rows and seeds, same order.

    Raises:
        ValueError: If the shapes differ or there is no row.

    Source:
        Differences per row and seed in the analysis of variance above. One half of a row is added
        to either side (Agresti and Min, "Simple improved confidence intervals for comparing matched
        proportions", 2005), so that two heads that never differ are not called equal for certain.
    """
    table, base = _as_table(correct), _as_table(base_correct)
    if table.shape != base.shape:
        raise ValueError(
            f"gain needs the same test rows and seeds: checkpoint {table.shape}, base {base.shape}"
        )
    difference = table - base
    mean = float(difference.mean())
    n_rows = table.shape[1]
    single = (float((difference**2).mean()) - mean**2) / n_rows
    found = _variance_of_mean(difference, single=max(single, 0.0))
    half = _t_quantile(found.degrees) * math.sqrt(found.variance + 1 / n_rows**2)
    return 100 * mean, (100 * max(mean - half, -1.0), 100 * min(mean + half, 1.0))


def _variance_of_mean(table: NDArray[np.float64], *, single: float) -> _MeanVariance:
    """Return the variance of the mean of a (n_seeds, n_rows) table; ``single`` for one seed."""
    n_seeds, n_rows = table.shape
    if n_seeds == 1 or n_rows == 1:
        return _MeanVariance(variance=single, degrees=math.inf)
    mean, of_rows, of_seeds = table.mean(), table.mean(axis=0), table.mean(axis=1)
    rest = table - of_rows - of_seeds[:, None] + mean
    rows = n_seeds * float(((of_rows - mean) ** 2).sum()) / (n_rows - 1)
    seeds = n_rows * float(((of_seeds - mean) ** 2).sum()) / (n_seeds - 1)
    left = float((rest**2).sum()) / ((n_rows - 1) * (n_seeds - 1))
    total = max(rows + seeds - left, rows, seeds)
    if total <= 0:
        return _MeanVariance(variance=0.0, degrees=math.inf)
    spent = (rows**2 + left**2 / (n_seeds - 1)) / (n_rows - 1) + seeds**2 / (n_seeds - 1)
    return _MeanVariance(variance=total / table.size, degrees=total**2 / spent)


def _wilson(share: float, rows: float, z: float) -> Interval:
    scale = 1 + z * z / rows
    centre = (share + z * z / (2 * rows)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    # At the ends the formula gives exactly 0 and 1 but for rounding.
    low = 0.0 if share == 0 else max(centre - half, 0.0)
    high = 1.0 if share == 1 else min(centre + half, 1.0)
    return low, high


def _t_quantile(degrees: float) -> float:
    if math.isinf(degrees):
        from statistics import NormalDist

        return NormalDist().inv_cdf((1 + LEVEL) / 2)
    # Imported here: only the probe needs it, and it comes with the extra `probe`.
    from scipy.special import stdtrit

    return float(stdtrit(max(degrees, 1.0), (1 + LEVEL) / 2))


def _as_table(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    table = np.atleast_2d(np.asarray(correct, dtype=np.float64))
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"expected (n_seeds, n_rows) with at least one row, found {table.shape}")
    return table
