"""From a checkpoint and a target to cells: fine-tunings with one seed each, kept in the ledger.

Shared by every verb that measures gains. A cell that the ledger holds is never trained again, on
this machine or in this process, so a killed run goes on where it was.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.errors import ProbeError
from hubbot.measurement import Checkpoint, Report, may_read_bin, no_report
from hubbot.schema import GainProtocol, Target
from hubbot.settings import Settings
from hubbot.targets import read_labels, score_of, target_digest
from hubbot.workload import Workload, rows_of

if TYPE_CHECKING:
    from hubbot.finetuning.job import FinetuneOutput, TrainingProgress
    from hubbot.records.cells import Cell, CellKey
    from hubbot.records.ledger import Ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all cells of one run share."""

    settings: Settings
    """Device, limits and folders."""
    protocol: GainProtocol
    """How gains are measured."""
    ledger: "Ledger"
    """Where cells are kept."""
    report: Report = no_report
    """Told a task's name, steps done and steps in all."""
    workload: Workload = field(default_factory=lambda: Workload(no_report))
    """Told how far the whole run is, as far as it is known beforehand (``expect_cells``)."""


def key_of(checkpoint: Checkpoint, target: Target, protocol: GainProtocol, seed: int) -> "CellKey":
    """Return what tells one cell from every other."""
    from hubbot.records.cells import CellKey

    return CellKey(
        weights_digest=checkpoint.local.weights_digest,
        target_digest=target_digest(target),
        protocol=protocol.identifier,
        seed=seed,
        files_digest=files_digest(checkpoint),
    )


