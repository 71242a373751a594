"""CSV and TSV files as people keep them, copied to Parquet with every cell as text."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hubbot.data.own_text import Copied, kind_of, opened, readable, write_rows
from hubbot.errors import DatasetError
from hubbot.printable import printable

LONGEST_CELL = 2**26
"""Characters of one cell at most; Python's own limit would refuse long documents."""

_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NUMBER = re.compile(r"[+-]?\d*\.?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialect:
    """One way of reading a CSV file."""

    delimiter: str
    """Character between two cells."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    """``csv.QUOTE_MINIMAL`` or ``csv.QUOTE_NONE``."""
    escape: str | None = None
    """Character before a quote inside quotes; None where it can only be doubled."""
    note: str = ""
    """What to tell where it was this one."""


class _Malformed(Exception):  # noqa: N818 - never leaves this module
    """A line that the dialect at hand cannot read."""


def copy_csv(path: Path, copy: Path) -> Copied:
    """Copy a CSV or TSV file to Parquet.

    Args:
        path: File with a header; what separates its cells is found out.
        copy: Parquet file to write.

    Raises:
        DatasetError: If a line cannot be read, the header is none, or the file is not UTF-8.
    """
    with readable(path):
        return _copy(path, copy)


def _copy(path: Path, copy: Path) -> Copied:
    first: _Malformed | None = None
    for dialect in _dialects(path):
        try:
            rows = _csv_rows(path, dialect)
            with _long_cells():
                write_rows(copy, _column_names(path, next(rows, [])), rows)
        except _Malformed as error:
            first = first or error
        else:
            return Copied(notes=(f"{path.name}: {dialect.note}",) if dialect.note else ())
    raise DatasetError(f"{path.name}, {first}") from first


def _dialects(path: Path) -> Iterator[_Dialect]:
    """Name the ways to read a file, the plainest first; the first that fits every line is taken."""
    delimiter = "\t" if kind_of(path) == "tsv" else _delimiter(path)
    usual = "\t" if kind_of(path) == "tsv" else ","
    note = "" if delimiter == usual else f"cells are separated by {_DELIMITER_NAMES[delimiter]}"
    yield _Dialect(delimiter=delimiter, note=note)
    said = f"{note}; " if note else ""
    yield _Dialect(
        delimiter=delimiter, escape="\\", note=f"{said}quotes inside cells are written \\"
    )
    if delimiter == "\t":
        yield _Dialect(
            delimiter=delimiter,
            quoting=csv.QUOTE_NONE,
            note=f"{said}quotes are read as letters, since they do not enclose cells",
        )


def _delimiter(path: Path) -> str:
    """Return what separates the header's cells: the character that gives most, a comma if even."""
    with opened(path) as handle:
        header = next((line for line in handle if line.strip()), "")
    counts = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: counts[mark])


def _csv_rows(path: Path, dialect: _Dialect) -> Iterator[list[str]]:
    """Give the header and then every row, each as long as the header."""
    with opened(path) as handle:
        reader = csv.reader(
            handle,
            delimiter=dialect.delimiter,
            quoting=dialect.quoting,
            escapechar=dialect.escape,
            strict=True,
        )
        width = 0
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _Malformed(
                    f"line {reader.line_num}: {error}; a quote inside a quoted cell is doubled, "
                    "and every quoted cell is closed"
                ) from error
            if not row:
                continue
            width = width or len(row)
            if len(row) > width and not any(row[width:]):
                row = row[:width]
            if len(row) != width:
                raise _Malformed(
                    f"line {reader.line_num}: {len(row)} cells, the header has {width}; a text "
                    f"with {_DELIMITER_NAMES[dialect.delimiter]} stands in quotes"
                )
            yield row


def _column_names(path: Path, header: Sequence[str]) -> list[str]:
    """Check the first line; a cell without a name (the index of pandas) gets the one of pandas."""
    names = [cell.strip() or f"Unnamed: {place}" for place, cell in enumerate(header)]
    if not names:
        raise DatasetError(f"{path.name}: empty; expected a line of column names and rows")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DatasetError(
            f"{path.name}: two columns are named {printable(repeated[0])!r}; give each its own name"
        )
    counted = [name for name in names if name.isdecimal()]
    is_counted = counted == [str(place) for place in range(len(counted))]  # as pandas does it
    is_counted = is_counted and set(names) <= {*counted, "Unnamed: 0"}
    numbers = [n for n in names if _NUMBER.fullmatch(n) and not (is_counted and n in counted)]
    data = [*(name for name in names if len(name) > 100), *numbers]
    if data:
        raise DatasetError(
            f"{path.name}: the first line must name the columns, found what looks like a row "
            f"({printable(data[0], limit=60)!r}); put a line such as text,label before it"
        )
    return names


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let the csv module read documents longer than 131,072 characters, for this reading only."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
