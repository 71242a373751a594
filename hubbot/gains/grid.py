"""The grid of a test set: an accuracy over n examples is k / n for a whole number k.

A score off that grid was not measured on that test set. How closely this can be looked at depends
on how the score was written: half a unit of the last decimal, times n, must stay well below half
an example.

Source:
    The same reasoning as the GRIM test of reported means: Brown and Heathers, "The GRIM test: a
    simple technique detects numerous anomalies in the reporting of results in psychology" (Social
    Psychological and Personality Science, 2017).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NOISE = 1e-4
"""Examples by which a sound accuracy may lie off the grid through floating-point arithmetic."""

_COARSEST = 0.2
"""Examples of rounding beyond which the grid tells too little: 40 % of all numbers would fit."""

MOST_DECIMALS = 9
"""Decimals from which on a number counts as written in full."""

_WRITTEN = 1e-10
"""Difference below which a number is what its decimals say."""

_SINGLE_PRECISION = 4e-6
"""Half a unit in the last place of float32 for numbers up to 128 (2**-18), points."""

_DOUBLE_PRECISION = 1e-10
"""Points of noise of a number written in full."""

_ROWS_AT_ONCE = 65_536

MAX_SIZE = 100_000
"""Largest test set that is looked for."""

_SIZES_AT_ONCE = 4_096
_LEAST_DISTINCT = 10
"""Different values needed to infer a size: fewer may share a divisor with it by chance."""

_MOST_DISTINCT = 300
_FIRST_LOOK = 64
_CANDIDATES = 256
"""All sizes are tried on 64 values, the best 256 of them on 300."""

_LEAST_SHARE = 0.6
"""Rows that must lie on an inferred grid: "all but a few" in a table with many faulty rows."""

_FINE = 0.03
"""Examples of rounding beyond which a size is not inferred: 6 % of all numbers would fit."""

_LEAST_FINE = 0.01
"""Points of rounding beyond which none is: with one decimal a size and its half look alike."""

_LONGEST_CODE = 14.5
"""Natural logarithm of about two million: what a number off every grid costs to write down."""


def rounding_of_rows(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the numbers of each row may lie from what was measured.

    A row comes from one source, so its longest cell shows how many decimals were written.

    Args:
        scores: float64 of shape (n_rows, n_columns), points, NaN for missing.

    Returns:
        float64 of shape (n_rows,), points: half a unit of the last decimal written, or of float32
        where every number is one; nearly 0 for double precision.
    """
    rounding = np.empty(len(scores))
    for rows in _in_blocks(len(scores), _ROWS_AT_ONCE):
        rounding[rows] = _rounding(scores[rows])
    return rounding


