"""Measured gains in score records: added to what is known of a model, never mixed.

A record speaks of one model at one revision and of one file of weights, and its gains are all of
one gain protocol. What is measured on other weights makes a record of its own; what is measured by
another gain protocol takes the place of the earlier gains, since averages over both would mean
nothing.
"""

import datetime
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from hubbot import __version__
from hubbot.catalog.architectures import find_architecture, lineage
from hubbot.errors import HubbotError
from hubbot.gains.measured_checks import is_about
from hubbot.outcomes import Evaluation, TargetGain
from hubbot.records.record import MeasuredGain, Record
from hubbot.records.store import read_record, record_path, rewriting, write_record

logger = logging.getLogger(__name__)

_DECIMALS = 4
"""As in ``from_probe``."""

_STAGE = "finetune"
"""Key of ``seconds``."""


def with_measured(
    record: Record | None,
    found: Evaluation,
    *,
    flags: Collection[str] = (),
    versions: Mapping[str, str] | None = None,
    device: str = "",
    dtype: str = "",
    date: datetime.date | None = None,
) -> Record:
    """Return a record with measured gains in it.

    Args:
        record: What is known of the model already; None for nothing.
        found: Gains on at least one target.
        flags: Words of warning about them, from ``gains.measured_checks`` and the model's name.
        versions: Of torch and transformers; kept from ``record`` where it has some.
        device: What they were measured on; the same.
        dtype: Precision; the same.
        date: Day of the measurement; None for today, UTC.

    Returns:
        The record with the gains added where it is of the same model, revision and weights, and
        its gains of the same protocol; a target measured before gets the new gain. Otherwise the
        older gains, or the whole older record, are left out, and a warning says so.
    """
    new = _measured_only(found, flags, versions or {}, device, dtype, date)
    if record is None:
        return new
    if (other := _other_model(record, new)) is not None:
        logger.warning("%s: the earlier record is replaced: %s", new.model, other)
        return new
    kept = _kept_gains(record, new)
    about = {*record.measured, *new.measured} - kept.keys()
    still = (flag for flag in record.flags if not any(is_about(flag, target) for target in about))
    return Record.model_validate(
        record.plain()
        | {
            "measured": {name: gain.model_dump() for name, gain in (kept | new.measured).items()},
            "gain_protocol": new.gain_protocol,
            "flags": tuple(dict.fromkeys((*still, *new.flags))),
            "versions": record.versions or new.versions,
            "device": record.device or new.device,
            "dtype": record.dtype or new.dtype,
            "seconds": {**record.seconds, **new.seconds},
            "hubbot_version": new.hubbot_version,
            "date": new.date,
        }
    )


def keep_measured(record: Record, earlier: Record | None) -> Record:
    """Return a fresh record of a probe with the gains that an earlier one holds.

    Args:
        record: From ``make_record``; without gains of its own.
        earlier: Record of the same model; its gains are kept where revision and weights are the
            same. None for nothing.
    """
    if earlier is None or not earlier.measured or record.measured:
        return record
    if (other := _other_model(earlier, record)) is not None:
        logger.warning("%s: the measured gains on record are left out: %s", record.model, other)
        return record
    flags = [
        flag for flag in earlier.flags if any(is_about(flag, target) for target in earlier.measured)
    ]
    seconds = {name: value for name, value in earlier.seconds.items() if name == _STAGE}
    return record.model_copy(
        update={
            "measured": earlier.measured,
            "gain_protocol": earlier.gain_protocol,
            "flags": tuple(dict.fromkeys((*record.flags, *flags))),
            "seconds": {**record.seconds, **seconds},
        }
    )


def earlier_record(folder: Path, record: Record) -> Record | None:
    """Return the record that ``write_record`` would replace.

    Args:
        folder: Root of the records.
        record: What is about to be written.

    Returns:
        None where there is none, or the file cannot be read, which a warning tells of.
    """
    path = record_path(folder, record)
    if not path.exists():
        return None
    try:
        found = read_record(path)
    except HubbotError as error:
        logger.warning("replaced: %s", error)
        return None
    return found if found.model == record.model else None


