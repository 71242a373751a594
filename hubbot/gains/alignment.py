"""Rows whose scores do not belong to the columns they stand in, told from single odd numbers.

A number off its column's grid is not an accuracy on that test set. Whether the *row* is out of
order is another question, decided by where its odd numbers do fit:

* **misaligned, moved**: they lie on the grids of other columns of the same table, more often than
  chance allows (below one in a thousand), or one of them repeats the number of a column whose grid
  it fits, or its level is that of such a column and not of its own. Then numbers were moved, and
  the row's other numbers, moved onto grids they happen to fit, cannot be trusted either.
* **misaligned, other test sets**: at least three of them, and a quarter of the row, most of which
  fit nowhere. The row was measured on test sets that are not those of the columns, or by another
  metric: its sound-looking numbers are no more comparable than the odd ones.
* **off-grid**: one or two odd numbers that fit nowhere else (a slip of the pen, another metric).
  Only these cells are wrong.

How much a fit says depends on the number: 52.0 lies on the grid of every round test size, two
thirds on that of every third one, 46.90625 on that of 3,200 examples and few others.

Two columns of equal size that were swapped leave every number on its grid. They are found by level,
where each number is far from what its own column usually holds and near the other's.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.grid import MOST_DECIMALS, decimals
from hubbot.gains.levels import Levels

_ROWS_AT_ONCE = 8_192

_CHANCE = 1e-3
"""Probability below which fits in other columns are no accident."""

TELLING = 0.02
"""Largest probability of a chance fit at which a column counts as evidence."""

_LEAST_ODD = 3
_LEAST_ODD_SHARE = 0.25
"""Odd numbers, and their share of the row, from which on the row is at fault, not its cells."""

_SIMPLE = 12
"""Denominators up to which a ratio turns up on any test set, so that its fit says nothing."""

_NOISE = 1e-6
"""Examples of floating-point noise when a number is tried on another column's grid."""

_FAR = 10.0
"""Spreads, summed over the two columns, at which swapped numbers look wrong where they are."""

_NEAR = 4.0
"""Spreads, summed over the two columns, within which they look right the other way round."""

_FAR_ALONE = 6.0
_NEAR_ALONE = 2.0

_LEAST_SPREAD = 1.0
"""Points; smaller spreads would make a unit of an ordinary seed look far."""


Kind = Literal["moved", "swapped", "other test sets"]
"""``swapped``: two columns of equal size, seen by level alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misaligned:
    """One row out of order."""

    row: int
    """Index of the row."""
    columns: tuple[int, ...]
    """Columns whose numbers show it."""
    belongs: tuple[tuple[int, ...], ...]
    """For each of them the other columns on whose grid its number lies."""
    kind: Kind
    """What happened to the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OddCells:
    """Cells off their grid, of a block of rows that each have at least one."""

    scores: NDArray[np.float64]
    """float64 of shape (n_rows, n_targets), points."""
    usual: NDArray[np.float64]
    """float64 of shape (n_rows, n_targets), points."""
    spread: NDArray[np.float64]
    """float64 of shape (n_targets,), points."""
    rows: NDArray[np.intp]
    """int of shape (n_cells,), ascending: row of each cell in the block."""
    columns: NDArray[np.intp]
    """int of shape (n_cells,): its column."""
    values: NDArray[np.float64]
    """float64 of shape (n_cells,): its number, points."""


def find_misaligned(
    scores: NDArray[np.float64],
    sizes: NDArray[np.float64],
    is_off: NDArray[np.bool_],
    rounding: NDArray[np.float64],
    levels: Levels,
) -> tuple[Misaligned, ...]:
    """Return the rows with numbers in the wrong columns, in order.

    Args:
        scores: float64 of shape (n_rows, n_targets), points, NaN for missing.
        sizes: float64 of shape (n_targets,), examples in each test set, NaN where not known.
        is_off: bool of shape (n_rows, n_targets), from ``off_grid``.
        rounding: float64 of shape (n_rows,), points, from ``rounding_of_rows``.
        levels: What is usual in the table's cells.
    """
    moved = list(_moved(scores, sizes, is_off, rounding, levels))
    seen = {found.row for found in moved}
    swapped = {found.row: found for found in _swapped(scores, sizes, levels)}
    both = [*moved, *(found for row, found in swapped.items() if row not in seen)]
    return tuple(sorted(both, key=lambda found: found.row))


