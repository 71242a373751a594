"""What score records with measured gains teach: samples to fit calibrations on."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hubbot.errors import HubbotError, IntegrityError
from hubbot.gains.calibrating import Sample, today
from hubbot.gains.calibration import MIN_MODELS, PUBLISHED, Scale
from hubbot.gains.groups import GROUPS
from hubbot.records.measured import main_gain_protocol
from hubbot.records.record import Record
from hubbot.records.store import read_record
from hubbot.schema import DEFAULT_HEAD

logger = logging.getLogger(__name__)

_BASE_TOLERANCE = 0.5
"""Points by which the base model's LP, as two records imply it, may differ under one protocol."""

_GROUPED = frozenset(target for group in GROUPS.values() for target in group)
"""Targets that some average runs over."""


def record_samples(folder: Path) -> list[Sample]:
    """Return a sample for each architecture and protocol with measured gains on record.

    Gains of several gain protocols are never mixed: of each architecture and probe's protocol, one
    is taken (``measured.main_gain_protocol``), and a warning tells of the others. Gains on targets
    that no group averages over are passed over, and so are those flagged as not comparable (part of
    the data, unlike precisions) and records without a probe.

    Args:
        folder: Holds ``<architecture>/<owner>--<model>.yaml``; one that is not there has none. A
            file that cannot be read is told of and passed over.

    Raises:
        IntegrityError: If records of one protocol disagree on the base model's LP.
    """
    groups: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in _measured_records(folder):
        groups[record.architecture, record.protocol].append(record)
    return [_sample(_of_one_gain_protocol(records)) for _, records in sorted(groups.items())]


def _measured_records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("**/*.yaml")):
        try:
            record = read_record(path)
        except HubbotError as error:
            logger.warning("passed over: %s", error)
            continue
        # Rows of the published table are a sample of their own already, and a base model's gain
        # over itself is seed noise.
        is_own = record.source != PUBLISHED and record.model != record.base_model
        has_gains = not _GROUPED.isdisjoint(record.compared)
        if has_gains and is_own and DEFAULT_HEAD in record.lp_accuracy:
            yield record


def _of_one_gain_protocol(records: Sequence[Record]) -> list[Record]:
    found = [record.gain_protocol for record in records]
    main = main_gain_protocol(found, enough=MIN_MODELS)
    for other in sorted(set(found) - {main}):
        logger.warning(
            "%s, %s: %d record(s) with gains by %s are left out: a calibration is of one gain "
            "protocol, here %s",
            records[0].architecture,
            records[0].protocol,
            found.count(other),
            other or "an unknown protocol",
            main or "the unknown one",
        )
    return [record for record in records if record.gain_protocol == main]


def _sample(records: Sequence[Record]) -> Sample:
    first = records[0]
    targets = tuple(
        sorted(_GROUPED.intersection(target for record in records for target in record.compared))
    )
    gains = [
        [compared[target].gain if target in compared else np.nan for target in targets]
        for compared in (record.compared for record in records)
    ]
    base_lp = _base_lp(records)
    by = f", gains by {first.gain_protocol}" if first.gain_protocol else ""
    return Sample(
        name=first.protocol,
        architecture=first.architecture,
        models=tuple(record.model for record in records),
        lp=np.array([record.lp_accuracy[DEFAULT_HEAD] for record in records]),
        flags=tuple(record.flags for record in records),
        targets=targets,
        gains=np.array(gains),
        base_scores=dict(_base_scores(records, targets)),
        scale=Scale(
            base_lp=base_lp,
            base_lp_missing="" if base_lp is not None else "no record holds an LP gain",
            seed_sd=None,
        ),
        date=today(),
        source=f"{len(records)} score records of hubbot{by}",
    )


def _base_scores(records: Sequence[Record], targets: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield the base model's score on each target whose every gain says what it was taken against.

    Records measured with other seeds differ a little; their median is taken.
    """
    compared = [record.compared for record in records]
    for target in targets:
        measured = [gains[target] for gains in compared if target in gains]
        scores = [gain.base_score for gain in measured if gain.base_score is not None]
        if len(scores) == len(measured):
            yield target, float(np.median(scores))


def _base_lp(records: Sequence[Record]) -> float | None:
    """Return the base model's LP accuracy that the records' gains were taken against."""
    implied = {
        record.model: record.lp_accuracy[DEFAULT_HEAD] - record.lp_gain[DEFAULT_HEAD]
        for record in records
        if record.lp_gain is not None and DEFAULT_HEAD in record.lp_gain
    }
    if not implied:
        return None
    low, high = min(implied, key=implied.__getitem__), max(implied, key=implied.__getitem__)
    if implied[high] - implied[low] > _BASE_TOLERANCE:
        raise IntegrityError(
            f"records of {records[0].architecture} under {records[0].protocol} disagree on the "
            f"base model's LP accuracy: {implied[low]:.2f} by {low}, {implied[high]:.2f} by {high};"
            f" expected the same to within {_BASE_TOLERANCE} points: probe the older one again",
            check="base-lp",
        )
    return float(np.median(list(implied.values())))
