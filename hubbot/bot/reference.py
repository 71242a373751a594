"""Whether this machine can be trusted: the base model is probed anew before a batch.

The first probe on a kind of device is kept in the ledger. The same probe later, features and all,
has to agree: a driver, a library or a broken disk that moves numbers is found before it is trusted
with a batch.
"""

import datetime
import tempfile
from pathlib import Path

from hubbot.bot.workplace import Workplace
from hubbot.catalog.datasets import get_dataset
from hubbot.catalog.protocols import get_protocol
from hubbot.errors import IntegrityError
from hubbot.measurement import (
    Measurement,
    dataset_version,
    load_splits,
    measure,
    obtain_base,
)
from hubbot.records.pass_rows import ReferenceKey
from hubbot.schema import Architecture, HeadName

REFERENCE_TRAIN = 2_000
"""Training rows of the reference probe, or fewer where the small probe has fewer."""

_HEAD: HeadName = "linear"
"""Deterministic, so that nothing but the machine can move it."""


def check_reference(work: Workplace, architecture: Architecture) -> float:
    """Probe the base model anew and compare with the first time on this kind of device.

    Args:
        work: Ledger, settings and tolerance.
        architecture: Whose base model.

    Returns:
        LP accuracy of the linear head, points.

    Raises:
        IntegrityError: If it moved by more than ``bot.tolerance_points``.
        HubbotError: If the base model or the data cannot be had, or the probe did not end.
    """
    measured, key = _probe_anew(work, architecture)
    accuracy = measured.accuracy[_HEAD]
    known = work.ledger.reference(key)
    if known is None:
        date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        work.ledger.keep_reference(key, accuracy, date=date)
        work.events["reference probes kept"] += 1
        return accuracy
    tolerance = work.settings.bot.tolerance_points
    if abs(accuracy - known) > tolerance:
        raise IntegrityError(
            f"check reference: {architecture.hub_id} probes to {accuracy:.2f} on {key.device} by "
            f"{key.protocol}, the first time it was {known:.2f}; at most {tolerance:g} points are "
            "tolerated (bot.tolerance_points). Nothing of this architecture is measured on this "
            "machine until it is found out why: versions, driver, data",
            check="reference",
        )
    work.events["reference probes passed"] += 1
    return accuracy


def _probe_anew(work: Workplace, architecture: Architecture) -> tuple[Measurement, ReferenceKey]:
    settings = work.settings
    n_train = min(REFERENCE_TRAIN, settings.bot.screen_train, settings.bot.max_train or 10**9)
    protocol = get_protocol(f"lp-mnli@{n_train}")
    spec = get_dataset(protocol.dataset)
    splits = load_splits(spec, settings)
    base = obtain_base(architecture, settings, report=work.report)
    with tempfile.TemporaryDirectory(prefix="hubbot-reference-") as folder:
        # A cache of its own, so that features are computed and not found.
        anew = settings.model_copy(update={"cache_dir": Path(folder)})
        measured = measure(
            base, spec=spec, protocol=protocol, splits=splits, settings=anew, report=work.report
        )
    key = ReferenceKey(
        architecture=architecture.name,
        protocol=protocol.identifier,
        device=measured.device,
        weights_digest=base.local.weights_digest,
        dataset_revision=dataset_version(splits),
    )
    return measured, key
