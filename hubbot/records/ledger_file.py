"""The file behind the ledger: opened safely, brought up to date, its errors put into words.

SQLite with a write-ahead log, waiting for the disk at every commit: a power cut or kill -9 leaves
each transaction done or not done, and readers do not wait for writers.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from hubbot.errors import SettingsError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE cells (
            weights_digest TEXT NOT NULL, target_digest TEXT NOT NULL,
            protocol TEXT NOT NULL, seed INTEGER NOT NULL,
            model TEXT NOT NULL, revision TEXT NOT NULL,
            architecture TEXT NOT NULL, target TEXT NOT NULL,
            score REAL NOT NULL, validation_score REAL NOT NULL,
            predictions BLOB NOT NULL, kind TEXT NOT NULL, n_test INTEGER NOT NULL,
            seconds TEXT NOT NULL, peak_memory_gb REAL NOT NULL, device TEXT NOT NULL,
            dtype TEXT NOT NULL, versions TEXT NOT NULL, date TEXT NOT NULL, details TEXT NOT NULL,
            UNIQUE (weights_digest, target_digest, protocol, seed)
        )""",
        """CREATE TABLE claims (
            weights_digest TEXT NOT NULL, target_digest TEXT NOT NULL,
            protocol TEXT NOT NULL, seed INTEGER NOT NULL,
            host TEXT NOT NULL, pid INTEGER NOT NULL,
            started REAL NOT NULL, since REAL NOT NULL,
            UNIQUE (weights_digest, target_digest, protocol, seed)
        )""",
    ),
    (
        "ALTER TABLE cells RENAME TO cells_before",
        """CREATE TABLE cells (
            weights_digest TEXT NOT NULL, target_digest TEXT NOT NULL,
            protocol TEXT NOT NULL, seed INTEGER NOT NULL, files_digest TEXT NOT NULL,
            model TEXT NOT NULL, revision TEXT NOT NULL,
            architecture TEXT NOT NULL, target TEXT NOT NULL,
            score REAL NOT NULL, validation_score REAL NOT NULL,
            predictions BLOB NOT NULL, kind TEXT NOT NULL, n_test INTEGER NOT NULL,
            seconds TEXT NOT NULL, peak_memory_gb REAL NOT NULL, device TEXT NOT NULL,
            dtype TEXT NOT NULL, versions TEXT NOT NULL, date TEXT NOT NULL, details TEXT NOT NULL,
            UNIQUE (weights_digest, target_digest, protocol, seed, files_digest)
        )""",
        """INSERT INTO cells SELECT
            weights_digest, target_digest, protocol, seed, '', model, revision, architecture,
            target, score, validation_score, predictions, kind, n_test, seconds, peak_memory_gb,
            device, dtype, versions, date, details FROM cells_before""",
        "DROP TABLE cells_before",
        "DROP TABLE claims",  # of processes that know nothing of the new column
        """CREATE TABLE claims (
            weights_digest TEXT NOT NULL, target_digest TEXT NOT NULL,
            protocol TEXT NOT NULL, seed INTEGER NOT NULL, files_digest TEXT NOT NULL,
            host TEXT NOT NULL, pid INTEGER NOT NULL,
            started REAL NOT NULL, since REAL NOT NULL,
            UNIQUE (weights_digest, target_digest, protocol, seed, files_digest)
        )""",
    ),
    (
        """CREATE TABLE checkpoints (
            model TEXT PRIMARY KEY, revision TEXT NOT NULL, architecture TEXT NOT NULL,
            state TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
            attempts INTEGER NOT NULL, value REAL NOT NULL,
            created TEXT NOT NULL, modified TEXT NOT NULL,
            downloads INTEGER NOT NULL, likes INTEGER NOT NULL, parameters INTEGER,
            weights_digest TEXT NOT NULL, measured_revision TEXT NOT NULL,
            protocol TEXT NOT NULL, lp_gain REAL, lp_gain_low REAL, lp_gain_high REAL,
            seconds REAL NOT NULL, action TEXT NOT NULL, url TEXT NOT NULL,
            listed REAL NOT NULL, changed REAL NOT NULL, pass INTEGER NOT NULL,
            host TEXT NOT NULL, pid INTEGER NOT NULL, started REAL NOT NULL, since REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX checkpoints_by_state ON checkpoints (state, value DESC, model)",
        "CREATE INDEX checkpoints_by_weights ON checkpoints (weights_digest)",
        """CREATE TABLE listings (
            query TEXT PRIMARY KEY, newest TEXT NOT NULL, finished REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE pull_requests (
            kind TEXT NOT NULL, repository TEXT NOT NULL, url TEXT NOT NULL,
            owner TEXT NOT NULL, state TEXT NOT NULL, opened REAL NOT NULL, changed REAL NOT NULL,
            PRIMARY KEY (kind, repository, url)
        ) WITHOUT ROWID""",
        """CREATE TABLE bands (
            architecture TEXT NOT NULL, protocol TEXT NOT NULL, begins REAL NOT NULL,
            PRIMARY KEY (architecture, protocol)
        ) WITHOUT ROWID""",
        """CREATE TABLE opt_outs (
            name TEXT PRIMARY KEY, reason TEXT NOT NULL, since REAL NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE passes (
            number INTEGER PRIMARY KEY, begun REAL NOT NULL, ended REAL, summary TEXT NOT NULL
        )""",
        """CREATE TABLE reference_probes (
            architecture TEXT NOT NULL, protocol TEXT NOT NULL, device TEXT NOT NULL,
            weights_digest TEXT NOT NULL, dataset_revision TEXT NOT NULL,
            lp_accuracy REAL NOT NULL, date TEXT NOT NULL,
            PRIMARY KEY (architecture, protocol, device, weights_digest, dataset_revision)
        ) WITHOUT ROWID""",
        """CREATE TABLE evaluations (
            model TEXT NOT NULL, weights_digest TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, changed REAL NOT NULL, PRIMARY KEY (model, weights_digest)
        ) WITHOUT ROWID""",
        """CREATE TABLE sensed (
            target TEXT NOT NULL, architecture TEXT NOT NULL, weights_digest TEXT NOT NULL,
            model TEXT NOT NULL, protocol TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
            note TEXT NOT NULL, url TEXT NOT NULL, changed REAL NOT NULL,
            PRIMARY KEY (target, architecture)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE evaluations ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE sensed ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0",
    ),
)
"""The statements that lead from each version to the next. Add to the end; change none."""

_APPLICATION = 0x48756274
"""``Hubt``: tells a ledger from other programs' databases."""

_BUSY_S = 60.0
"""Seconds to wait while another process writes."""


class LedgerFile:
    """One open file; a context manager, for one thread."""

    def __init__(self, path: Path) -> None:
        """Open a ledger; one that is not there is begun.

        Args:
            path: File; its folder is made where it is missing.

        Raises:
            SettingsError: If it cannot be opened or written, is damaged, not a ledger, or one of a
                newer hubbot.
        """
        self.path = path
        with self.translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Transactions are begun by hand below.
            self.connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self.connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing waits to be written."""
        self.connection.close()

    def _prepare(self) -> None:
        """Set the file up for safe writing, and bring it to this version."""
        version = self._version()
        is_new = version == 0 and not self._has_tables()
        if not is_new and self._number("application_id") != _APPLICATION:
            raise SettingsError(
                f"{self.path} is a database, but no ledger of hubbot's; name another file "
                "(ledger_file in hubbot.toml)"
            )
        if version > len(MIGRATIONS):
            raise SettingsError(
                f"ledger {self.path} is of version {version}; this hubbot reads up to "
                f"{len(MIGRATIONS)}: update hubbot, or name another file (ledger_file)"
            )
        self._write_ahead()
        # Every commit waits for the disk: without it a power cut may undo the last ones.
        self.connection.execute("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            self._migrate()
        # Changes nothing; that the file is read-only is found out now, not after hours of training.
        self.connection.execute("DELETE FROM claims WHERE FALSE")

    def _write_ahead(self) -> None:
        """Switch the write-ahead log on, which SQLite does not wait for others to allow."""
        end = time.monotonic() + _BUSY_S
        while True:
            try:
                self.connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def _migrate(self) -> None:
        with self.transaction():
            # Another process may have done it while this one waited.
            for version in range(self._version(), len(MIGRATIONS)):
                for statement in MIGRATIONS[version]:
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {version + 1}")
            self.connection.execute(f"PRAGMA application_id = {_APPLICATION}")

    def _version(self) -> int:
        return self._number("user_version")

    def _number(self, pragma: Literal["user_version", "application_id"]) -> int:
        return int(self.connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _has_tables(self) -> bool:
        return self.connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside or nothing, with no other writer between."""
        with self.translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Say what SQLite's errors mean for the ledger, and what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise SettingsError(f"ledger {self.path}: {_explain(self.path, error)}") from error
        except OSError as error:
            raise SettingsError(
                f"ledger {self.path} cannot be opened: {error.strerror or error}; name another "
                "file (ledger_file in hubbot.toml)"
            ) from error


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's result code without the details in the upper bytes; 0 where it has none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _explain(path: Path, error: sqlite3.DatabaseError) -> str:
    code = _code(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"damaged, or not a ledger ({error}); {damaged_advice(path)}"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"another process has been writing for over {_BUSY_S:.0f} s; look whether one hangs, "
            "then run the same command again"
        )
    if code == sqlite3.SQLITE_FULL:
        return "no space left on the device; free some, then run the same command again"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return (
            f"cannot be opened for writing ({error}); make file and folder writable, or name "
            "another file (ledger_file in hubbot.toml)"
        )
    return f"{error}; look at the disk, then run the same command again"


def damaged_advice(path: Path) -> str:
    """Return what to do with a ledger that cannot be read, as the end of a message.

    Args:
        path: The ledger.
    """
    return (
        f"move it away (with {path.name}-wal and {path.name}-shm) and run again: what it held is "
        f"measured anew. `sqlite3 {path.name} .recover` may save rows"
    )