def off_grid(
    scores: NDArray[np.float64], sizes: NDArray[np.float64], rounding: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which scores cannot be accuracies on their column's test set, and which were tested.

    Args:
        scores: float64 of shape (n_rows, n_columns), points, NaN for missing.
        sizes: float64 of shape (n_columns,), examples in each test set; NaN where not known.
        rounding: float64 of shape (n_rows,), from ``rounding_of_rows``.

    Returns:
        Two bool arrays of shape (n_rows, n_columns). A score that is missing, written too coarsely
        or of a column without size is not tested and never off the grid.
    """
    is_off = np.zeros(scores.shape, dtype=bool)
    is_tested = np.zeros(scores.shape, dtype=bool)
    for rows in _in_blocks(len(scores), _ROWS_AT_ONCE):
        slack = rounding[rows, None] * sizes / 100
        answers = scores[rows] * sizes / 100
        is_tested[rows] = np.isfinite(answers) & (slack <= _COARSEST)
        is_off[rows] = is_tested[rows] & (np.abs(answers - np.rint(answers)) > _NOISE + slack)
    return is_off, is_tested


def infer_size(scores: NDArray[np.float64], rounding: NDArray[np.float64]) -> int | None:
    """Return the test-set size whose grid explains a column of scores best.

    Args:
        scores: float64 of shape (n_rows,), points, NaN for missing.
        rounding: float64 of shape (n_rows,), from ``rounding_of_rows``.

    Returns:
        Its number of examples, at most 100,000. None where fewer than 60 % of the rows fit, or the
        values are too few (below ten different ones) or too coarse to tell.

    Source:
        Shortest description (Rissanen, "Modeling by shortest data description", Automatica 1978):
        a score on the grid of n costs log n, any other the logarithm of the numbers that can be
        written with its decimals. The n that saves most is returned; multiples of the true size
        fit as well and cost more, divisors fit fewer scores.
    """
    inside = np.isfinite(scores) & (scores > 0) & (scores < 100)
    values, first, counts = np.unique(scores[inside], return_index=True, return_counts=True)
    width = rounding[inside][first]
    if len(values) < _LEAST_DISTINCT or np.median(width) > _LEAST_FINE:
        return None
    # Commonest values first, the others in no order: of a large table a part tells enough.
    order = np.random.default_rng(0).permutation(len(values))
    order = order[np.argsort(-counts[order], kind="stable")][:_MOST_DISTINCT]
    column = _Values(
        points=values[order],
        rounding=width[order],
        weights=counts[order] / counts[order].sum(),
    )
    likely = _likely_sizes(column)
    saving, share = _saving(column, likely)
    place = int(np.argmax(saving))
    size = likely[place]
    is_sure = share[place] >= _LEAST_SHARE and np.median(column.rounding) * size / 100 <= _FINE
    return int(size) if saving[place] > 0 and is_sure else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """Different scores of a column."""

    points: NDArray[np.float64]
    """float64 of shape (n_values,)."""
    rounding: NDArray[np.float64]
    """float64 of shape (n_values,), points."""
    weights: NDArray[np.float64]
    """float64 of shape (n_values,): share of the rows that hold each, commonest first."""

    def first(self, n: int) -> "_Values":
        """Return the n commonest."""
        weights = self.weights[:n]
        return _Values(
            points=self.points[:n], rounding=self.rounding[:n], weights=weights / weights.sum()
        )


def _likely_sizes(column: _Values) -> NDArray[np.float64]:
    """Return, ascending, the sizes that explain the commonest scores best."""
    sizes = np.arange(2, MAX_SIZE + 1, dtype=np.float64)
    few = column.first(_FIRST_LOOK)
    blocks = (sizes[part] for part in _in_blocks(len(sizes), _SIZES_AT_ONCE))
    saving = np.concatenate([_saving(few, block)[0] for block in blocks])
    return np.sort(sizes[np.argpartition(-saving, _CANDIDATES)[:_CANDIDATES]])


def _saving(
    column: _Values, sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each size saves per score, in nats, and the share of rows on its grid."""
    codes = np.minimum(np.log(50 / column.rounding), _LONGEST_CODE)
    answers = np.outer(sizes / 100, column.points)
    answers -= np.rint(answers)
    np.abs(answers, out=answers)
    same = column.rounding[:1] if np.ptp(column.rounding) == 0 else column.rounding
    fits = answers <= _NOISE + np.outer(sizes / 100, same)
    share = fits @ column.weights
    return fits @ (column.weights * codes) - share * np.log(sizes), share


def decimals(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many decimals each number needs, at most nine.

    Args:
        values: float64 of shape (n_values,), finite.

    >>> decimals(np.array([52.0, 52.25, 100 / 3])).tolist()
    [0, 2, 9]
    """
    found = np.full(len(values), MOST_DECIMALS)
    for digits in reversed(range(MOST_DECIMALS)):
        found[np.abs(values - np.round(values, digits)) < _WRITTEN] = digits
    return found


def _rounding(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    absent = ~np.isfinite(scores)
    found = np.full(len(scores), _DOUBLE_PRECISION)
    open_rows = np.arange(len(scores))
    for digits in range(MOST_DECIMALS):
        part = scores[open_rows]
        is_written = np.abs(part - np.round(part, digits)) < _WRITTEN
        is_short = (is_written | absent[open_rows]).all(axis=1)
        found[open_rows[is_short]] = 0.5 * 10.0**-digits
        open_rows = open_rows[~is_short]
        if not len(open_rows):
            break
    # Numbers of single precision may end after six decimals by accident: these go last.
    of_fraction = (scores / 100).astype(np.float32).astype(np.float64) * 100
    of_points = scores.astype(np.float32).astype(np.float64)
    for single in (of_fraction, of_points):
        is_single = ((np.abs(single - scores) < 1e-12) | absent).all(axis=1)
        found[is_single] = np.maximum(found[is_single], _SINGLE_PRECISION)
    return found


def _in_blocks(n_rows: int, size: int) -> Iterator[slice]:
    for start in range(0, n_rows, size):
        yield slice(start, start + size)
