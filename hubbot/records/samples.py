"""What score records with measured gains teach: samples to fit calibrations on."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hubbot.errors import HubbotError, IntegrityError
from hubbot.gains.calibrating import Sample, today
from hubbot.gains.calibration import PUBLISHED, Scale
from hubbot.records.record import Record
from hubbot.records.store import read_record
from hubbot.schema import DEFAULT_HEAD

logger = logging.getLogger(__name__)

_BASE_TOLERANCE = 0.5
"""Points by which the base model's LP, as two records imply it, may differ under one protocol."""


def record_samples(folder: Path) -> list[Sample]:
    """Return a sample for each architecture and protocol with measured gains on record.

    Args:
        folder: Holds ``<architecture>/<owner>--<model>.yaml``; one that is not there has none. A
            file that cannot be read is told of and passed over.

    Raises:
        IntegrityError: If records of one protocol disagree on the base model's LP.
    """
    groups: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in _measured_records(folder):
        groups[record.architecture, record.protocol].append(record)
    return [_sample(records) for _, records in sorted(groups.items())]


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
        if record.measured and is_own and DEFAULT_HEAD in record.lp_accuracy:
            yield record


def _sample(records: Sequence[Record]) -> Sample:
    first = records[0]
    targets = tuple(sorted({target for record in records for target in record.measured}))
    gains = [
        [
            record.measured[target].gain if target in record.measured else np.nan
            for target in targets
        ]
        for record in records
    ]
    base_lp = _base_lp(records)
    return Sample(
        name=first.protocol,
        architecture=first.architecture,
        models=tuple(record.model for record in records),
        lp=np.array([record.lp_accuracy[DEFAULT_HEAD] for record in records]),
        flags=tuple(record.flags for record in records),
        targets=targets,
        gains=np.array(gains),
        base_scores={},
        scale=Scale(
            base_lp=base_lp,
            base_lp_missing="" if base_lp is not None else "no record holds an LP gain",
            seed_sd=None,
        ),
        date=today(),
        source=f"{len(records)} score records of hubbot",
    )


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
