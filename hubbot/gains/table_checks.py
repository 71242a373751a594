"""Integrity of a results table, from its numbers alone: ``check_table`` runs every rule.

Columns that say what is wrong with a row (flags of an earlier check) are never read. A row whose
columns are out of order gets that one finding: its other numbers mean nothing where they stand.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.architectures import find_architecture, load_architectures
from hubbot.catalog.tables import unknown_name
from hubbot.gains.alignment import Misaligned, find_misaligned
from hubbot.gains.column_sizes import Grid, hold_against_grid
from hubbot.gains.copy_rules import duplicate_rows, equal_rows
from hubbot.gains.findings import RULES, Finding, NotChecked, Report, Rule
from hubbot.gains.levels import KnownLevels, Levels, levels_of_table
from hubbot.gains.lp_rules import LpRules
from hubbot.gains.score_table import ScoreTable

_LEAST_FRACTIONS = 3
"""Scores a row needs before it is said to be in fractions."""

_SHOWN = 6
"""Columns listed in a message."""


def check_table(
    table: ScoreTable,
    known: KnownLevels,
    *,
    sizes: Mapping[str, int | None] | None = None,
    n_runs: int = 1,
) -> Report:
    """Check every row and column of a results table.

    Args:
        table: Results, points.
        known: Published levels, for the rules that need the base model's.
        sizes: Test-set sizes by target, over those of ``known``; None for scores that are no
            accuracies.
        n_runs: Runs that every score is the mean of.
    """
    all_sizes = {**known.sizes, **(sizes or {})}
    is_fraction = _rows_in_fractions(table)
    # What other findings explain is out of the way of the rules that compare numbers.
    is_out = (table.scores == 0) | (np.abs(table.scores) > 100) | is_fraction[:, None]
    scores = np.where(is_out, np.nan, table.scores)
    grid = hold_against_grid(table.targets, scores, all_sizes, n_runs=n_runs)
    own_base = _base_rows(table)
    sound_base = {name: row for name, row in own_base.items() if not grid.is_off[row].any()}
    levels = levels_of_table(known, table.architectures, table.targets, scores, sound_base)
    misaligned = find_misaligned(scores, grid.sizes, grid.is_off, grid.rounding, levels)
    is_sound = ~is_fraction
    is_sound[[found.row for found in misaligned]] = False
    lp_rules = LpRules(table, own_base)
    copies = list(equal_rows(replace(table, scores=scores)))
    findings = [
        *(_misaligned_finding(table, grid, levels, found) for found in misaligned),
        *_off_grid_findings(table, grid, is_sound),
        *_cell_findings(table, grid, scores - levels.usual, levels, is_sound),
        *_row_findings(table, is_fraction),
        *lp_rules.findings(),
        *(found for found in copies if isinstance(found, Finding)),
        *duplicate_rows(table),
        *_unknown_architectures(table, known, own_base),
    ]
    order = {rule: place for place, rule in enumerate(RULES)}
    return Report(
        n_rows=table.n_rows,
        columns=(*([table.lp_column] if table.lp_column else []), *table.targets),
        sizes={
            name: None if np.isnan(size) else int(size)
            for name, size in zip(table.targets, grid.sizes, strict=True)
        },
        findings=tuple(sorted(findings, key=lambda one: (one.line, order[one.rule]))),
        not_checked=(
            *grid.not_checked,
            *_without_levels(table, levels),
            *lp_rules.not_checked(),
            *(found for found in copies if isinstance(found, NotChecked)),
        ),
    )


def _base_rows(table: ScoreTable) -> dict[str, int]:
    """Return for each architecture the row of the base model itself."""
    first = {model: row for row, model in reversed(list(enumerate(table.models)))}
    found = {}
    for architecture in dict.fromkeys(filter(None, table.architectures)):
        entry = find_architecture(architecture)
        names = (architecture,) if entry is None else (entry.name, entry.hub_id, *entry.aliases)
        rows = [first[name] for name in names if name in first]
        rows = [row for row in rows if table.architectures[row] == architecture]
        if rows:
            found[architecture] = min(rows)
    return found


def _misaligned_finding(
    table: ScoreTable, grid: Grid, levels: Levels, found: Misaligned
) -> Finding:
    names = [table.targets[column] for column in found.columns]
    values = {
        name: float(table.scores[found.row, column])
        for name, column in zip(names, found.columns, strict=True)
    }
    if found.kind == "swapped":
        one, other = found.columns
        message = (
            f"{names[0]} and {names[1]} are swapped: {values[names[0]]:.2f} and "
            f"{values[names[1]]:.2f}, where the base model has {levels.usual[found.row, one]:.2f} "
            f"and {levels.usual[found.row, other]:.2f}; put them back"
        )
    elif found.kind == "moved":
        message = _moved_message(table, grid, found, names)
    else:
        message = _other_sets_message(table, grid, found)
    return Finding(
        line=int(table.lines[found.row]),
        row=table.models[found.row],
        column=names[0] if len(names) == 1 else None,
        rule="misaligned",
        message=message,
        values=values,
    )


def _moved_message(table: ScoreTable, grid: Grid, found: Misaligned, names: list[str]) -> str:
    shown: list[str] = []
    for name, column, places in zip(names, found.columns, found.belongs, strict=True):
        if places and len(shown) < _SHOWN:
            score = table.scores[found.row, column]
            homes = " or ".join(table.targets[place] for place in places[:3])
            shown.append(f"{score:.4f} under {name} (of {grid.sizes[column]:.0f}) fits {homes}")
    more = " ..." if len(names) > len(shown) else ""
    return (
        f"{len(names)} of {int(np.isfinite(table.scores[found.row]).sum())} scores are not whole "
        f"numbers of right answers in their columns but fit others: {'; '.join(shown)}{more}; use "
        "none of this row's scores"
    )


def _other_sets_message(table: ScoreTable, grid: Grid, found: Misaligned) -> str:
    shown = _right_answers(table, grid, found.row, found.columns)
    n_scores = int(np.isfinite(table.scores[found.row]).sum())
    return (
        f"{len(found.columns)} of {n_scores} scores are not whole numbers of right answers in "
        f"their columns and most fit no other: {shown}; the row was measured on other test sets, "
        "or by another metric: use none of its scores"
    )


def _right_answers(table: ScoreTable, grid: Grid, row: int, columns: Sequence[int]) -> str:
    """Return some odd numbers of a row as right answers of their test sets."""
    shown = "; ".join(
        f"{table.scores[row, column]:.6g} under {table.targets[column]} is "
        f"{table.scores[row, column] * grid.sizes[column] / 100:.3f} right answers of "
        f"{grid.sizes[column]:.0f}"
        for column in columns[:_SHOWN]
    )
    return shown + (" ..." if len(columns) > _SHOWN else "")


def _off_grid_findings(
    table: ScoreTable, grid: Grid, is_sound: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Yield rows with numbers that fit neither their own column nor another."""
    is_off = grid.is_off & is_sound[:, None]
    for row in np.flatnonzero(is_off.any(axis=1)):
        columns = np.flatnonzero(is_off[row])
        names = [table.targets[column] for column in columns]
        shown = _right_answers(table, grid, int(row), columns.tolist())
        yield Finding(
            line=int(table.lines[row]),
            row=table.models[row],
            column=names[0] if len(names) == 1 else None,
            rule="off-grid",
            message=(
                f"{shown}; expected whole numbers, and nothing says that they belong to other "
                "columns: another test set, another metric or a slip; measure them again"
            ),
            values={
                name: float(table.scores[row, column])
                for name, column in zip(names, columns, strict=True)
            },
        )


