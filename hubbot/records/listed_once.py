"""Which of very many names come for the first time, kept on disk rather than in memory."""

import sqlite3
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from hubbot.errors import SettingsError


class ListedOnce:
    """The names that came so far; a context manager, after which they are forgotten."""

    def __init__(self) -> None:
        """Begin with none."""
        # SQLite's own temporary file, of which two megabytes are held in memory.
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def add(self, names: Iterable[str]) -> list[bool]:
        """Return for each name whether it comes for the first time.

        Args:
            names: A page or so.

        Raises:
            SettingsError: If the disk is full.
        """
        try:
            self._connection.execute("BEGIN")
            found = [self._add(name) for name in names]
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise SettingsError(
                f"the names of the models listed so far cannot be kept in the folder for temporary "
                f"files ({error}); free some space there, or set SQLITE_TMPDIR to another folder"
            ) from error
        return found

    def _add(self, name: str) -> bool:
        statement = "INSERT OR IGNORE INTO names VALUES (?)"
        return self._connection.execute(statement, (name,)).rowcount > 0
