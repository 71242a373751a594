"""Spearman's rank correlation for many bootstrap draws of the same rows at once."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_AT_ONCE = 2_000_000
"""Cells (draws times rows) that are worked on at a time: some 50 MB."""


class Ranked:
    """A column whose ranks are asked for with every row counted several times."""

    def __init__(self, values: Floats) -> None:
        """Sort the column once, for all draws.

        Args:
            values: float64 of shape (n_rows,), finite.
        """
        self._order = np.argsort(values, kind="stable")
        _, self._starts = np.unique(values[self._order], return_index=True)
        sizes = np.diff([*self._starts, len(values)])
        self._group = np.empty(len(values), dtype=np.int64)
        self._group[self._order] = np.repeat(np.arange(len(sizes)), sizes)

    def ranks(self, weights: Floats) -> Floats:
        """Return mid-ranks around their mean, of rows that are there so often.

        Args:
            weights: float64 of shape (draws, n_rows), whole numbers with the sum n_rows.

        Returns:
            float64 of the same shape.
        """
        groups = np.add.reduceat(weights[:, self._order], self._starts, axis=1)
        middle = np.cumsum(groups, axis=1) - groups / 2
        return np.asarray((middle - weights.shape[1] / 2)[:, self._group])


def correlations(target: Ranked, columns: Sequence[Ranked], weights: Floats) -> Floats:
    """Return Spearman's correlation of each column with the target.

    Args:
        target: What is correlated with.
        columns: What is.
        weights: As for ``Ranked.ranks``.

    Returns:
        float64 of shape (draws, n_columns), -1 to 1; 0 where either side is constant.

    Source:
        Pearson's correlation of mid-ranks, as scipy.stats.spearmanr has it.
    """
    wanted = target.ranks(weights)
    weighted = weights * wanted
    size = (weighted * wanted).sum(axis=1)
    found = np.zeros((len(weights), len(columns)))
    for place, column in enumerate(columns):
        ranks = column.ranks(weights)
        scale = np.sqrt(size * (weights * ranks * ranks).sum(axis=1))
        together = (weighted * ranks).sum(axis=1)
        np.divide(together, scale, out=found[:, place], where=scale > 0)
    return found


def row_counts(rng: np.random.Generator, n_rows: int, draws: int) -> Iterator[Floats]:
    """Yield how often each row is there when rows are drawn with replacement.

    Args:
        rng: Draws.
        n_rows: Rows to draw from, and to draw.
        draws: How many times.

    Yields:
        float64 of shape (some, n_rows), some draws at a time.
    """
    step = max(_AT_ONCE // n_rows, 1)
    shares = np.full(n_rows, 1 / n_rows)
    for start in range(0, draws, step):
        yield rng.multinomial(n_rows, shares, size=min(step, draws - start)).astype(np.float64)
