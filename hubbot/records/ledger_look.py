"""A look at a ledger that changes nothing: is it whole, writable, of which version, how full."""

import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubbot.errors import SettingsError
from hubbot.records.ledger_file import MIGRATIONS, LedgerFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLook:
    """What was found at the ledger's place."""

    version: int
    """Version of its tables; 0 where there is none yet."""
    newest_version: int
    """Version that this hubbot writes; an older ledger is brought to it when it is next used."""
    size_bytes: int
    """Size of the file and its log."""
    rows: Mapping[str, int]
    """Rows of each table; empty for a ledger of an older version, which is not touched."""


def look_at_ledger(path: Path) -> LedgerLook:
    """Return what is known of a ledger; it is neither begun nor brought up to date.

    Args:
        path: File.

    Raises:
        SettingsError: If it is damaged, no ledger, of a newer hubbot, or cannot be written.
    """
    size = sum(_size(path.with_name(path.name + end)) for end in ("", "-wal"))
    rows: dict[str, int] = {}
    version: int | None = 0
    if _size(path) == 0 and not path.is_dir():
        _check_folder(path)
    else:
        version = _older_version(path)
        if version is None:
            with LedgerFile(path) as ledger, ledger.translated():
                rows = _count(ledger.connection)
    newest = len(MIGRATIONS)
    return LedgerLook(
        version=newest if version is None else version,
        newest_version=newest,
        size_bytes=size,
        rows=rows,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _check_folder(path: Path) -> None:
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        # Rights alone say too much: /proc lets root in and takes no file.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"ledger {path} cannot be begun: {folder} is no folder that may be written "
            f"({error.strerror or error}); make it one, or name another file (ledger_file in "
            "hubbot.toml)"
        ) from error


def _older_version(path: Path) -> int | None:
    """Return the version of a ledger that opening it for use would change, else None."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        return None  # LedgerFile says what is wrong with it.
    return version if 0 < version < len(MIGRATIONS) else None


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "ORDER BY name"
    ).fetchall()
    return {
        name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608
        for (name,) in names
    }
