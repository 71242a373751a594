"""A CSV table of names and numbers, read strictly: what does not add up is refused with its line.

``check``, ``analyse``, ``predict --from`` and ``import`` all read their tables here, so that a
wrong file gets the same clear words everywhere.
"""

import csv
import math
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError

Units = Literal["points", "fractions"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The columns asked for, in the file's order of rows."""

    path: Path
    """File it was read from."""
    columns: tuple[str, ...]
    """All names of the header, in order, whether read or not."""
    text: Mapping[str, tuple[str, ...]]
    """For each text column its cells, outer spaces stripped; an empty cell is an empty string."""
    numbers: Mapping[str, NDArray[np.float64]]
    """For each number column float64 of shape (n_rows,); NaN where the cell is empty."""
    lines: NDArray[np.int64]
    """int64 of shape (n_rows,): line of the file on which each row ends, 1 for the header."""

    @property
    def n_rows(self) -> int:
        """Number of rows below the header."""
        return len(self.lines)


def read_header(path: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file, outer spaces stripped.

    Args:
        path: CSV in UTF-8 with one header row and commas between the cells.

    Raises:
        SettingsError: If there is no such file, it is not CSV, has no header, or a name is empty
            or stands there twice.
    """
    with _reading(path) as rows:
        return _header(path, rows)


def read_table(
    path: Path,
    *,
    text: Collection[str] = (),
    numbers: Collection[str] | None = None,
) -> Table:
    """Read named columns of a CSV file.

    Args:
        path: CSV in UTF-8 with one header row and commas between the cells.
        text: Columns to read as they stand.
        numbers: Columns to read as numbers; None for all that are not in ``text``.

    Returns:
        The table; empty cells and NA, nan, null, none stand for missing numbers.

    Raises:
        SettingsError: As ``read_header``; if a column is not there, a row has another number of
            cells than the header, a number is not one or infinite, or there is no row at all.
    """
    with _reading(path) as rows:
        header = _header(path, rows)
        wanted = [name for name in header if name not in text] if numbers is None else numbers
        for name in (*text, *wanted):
            if name not in header:
                raise _no_column(path, name, header)
        text_cells: dict[str, list[str]] = {name: [] for name in text}
        number_cells = {name: array("d") for name in wanted}
        lines = array("q")
        places = [(header.index(name), cells) for name, cells in text_cells.items()]
        slots = [(header.index(name), name, cells) for name, cells in number_cells.items()]
        for row in rows:
            if len(row) != len(header):
                if not any(cell.strip() for cell in row):
                    continue
                raise _ragged(path, rows.line_num, len(row), len(header))
            for place, kept in places:
                kept.append(row[place].strip())
            for place, name, values in slots:
                values.append(_number(path, rows.line_num, name, row[place]))
            lines.append(rows.line_num)
    if not lines:
        raise SettingsError(f"{path}: there is a header and no row below it; expected one or more")
    return Table(
        path=path,
        columns=header,
        text={name: tuple(cells) for name, cells in text_cells.items()},
        numbers={name: np.array(cells) for name, cells in number_cells.items()},
        lines=np.array(lines),
    )


def check_unique(table: Table, column: str) -> None:
    """Refuse a table in which two rows have the same name.

    Args:
        table: From ``read_table``.
        column: Text column that names the rows.

    Raises:
        SettingsError: Naming the first such name and its lines.
    """
    names = table.text[column]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is None:
        return
    lines = [str(line) for name, line in zip(names, table.lines, strict=True) if name == twice]
    raise SettingsError(
        f"{table.path}: {column} {twice!r} stands on lines {', '.join(lines[:5])}; expected every "
        "name once: keep one of the rows, or give the others names of their own"
    )


def looks_like_fractions(values: NDArray[np.float64], *, least: int = 1) -> bool:
    """Return whether scores that should be points all lie within 0 to 1.

    Args:
        values: float64 of any shape, NaN for missing.
        least: Numbers needed to tell.
    """
    known = values[np.isfinite(values)]
    return len(known) >= least and bool(np.all((known >= 0) & (known <= 1)) and np.any(known > 0))


class _Rows(Protocol):
    """What ``csv.reader`` gives."""

    line_num: int

    def __iter__(self) -> "_Rows": ...

    def __next__(self) -> list[str]: ...


@contextmanager
def _reading(path: Path) -> Iterator[_Rows]:
    """Open a CSV file for its rows; what goes wrong on the way becomes a clear error."""
    try:
        with path.open("rb") as raw:
            start = raw.read(4096)
        if b"\0" in start or start.startswith(b"PAR1"):
            raise SettingsError(
                f"{path}: this is not a text file; expected CSV in UTF-8 with a header row "
                "(export the table as CSV)"
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(file, strict=True)
    except OSError as error:
        raise SettingsError(
            f"{path}: cannot be read ({error.strerror or error}); expected a CSV file"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save the table as CSV in "
            "UTF-8"
        ) from error
    except csv.Error as error:
        raise SettingsError(
            f"{path}: not CSV ({error}); expected commas between cells and quotes around cells "
            "that hold commas"
        ) from error


def _header(path: Path, rows: _Rows) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in next(rows, []))
    if not any(header):
        raise SettingsError(f"{path}: the file is empty; expected a header row and rows below it")
    if len(header) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in header[0]:
                raise SettingsError(
                    f"{path}: the cells are separated by {name}; expected commas (save as CSV)"
                )
    if all(_is_number(cell) for cell in header[1:] or header):
        raise SettingsError(
            f"{path}: line 1 holds numbers ({', '.join(header[:3])} ...); expected a header row "
            "with the names of the columns"
        )
    for place, name in enumerate(header, start=1):
        if not name:
            raise SettingsError(f"{path}: column {place} has no name in the header; give it one")
        if name in header[: place - 1]:
            raise SettingsError(
                f"{path}: column {name!r} stands twice in the header; expected every name once"
            )
    return header


def _number(path: Path, line: int, column: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        if cell.strip().casefold() in _MISSING:
            return math.nan
        raise SettingsError(
            f"{path}, line {line}, column {column!r}: {cell.strip()[:40]!r} is not a number; "
            "expected one such as 12.5, or an empty cell where it is not known"
        ) from None
    if math.isinf(value):
        raise SettingsError(
            f"{path}, line {line}, column {column!r}: the number is infinite; expected a finite "
            "one, or an empty cell where it is not known"
        )
    return value


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _no_column(path: Path, name: str, header: Sequence[str]) -> SettingsError:
    error = unknown_name("column", name, header)
    return SettingsError(f"{path}: {error}")


def _ragged(path: Path, line: int, found: int, expected: int) -> SettingsError:
    return SettingsError(
        f"{path}, line {line}: {found} cells, but the header has {expected}; expected as many "
        "(a cell that holds a comma needs quotes)"
    )
