"""What becomes of an error met while fine-tuning: the one item's, or the whole pass's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from hubbot.bot.measuring import GONE, MOST_UNREACHABLE
from hubbot.bot.workplace import Workplace
from hubbot.errors import (
    CheckpointError,
    HubbotError,
    IntegrityError,
    RemoteError,
    StorageError,
)

logger = logging.getLogger(__name__)


class BudgetSpent(Exception):  # noqa: N818 - an outcome
    """The budget ended between two fine-tunings."""


@contextmanager
def known_errors(item: str) -> Iterator[None]:
    """Turn what nobody foresaw into a failure of this one item, its traceback logged.

    Args:
        item: What is measured.

    Raises:
        StorageError: If a file cannot be read or written.
        HubbotError: If the block ended with anything else that is not ours.
    """
    try:
        yield
    except (HubbotError, BudgetSpent):
        raise
    except OSError as error:
        raise StorageError(
            f"{item}: {error.strerror or error}; look at disk and folders, then run again"
        ) from error
    except Exception as error:
        logger.exception("%s met an error that hubbot does not know", item)
        raise HubbotError(f"an error that hubbot does not know: {error!r}") from error


def raise_for_all(work: Workplace, error: HubbotError) -> None:
    """Raise what every other item would meet as well; return where it is the one item's.

    Wrong settings are the item's: a misspelt name is one data set's, and where they are wrong for
    all, each pass says so and begins with what was not tried yet. A ledger that cannot be written
    ends the pass when the failure is to be noted there.

    Args:
        work: Counts how often in a row the Hub could not be reached.
        error: Met at one item.

    Raises:
        StorageError: If a disk of this machine is full or unwritable.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    if isinstance(error, StorageError):
        raise error
    if not isinstance(error, RemoteError):
        return
    if error.kind == "unauthorised":
        raise error
    if error.kind != "unreachable":
        work.unreachable = 0
        return
    work.unreachable += 1
    if work.unreachable >= MOST_UNREACHABLE:
        raise error


def is_gone(error: HubbotError) -> bool:
    """Return whether the Hub says that there is no such thing for us."""
    return isinstance(error, RemoteError) and error.kind in GONE


def state_after(error: HubbotError) -> str:
    """Return the state of an item that could not be measured: ``refused`` or ``failed``."""
    return "refused" if isinstance(error, IntegrityError) else "failed"


def attempts_after(work: Workplace, error: HubbotError) -> int:
    """Return how many attempts a failure uses up: all where trying again cannot help.

    Args:
        work: The most attempts.
        error: What happened.
    """
    is_final = is_gone(error) or isinstance(error, CheckpointError)
    return work.settings.bot.max_attempts if is_final else 1
