"""Scores that choose among looks at validation; the test is scored by the parent."""

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import SettingsError

METRICS = ("accuracy", "spearman")
"""Metrics a look can be judged by."""

Numbers = NDArray[np.int64] | NDArray[np.float64]


def points(metric: str, predictions: Numbers, labels: Numbers) -> float:
    """Return a score in points.

    Args:
        metric: ``accuracy``, 0 to 100, or ``spearman``, -100 to 100.
        predictions: Shape (n,), classes or numbers.
        labels: Shape (n,), likewise.

    Raises:
        SettingsError: If the metric is another one.
    """
    if metric == "accuracy":
        return 100 * float(np.mean(predictions == labels))
    if metric == "spearman":
        return 100 * spearman(predictions, labels)
    raise SettingsError(f"metric {metric!r} cannot choose a look; expected {', '.join(METRICS)}")


def spearman(first: Numbers, second: Numbers) -> float:
    """Return Spearman's rank correlation, -1 to 1; 0 where one side is constant.

    Source: Pearson's correlation of average ranks, as ``scipy.stats.spearmanr`` (which gives NaN
    for a constant side); the child does without scipy.
    """
    ranks = [_ranks(values) - (len(values) + 1) / 2 for values in (first, second)]
    spread = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / spread if spread > 0 else 0.0


def _ranks(values: Numbers) -> NDArray[np.float64]:
    """Return ranks from 1 on; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts).astype(np.float64)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return ranks
