"""What the parent asks of the fine-tuning child, and what it gets back; both travel as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hubbot.schema import (
    Architecture,
    DataSplit,
    GainProtocol,
    GainRecipe,
    LocalCheckpoint,
    SplitName,
    Target,
)

Stage = Literal["load", "tokenize", "train", "validate", "test", "save"]

SAVED = "saved"
"""Folder inside the work folder into which the child saves the fine-tuned checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """How far the child is."""

    stage: Stage
    """What it does."""
    done: int
    """Steps (``tokenize``, ``validate``, ``test``: rows) finished so far."""
    total: int
    """Steps or rows in all; early stopping may come before."""
    rows_at_a_time: int = 0
    """Rows that go through the device together; 0 until training begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneJob:
    """One cell: one checkpoint fine-tuned on one target with one seed."""

    model: str
    """Hub id or folder name, for messages only."""
    folder: Path
    """Checkpoint folder: config.json, weights, tokenizer files."""
    weights_files: tuple[str, ...]
    """File names of the weights inside ``folder``."""
    model_type: str
    """``model_type`` that the catalog found; the file's own may be missing."""
    allow_bin: bool
    """Whether pytorch_model.bin may be read (weights only)."""
    target: str
    """Name of the target, for messages only."""
    splits: Mapping[SplitName, DataSplit]
    """``train``, ``validation`` and ``test``, as ``data.prepared`` writes them."""
    is_pair: bool
    """Whether there is a column ``text_pair``."""
    label_names: tuple[str, ...]
    """Class names in label order; empty for a regression (one output, mean squared error)."""
    metric: str
    """``accuracy`` or ``spearman``: what chooses the best look at validation."""
    recipe: GainRecipe
    """Training settings; ``max_epochs`` already the protocol's."""
    max_train: int | None
    """Rows of the label-stratified prefix of the training split; None for all."""
    seed: int
    """Decides the head's first weights, dropout and the order of the rows."""
    work_dir: Path
    """Folder for what training keeps on disk meanwhile; emptied at the end."""
    save_to: Path | None = None
    """Folder to save the fine-tuned checkpoint into; None keeps nothing."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    rows_at_a_time: int | None = None
    """Most rows that go through the device together; None leaves it to the device. The recipe's
    batch stays what it is, gradients are summed up over it."""

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers instead of classes."""
        return not self.label_names

    def to_json(self) -> str:
        """Write the job as one JSON document."""
        return json.dumps(asdict(self), default=str, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "FinetuneJob":
        """Read what ``to_json`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        for name in ("folder", "work_dir"):
            raw[name] = Path(raw[name])
        raw["save_to"] = None if raw["save_to"] is None else Path(raw["save_to"])
        for name in ("weights_files", "label_names"):
            raw[name] = tuple(raw[name])
        raw["recipe"] = GainRecipe(**raw["recipe"])
        raw["splits"] = {
            name: DataSplit(**(split | {"path": Path(split["path"])}))
            for name, split in raw["splits"].items()
        }
        return cls(**raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneOutput:
    """What the child measured; scoring the test predictions is the parent's."""

    predictions: NDArray[np.int64] | NDArray[np.float64]
    """Shape (n_test,), in file order: predicted classes (int64), or numbers (float64)."""
    validation_score: float
    """Best score on validation, points; the weights of that look made ``predictions``."""
    steps: int
    """Optimiser steps taken."""
    best_step: int
    """Step after which the best look at validation was."""
    epochs: float
    """Passes over the training rows that were taken."""
    train_loss: float
    """Mean training loss."""
    n_train: int
    """Training rows used."""
    rows_at_a_time: int
    """Rows that went through the device together; halved where memory ran out, gradients being
    summed up over what is missing to the recipe's batch."""
    truncated_share: Mapping[SplitName, float]
    """Share of rows cut at ``max_length``, 0 to 1."""
    seconds: Mapping[str, float]
    """Wall-clock time of ``load``, ``tokenize``, ``train`` (looks included) and ``test``."""
    peak_memory_gb: float
    """Most resident memory of the child, GiB; on a GPU the device's, as torch counts it."""
    device: str
    """``cpu`` or the GPU's name."""
    dtype: str
    """``float32``, or ``bfloat16`` where autocast ran in it."""
    versions: Mapping[str, str]
    """Versions of torch, transformers and accelerate."""


def make_job(
    checkpoint: LocalCheckpoint,
    architecture: Architecture,
    target: Target,
    protocol: GainProtocol,
    *,
    seed: int,
    work_dir: Path,
    allow_bin: bool = False,
    device: str = "auto",
    save_to: Path | None = None,
) -> FinetuneJob:
    """Put one cell together from the catalog's entries and the files on disk."""
    recipe = protocol.recipe
    if protocol.epochs is not None:
        recipe = GainRecipe(**(asdict(recipe) | {"max_epochs": protocol.epochs}))
    return FinetuneJob(
        model=checkpoint.model,
        folder=checkpoint.folder.absolute(),
        weights_files=checkpoint.weights_files,
        model_type=architecture.model_type,
        allow_bin=allow_bin,
        target=target.name,
        splits=target.splits,
        is_pair=target.is_pair,
        label_names=target.label_names,
        metric=target.metric,
        recipe=recipe,
        max_train=protocol.max_train,
        seed=seed,
        work_dir=work_dir.absolute(),
        save_to=None if save_to is None else save_to.absolute(),
        device=device,
    )
