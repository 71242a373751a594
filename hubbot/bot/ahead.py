"""The next checkpoint is looked at and fetched while this one is measured."""

import logging
import threading
from collections.abc import Callable

from hubbot.bot.looking import Looked, Skipped, look
from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError
from hubbot.measurement import Checkpoint, obtain
from hubbot.records.checkpoint_rows import CheckpointRow

logger = logging.getLogger(__name__)


class Ahead:
    """One checkpoint at a time; what goes wrong ahead is tried again in its turn, and told then."""

    def __init__(self, work: Workplace) -> None:
        """Begin with nothing.

        Args:
            work: Ledger and settings.
        """
        self._work = work
        self._row: CheckpointRow | None = None
        self._outcome: Looked | Skipped | None = None
        self._thread: threading.Thread | None = None
        self._checkpoint: Checkpoint | None = None

    def begin(self, row: CheckpointRow, is_wanted: Callable[[Looked], bool]) -> None:
        """Look at a checkpoint, and begin to fetch it where that is wanted.

        The look is short and made here, where the ledger is; the download goes on by itself.

        Args:
            row: Of the ledger.
            is_wanted: Whether what was seen will need its weights.
        """
        self._row, self._outcome, self._thread, self._checkpoint = row, None, None, None
        try:
            self._outcome = look(row, self._work)
        except Skipped as skipped:
            self._outcome = skipped
        except HubbotError as error:
            logger.info("%s is looked at again in its turn: %s", row.model, error)
        found = self._outcome
        if isinstance(found, Looked) and is_wanted(found):
            # A daemon: who ends the pass does not wait for it.
            self._thread = threading.Thread(
                target=self._fetch, args=(found,), name="hubbot-ahead", daemon=True
            )
            self._thread.start()

    def look(self, row: CheckpointRow) -> Looked:
        """Return what the checkpoint is, as seen ahead or now.

        Args:
            row: Of the ledger.

        Raises:
            Skipped: If it is not to be measured after all.
            RemoteError: If the Hub cannot be asked, or does not have it.
        """
        outcome = self._outcome if self._row == row else None
        if isinstance(outcome, Skipped):
            raise outcome
        return outcome or look(row, self._work)

    def fetch(self, found: Looked) -> Checkpoint:
        """Return the checkpoint, waiting for what is under way.

        Args:
            found: From ``look``.

        Raises:
            HubbotError: As ``obtain``.
        """
        if self._outcome is found and self._thread is not None:
            self._thread.join()
            if self._checkpoint is not None:
                return self._checkpoint
        return obtain(_pinned(found), self._work.settings, report=self._work.report)

    def _fetch(self, found: Looked) -> None:
        try:
            self._checkpoint = obtain(_pinned(found), self._work.settings)
        except HubbotError as error:
            logger.info("%s is fetched again in its turn: %s", found.remote.model, error)
        except Exception:
            logger.exception("%s met an error that hubbot does not know", found.remote.model)


def _pinned(found: Looked) -> str:
    return f"{found.remote.model}@{found.remote.revision}"
