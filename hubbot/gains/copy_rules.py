"""Rules about rows that stand in a results table twice; see ``findings.RULES``."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.findings import Finding, NotChecked
from hubbot.gains.score_table import ScoreTable

_LEAST_EQUAL = 5
"""Equal scores below which two models are not called copies of each other."""

_LEAST_RARE = 3
"""How many of them must be rare in their column: failed runs of different models agree too."""

_RARE = 0.05
"""Share of a column's scores up to which a value is rare; two rows may always share one."""

_MOST_ACCIDENTS = 0.01
"""Pairs of rows expected to be equal by chance, above which copies cannot be told."""

_LEAST_ROWS = 1000
"""Rows below which pairs are too few to agree by chance (and to see how often scores do)."""

_SHOWN = 5
"""Other names listed in a message."""


def duplicate_rows(table: ScoreTable) -> Iterator[Finding]:
    """Yield every row whose model stands elsewhere with as many numbers or more.

    Args:
        table: Results.
    """
    first: dict[str, int] = {}
    twice: dict[str, list[int]] = {}
    for row, model in enumerate(table.models):
        if first.setdefault(model, row) != row:
            twice.setdefault(model, [first[model]]).append(row)
    if not twice:
        return
    n_numbers = np.isfinite(table.scores).sum(axis=1) + (np.nan_to_num(table.lp_accuracy) != 0)
    for model, rows in twice.items():
        kept = max(rows, key=lambda row: (n_numbers[row], -row))
        for row in rows:
            if row != kept:
                yield Finding(
                    line=int(table.lines[row]),
                    row=model,
                    column=None,
                    rule="duplicate",
                    message=(
                        f"{model} stands on line {table.lines[kept]} too, with "
                        f"{n_numbers[kept]} numbers against {n_numbers[row]} here; keep that row"
                    ),
                    values={"kept_line": float(table.lines[kept])},
                )


def equal_rows(table: ScoreTable) -> Iterator[Finding | NotChecked]:
    """Yield rows of different models whose scores are identical.

    Args:
        table: Results.
    """
    accidents = _expected_accidents(table.scores)
    if accidents > _MOST_ACCIDENTS:
        yield NotChecked(
            rule="copied",
            what=f"{table.n_rows} rows",
            reason=(
                f"so many rows of so coarse scores agree by chance (about {accidents:.2g} pairs "
                "expected); add targets or decimals"
            ),
        )
        return
    groups = list(_groups(table.scores))
    if groups:
        columns = [np.sort(column[np.isfinite(column)]) for column in table.scores.T]
        for rows in groups:
            if _tells(table.scores[rows[0]], columns, len(rows)):
                yield from _findings(table, rows)


def _findings(table: ScoreTable, rows: NDArray[np.intp]) -> Iterator[Finding]:
    first = {table.models[row]: row for row in reversed(rows)}
    if len(first) < 2:
        return  # one model twice: a duplicate
    lp_counts = Counter(float(table.lp_accuracy[row]) for row in first.values())
    for model, row in first.items():
        others = [other for name, other in islice(first.items(), _SHOWN + 1) if name != model]
        others = others[:_SHOWN]
        own = float(table.lp_accuracy[row])
        is_same = own != 0 and lp_counts[own] > 1  # NaN equals nothing
        names = ", ".join(table.models[other] for other in others)
        lps = {f"lp_of_other_{k}": float(table.lp_accuracy[o]) for k, o in enumerate(others, 1)}
        yield Finding(
            line=int(table.lines[row]),
            row=model,
            column=None,
            rule="same-weights" if is_same else "copied",
            message=_message(int(np.isfinite(table.scores[row]).sum()), names, is_same=is_same),
            values={
                "others": names,
                **{k: lp for k, lp in {"lp": own, **lps}.items() if np.isfinite(lp)},
            },
        )


def _message(n: int, names: str, *, is_same: bool) -> str:
    if is_same:
        return (
            f"its {n} scores and its LP are those of {names}: the same weights under another name; "
            "count them once"
        )
    return (
        f"its {n} scores are those of {names} to the last digit, and their LPs are not known to be "
        "equal: one of the rows was copied; use neither"
    )


def _groups(scores: NDArray[np.float64]) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each group with identical scores, missing ones included."""
    filled = np.flatnonzero(np.isfinite(scores).sum(axis=1) >= _LEAST_EQUAL)
    scores = scores[filled]
    # One 64-bit digest per row (multiply and add, odd random factors) instead of sorting rows.
    bits = np.where(np.isnan(scores), -1.0, scores + 0.0).view(np.uint64)
    random = np.random.default_rng(0)
    digests = np.zeros(len(scores), dtype=np.uint64)
    for place in range(scores.shape[1]):
        odd = np.uint64(2 * int(random.integers(1, 2**62)) + 1)
        mixed = bits[:, place] * odd
        digests = (digests ^ mixed ^ (mixed >> np.uint64(29))) * odd
    order = np.argsort(digests, kind="stable")
    edges = np.flatnonzero(np.diff(digests[order])) + 1
    bounds = np.concatenate([[0], edges, [len(order)]])
    for start in np.flatnonzero(np.diff(bounds) > 1):
        rows = order[bounds[start] : bounds[start + 1]]
        # Rows of one digest are compared in full; a collision splits the group.
        _, group = np.unique(bits[rows], axis=0, return_inverse=True)
        group = group.ravel()
        parts = (rows[group == one] for one in range(group.max() + 1))
        yield from (filled[part] for part in parts if len(part) > 1)


def _tells(values: NDArray[np.float64], columns: list[NDArray[np.float64]], n_equal: int) -> bool:
    """Return whether equal rows hold enough scores that are not common to many models.

    Args:
        values: float64 of shape (n_columns,): the scores they share.
        columns: For each column all its scores, ascending.
        n_equal: How many rows share them.
    """
    present = np.flatnonzero(np.isfinite(values))
    if len(present) < _LEAST_EQUAL:
        return False
    n_rare = 0
    for place in present:
        column, value = columns[place], values[place]
        n = int(np.searchsorted(column, value, "right") - np.searchsorted(column, value, "left"))
        n_rare += n <= max(n_equal, _RARE * len(column))
    return n_rare >= _LEAST_RARE


def _expected_accidents(scores: NDArray[np.float64]) -> float:
    """Return how many pairs of rows would be equal if columns were independent."""
    filled = scores[np.isfinite(scores).sum(axis=1) >= _LEAST_EQUAL]
    n_rows = len(filled)
    if n_rows < _LEAST_ROWS:
        return 0.0
    logarithm = np.log(n_rows / 2 * (n_rows - 1))
    for column in filled.T:
        values = np.sort(column[np.isfinite(column)])
        if len(values) < n_rows / 2:
            continue
        edges = np.flatnonzero(np.diff(values)) + 1
        counts = np.diff([0, *edges, len(values)]).astype(np.float64)
        agreeing = float((counts * (counts - 1)).sum()) / (len(values) * (len(values) - 1.0))
        logarithm += np.log(max(agreeing, 1 / n_rows**2))
    return float(np.exp(min(logarithm, 700.0)))
