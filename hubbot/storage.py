"""What hubbot keeps on disk to save time, and what of it goes when room is needed."""

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that can be fetched or made again."""

    name: str
    """What it is, for messages."""
    owner: str
    """Hub id it was fetched from; empty where it belongs to none."""
    n_bytes: int
    """Its size on disk."""
    used: float
    """When it was used last, seconds since 1970 by the file system."""
    forget: Callable[[], None]
    """Deletes it; does nothing where somebody is at work on it."""


def make_room(kept: Iterable[Kept], *, most_bytes: float, spared: Collection[str] = ()) -> int:
    """Delete what was not used for longest until the rest is small enough.

    Args:
        kept: Everything there is.
        most_bytes: Size up to which things are kept.
        spared: Owners whose things stay; they count all the same.

    Returns:
        Bytes of what was deleted.
    """
    everything = sorted(kept, key=lambda one: (one.used, one.name))
    total = sum(one.n_bytes for one in everything)
    freed = 0
    for one in everything:
        if total - freed <= most_bytes:
            break
        if one.owner and one.owner in spared:
            continue
        try:
            one.forget()
        except OSError as error:
            logger.warning("%s could not be deleted: %s", one.name, error)
            continue
        logger.info("%s was deleted to make room", one.name)
        freed += one.n_bytes
    return freed