def _cell_findings(
    table: ScoreTable,
    grid: Grid,
    gains: NDArray[np.float64],
    levels: Levels,
    is_sound: NDArray[np.bool_],
) -> Iterator[Finding]:
    """Yield what is wrong with single scores of rows that are in order."""

    def finding(row: int, column: int, rule: Rule, message: str, **values: float) -> Finding:
        name = table.targets[column]
        return Finding(
            line=int(table.lines[row]),
            row=table.models[row],
            column=name,
            rule=rule,
            message=message,
            values={name: float(table.scores[row, column]), **values},
        )

    for row, column in np.argwhere((gains > levels.limit) & is_sound[:, None]):
        yield finding(
            row,
            column,
            "impossible-gain",
            f"{table.scores[row, column]:.2f} is {gains[row, column]:+.2f} over the base model's "
            f"{levels.usual[row, column]:.2f}; the best known gain on this target is well below "
            f"the limit of {levels.limit[column]:+.2f}: look where the number comes from",
            gain=float(gains[row, column]),
            limit=float(levels.limit[column]),
        )
    lowest = np.where(np.isnan(grid.sizes), -100.0, 0.0)
    for row, column in np.argwhere((table.scores > 100) | (table.scores < lowest)):
        yield finding(
            row,
            column,
            "out-of-range",
            f"{table.scores[row, column]:g}, expected {lowest[column]:g} to 100 points",
        )


