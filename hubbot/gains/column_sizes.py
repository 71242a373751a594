"""Which test-set size each column of a results table is held against."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.alignment import TELLING, fits_elsewhere
from hubbot.gains.findings import NotChecked
from hubbot.gains.grid import infer_size, off_grid, rounding_of_rows

_LEAST_ROWS = 5
"""Scores of a column needed before its size is doubted rather than its scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table's scores held against the grids of their columns."""

    sizes: NDArray[np.float64]
    """float64 of shape (n_columns,): examples, NaN where the grid is not checked."""
    rounding: NDArray[np.float64]
    """float64 of shape (n_rows,): how far numbers may lie from what was measured, points."""
    is_off: NDArray[np.bool_]
    """bool of shape (n_rows, n_columns): off the grid."""
    not_checked: tuple[NotChecked, ...]
    """Columns without a grid, and why."""


def hold_against_grid(
    columns: tuple[str, ...],
    scores: NDArray[np.float64],
    known: Mapping[str, int | None],
    *,
    n_runs: int = 1,
) -> Grid:
    """Choose a size for each column and find the scores off its grid.

    A size comes from ``known`` by the column's name, else it is inferred from the scores. A known
    size that most scores of a column do not fit is not that of this column (another split, means
    over several runs), unless they show the size of another column: then most rows are out of
    order.

    Args:
        columns: Names of the columns.
        scores: float64 of shape (n_rows, n_columns), points, NaN for missing.
        known: Examples of each known test set; None where a score is no accuracy.
        n_runs: Runs that every score is the mean of.
    """
    rounding = rounding_of_rows(scores)
    sizes = np.array([(known.get(name) or np.nan) * n_runs for name in columns], dtype=np.float64)
    is_off, is_tested = off_grid(scores, sizes, rounding)
    doubted = _doubted(scores, sizes, rounding, is_off, is_tested)
    reasons: list[NotChecked] = []
    for place, name in enumerate(columns):
        if np.isfinite(sizes[place]) and not doubted[place]:
            if not is_tested[:, place].any() and np.isfinite(scores[:, place]).any():
                reasons.append(_not_checked(name, "scores are written with too few decimals"))
            continue
        if name in known and known[name] is None:
            reasons.append(_not_checked(name, "its score is no share of right answers"))
            continue
        found = infer_size(scores[:, place], rounding)
        sizes[place] = np.nan if found is None else found
        if found is None:
            reasons.append(_not_checked(name, _why_no_size(name, known, doubted[place])))
    is_off, _ = off_grid(scores, sizes, rounding)
    return Grid(sizes=sizes, rounding=rounding, is_off=is_off, not_checked=tuple(reasons))


def _doubted(
    scores: NDArray[np.float64],
    sizes: NDArray[np.float64],
    rounding: NDArray[np.float64],
    is_off: NDArray[np.bool_],
    is_tested: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    n_tested, n_off = is_tested.sum(axis=0), is_off.sum(axis=0)
    doubted: NDArray[np.bool_] = (n_tested >= _LEAST_ROWS) & (n_off > n_tested / 2)
    for place in np.flatnonzero(doubted):
        found = infer_size(scores[:, place], rounding)
        if found is not None:
            # A multiple of the known size is that of a mean over runs, whatever others have.
            doubted[place] = found not in sizes or found % sizes[place] == 0
            continue
        rows = np.flatnonzero(is_off[:, place])[:1000]
        fits, chance = fits_elsewhere(scores[rows, place], sizes, rounding[rows])
        if (fits & (chance <= TELLING)).any(axis=1).mean() > 0.5:
            doubted[place] = False
    # Runs and splits are properties of a table: where most columns are doubted, all are.
    if doubted.sum() > (n_tested >= _LEAST_ROWS).sum() / 2:
        doubted |= np.isfinite(sizes)
    return doubted


def _why_no_size(name: str, known: Mapping[str, int | None], is_doubted: bool) -> str:
    if is_doubted:
        return (
            f"most of its scores do not fit a test set of {known[name]} examples: another split, "
            "or means over several runs? Give the size with --sizes, or the runs with --runs"
        )
    return (
        "its test set's size is not known and cannot be told from the scores; give it with --sizes"
    )


def _not_checked(name: str, reason: str) -> NotChecked:
    return NotChecked(rule="off-grid", what=name, reason=reason)
