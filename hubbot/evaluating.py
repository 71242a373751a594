"""Measured gains: what fine-tuning from a checkpoint gives over fine-tuning its base model."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import Bench, expect_cells, measure_cells, measure_first
from hubbot.comparing import check_cells, compare
from hubbot.errors import (
    CheckpointError,
    DatasetError,
    HubbotError,
    IntegrityError,
    ProbeError,
    RemoteError,
)
from hubbot.extras import require_extra
from hubbot.gains.flags import name_flags
from hubbot.measurement import Checkpoint, Report, no_report, obtain, obtain_base
from hubbot.outcomes import Evaluation, TargetGain
from hubbot.schema import GainProtocol, Target
from hubbot.settings import Settings, load_settings
from hubbot.targets import OnData, ignore_data, read_target
from hubbot.workload import Workload

if TYPE_CHECKING:
    from hubbot.candidates import Candidate
    from hubbot.gains.paired import PairedGain
    from hubbot.records.cells import Cell

logger = logging.getLogger(__name__)

SEEDS = 5
"""Seeds unless told, as in the papers."""

OnTarget = Callable[[str, TargetGain | str], None]
"""Told a target's name and its gain, or why there is none."""

_FOR_GOOD = {"not_found", "revision_not_found", "gated", "disabled"}
"""Kinds of refusal that say a data set is not there for us."""


def ignore_target(name: str, gain: TargetGain | str) -> None:
    """Show nothing."""


def evaluate(
    model: str,
    *,
    targets: str = "quick",
    seeds: int = SEEDS,
    max_train: int | None = None,
    epochs: int | None = None,
    as_written: bool = False,
    settings: Settings | None = None,
    report: Report = no_report,
    on_data: OnData = ignore_data,
    on_target: OnTarget = ignore_target,
) -> Evaluation:
    """Measure the gain of a checkpoint over its base model on a group of targets.

    Base model and checkpoint are fine-tuned with the same seeds; the base model's cells are
    measured once per protocol and shared by all checkpoints. Everything finished stays in the
    ledger, and gains that pass the integrity gate go into the model's score record, unless the
    checkpoint is a folder.

    Args:
        model: Hub id, ``id@revision``, or a folder.
        targets: Groups and names of the catalog, separated by commas.
        seeds: How many, counted from 0.
        max_train: Training rows of the label-stratified prefix; None for all.
        epochs: Passes instead of the recipe's; None for the recipe's.
        as_written: Whether hidden tests are cut from train, as the papers' text says.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of each target's data as they are ready, before hours are spent.
        on_target: Told of each target as it is done.

    Raises:
        HubbotError: The kind says what happened; finished cells stay in the ledger.
    """
    (found,) = evaluate_with_sample(
        model,
        0,
        targets=targets,
        seeds=seeds,
        max_train=max_train,
        epochs=epochs,
        as_written=as_written,
        settings=settings,
        report=report,
        on_data=on_data,
        on_target=on_target,
    )
    return found


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    protocol: GainProtocol,
    *,
    targets: str,
    seeds: int,
    settings: Settings,
    report: Report = no_report,
    on_data: OnData = ignore_data,
    on_target: OnTarget = ignore_target,
    is_recorded: bool = True,
) -> Evaluation:
    """Measure the gain of a checkpoint that is on disk.

    Args:
        checkpoint: From ``obtain``.
        protocol: How gains are measured.
        targets: As for ``evaluate``, and so are the others.
        seeds: How many.
        settings: Device, limits and folders.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of each target's data as they are ready, before hours are spent.
        on_target: Told of each target as it is done.
        is_recorded: Whether the gains go into a score record; those of a folder never do, since
            its name tells it from no other.

    Raises:
        HubbotError: As ``evaluate``.
    """
    from hubbot.records.ledger import Ledger

    base = base_of(checkpoint, settings, report)
    measured: dict[str, _Measured] = {}
    failed: dict[str, HubbotError] = {}
    ready = _read_targets(targets, protocol, settings, report, failed)
    for target in ready:
        on_data(target)
    for name, why in failed.items():
        on_target(name, str(why))
    with Ledger(settings.ledger_file) as ledger:
        workload = Workload(report)
        bench = Bench(
            settings=settings, protocol=protocol, ledger=ledger, report=report, workload=workload
        )
        for target in ready:
            for one in (base, checkpoint):
                expect_cells(bench, one, target, range(seeds))
        for target in ready:
            try:
                measured[target.name] = _measure(bench, checkpoint, base, target, range(seeds))
            except (CheckpointError, DatasetError, IntegrityError, ProbeError) as error:
                if isinstance(error, CheckpointError) and not measured:
                    raise  # the next target would say the same
                failed[target.name] = error
                on_target(target.name, str(error))
            else:
                on_target(target.name, measured[target.name].gain)
    found = _evaluation(checkpoint, base, protocol, measured, failed)
    if not measured or not is_recorded:
        return found
    return replace(found, record=_recorded(checkpoint, found, measured.values(), settings))