def _row_findings(table: ScoreTable, is_fraction: NDArray[np.bool_]) -> Iterator[Finding]:
    """Yield zeros that stand for missing scores, and rows in fractions."""
    is_zero = table.scores == 0
    for row in np.flatnonzero(is_zero.any(axis=1)):
        names = [table.targets[column] for column in np.flatnonzero(is_zero[row])]
        yield Finding(
            line=int(table.lines[row]),
            row=table.models[row],
            column=names[0] if len(names) == 1 else None,
            rule="missing-as-zero",
            message=(
                f"{', '.join(names[:_SHOWN])}{' ...' if len(names) > _SHOWN else ''}: exactly 0, "
                "below any guess: not measured, or no answer could be read; leave the cell empty"
            ),
            values=dict.fromkeys(names, 0.0),
        )
    for row in np.flatnonzero(is_fraction):
        yield Finding(
            line=int(table.lines[row]),
            row=table.models[row],
            column=None,
            rule="mixed-units",
            message=(
                "all scores of the row lie from 0 to 1 while the table is in points; "
                "multiply the row by 100"
            ),
            values={"largest": float(np.nanmax(table.scores[row]))},
        )


def _rows_in_fractions(table: ScoreTable) -> NDArray[np.bool_]:
    n_present = (np.isfinite(table.scores) & (table.scores != 0)).sum(axis=1)
    n_fractions = ((table.scores > 0) & (table.scores <= 1)).sum(axis=1)
    return np.asarray((n_present >= _LEAST_FRACTIONS) & (n_fractions == n_present))


def _unknown_architectures(
    table: ScoreTable, known: KnownLevels, own_base: Mapping[str, int]
) -> Iterator[Finding]:
    names = {entry.name for entry in load_architectures()} | known.base.keys() | own_base.keys()
    rows_of: dict[str, list[int]] = {}
    for row, architecture in enumerate(table.architectures):
        if architecture and architecture not in names:
            rows_of.setdefault(architecture, []).append(row)
    for architecture, rows in rows_of.items():
        yield Finding(
            line=int(table.lines[rows[0]]),
            row=table.models[rows[0]],
            column=None,
            rule="unknown-architecture",
            message=(
                f"{unknown_name('architecture', architecture, names)}; {len(rows)} rows cannot be "
                "held against its base model: mend the name, or add the base model's own row"
            ),
            values={"architecture": architecture, "rows": float(len(rows))},
        )


def _without_levels(table: ScoreTable, levels: Levels) -> Iterator[NotChecked]:
    no_limit = [
        name for name, limit in zip(table.targets, levels.limit, strict=True) if np.isnan(limit)
    ]
    if no_limit:
        yield NotChecked(
            rule="impossible-gain",
            what=", ".join(no_limit[:_SHOWN]) + (" ..." if len(no_limit) > _SHOWN else ""),
            reason="no gains on these targets are published, so none can be called impossible",
        )
    is_unknown = np.isnan(levels.usual[:, np.isfinite(levels.limit)])
    rows = np.flatnonzero(is_unknown.all(axis=1))
    if is_unknown.shape[1] and len(rows):
        names = sorted({table.architectures[row] or "no architecture" for row in rows})
        yield NotChecked(
            rule="impossible-gain",
            what=f"{len(rows)} rows of {', '.join(names[:_SHOWN])}",
            reason="the base model's scores are not known; add its own row to the table",
        )
