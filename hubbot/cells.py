"""From a checkpoint and a target to cells: fine-tunings with one seed each, kept in the ledger.

Shared by every verb that measures gains. A cell that the ledger holds is never trained again, on
this machine or in this process, so a killed run goes on where it was.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.catalog.datasets import find_dataset
from hubbot.catalog.revisions import read_revisions
from hubbot.errors import ProbeError
from hubbot.measurement import Checkpoint, Report, hub_api, may_read_bin, no_report
from hubbot.schema import DatasetSpec, GainProtocol, Target
from hubbot.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hubbot.finetuning.job import FinetuneOutput, TrainingProgress
    from hubbot.records.cells import Cell, CellKey
    from hubbot.records.ledger import Ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a user says of a data set of their own."""

    text: tuple[str, ...] = ()
    """Text columns; none for a guess."""
    label: str = ""
    """Label column; empty for a guess."""
    config: str | None = None
    """Configuration of the Hub data set."""
    validation: str | None = None
    """File of the validation split."""
    test: str | None = None
    """File of the test split."""
    is_regression: bool | None = None
    """Whether labels are numbers to be predicted; None for a guess."""
    max_rows: int = 200_000
    """Rows of each split that are used at most."""


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


def read_target(
    name: str, protocol: GainProtocol, settings: Settings, columns: Columns | None = None
) -> Target:
    """Make a data set ready: one of the catalog, of the Hub, or of the user's own files.

    Args:
        name: Name in the catalog, Hub id, file or folder.
        protocol: Its split rule is followed.
        settings: Folders and token.
        columns: What the user says of it; None for a data set of the catalog, or a guess.

    Raises:
        DatasetError: If it cannot be read or used.
        SettingsError: If options do not fit.
        RemoteError: If the Hub does not hand it out.
    """
    spec = None if columns is not None and columns != Columns() else find_dataset(name)
    cache_dir = settings.cache_dir / "targets"
    token = settings.read_token.get_secret_value() if settings.read_token else None
    if spec is not None:
        return _catalog_target(spec, protocol, settings, cache_dir, token)
    from hubbot.data.own_tables import is_local
    from hubbot.data.own_targets import load_own_target

    given = columns or Columns()
    return load_own_target(
        name,
        text_columns=given.text,
        label_column=given.label,
        config=given.config,
        validation=given.validation,
        test=given.test,
        is_regression=given.is_regression,
        max_rows=given.max_rows,
        revision="" if is_local(name) else _revision_of(name, "", settings),
        cache_dir=cache_dir,
        token=token,
    )


def _catalog_target(
    spec: DatasetSpec,
    protocol: GainProtocol,
    settings: Settings,
    cache_dir: Path,
    token: str | None,
) -> Target:
    from hubbot.data.catalog_targets import load_target

    revision = ""
    if settings.data_dir is None:
        revision = _revision_of(spec.hub_id, spec.revision, settings, spec.hub_revision)
    return load_target(
        spec,
        rule=protocol.split_rule,
        data_dir=settings.data_dir,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
    )


def _revision_of(hub_id: str, pinned: str, settings: Settings, branch: str = "") -> str:
    from hubbot.hub.datasets import resolve_dataset

    locked = pinned or read_revisions(settings.revisions_file).datasets.get(hub_id)
    return locked or resolve_dataset(hub_id, branch or None, api=hub_api(settings))


def target_digest(target: Target) -> str:
    """Return one digest over the three splits, the metric and the class names."""
    parts = [target.metric, *target.label_names]
    parts += [target.splits[role].digest for role in ("train", "validation", "test")]
    text = "\n".join(f"{len(part)}:{part}" for part in parts)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def key_of(checkpoint: Checkpoint, target: Target, protocol: GainProtocol, seed: int) -> "CellKey":
    """Return what tells one cell from every other."""
    from hubbot.records.cells import CellKey

    return CellKey(
        weights_digest=checkpoint.local.weights_digest,
        target_digest=target_digest(target),
        protocol=protocol.identifier,
        seed=seed,
    )


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
    cells = []
    for seed in seeds:
        cell = measure_cell(bench, checkpoint, target, seed)
        cells.append(cell)
        if on_cell is not None:
            on_cell(cell)
    return tuple(cells)


def measure_cell(bench: Bench, checkpoint: Checkpoint, target: Target, seed: int) -> "Cell":
    """Return one cell, from the ledger or by fine-tuning now."""
    key = key_of(checkpoint, target, bench.protocol, seed)
    found = bench.ledger.find(key)
    if found is not None:
        return found
    with bench.ledger.claimed(key) as is_ours:
        if is_ours:
            bench.ledger.keep(_trained(bench, checkpoint, target, key))
    found = bench.ledger.find(key)
    if found is None:
        raise ProbeError(f"{key}: not in {bench.ledger.path} after training; run again")
    return found


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

    def on_progress(step: "TrainingProgress") -> None:
        bench.report(f"{name}: {step.stage}", step.done, step.total)

    return run_cell(job, limits=limits, on_progress=on_progress)


def read_labels(target: Target) -> "NDArray[np.int64] | NDArray[np.float64]":
    """Return the true labels of the test rows: class numbers (int64), or numbers (float64)."""
    import pyarrow.parquet as pq

    from hubbot.data.prepared import LABEL

    labels: NDArray[np.int64] | NDArray[np.float64] = pq.read_table(
        target.splits["test"].path, columns=[LABEL]
    )[LABEL].to_numpy()
    return labels


def score_of(
    target: Target,
    predictions: "NDArray[np.int64] | NDArray[np.float64]",
    labels: "NDArray[np.int64] | NDArray[np.float64]",
) -> float:
    """Return the target's metric, points."""
    from hubbot.data.scoring import score

    return score(target.metric, predictions, labels)