def _read_targets(
    targets: str,
    protocol: GainProtocol,
    settings: Settings,
    report: Report,
    failed: dict[str, HubbotError],
) -> list[Target]:
    """Make all targets ready before hours of training; why one cannot be had goes into failed."""
    specs, ready = targets_of(targets), []
    for done, spec in enumerate(specs):
        report("data sets", done, len(specs))
        try:
            ready.append(read_target(spec.name, protocol.split_rule, settings))
        except (DatasetError, RemoteError) as error:
            failed[spec.name] = error
    report("data sets", len(specs), len(specs))
    return ready


def evaluate_with_sample(
    model: str,
    sample_low: int,
    *,
    targets: str = "quick",
    seeds: int = SEEDS,
    max_train: int | None = None,
    epochs: int | None = None,
    as_written: bool = False,
    settings: Settings | None = None,
    report: Report = no_report,
    on_data: OnData = ignore_data,
    on_target: OnTarget = ignore_target,
) -> tuple[Evaluation, ...]:
    """Measure a checkpoint, then random models of low LP: calibrations must see the whole range.

    Args:
        model: Hub id, ``id@revision``, or a folder.
        sample_low: How many others; they are drawn before anything is trained.
        targets: As for ``evaluate``, and so are the others.
        seeds: How many.
        max_train: Training rows; None for all.
        epochs: Passes; None for the recipe's.
        as_written: Whether hidden tests are cut from train.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_data: Told of each target's data as they are ready, before hours are spent.
        on_target: Told of each target as it is done.

    Returns:
        The checkpoint first. Of the others, one that cannot be had or used is told of and another
        is drawn; there may be fewer in the end.

    Raises:
        HubbotError: As ``evaluate``; ``SettingsError`` if too few models of low LP are known.
    """
    from hubbot.candidates import low_candidates, within_reach

    require_extra("finetune", purpose="fine-tuning")
    settings = settings or load_settings()
    targets_of(targets)  # a misspelt name is told before gigabytes are fetched
    trains = settings.finetune.trains
    checkpoint = obtain(model, settings, report=report, needs_weights=trains)
    name = checkpoint.architecture.name
    protocol = gain_protocol_of(name, max_train=max_train, epochs=epochs, as_written=as_written)
    drawn = low_candidates(name, sample_low, settings, but=checkpoint.local.model)
    reachable = within_reach(drawn, name, settings, report=report)

    def measured(one: Checkpoint) -> Evaluation:
        return evaluate_checkpoint(
            one,
            protocol,
            targets=targets,
            seeds=seeds,
            settings=settings,
            report=report,
            on_data=on_data if one is checkpoint else ignore_data,
            on_target=on_target,
        )

    return (measured(checkpoint), *_sampled(reachable, sample_low, measured))


def _sampled(
    reachable: "Iterator[tuple[Candidate, Checkpoint]]",
    n: int,
    measured: Callable[[Checkpoint], Evaluation],
) -> list[Evaluation]:
    """Measure so many of those drawn; what befalls one costs neither the others nor the first."""
    found: list[Evaluation] = []
    try:
        while len(found) < n and (drawn := next(reachable, None)) is not None:
            try:
                found.append(measured(drawn[1]))
            except (CheckpointError, IntegrityError) as error:
                logger.warning("left out of the sample: %s", error)
    except (CheckpointError, RemoteError) as error:
        logger.warning("no more models for the sample: %s", error)
    return found


