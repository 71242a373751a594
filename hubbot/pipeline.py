"""The path: discover → download → features → probe → predict → check → record → annotate → publish.

Read this first. Each verb of the command line is one function; the stages it calls live in the
rooms named in the imports, and the ones that measure in ``measurement.py``.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.annotating import (
    card_of,
    fitting_record,
    left_alone,
    look_at,
    propose,
    publish_change,
    refuse,
    writing_account,
)
from hubbot.catalog.datasets import get_dataset
from hubbot.catalog.protocols import get_protocol
from hubbot.errors import CardError, IntegrityError, RemoteError
from hubbot.extras import require_extra
from hubbot.gains.calibration_file import load_calibrations
from hubbot.gains.flags import name_flags
from hubbot.measurement import (
    Checkpoint,
    Measurement,
    Report,
    dataset_version,
    load_splits,
    measure,
    no_report,
    obtain,
    obtain_base,
)
from hubbot.schema import (
    Annotation,
    Architecture,
    DatasetSpec,
    DataSplit,
    ProbeResult,
    Protocol,
    RemoteCheckpoint,
    SplitName,
)
from hubbot.settings import Settings, load_settings

if TYPE_CHECKING:
    from hubbot.records.record import Record

logger = logging.getLogger(__name__)

PROTOCOL = "lp-mnli"
"""Protocol of ``probe`` and ``annotate``."""


def probe(
    model: str,
    *,
    max_train: int | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
) -> ProbeResult:
    """Measure the linear probe of a checkpoint and its gain over the base model's.

    Args:
        model: Hub id, ``id@revision``, or a folder.
        max_train: Training rows of the label-stratified prefix; None for all.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.

    Returns:
        Accuracies, gains and their 95 % intervals, points.

    Raises:
        HubbotError: The kind says what happened; what was measured stays in the cache.
    """
    require_extra("probe", purpose="probing")
    settings = settings or load_settings()
    spec = get_dataset(_protocol(max_train).dataset)
    # A folder that lacks a split is found out before gigabytes are fetched.
    at_hand = None if settings.data_dir is None else load_splits(spec, settings)
    checkpoint = obtain(model, settings, report=report)
    return probe_checkpoint(
        checkpoint, max_train=max_train, settings=settings, report=report, splits=at_hand
    )


def probe_checkpoint(
    checkpoint: Checkpoint,
    *,
    max_train: int | None,
    settings: Settings,
    report: Report = no_report,
    splits: Mapping[SplitName, DataSplit] | None = None,
) -> ProbeResult:
    """As ``probe``, of a checkpoint that is on disk.

    Args:
        checkpoint: From ``obtain``.
        max_train: Training rows of the label-stratified prefix; None for all.
        settings: Device, limits and folders.
        report: Told a task's name, steps done and steps in all.
        splits: Of the probe's data set, where they are read already.

    Raises:
        HubbotError: As ``probe``.
    """
    protocol = _protocol(max_train)
    spec = get_dataset(protocol.dataset)
    base, no_gain = _base_of(checkpoint, settings, report)
    splits = splits or load_splits(spec, settings)

    def run(one: Checkpoint) -> Measurement:
        return measure(
            one, spec=spec, protocol=protocol, splits=splits, settings=settings, report=report
        )

    measured = run(checkpoint)
    against = measured if base is checkpoint else None if base is None else run(base)
    if against is not None and against is not measured:
        no_gain = _why_useless(against)
        against = None if no_gain else against
    result = _result(measured, against, checkpoint.architecture, protocol.identifier)
    result = replace(
        result,
        dataset_revision=dataset_version(splits),
        details=dict(result.details) | ({"no_gain": no_gain} if no_gain else {}),
    )
    _check(result, measured, against, spec)
    return result


def _protocol(max_train: int | None) -> Protocol:
    return get_protocol(PROTOCOL if max_train is None else f"{PROTOCOL}@{max_train}")


def _base_of(
    checkpoint: Checkpoint, settings: Settings, report: Report
) -> tuple[Checkpoint | None, str]:
    """Return the base model, or None and the reason why the gain will be missing."""
    if _is_base(checkpoint):
        return checkpoint, ""
    try:
        base = obtain_base(checkpoint.architecture, settings, report=report)
    except RemoteError as error:
        logger.warning("no LP gain: the base model cannot be had: %s", error)
        return None, f"the base model cannot be had: {error}"
    if base.local.weights_digest == checkpoint.local.weights_digest:
        raise IntegrityError(
            f"same weights: {checkpoint.local.model} holds the very weights of "
            f"{base.local.model} ({base.local.weights_digest[:19]}...); expected a fine-tuned "
            "model. Its gain is 0 by definition: nothing is measured or recorded; check what "
            "was uploaded",
            check="same-weights",
        )
    return base, ""


def _why_useless(base: Measurement) -> str:
    """Return why no gain is taken against a base model; empty where its probe learned something."""
    from hubbot.gains.integrity import check_learned_something

    try:
        for head, fits in base.predictions.items():
            name = f"LP accuracy ({head})"
            check_learned_something(base.accuracy[head], fits, base.labels, name)
    except IntegrityError as error:
        logger.warning("no LP gain: %s: %s", base.checkpoint.model, error)
        return f"the base model's own probe is unusable: {error}"
    return ""


def _is_base(checkpoint: Checkpoint) -> bool:
    entry = checkpoint.architecture
    return checkpoint.local.model in (entry.hub_id, *entry.aliases)


def _check(
    result: ProbeResult, measured: Measurement, base: Measurement | None, spec: DatasetSpec
) -> None:
    """Refuse what does not add up (design, integrity gate)."""
    from hubbot.gains.integrity import Fingerprint, check_probe, digest_predictions

    others = {}
    if base is not None and base is not measured:
        others[result.base_model] = Fingerprint(
            weights_digest=base.checkpoint.weights_digest,
            predictions_digest=digest_predictions(base.predictions),
        )
    try:
        check_probe(
            result,
            labels=measured.labels,
            predictions=measured.predictions,
            label_names=measured.label_names,
            expected_label_names=spec.label_names,
            others=others,
        )
    except IntegrityError as error:
        raise IntegrityError(
            f"{result.model}: {error}. Nothing is recorded", check=error.check
        ) from error


def _result(
    measured: Measurement,
    base: Measurement | None,
    architecture: Architecture,
    protocol: str,
) -> ProbeResult:
    from hubbot.gains.intervals import paired_gain_interval

    gain, interval = {}, {}
    if base is not None:
        for head in measured.predictions:
            gain[head], interval[head] = paired_gain_interval(
                measured.correct(head), base.correct(head)
            )
    return ProbeResult(
        model=measured.checkpoint.model,
        revision=measured.checkpoint.revision,
        architecture=architecture.name,
        base_model=architecture.hub_id,
        protocol=protocol,
        dataset_revision="",
        weights_digest=measured.checkpoint.weights_digest,
        lp_accuracy=measured.accuracy,
        lp_accuracy_interval=measured.interval,
        lp_gain=gain or None,
        lp_gain_interval=interval or None,
        base_lp_accuracy=None if base is None else base.accuracy,
        n_train=measured.n_train,
        n_test=len(measured.labels),
        seconds=measured.seconds,
        device=measured.device,
        dtype=measured.dtype,
        details=dict(measured.details)
        | {
            "per_seed": list(measured.accuracies.get("head", ())),
            "base_revision": "" if base is None else base.checkpoint.revision,
            "flags": list(name_flags(measured.checkpoint.model, measured.checkpoint.tags)),
        },
        versions=measured.versions,
    )


def annotate(
    model: str,
    *,
    record: Path | None = None,
    is_trusted: bool = True,
    max_train: int | None = None,
    send: bool = False,
    confirm: Callable[[str], bool] = refuse,
    settings: Settings | None = None,
    report: Report = no_report,
) -> Annotation:
    """Propose a checkpoint's scores to its card by pull request, or show what that would be.

    Args:
        model: Hub id, or ``id@revision``.
        record: File of a finished score record; None measures first.
        is_trusted: Whether ``record`` is; of another only numbers are taken, if they hold.
        max_train: As for ``probe``; what a record that is not trusted has to be measured by.
        send: Whether to write to the Hub; without it nothing is written there.
        confirm: Asked once, with a sentence, before writing to somebody else's repository.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.

    Returns:
        What was or would be done, with the diff of the card and the record.

    Raises:
        HubbotError: The kind says what happened; a finished record stays in ``records_dir``.
    """
    from hubbot.publishing.card import diff, is_opted_out

    if record is None:
        require_extra("probe", purpose="probing (--record FILE does without)")
    settings = settings or load_settings()
    remote, head, card, reason = look_at(model, settings)
    if reason is not None:
        return left_alone(remote.model, reason)
    account = writing_account(settings, remote, is_sending=send, confirm=confirm)
    if record is None:
        pinned = f"{remote.model}@{remote.revision}"
        scores = _record_anew(pinned, max_train=max_train, settings=settings, report=report)
    else:
        scores = _given(record, remote, settings, is_trusted=is_trusted, max_train=max_train)
    published = publish_change(
        propose(scores, card, head, settings),
        rebuild=lambda text, parent: (
            None if is_opted_out(text) else propose(scores, text, parent, settings)
        ),
        account=account,
        is_sending=send,
        settings=settings,
    )
    return Annotation(
        model=remote.model,
        action=published.action,
        reason=published.reason,
        url=published.url,
        diff="" if published.change is None else diff(published.change.old, published.change.new),
        record=scores.plain(),
    )


def _given(
    path: Path,
    remote: RemoteCheckpoint,
    settings: Settings,
    *,
    is_trusted: bool,
    max_train: int | None,
) -> "Record":
    """Read a record; of one that is not trusted, take nothing but its numbers."""
    from hubbot.bot.handed_over import take_numbers

    record = fitting_record(path, remote, settings)
    return record if is_trusted else take_numbers(record, path, settings, max_train=max_train)


def _record_anew(
    pinned: str, *, max_train: int | None, settings: Settings, report: Report
) -> "Record":
    """Probe, and keep the record before anything is sent."""
    from hubbot.records.from_probe import make_record
    from hubbot.records.measured import write_probed

    result = probe(pinned, max_train=max_train, settings=settings, report=report)
    record = make_record(result, calibrations=load_calibrations(settings.calibrations_file))
    return write_probed(settings.records_dir, record)


def show(model: str, *, settings: Settings | None = None) -> Mapping[str, Any]:
    """Read the scores back from a model's card.

    Args:
        model: Hub id, ``id@revision``, or a folder with README.md.
        settings: Read from flags, environment and file where None.

    Returns:
        The record, as far as the card holds it.

    Raises:
        CardError: If the card holds no scores of hubbot's.
        RemoteError: If the Hub does not hand the card out.
    """
    from hubbot.publishing.card import read_annotation

    name, card = card_of(model, settings or load_settings())
    found = read_annotation(card)
    if found is None:
        raise CardError(
            f"{name}: its card holds no scores of hubbot's; `hubbot annotate OWNER/NAME` shows "
            "what they would be"
        )
    return found