def write_measured(
    folder: Path,
    found: Evaluation,
    *,
    flags: Collection[str] = (),
    versions: Mapping[str, str] | None = None,
    device: str = "",
    dtype: str = "",
) -> Record:
    """Put measured gains into the model's record on disk, and return that record.

    Args:
        folder: Root of the records.
        found: Gains on at least one target.
        flags: As for ``with_measured``, and so are the others.
        versions: Of torch and transformers.
        device: What they were measured on.
        dtype: Precision.

    Raises:
        IntegrityError: If the file holds a record of another model.
        SettingsError: If it cannot be written.
    """
    new = with_measured(None, found, flags=flags, versions=versions, device=device, dtype=dtype)
    with rewriting(folder, new):
        record = with_measured(
            earlier_record(folder, new),
            found,
            flags=flags,
            versions=versions,
            device=device,
            dtype=dtype,
        )
        write_record(record, folder)
    return record


def write_probed(folder: Path, record: Record) -> Record:
    """Write a fresh record of a probe, and return it with the gains that the older one held.

    Args:
        folder: Root of the records.
        record: From ``make_record``; without gains of its own.

    Raises:
        IntegrityError: If the file holds a record of another model.
        SettingsError: If it cannot be written.
    """
    with rewriting(folder, record):
        kept = keep_measured(record, earlier_record(folder, record))
        write_record(kept, folder)
    return kept


def is_full(gain_protocol: str) -> bool:
    """Return whether a gain protocol is a recipe as it stands: all rows, all epochs, as run.

    Args:
        gain_protocol: Identifier; empty where nothing says, which counts as full.
    """
    return "+" not in gain_protocol


def main_gain_protocol(gain_protocols: Iterable[str], *, enough: int = 1) -> str:
    """Return the one gain protocol, of those of several records, that numbers are taken from.

    Args:
        gain_protocols: Identifier of each record, at least one.
        enough: Records with which a full protocol goes before a shortened one.

    Returns:
        The full one that most records have, if enough have it; else the one that most have.
    """
    counts = Counter(gain_protocols)

    def rank(name: str) -> tuple[bool, int, str]:
        return is_full(name) and counts[name] >= enough, counts[name], name

    return max(counts, key=rank)


def _measured_only(
    found: Evaluation,
    flags: Collection[str],
    versions: Mapping[str, str],
    device: str,
    dtype: str,
    date: datetime.date | None,
) -> Record:
    entry = find_architecture(found.architecture)
    return Record(
        model=found.model,
        revision=found.revision,
        weights_digest=found.weights_digest,
        architecture=found.architecture,
        base_model=found.base_model,
        lineage=None if entry is None else " < ".join(lineage(entry)) or None,
        protocol="",
        dataset_revision="",
        lp_accuracy={},
        measured={target: _rounded(gain) for target, gain in found.gains.items()},
        gain_protocol=found.protocol,
        flags=tuple(dict.fromkeys(flags)),
        hubbot_version=__version__,
        versions=dict(versions),
        device=device,
        dtype=dtype,
        seconds={_STAGE: round(found.seconds, 1)},
        date=date or datetime.datetime.now(tz=datetime.UTC).date(),
    )


def _rounded(gain: TargetGain) -> MeasuredGain:
    low, high = gain.interval
    return MeasuredGain(
        gain=round(gain.gain, _DECIMALS),
        se=None if gain.se is None else round(gain.se, _DECIMALS),
        seeds=gain.seeds,
        interval=(round(low, _DECIMALS), round(high, _DECIMALS)),
        score=round(gain.score, _DECIMALS),
        base_score=round(gain.base_score, _DECIMALS),
        n_train=gain.n_train,
        n_test=gain.n_test,
    )


def _other_model(record: Record, new: Record) -> str | None:
    """Return in what two records are not of the same model, None where they are."""
    names = {
        "model": "model",
        "weights_digest": "weights",
        "revision": "revision",
        "architecture": "architecture",
    }
    for name, word in names.items():
        old, now = getattr(record, name), getattr(new, name)
        if old != now:
            return f"it is of {word} {old[:60] or 'unknown'}, now it is {now[:60] or 'unknown'}"
    return None


def _kept_gains(record: Record, new: Record) -> dict[str, MeasuredGain]:
    """Return the earlier gains that stay beside the new ones."""
    if not record.measured or record.gain_protocol == new.gain_protocol:
        return {name: gain for name, gain in record.measured.items() if name not in new.measured}
    logger.warning(
        "%s: gains on %s by %s are left out: now they are by %s, and the two are never mixed",
        record.model,
        ", ".join(sorted(record.measured)),
        record.gain_protocol or "an unknown protocol",
        new.gain_protocol,
    )
    return {}
