"""A matrix of gains out of CSV files: which column is what, and in which unit."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.analysis.units import check_rankings, check_sds, gains_in_points
from hubbot.gains.table import Table, Units, check_unique, read_header, read_table

MAX_SOURCES = 5_000
"""Rows above which the file is refused: a matrix of gains has some hundred."""

MAX_TARGETS = 1_000
"""Target columns above which it is refused."""

MAX_CELLS = 250_000
"""Cells above which it is refused; the analysis takes one to two minutes there."""

RANKING_COLUMNS = frozenset({"lp_gain", "lp_accuracy", "mnli_lp", "mnli_lp_gain"})
"""Names that are taken for rankings without being told."""

GROUP_COLUMNS = ("source_group", "group")
"""Names that are taken for the sources' groups without being told."""

OTHER_COLUMNS = frozenset(
    {
        *("avg", "average", "mean", "avg_gain", "mean_gain", "avg_printed", "avg_recomputed"),
        *("row_ok", "note", "notes", "model_id", "revision", "architecture"),
        *("fig6_label", "fig7_label", "table4_set_id"),
    }
)
"""Names that are no targets: averages over them, and what describes a row."""


def read_matrix(
    path: Path,
    *,
    name_column: str | None = None,
    rankings: Collection[str] = (),
    ignore: Collection[str] = (),
    group_column: str | None = None,
    units: Units | None = None,
) -> GainMatrix:
    """Read a matrix of gains, one row per source and one column per target.

    Args:
        path: CSV as ``read_table`` takes it.
        name_column: Column with the sources' names; None for the first that is not their group.
        rankings: Columns by which sources can be ranked, beside those known by name.
        ignore: Columns to leave out, beside those known by name.
        group_column: Column with the sources' groups; None for one known by name, if any.
        units: What the file holds; None for points unless the numbers look like fractions or like
            scores. ``"points"`` takes them for gains in points whatever they look like.

    Raises:
        SettingsError: As ``read_table``; if there are fewer than two sources or targets, no gain
            at all, more rows or cells than can be analysed, a name that is empty or stands twice,
            a column of text that no option names, a gain beyond 100 points or a ranking beyond
            1e15, fractions where points are expected, or what looks like scores instead of gains.
    """
    _check_length(path)
    header = read_header(path)
    names = _name_column(header, name_column)
    _check_named(path, header, (names, *rankings, *ignore, *_if_any(group_column)))
    spoken_for = {names, *rankings, *ignore}
    if group_column is None:
        group_column = next(
            (name for name in GROUP_COLUMNS if name in header and name not in spoken_for), None
        )
    found = [*rankings, *(n for n in header if n in RANKING_COLUMNS and n not in spoken_for)]
    taken = {names, *found, *ignore, *_if_any(group_column)}
    left_out = tuple(
        name for name in header if name in ignore or (name in OTHER_COLUMNS and name not in taken)
    )
    targets = [name for name in header if name not in taken and name not in left_out]
    text = [names, *_if_any(group_column)]
    table = _read(path, text=text, numbers=[*targets, *found])
    _check_names(table, names)
    _check_size(path, table.n_rows, targets)
    gains = gains_in_points(table, targets, units)
    check_rankings(table, found)
    groups = _groups(table, names, group_column)
    return GainMatrix(
        name=path.name,
        sources=table.text[names],
        targets=tuple(targets),
        gains=gains,
        source_groups=groups,
        # A target that bears a source's name is the same data set.
        target_groups={name: groups[name] for name in targets if name in groups},
        rankings={name: table.numbers[name] for name in found},
        left_out=left_out,
    )


def with_sds(
    matrix: GainMatrix, path: Path, *, name_column: str | None = None, units: Units | None = None
) -> GainMatrix:
    """Return the matrix with the standard deviations of a second file of the same layout.

    Args:
        matrix: From ``read_matrix``.
        path: CSV; rows and columns in any order.
        name_column: Column with the sources' names; None for the first that is not their group.
        units: As the gains were given; fractions are turned into points.

    Raises:
        SettingsError: As ``read_table``; if a source or target of the matrix is not there, or a
            standard deviation is negative or beyond 100 points.
    """
    header = read_header(path)
    names = _name_column(header, name_column)
    _check_named(path, header, (names, *matrix.targets))
    table = read_table(path, text=[names], numbers=list(matrix.targets))
    check_unique(table, names)
    place = {name: i for i, name in enumerate(table.text[names])}
    for name in matrix.sources:
        if name not in place:
            raise SettingsError(f"{path}: {unknown_name('source', name, place)}")
    values = np.column_stack([table.numbers[name] for name in matrix.targets])
    check_sds(table, matrix.targets, units)
    sds = values[[place[name] for name in matrix.sources]]
    return replace(matrix, sds=sds * 100 if units == "fractions" else sds)


