"""Room on the disk: what a pass fetched and computed does not pile up."""

import logging
from collections.abc import Collection

from hubbot.bot.workplace import Workplace
from hubbot.catalog.architectures import load_architectures
from hubbot.measurement import kept_base
from hubbot.storage import make_room

logger = logging.getLogger(__name__)

_GIB = 2**30


def keep_to_size(work: Workplace, *, spared: Collection[str] = ()) -> None:
    """Delete what was not used for longest, down to ``bot.keep_gb``; base models stay.

    Only what can be had again: checkpoints that hubbot itself fetched, features, tokens, finished
    probes. Records and the ledger are not touched.

    Args:
        work: Settings, and where it is counted.
        spared: Hub ids of checkpoints that are about to be used.
    """
    from hubbot.hub.downloads import kept_downloads
    from hubbot.probing.kept import kept_arrays

    settings = work.settings
    bases = (kept_base(entry, settings) for entry in load_architectures())
    freed = make_room(
        [
            *kept_downloads(settings.cache_dir / "checkpoints"),
            *kept_arrays(settings.cache_dir / "probes"),
        ],
        most_bytes=settings.bot.keep_gb * _GIB,
        spared={*spared, *(base.model for base in bases if base is not None)},
    )
    if freed:
        logger.info("%.2f GiB were freed", freed / _GIB)
