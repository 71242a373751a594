"""What the parent asks of the probing child, and what it gets back; both travel as JSON."""

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.schema import (
    Architecture,
    DatasetSpec,
    DataSplit,
    HeadName,
    HeadRecipe,
    LocalCheckpoint,
    Pooling,
    Protocol,
    SplitName,
)

Stage = Literal["load", "wait", "tokenize", "encode", "head"]
PoolerOrigin = Literal["checkpoint", "fresh", "none"]
Activation = Literal["tanh", "gelu", "relu", "none"]

SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
HEADS: tuple[HeadName, ...] = ("linear", "head")


class CheckpointFiles(typing.Protocol):
    """What reading a checkpoint's files takes; the job of a probe has it, and others may."""

    @property
    def model(self) -> str:
        """Hub id or folder name, for messages only."""
        ...

    @property
    def folder(self) -> Path:
        """Checkpoint folder: config.json, weights, tokenizer files."""
        ...

    @property
    def weights_files(self) -> tuple[str, ...]:
        """File names of the weights inside ``folder``."""
        ...

    @property
    def model_type(self) -> str:
        """``model_type`` that the catalog found; the file's own may be missing."""
        ...

    @property
    def allow_bin(self) -> bool:
        """Whether pytorch_model.bin may be read (weights only)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """What the child may use before it is killed."""

    timeout_s: float = 6 * 3600
    """Wall-clock seconds."""
    memory_gb: float = 16.0
    """Resident memory of the child and its children, GiB."""
    file_gb: float = 8.0
    """Largest file the child may write, GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the child is."""

    stage: Stage
    """What it does; ``wait`` while another run holds the same cache entry."""
    split: str
    """Split for ``tokenize`` and ``encode``, name of the head for ``head``, else empty."""
    done: int
    """Rows (``head``: fits) finished so far, those found in the cache included."""
    total: int
    """Rows (``head``: fits) in all."""
    cached: int = 0
    """Rows out of ``done`` that an earlier run had finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeJob:
    """Everything one probe needs; the child gets this and file paths, nothing else."""

    model: str
    """Hub id or folder name, for messages only."""
    folder: Path
    """Checkpoint folder: config.json, weights, tokenizer files."""
    weights_files: tuple[str, ...]
    """File names of the weights inside ``folder``."""
    weights_digest: str
    """Digest of the weights."""
    tokenizer_digest: str
    """Digest of the tokenizer's files."""
    model_type: str
    """``model_type`` that the catalog found; the file's own may be missing."""
    pooling: Pooling
    """How one vector is taken from the last hidden states."""
    head_activation: Activation
    """Activation behind the dense layer of ``head``; ``none``: projection only."""
    pooler_tensors: tuple[str, ...]
    """Names under which the checkpoint may store that dense layer, without ``.weight``."""
    allow_bin: bool
    """Whether pytorch_model.bin may be read (weights only)."""
    splits: Mapping[SplitName, DataSplit]
    """``train``, ``validation`` and ``test``."""
    text_columns: tuple[str, ...]
    """One or two columns, in the order in which the tokenizer gets them."""
    label_column: str
    """Column of class numbers 0 .. n_classes - 1."""
    n_classes: int
    """Number of classes."""
    protocol: str
    """Identifier and version of the protocol, part of the key of finished heads."""
    max_length: int
    """Tokens after which a pair is cut, longest side first."""
    max_train: int | None
    """Rows of the label-stratified prefix of the training split; None for all."""
    dtype: str
    """Precision of encoder and features; ``float32``."""
    l2_grid: tuple[float, ...]
    """Candidates for the L2 weight of ``linear``."""
    recipe: HeadRecipe
    """Training of ``head``."""
    cache_dir: Path
    """Folder of tokens, features and finished probes."""
    heads: tuple[HeadName, ...] = HEADS
    """Heads to train."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    tokens_per_batch: int | None = None
    """Padded tokens of one encoder batch; None leaves it to the device."""

    def to_json(self) -> str:
        """Write the job as one JSON document."""
        return json.dumps(asdict(self), default=str, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "ProbeJob":
        """Read what ``to_json`` wrote."""
        raw: dict[str, Any] = json.loads(text)
        for name in ("folder", "cache_dir"):
            raw[name] = Path(raw[name])
        for name in ("weights_files", "pooler_tensors", "text_columns", "l2_grid", "heads"):
            raw[name] = tuple(raw[name])
        recipe = raw["recipe"] | {"seeds": tuple(raw["recipe"]["seeds"])}
        raw["recipe"] = HeadRecipe(**recipe)
        raw["splits"] = {
            name: DataSplit(**(split | {"path": Path(split["path"])}))
            for name, split in raw["splits"].items()
        }
        return cls(**raw)


def make_job(
    checkpoint: LocalCheckpoint,
    architecture: Architecture,
    *,
    dataset: DatasetSpec,
    protocol: Protocol,
    splits: Mapping[SplitName, DataSplit],
    cache_dir: Path,
    allow_bin: bool = False,
    device: str = "auto",
    tokens_per_batch: int | None = None,
) -> ProbeJob:
    """Put one job together from the catalog's entries and the files on disk.

    Raises:
        SettingsError: If a split is missing, or the number of text columns is not 1 or 2.
    """
    missing = [name for name in SPLITS if name not in splits]
    if missing or len(dataset.text_columns) not in (1, 2):
        raise SettingsError(
            f"data set {dataset.name!r}: a probe needs the splits {', '.join(SPLITS)} and one or "
            f"two text columns; missing {missing}, columns {dataset.text_columns}; mend its entry"
        )
    return ProbeJob(
        model=checkpoint.model,
        folder=checkpoint.folder.absolute(),
        weights_files=checkpoint.weights_files,
        weights_digest=checkpoint.weights_digest,
        tokenizer_digest=checkpoint.tokenizer_digest,
        model_type=architecture.model_type,
        pooling=architecture.pooling,
        head_activation=architecture.head_activation,
        pooler_tensors=architecture.pooler_tensors,
        allow_bin=allow_bin,
        splits={name: replace(splits[name], path=splits[name].path.absolute()) for name in SPLITS},
        text_columns=dataset.text_columns,
        label_column=dataset.label_column,
        n_classes=len(dataset.label_names),
        protocol=f"{protocol.identifier}#{protocol.version}",
        max_length=protocol.max_length,
        max_train=protocol.max_train,
        dtype=protocol.dtype,
        l2_grid=protocol.l2_grid,
        recipe=protocol.recipe,
        cache_dir=cache_dir.absolute(),
        device=device,
        tokens_per_batch=tokens_per_batch,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutput:
    """What the child measured; scoring against the labels is the parent's."""

    predictions: Mapping[HeadName, NDArray[np.int64]]
    """Predicted classes of the test rows, in file order: ``linear`` of shape (1, n_test),
    ``head`` of shape (n_seeds, n_test)."""
    validation_accuracy: Mapping[HeadName, tuple[float, ...]]
    """Accuracy on validation, points, one per row of ``predictions``."""
    l2: float | None
    """L2 weight chosen on validation; None without ``linear``."""
    best_epochs: tuple[int, ...]
    """Epoch, counted from 1, that was kept for each seed of ``head``."""
    pooler_origin: PoolerOrigin
    """Where the dense layer of ``head`` started from; ``none`` where there is no such layer."""
    n_train: int
    """Training rows used."""
    truncated_share: Mapping[SplitName, float]
    """Share of rows cut at ``max_length``, 0 to 1."""
    seconds: Mapping[str, float]
    """Wall-clock time of ``tokenize``, ``encode`` and ``head`` in the run that did the work."""
    device: str
    """Device of the encoder: ``cpu`` or the GPU's name."""
    dtype: str
    """Precision of the encoder."""
    versions: Mapping[str, str]
    """Versions of torch and transformers that did the work."""
    network_guard: str
    """How the child's network was cut: ``seccomp+hook`` or ``hook``."""
    from_cache: Mapping[str, bool] = field(default_factory=dict)
    """Whether ``tokens``, ``features`` and ``heads`` were all found finished."""
