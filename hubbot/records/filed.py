"""Records that others file as well, such as those of a checkout, brought up to one's own."""

import logging
from pathlib import Path

from hubbot.errors import HubbotError
from hubbot.records.record import Record
from hubbot.records.store import read_record, record_path, rewriting, write_record
from hubbot.settings import Settings

logger = logging.getLogger(__name__)


def take_over_filed(settings: Settings) -> int:
    """Copy each record of ``filed_dir`` that is missing among one's own, or was measured later.

    One's own stays on a tie: it may hold what is not filed yet. What is filed is never changed.

    Args:
        settings: ``records_dir`` and ``filed_dir``; nothing is done where that is not set.

    Returns:
        How many were copied.

    Raises:
        SettingsError: If a record of one's own cannot be written.
    """
    folder, own = settings.filed_dir, settings.records_dir
    if folder is None or folder.resolve() == own.resolve():
        return 0
    copied = sum(_take_over(path, own) for path in sorted(folder.glob("*/*.yaml")))
    if copied:
        logger.info("%d records were taken over from %s", copied, folder)
    return copied


def _take_over(path: Path, own: Path) -> bool:
    if _is_copied(path, own / path.parent.name / path.name):
        return False
    filed = _read(path)
    if filed is None:
        return False
    try:
        place = record_path(own, filed)
    except HubbotError as error:
        _leave(path, error)
        return False
    with rewriting(own, filed):
        if place.exists() and not _is_later(filed, _read(place)):
            return False
        write_record(filed, own)
    return True


def _is_copied(path: Path, place: Path) -> bool:
    """Return whether both hold the same bytes, without reading thousands of records as YAML."""
    try:
        return path.read_bytes() == place.read_bytes()
    except OSError:
        return False  # Missing here, or told of when it is read.


def _is_later(filed: Record, kept: Record | None) -> bool:
    """Return whether a filed record takes the place of one's own; None: that cannot be read."""
    if kept is None:
        return True
    # Names that make one file name are left apart: neither is the other's newer measurement.
    return kept.model == filed.model and filed.date > kept.date


def _read(path: Path) -> Record | None:
    try:
        return read_record(path)
    except HubbotError as error:
        _leave(path, error)
        return None


def _leave(path: Path, error: HubbotError) -> None:
    logger.warning("%s is left as it is: %s", path, error)
