"""Which rows are train, validation and test, where the makers do not say; the same everywhere.

Nothing is drawn at random: a rule gives the same rows on every machine and in every version.
"""

import math

import numpy as np
from numpy.typing import NDArray

CUT = 500
"""Rows cut off each end of a long training split (design, protocols)."""
LONG = 10_000
"""Rows from which a training split is long; below, one row in twenty is cut off each end."""
WRITTEN_TEST = 1000
"""Most rows of a test that is cut from train as the papers' text says."""

Rows = NDArray[np.int64]


def end_size(n_rows: int) -> int:
    """Return how many rows leave each end of a training split.

    Halves are rounded to even, as Python does: that alone gives the training sizes that the site's
    code lists for its nine data sets below 10,000 rows.

    Args:
        n_rows: Rows of the training split.
    """
    if n_rows >= LONG:
        return CUT
    return max(round(n_rows / 20), 1 if n_rows >= 3 else 0)


def cut_ends(n_rows: int) -> tuple[Rows, Rows]:
    """Cut validation rows off both ends of a training split, unshuffled.

    Source: split rules in the code of the model-recycling site (``dataset_info.py``): the first and
    last 500 training rows, below 10,000 rows the first and last 5 %; sizes in ``constants.py``.

    Args:
        n_rows: Rows of the training split.

    Returns:
        Row numbers that stay in train, and those that become validation, both ascending. At least
        one row of each end is cut where there are three rows or more.
    """
    cut = end_size(n_rows)
    places = np.arange(n_rows, dtype=np.int64)
    kept = places[cut : n_rows - cut]
    return kept, np.concatenate([places[:cut], places[n_rows - cut :]])


def cut_ends_of_groups(groups: Rows) -> tuple[Rows, Rows]:
    """Cut validation off both ends as ``cut_ends``, taking whole groups of rows.

    Args:
        groups: int64 of shape (n_rows,), the group of each row; groups count as ordered by where
            they first appear.

    Returns:
        Row numbers as ``cut_ends``: at least as many rows of each end, rounded up to whole groups,
        as long as one group stays in train.
    """
    order, sizes = _groups_in_order(groups)
    wanted = end_size(len(groups))
    front = _groups_until(sizes, wanted, most=len(order) - 1)
    back = _groups_until(sizes[::-1], wanted, most=len(order) - 1 - front)
    return _divide(groups, np.concatenate([order[:front], order[len(order) - back :]]))


def cut_spread(n_rows: int, size: int) -> tuple[Rows, Rows]:
    """Cut rows that are spread evenly over a split, so that a sorted file gives some of all.

    Args:
        n_rows: Rows of the split.
        size: Rows to cut, 0 to ``n_rows``.

    Returns:
        Row numbers that stay, and those that are cut, both ascending: cut row ``i`` is
        ``floor(i * n_rows / size)``.
    """
    cut = (np.arange(size, dtype=np.int64) * n_rows) // max(size, 1)
    return np.setdiff1d(np.arange(n_rows, dtype=np.int64), cut), cut


def size_of(cut: float, n_rows: int) -> int:
    """Return the rows that the catalog's ``cut_test`` or ``cut_validation`` means.

    Args:
        cut: A share below 1, rounded up to whole rows, or a number of rows.
        n_rows: Rows of the whole split; never more than half of it is cut.

    Examples:
        >>> size_of(0.2, 7666), size_of(1000, 4846), size_of(1000, 30)
        (1534, 1000, 15)
    """
    # 0.2 * 15 is 3.0000000000000004: rounding first keeps such a product from gaining a row.
    rows = math.ceil(round(cut * n_rows, 6)) if cut < 1 else round(cut)
    return min(rows, n_rows // 2)


def cut_written_test(n_rows: int) -> tuple[Rows, Rows]:
    """Cut a test off a training split as the papers' text says: 1,000 rows or 10 %, the smaller.

    The text does not say which rows; here they are spread evenly over the split, so that files
    sorted by class or source give a test of all of them.

    Source: Where to start? (Choshen et al.), appendix C.

    Args:
        n_rows: Rows of the training split.

    Returns:
        Row numbers that stay in train, and those that become the test, both ascending.
    """
    return cut_spread(n_rows, min(WRITTEN_TEST, n_rows // 10))


def cut_written_test_of_groups(groups: Rows) -> tuple[Rows, Rows]:
    """Cut a test as ``cut_written_test``, taking whole groups of rows.

    Args:
        groups: int64 of shape (n_rows,), the group of each row.

    Returns:
        Row numbers as ``cut_written_test``: the fewest groups, spread evenly over the groups in
        order of appearance, that hold at least as many rows.
    """
    order, sizes = _groups_in_order(groups)
    wanted = min(WRITTEN_TEST, len(groups) // 10)
    for count in range(len(order)):
        _, places = cut_spread(len(order), count)
        if sizes[places].sum() >= wanted:
            return _divide(groups, order[places])
    return _divide(groups, order[:0])


def _groups_in_order(groups: Rows) -> tuple[Rows, Rows]:
    """Return the groups by first appearance, and the rows of each."""
    values, first, counts = np.unique(groups, return_index=True, return_counts=True)
    by_place = np.argsort(first)
    return values[by_place], counts[by_place].astype(np.int64)


def _groups_until(sizes: Rows, wanted: int, *, most: int) -> int:
    """Return how many groups from the front hold the wanted rows, or the most allowed."""
    if wanted == 0:
        return 0
    enough = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1
    return max(min(enough, most), 0)


def _divide(groups: Rows, cut: Rows) -> tuple[Rows, Rows]:
    is_cut = np.isin(groups, cut)
    places = np.arange(len(groups), dtype=np.int64)
    return places[~is_cut], places[is_cut]