def base_of(checkpoint: Checkpoint, settings: Settings, report: Report) -> Checkpoint:
    """Return the base model to compare with.

    Raises:
        IntegrityError: If the checkpoint holds the base model's very weights.
        HubbotError: As ``obtain``.
    """
    trains = settings.finetune.trains
    base = obtain_base(checkpoint.architecture, settings, report=report, needs_weights=trains)
    if base.local.weights_digest == checkpoint.local.weights_digest:
        raise IntegrityError(
            f"same weights: {checkpoint.local.model} holds the very weights of {base.local.model}; "
            "its gain is 0 by definition, so nothing is fine-tuned; name a fine-tuned checkpoint",
            check="same-weights",
        )
    return base


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One target measured."""

    gain: TargetGain
    """What is told of it."""
    paired: "PairedGain"
    """The same with what averages need."""
    cells: "tuple[Cell, ...]"
    """The checkpoint's and the base model's."""


def _measure(
    bench: Bench,
    checkpoint: Checkpoint,
    base: Checkpoint,
    target: Target,
    seeds: Sequence[int],
) -> _Measured:
    measure_first(bench, checkpoint, target, seeds[0])
    others = measure_cells(bench, base, target, seeds)
    own = measure_cells(bench, checkpoint, target, seeds)
    flags = check_cells(bench, target, own, others)
    paired = compare(target, own, others)
    gain = TargetGain(
        gain=paired.gain,
        se=paired.se,
        interval=paired.interval,
        seeds=paired.seeds,
        score=paired.score,
        base_score=paired.base_score,
        n_train=int(own[0].details["n_train"]),
        n_test=target.splits["test"].n_rows,
        metric=target.metric,
        split_rule=target.split_rule,
        notes=target.notes,
        flags=flags,
    )
    return _Measured(gain=gain, paired=paired, cells=(*own, *others))


def _recorded(
    checkpoint: Checkpoint, found: Evaluation, measured: "Iterable[_Measured]", settings: Settings
) -> Mapping[str, Any]:
    """Write the gains into the model's score record; nothing for a folder."""
    from hubbot.records.measured import write_measured

    if not checkpoint.local.revision:
        logger.info("%s is a folder: no score record is kept of it", checkpoint.local.model)
        return {}
    parts = list(measured)
    last = parts[-1].cells[0]  # the checkpoint's own: the base model may come from elsewhere
    record = write_measured(
        settings.records_dir,
        found,
        flags=(
            *name_flags(checkpoint.local.model, checkpoint.local.tags),
            *(flag for item in parts for flag in item.gain.flags),
        ),
        versions=last.versions,
        device=last.device,
        dtype=last.dtype,
    )
    return record.plain()


def _evaluation(
    checkpoint: Checkpoint,
    base: Checkpoint,
    protocol: GainProtocol,
    measured: Mapping[str, _Measured],
    failed: Mapping[str, HubbotError],
) -> Evaluation:
    from hubbot.gains.paired import average_gain

    average = average_gain(item.paired for item in measured.values()) if measured else None
    cells = [cell for item in measured.values() for cell in item.cells]
    return Evaluation(
        model=checkpoint.local.model,
        revision=checkpoint.local.revision,
        architecture=checkpoint.architecture.name,
        base_model=base.local.model,
        weights_digest=checkpoint.local.weights_digest,
        protocol=protocol.identifier,
        gains={name: item.gain for name, item in measured.items()},
        avg_gain=None if average is None else average.gain,
        avg_gain_se=None if average is None else average.se,
        failed={name: str(error) for name, error in failed.items()},
        unfinished=tuple(name for name, error in failed.items() if _may_do_better(error)),
        seconds=sum(sum(cell.seconds.values()) for cell in cells),
    )


def _may_do_better(error: HubbotError) -> bool:
    """Return whether a target that failed so may be measured another time.

    A data set that the Hub is slow to hand out is told of like one that cannot be read at all.
    """
    if isinstance(error, RemoteError):
        return error.kind not in _FOR_GOOD
    return isinstance(error, DatasetError | ProbeError)
