"""Fine-tunings from the ledger of a machine that is not trusted, taken over one by one.

    python -m hubbot.records.handed_over FROM.sqlite TO.sqlite

A ledger is a database, and one that somebody else wrote may hold more than rows: triggers, tables
of other shapes, claims, owners to leave alone. Only the finished fine-tunings are read, each is
checked for its shape, and they go into a ledger that is begun here. What they say is judged where
it is used: scores are compared with the predictions and with the labels on the Hub.
"""

import datetime
import logging
import re
import sqlite3
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from hubbot.errors import HubbotError, IntegrityError, SettingsError
from hubbot.printable import printable
from hubbot.records.cells import COLUMNS, Cell, from_row
from hubbot.records.ledger import Ledger

logger = logging.getLogger(__name__)

MOST_CELLS = 1000
"""Fine-tunings of one hand-over; a sensitivity has ten."""

MOST_ROWS = 1_000_000
"""Test rows of one fine-tuning; the largest target has some ten thousand."""

_LONGEST = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"([0-9a-f]{40})?")
_COUNTS = ("n_train", "steps", "best_step")
_BYTES = 8
"""Of one prediction."""


def take_cells(source: Path, into: Path) -> int:
    """Copy the finished fine-tunings of a ledger, and nothing else, into another.

    Args:
        source: Written elsewhere; opened for reading alone.
        into: Begun where it is missing.

    Returns:
        How many were copied.

    Raises:
        IntegrityError: If one of them is not of the shape that hubbot writes.
        SettingsError: If ``source`` is no ledger, or ``into`` cannot be written.
    """
    try:
        cells = list(_cells(source))
    except sqlite3.Error as error:
        raise SettingsError(f"{source}: no ledger of hubbot's: {printable(error)}") from error
    with Ledger(into) as ledger:
        for cell in cells:
            ledger.keep(cell)
    return len(cells)


def _cells(source: Path) -> Iterator[Cell]:
    address = f"{source.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        # Nothing that the file's author defined is run.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 16 << 20)
        kind = connection.execute("SELECT type, sql FROM sqlite_schema WHERE name = 'cells'")
        found = kind.fetchall()
        if [one[0] for one in found] != ["table"] or "virtual" in str(found[0][1]).lower():
            _refuse(source, "it has no table of fine-tunings")
        rows = connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM cells LIMIT {MOST_CELLS + 1}"  # noqa: S608 - our own
        )
        for number, row in enumerate(rows):
            if number >= MOST_CELLS:
                _refuse(source, f"it has over {MOST_CELLS} fine-tunings")
            yield _cell(row, source)
    finally:
        connection.close()


def _cell(row: tuple[Any, ...], source: Path) -> Cell:
    values = dict(zip(COLUMNS, row, strict=True))
    _check_size(values, source)
    try:
        cell = from_row(row)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        _refuse(source, printable(error))
    problem = next(_problems(cell), None)
    if problem is not None:
        _refuse(source, problem)
    return cell


def _check_size(values: dict[str, Any], source: Path) -> None:
    """Refuse predictions that unpack to more than they say."""
    n_test, packed = values["n_test"], values["predictions"]
    if not isinstance(n_test, int) or not 0 < n_test <= MOST_ROWS or not isinstance(packed, bytes):
        _refuse(source, f"a fine-tuning has {printable(n_test)} test rows")
    try:
        plain = zlib.decompressobj().decompress(packed, n_test * _BYTES + 1)
    except zlib.error as error:
        _refuse(source, f"predictions cannot be unpacked: {printable(error)}")
    if len(plain) != n_test * _BYTES:
        _refuse(source, f"a fine-tuning has not the {n_test} predictions that it names")


def _problems(cell: Cell) -> Iterator[str]:
    key = cell.key
    if not all(isinstance(one, dict) for one in (cell.seconds, cell.versions, cell.details)):
        yield "its seconds, versions or details are no table"
        return
    for name in ("weights_digest", "target_digest", "files_digest"):
        if not _DIGEST.fullmatch(str(getattr(key, name))):
            yield f"{name} {printable(getattr(key, name), limit=80)!r} is no digest"
    if not isinstance(key.seed, int) or key.seed < 0:
        yield f"seed {printable(key.seed, limit=80)!r} is no number from 0"
    if not _COMMIT.fullmatch(str(cell.revision)):
        yield f"revision {printable(cell.revision, limit=80)!r} is no commit"
    yield from _problems_of_texts(cell)
    for name in _COUNTS:
        if not _is_count(cell.details.get(name)):
            yield f"{name} {printable(cell.details.get(name), limit=80)!r} is no number of rows"
    if not all(isinstance(value, int | float) for value in cell.seconds.values()):
        yield "its seconds are no numbers"


def _problems_of_texts(cell: Cell) -> Iterator[str]:
    names = ("model", "architecture", "target", "device", "dtype")
    texts = (*cell.versions, *cell.versions.values(), *cell.seconds)
    for text in (cell.key.protocol, *(getattr(cell, name) for name in names), *texts):
        if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
            yield f"{printable(text, limit=80)!r} is no name"
    try:
        datetime.datetime.fromisoformat(cell.date)
    except (TypeError, ValueError):
        yield f"date {printable(cell.date, limit=80)!r} is no date"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _refuse(source: Path, why: str) -> NoReturn:
    raise IntegrityError(
        f"{source} is not taken over: {why}; look at the machine that wrote it", check="handed-over"
    )


def main(arguments: list[str]) -> int:
    """Run the command line above; returns the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m hubbot.records.handed_over FROM.sqlite TO.sqlite\n")
        return 2
    try:
        copied = take_cells(Path(arguments[0]), Path(arguments[1]))
    except HubbotError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if isinstance(error, IntegrityError) else 2
    sys.stderr.write(f"fine-tunings taken over: {copied}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