def fits_elsewhere(
    values: NDArray[np.float64],
    sizes: NDArray[np.float64],
    rounding: NDArray[np.float64],
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which other columns' grids hold some numbers, and how likely that is by chance.

    Args:
        values: float64 of shape (n_values,), points, each off the grid of its own column.
        sizes: float64 of shape (n_targets,), examples in each test set, NaN where not known.
        rounding: float64 of shape (n_values,), points: how far each may lie from what was measured.

    Returns:
        bool and float64 (0 to 1), both of shape (n_values, n_targets); at most ``TELLING`` is
        evidence.
    """
    slack = _NOISE + rounding[:, None] * sizes / 100
    answers = values[:, None] * sizes / 100
    fits = np.abs(answers - np.rint(answers)) <= slack
    # A number with few decimals lies on many grids: on those of all round sizes. So does a ratio of
    # small whole numbers, such as 2 / 3.
    places = decimals(values / 100)
    written = np.where(places < MOST_DECIMALS, 10.0**-places, 0.0)
    chance = np.minimum(2 * slack + written[:, None] * sizes, 1.0)
    chance = np.where(np.isfinite(chance), chance, 1.0)
    at, place = np.nonzero(fits)
    whole = sizes[place].astype(np.int64)
    denominators = whole // np.gcd(np.rint(answers[at, place]).astype(np.int64), whole)
    chance[at, place] = np.where(denominators <= _SIMPLE, 1.0, chance[at, place])
    return fits, chance


def _moved(
    scores: NDArray[np.float64],
    sizes: NDArray[np.float64],
    is_off: NDArray[np.bool_],
    rounding: NDArray[np.float64],
    levels: Levels,
) -> Iterator[Misaligned]:
    rows_with = np.flatnonzero(is_off.any(axis=1))
    for start in range(0, len(rows_with), _ROWS_AT_ONCE):
        block = rows_with[start : start + _ROWS_AT_ONCE]
        at, columns = np.nonzero(is_off[block])
        odd = _OddCells(
            scores=scores[block],
            usual=levels.usual[block],
            spread=np.maximum(levels.spread, _LEAST_SPREAD),
            rows=at,
            columns=columns,
            values=scores[block][at, columns],
        )
        fits, chance = fits_elsewhere(odd.values, sizes, rounding[block[at]])
        is_telling = fits & (chance <= TELLING)
        is_moved = np.asarray(
            _no_accident(odd, is_telling, chance)
            | _any_cell(odd, _repeats(odd, is_telling))
            | _any_cell(odd, _at_home_elsewhere(odd, fits))
        )
        is_moved &= _most_have_a_home(odd, fits, is_telling)
        n_tested = (np.isfinite(odd.scores) & np.isfinite(sizes)).sum(axis=1)
        n_odd = np.bincount(at, minlength=len(block))
        is_other = (n_odd >= _LEAST_ODD) & (n_odd >= _LEAST_ODD_SHARE * n_tested)
        shown: NDArray[np.bool_] = fits & (is_telling | ~is_telling.any(axis=1, keepdims=True))
        bounds = np.searchsorted(at, np.arange(len(block) + 1))
        for place in np.flatnonzero(is_moved | is_other):
            cells = slice(bounds[place], bounds[place + 1])
            yield Misaligned(
                row=int(block[place]),
                columns=tuple(columns[cells].tolist()),
                belongs=tuple(tuple(np.flatnonzero(one).tolist()) for one in shown[cells]),
                kind="moved" if is_moved[place] else "other test sets",
            )


def _no_accident(
    odd: _OddCells, is_telling: NDArray[np.bool_], chance: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which rows have more odd numbers that fit elsewhere than chance would give.

    With p the probability that a cell fits any column of those that count as evidence, k fits among
    n odd cells have a probability of at most (n choose k) times the product of their p.
    """
    p_any = 1 - np.prod(1 - np.where(chance <= TELLING, chance, 0.0), axis=1)
    is_fit = is_telling.any(axis=1)
    n_rows = len(odd.scores)
    log_p = np.bincount(
        odd.rows, np.where(is_fit, np.log(np.maximum(p_any, 1e-12)), 0.0), minlength=n_rows
    )
    n = np.bincount(odd.rows, minlength=n_rows)
    k = np.bincount(odd.rows, is_fit, minlength=n_rows).astype(np.int64)
    log_choose = np.array([math.log(math.comb(*pair)) for pair in zip(n, k, strict=True)])
    return np.asarray((k > 0) & (log_p + log_choose < math.log(_CHANCE)))


def _most_have_a_home(
    odd: _OddCells, fits: NDArray[np.bool_], is_telling: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which rows have no more odd numbers that fit nowhere than telling ones that do.

    Numbers that were moved fit where they came from. In a row measured on other test sets most fit
    nowhere, though one of them may by accident.
    """
    n_rows = len(odd.scores)
    n_homeless = np.bincount(odd.rows, ~fits.any(axis=1), minlength=n_rows)
    n_telling = np.bincount(odd.rows, is_telling.any(axis=1), minlength=n_rows)
    return np.asarray(n_homeless <= n_telling)


def _any_cell(odd: _OddCells, is_true: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows have a cell of which something is true."""
    return np.asarray(np.bincount(odd.rows, is_true, minlength=len(odd.scores)) > 0)


def _repeats(odd: _OddCells, is_telling: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which odd numbers are those of a column whose grid they fit."""
    is_equal = odd.values[:, None] == odd.scores[odd.rows]
    return np.asarray((is_telling & is_equal).any(axis=1))


def _at_home_elsewhere(odd: _OddCells, fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which odd numbers are far from their column's level and near another's they fit."""
    distance = np.abs(odd.values[:, None] - odd.usual[odd.rows]) / odd.spread
    is_far = distance[np.arange(len(odd.values)), odd.columns] > _FAR_ALONE
    return np.asarray(is_far & (fits & (distance < _NEAR_ALONE)).any(axis=1))


def _swapped(
    scores: NDArray[np.float64], sizes: NDArray[np.float64], levels: Levels
) -> Iterator[Misaligned]:
    spread = np.maximum(levels.spread, _LEAST_SPREAD)
    for one in range(len(sizes)):
        for other in range(one + 1, len(sizes)):
            if sizes[one] != sizes[other] or np.isnan(spread[[one, other]]).any():
                continue
            usual_one, usual_other = levels.usual[:, one], levels.usual[:, other]
            as_is = (
                np.abs(scores[:, one] - usual_one) / spread[one]
                + np.abs(scores[:, other] - usual_other) / spread[other]
            )
            swapped = (
                np.abs(scores[:, other] - usual_one) / spread[one]
                + np.abs(scores[:, one] - usual_other) / spread[other]
            )
            for row in np.flatnonzero((as_is > _FAR) & (swapped < _NEAR)):
                yield Misaligned(
                    row=int(row),
                    columns=(one, other),
                    belongs=((other,), (one,)),
                    kind="swapped",
                )