def with_groups(matrix: GainMatrix, path: Path) -> GainMatrix:
    """Return the matrix with the groups of a file with the columns ``name`` and ``group``.

    Args:
        matrix: From ``read_matrix``.
        path: CSV; names of sources and of targets, in any order. Names that are not there have no
            group.

    Raises:
        SettingsError: As ``read_table``; if a name stands twice or none is in the matrix.
    """
    table = read_table(path, text=["name", "group"], numbers=[])
    check_unique(table, "name")
    group_of = dict(zip(table.text["name"], table.text["group"], strict=True))
    sources = {name: group_of[name] for name in matrix.sources if group_of.get(name)}
    targets = {name: group_of[name] for name in matrix.targets if group_of.get(name)}
    if not sources or not targets:
        missing = "source" if not sources else "target"
        raise SettingsError(
            f"{path}: no {missing} of {matrix.name} has a group there; expected its names in the "
            f"column 'name', such as {(matrix.sources if not sources else matrix.targets)[0]!r}"
        )
    return replace(matrix, source_groups=sources, target_groups=targets)


def _name_column(header: Sequence[str], name_column: str | None) -> str:
    return name_column or next((name for name in header if name not in GROUP_COLUMNS), header[0])


def _if_any(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _check_length(path: Path) -> None:
    """Refuse a file of too many lines before a million rows are read for nothing."""
    try:
        with path.open("rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return  # read_header says what is wrong
    if lines > MAX_SOURCES + 1:
        raise _too_large(path, f"{lines:,} lines")


def _check_size(path: Path, n_sources: int, targets: Sequence[str]) -> None:
    if n_sources < 2 or len(targets) < 2:
        raise SettingsError(
            f"{path}: {n_sources} sources (rows) and {len(targets)} targets (columns"
            f"{': ' if targets else ''}{', '.join(targets)}); expected two or more of each"
        )
    if len(targets) > MAX_TARGETS:
        raise _too_large(path, f"{len(targets):,} targets (columns)")
    if n_sources * len(targets) > MAX_CELLS:
        raise _too_large(path, f"{n_sources * len(targets):,} cells")


def _too_large(path: Path, found: str) -> SettingsError:
    return SettingsError(
        f"{path}: {found}; a matrix of gains has at most {MAX_SOURCES:,} rows, "
        f"{MAX_TARGETS:,} targets and {MAX_CELLS:,} cells here: choose the sources to compare, or "
        "average over runs first"
    )


def _check_named(path: Path, header: Sequence[str], wanted: Collection[str]) -> None:
    for name in wanted:
        if name not in header:
            raise SettingsError(f"{path}: {unknown_name('column', name, header)}")


def _check_names(table: Table, column: str) -> None:
    for name, line in zip(table.text[column], table.lines, strict=True):
        if not name:
            raise SettingsError(
                f"{table.path}, line {line}: column {column!r} is empty; expected the name of the "
                "source (another column with --name-column)"
            )
    check_unique(table, column)


def _read(path: Path, *, text: list[str], numbers: list[str]) -> Table:
    """Read the table; where a whole column is text, the message names the option for it."""
    try:
        return read_table(path, text=text, numbers=numbers)
    except SettingsError:
        everything = read_table(path, text=[*text, *numbers], numbers=[])
        for name in numbers:
            cells = [cell for cell in everything.text[name] if cell]
            if cells and not any(_is_number(cell) for cell in cells):
                raise SettingsError(
                    f"{path}: column {name!r} holds text ({cells[0][:40]!r}), expected gains on a "
                    f"target; leave it out with --ignore {name!r}, or use it with --group-column "
                    "or --name-column"
                ) from None
        raise


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _groups(table: Table, names: str, group_column: str | None) -> Mapping[str, str]:
    if group_column is None:
        return {}
    pairs = zip(table.text[names], table.text[group_column], strict=True)
    return {name: group for name, group in pairs if group}
