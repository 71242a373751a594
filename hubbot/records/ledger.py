"""The ledger: what was done, in one SQLite file, so that a killed run goes on where it was.

Every change is one transaction that is on the disk when the call returns: a power cut or kill -9
leaves it done or not done. Readers do not wait for writers. One ledger is for the processes of one
machine (SQLite's write-ahead log needs their shared memory), each with a ``Ledger`` of its own.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NoReturn

from hubbot.errors import IntegrityError, SettingsError
from hubbot.records.cells import (
    COLUMNS,
    KEY_COLUMNS,
    Cell,
    CellKey,
    from_row,
    key_values,
    to_row,
)
from hubbot.records.claims import REFRESH_S, Holder, is_gone, is_me, this_process
from hubbot.records.ledger_file import LedgerFile, damaged_advice

__all__ = ["Cell", "CellKey", "Holder", "Ledger", "Standing"]

logger = logging.getLogger(__name__)

Standing = Literal["yours", "done", "taken"]
"""What came of a claim: train it; it is in the ledger already; another living process is at it."""

_POLL_S = 2.0
"""Seconds between two looks at a cell that another process is at."""

_THIS_KEY = " AND ".join(f"{name} = ?" for name in KEY_COLUMNS)
_ALL = ", ".join(COLUMNS)
_CLAIM = ", ".join((*KEY_COLUMNS, "host", "pid", "started", "since"))
_ORDER = "ORDER BY protocol, target, model, weights_digest, target_digest, seed, files_digest"


class Ledger(LedgerFile):
    """Finished cells and claims of one file; a context manager, for one thread."""

    _refreshed = float("-inf")

    def find(self, key: CellKey) -> Cell | None:
        """Return a finished cell, None where there is none.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                f"SELECT {_ALL} FROM cells WHERE {_THIS_KEY}",  # noqa: S608 - our own names
                key_values(key),
            ).fetchone()
        return None if row is None else self._cell(row)

    def keep(self, cell: Cell, *, replace: bool = False) -> None:
        """Write a finished cell and give this process's claim on it back, in one step.

        Args:
            cell: Kept once; the same result again changes nothing.
            replace: Whether another result takes the place of the one that is there.

        Raises:
            IntegrityError: If another result is there for the same key.
            SettingsError: If the file cannot be written.
        """
        row, key = to_row(cell), key_values(cell.key)
        with self.transaction():
            known = self.find(cell.key)
            if known is not None and not known.has_result_of(cell) and not replace:
                _refuse_other_result(known, cell)
            if known is None or replace:
                places = ", ".join("?" * len(COLUMNS))
                self.connection.execute(
                    f"INSERT OR REPLACE INTO cells ({_ALL}) VALUES ({places})",  # noqa: S608
                    row,
                )
            self._drop_own_claim(cell.key)
        logger.debug("kept %s (%s)", cell.title, key)

    def cells(
        self,
        *,
        architecture: str | None = None,
        protocol: str | None = None,
        target: str | None = None,
        model_digest: str | None = None,
    ) -> Iterator[Cell]:
        """Yield finished cells by protocol, target, model and seed.

        Args:
            architecture: Name in the catalog; None for all, as for the others.
            protocol: Identifier of the gain protocol.
            target: Name of the target.
            model_digest: Digest of the weights.

        Raises:
            SettingsError: If the file cannot be read.
        """
        asked = {
            "architecture": architecture,
            "protocol": protocol,
            "target": target,
            "weights_digest": model_digest,
        }
        wanted = {name: value for name, value in asked.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in wanted) or "TRUE"
        with self.translated():
            numbers = self.connection.execute(
                f"SELECT rowid FROM cells WHERE {where} {_ORDER}",  # noqa: S608 - our own names
                tuple(wanted.values()),
            ).fetchall()
        # One at a time, so that no read stays open while the caller works (or writes).
        for (number,) in numbers:
            with self.translated():
                row = self.connection.execute(
                    f"SELECT {_ALL} FROM cells WHERE rowid = ?",  # noqa: S608
                    (number,),
                ).fetchone()
            if row is not None:
                yield self._cell(row)

    def claim(self, key: CellKey) -> Standing:
        """Claim a cell for this process, so that no other trains it meanwhile.

        A claim whose process is gone is taken over. It ends with ``keep`` or ``release``.

        Returns:
            ``yours`` (also where it was before), ``done`` or ``taken``.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            if self._holds_cell(key):
                return "done"
            holder = self.holder(key)
            if holder is not None and is_me(holder):
                return "yours"
            if holder is not None and not is_gone(holder):
                return "taken"
            if holder is not None:
                logger.info("%s is gone; taking over %s", holder, key)
            own = this_process()
            self.connection.execute(
                f"INSERT OR REPLACE INTO claims ({_CLAIM}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (*key_values(key), own.host, own.pid, own.started, own.since),
            )
            return "yours"

    def release(self, key: CellKey) -> None:
        """Give this process's claim on a cell back; another's stays.

        Raises:
            SettingsError: If the file cannot be written.
        """
        with self.transaction():
            self._drop_own_claim(key)

    def refresh(self) -> None:
        """Say that this process is still at its cells, at most once in ``REFRESH_S``.

        Processes of another host cannot see whether it lives, and honour a claim for
        ``FAR_CLAIM_S`` after it was last refreshed. A file that cannot be written now costs no
        training: the result may find it mended.
        """
        if time.monotonic() - self._refreshed < REFRESH_S:
            return
        self._refreshed = time.monotonic()
        own = this_process()
        try:
            with self.transaction():
                self.connection.execute(
                    "UPDATE claims SET since = ? WHERE host = ? AND pid = ?",
                    (own.since, own.host, own.pid),
                )
        except SettingsError as error:
            logger.warning("%s", error)

    def holder(self, key: CellKey) -> Holder | None:
        """Return who claimed a cell, living or not; None where nobody did.

        Raises:
            SettingsError: If the file cannot be read.
        """
        with self.translated():
            row = self.connection.execute(
                f"SELECT host, pid, started, since FROM claims WHERE {_THIS_KEY}",  # noqa: S608
                key_values(key),
            ).fetchone()
        if row is None:
            return None
        host, pid, started, since = row
        return Holder(host=host, pid=pid, started=started, since=since)

    @contextmanager
    def claimed(self, key: CellKey, *, poll_s: float = _POLL_S) -> Iterator[bool]:
        """Wait until a cell is this process's or finished, and give the claim back at the end.

        Args:
            key: The cell.
            poll_s: Seconds between two looks while another process is at it.

        Yields:
            Whether it is to be trained here; False where the ledger holds it by now.

        Raises:
            SettingsError: If the file cannot be written.
        """
        standing = self.claim(key)
        if standing == "taken":
            logger.info("waiting for %s: %s is at it", key, self.holder(key))
        while standing == "taken":
            time.sleep(poll_s)
            standing = self.claim(key)
        try:
            yield standing == "yours"
        finally:
            if standing == "yours":
                self.release(key)

    def _holds_cell(self, key: CellKey) -> bool:
        found = self.connection.execute(
            f"SELECT 1 FROM cells WHERE {_THIS_KEY}",  # noqa: S608 - our own names
            key_values(key),
        ).fetchone()
        return found is not None

    def _drop_own_claim(self, key: CellKey) -> None:
        own = this_process()
        self.connection.execute(
            f"DELETE FROM claims WHERE {_THIS_KEY} AND host = ? AND pid = ?",  # noqa: S608
            (*key_values(key), own.host, own.pid),
        )

    def _cell(self, row: tuple[object, ...]) -> Cell:
        try:
            return from_row(row)
        except ValueError as error:
            raise SettingsError(
                f"ledger {self.path}: {error}; {damaged_advice(self.path)}"
            ) from error


def _refuse_other_result(known: Cell, new: Cell) -> NoReturn:
    raise IntegrityError(
        f"check same-result: the ledger holds {known.title} with {known.score:.4f} on test and "
        f"{known.validation_score:.4f} on validation (of {known.date}, {known.device}); now it is "
        f"{new.title} with {new.score:.4f} and {new.validation_score:.4f} (of {new.date}, "
        f"{new.device}), weights, data, protocol and seed being the same. One of them is wrong, or "
        "the devices do not agree; train it anew with the ledger moved away to see which",
        check="same-result",
    )