def files_digest(checkpoint: Checkpoint) -> str:
    """Return one digest over the tokenizer's files and what config.json says of the network.

    An author who mends one of them and leaves the weights has made another start.

    Raises:
        CheckpointError: If config.json cannot be read.
    """
    from hubbot.probing.keys import read_config, used_config

    parts = [checkpoint.local.tokenizer_digest, used_config(read_config(checkpoint.local.folder))]
    text = json.dumps(parts, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def measure_cells(
    bench: Bench,
    checkpoint: Checkpoint,
    target: Target,
    seeds: Sequence[int],
    *,
    on_cell: Callable[["Cell"], None] | None = None,
) -> "tuple[Cell, ...]":
    """Return the cells of one checkpoint on one target, training those that are missing.

    Args:
        bench: Protocol, ledger and limits.
        checkpoint: What is fine-tuned.
        target: Data to fine-tune on.
        seeds: One cell each.
        on_cell: Told of each cell as it is there.

    Raises:
        CheckpointError: If the child cannot load the checkpoint.
        ProbeError: If a fine-tuning did not come to an end.
    """
    found: dict[int, Cell] = {}
    # Those that another process is at come last: two runs of one command share the work.
    for may_wait in (False, True):
        for seed in seeds:
            key = key_of(checkpoint, target, bench.protocol, seed)
            if seed in found or (not may_wait and _is_taken(bench, key)):
                continue
            found[seed] = measure_cell(bench, checkpoint, target, seed)
            if on_cell is not None:
                on_cell(found[seed])
    return tuple(found[seed] for seed in seeds)


def measure_first(bench: Bench, checkpoint: Checkpoint, target: Target, seed: int) -> None:
    """Train one cell before the base model's, since what cannot be loaded then shows at once.

    A cell that another process is at is left to it: there is other work meanwhile.

    Raises:
        HubbotError: As ``measure_cells``.
    """
    if not _is_taken(bench, key_of(checkpoint, target, bench.protocol, seed)):
        measure_cell(bench, checkpoint, target, seed)


def expect_cells(
    bench: Bench, checkpoint: Checkpoint, target: Target, seeds: Sequence[int]
) -> None:
    """Add the fine-tunings that the ledger lacks to the workload."""
    for seed in seeds:
        key = key_of(checkpoint, target, bench.protocol, seed)
        if bench.ledger.find(key) is None:
            bench.workload.expect(key, rows_of(target, bench.protocol))


def measure_cell(bench: Bench, checkpoint: Checkpoint, target: Target, seed: int) -> "Cell":
    """Return one cell, from the ledger or by fine-tuning now."""
    key = key_of(checkpoint, target, bench.protocol, seed)
    found = bench.ledger.find(key)
    if found is None and not bench.settings.finetune.trains:
        raise ProbeError(
            f"{checkpoint.local.model} on {target.name}, seed {seed}: not in "
            f"{bench.ledger.path}, and nothing is fine-tuned here (finetune.trains is off)"
        )
    if found is None:
        if _is_taken(bench, key):
            logger.warning(
                "%s is at %s on %s, seed %d; waiting for it",
                *(bench.ledger.holder(key), checkpoint.local.model, target.name, seed),
            )
        with bench.ledger.claimed(key) as is_ours:
            if is_ours:
                bench.ledger.keep(_trained(bench, checkpoint, target, key))
        found = bench.ledger.find(key)
    bench.workload.finish(key)
    if found is None:
        raise ProbeError(f"{key}: not in {bench.ledger.path} after training; run again")
    return found


def _is_taken(bench: Bench, key: "CellKey") -> bool:
    """Return whether another living process is training a cell."""
    from hubbot.records.claims import is_gone, is_me

    holder = bench.ledger.holder(key)
    return holder is not None and not is_me(holder) and not is_gone(holder)


def _trained(bench: Bench, checkpoint: Checkpoint, target: Target, key: "CellKey") -> "Cell":
    from hubbot.records.cells import Cell

    output = train(bench, checkpoint, target, key.seed)
    labels = read_labels(target)
    return Cell(
        key=key,
        model=checkpoint.local.model,
        revision=checkpoint.local.revision,
        architecture=checkpoint.architecture.name,
        target=target.name,
        score=score_of(target, output.predictions, labels),
        validation_score=output.validation_score,
        predictions=output.predictions,
        seconds=dict(output.seconds),
        peak_memory_gb=output.peak_memory_gb,
        device=output.device,
        dtype=output.dtype,
        versions=dict(output.versions),
        date=datetime.now(tz=UTC).date().isoformat(),
        details={
            "n_train": output.n_train,
            "steps": output.steps,
            "best_step": output.best_step,
            "epochs": output.epochs,
            "train_loss": output.train_loss,
            "rows_at_a_time": output.rows_at_a_time,
            "truncated_share": dict(output.truncated_share),
        },
    )


def train(
    bench: Bench,
    checkpoint: Checkpoint,
    target: Target,
    seed: int,
    *,
    save_to: Path | None = None,
) -> "FinetuneOutput":
    """Fine-tune once in the child.

    Args:
        bench: Protocol and limits.
        checkpoint: Where to start from.
        target: Data to fine-tune on.
        seed: Decides the head's first weights, dropout and the order of the rows.
        save_to: Folder for the fine-tuned checkpoint; None keeps nothing.
    """
    from hubbot.finetuning.job import make_job
    from hubbot.finetuning.run import run_cell
    from hubbot.probing.job import ChildLimits

    settings = bench.settings
    job = make_job(
        checkpoint.local,
        checkpoint.architecture,
        target,
        bench.protocol,
        seed=seed,
        work_dir=settings.cache_dir / "training",
        allow_bin=may_read_bin(checkpoint.architecture, checkpoint.local.model, settings),
        device=settings.probe.device,
        save_to=save_to,
    )
    limits = ChildLimits(
        timeout_s=settings.finetune.timeout_s,
        memory_gb=settings.finetune.memory_gb,
        file_gb=settings.finetune.file_gb,
    )
    name = f"{checkpoint.local.model} on {target.name}, seed {seed}"
    key = key_of(checkpoint, target, bench.protocol, seed)

    def on_progress(step: "TrainingProgress") -> None:
        if step.stage == "train" and step.total:
            bench.workload.move(key, step.done / step.total)
        bench.ledger.refresh()
        bench.report(f"{name}: {step.stage}", step.done, step.total)

    return run_cell(job, limits=limits, on_progress=on_progress)
