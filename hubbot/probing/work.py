"""One probe from end to end, inside the child: tokens, features, heads, result."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from hubbot.probing.cache import locked, read_arrays, write_arrays
from hubbot.probing.encoder import (
    Encoder,
    check_vocabulary,
    encoder_config,
    load_encoder,
    load_tokenizer,
    pick_device,
)
from hubbot.probing.features import Features, device_name, encode, find_features
from hubbot.probing.heads import HeadFit, head_shape, pooler_state, train_head, wanted_tensors
from hubbot.probing.job import (
    SPLITS,
    PoolerOrigin,
    ProbeJob,
    ProbeOutput,
    Progress,
    Stage,
)
from hubbot.probing.keys import features_key, read_config, tokens_key
from hubbot.probing.linear import (
    LinearFit,
    check_classes,
    choose_linear,
    fit_scale,
    predict_linear,
)
from hubbot.probing.outputs import output_path, read_output, write_output
from hubbot.probing.rows import Rows, read_rows
from hubbot.probing.tensors import read_tensors
from hubbot.probing.tokens import Tokens, tokenize
from hubbot.schema import HeadName, SplitName

_REPORT_S = 0.2


def probe(job: ProbeJob, *, guard: str, on_progress: Callable[[Progress], None]) -> None:
    """Do one probe and leave its result in the cache.

    Args:
        job: What to do.
        guard: How the network was cut, for the result.
        on_progress: Told how far it is, at most every 0.2 s within a stage.

    Raises:
        CheckpointError, DatasetError, IntegrityError, ProbeError, SettingsError: As ``run_probe``.
    """
    work = _Work(job, on_progress)
    path = output_path(job, read_config(job.folder))
    with locked(path, on_wait=lambda: work.report("wait", "", 0, 0)):
        if read_output(path) is None:
            write_output(path, work.measure(guard))


@dataclass(slots=True)
class _Work:
    """What is loaded once and used for all splits."""

    job: ProbeJob
    on_progress: Callable[[Progress], None]
    encoder: Encoder | None = None
    tokenizer: Any = None
    tokens_were_cached: bool = True
    features_were_cached: bool = True
    reported_at: float = 0.0

    def report(self, stage: Stage, split: str, done: int, total: int, cached: int = 0) -> None:
        """Pass progress on, but not too often."""
        now = time.monotonic()
        if done in (0, cached, total) or now - self.reported_at > _REPORT_S:
            self.reported_at = now
            self.on_progress(
                Progress(stage=stage, split=split, done=done, total=total, cached=cached)
            )

    def measure(self, guard: str) -> ProbeOutput:
        device = pick_device(self.job.device)
        rows = {split: read_rows(self.job, split) for split in SPLITS}
        check_classes(torch.from_numpy(rows["train"].labels))
        features = {split: self.features(split, rows[split], device) for split in SPLITS}
        self.encoder = None  # its memory is needed for the heads
        started = time.monotonic()
        fitted = _fit_heads(self, rows, features, device)
        seconds = {
            "tokenize": round(sum(one.tokenize_seconds for one in features.values()), 3),
            "encode": round(sum(one.seconds for one in features.values()), 3),
            "head": round(time.monotonic() - started, 3),
        }
        return ProbeOutput(
            predictions=fitted.predictions,
            validation_accuracy=fitted.validation_accuracy,
            l2=fitted.l2,
            best_epochs=fitted.best_epochs,
            pooler_origin=fitted.pooler_origin,
            n_train=len(rows["train"].labels),
            truncated_share={split: features[split].truncated_share for split in SPLITS},
            seconds=seconds,
            device=features["test"].device,
            dtype=self.job.dtype,
            versions=features["test"].versions,
            network_guard=guard,
            from_cache={
                "tokens": self.tokens_were_cached,
                "features": self.features_were_cached,
                "heads": False,
            },
        )

    def features(self, split: SplitName, rows: Rows, device: torch.device) -> Features:
        """Return one split's features, encoding what is missing."""
        n_rows = len(rows.labels)
        name = features_key(self.job, split, read_config(self.job.folder))
        path = self.job.cache_dir / "features" / f"{name}.npy"
        with locked(path, on_wait=lambda: self.report("wait", split, 0, n_rows)):
            found = find_features(path, n_rows)
            if found is None:
                self.features_were_cached = False
                self._encode(split, rows, path, device)
                found = find_features(path, n_rows)
            else:
                self.report("encode", split, n_rows, n_rows, n_rows)
        if found is None:
            raise OSError(f"{path}: vanished while it was in use; leave the cache alone and rerun")
        return found

    def _encode(self, split: SplitName, rows: Rows, path: Path, device: torch.device) -> None:
        tokens, seconds = self._tokens(split, rows)
        if self.encoder is None:
            self.encoder = load_encoder(self.job, device)
        if self.tokenizer is None:
            self.tokenizer = load_tokenizer(self.job)
        check_vocabulary(self.job, self.tokenizer, self.encoder, tokens.largest_id)
        total = len(rows.labels)
        encode(
            self.job,
            self.encoder,
            tokens,
            path=path,
            meta={
                "device": device_name(device),
                "versions": {
                    "torch": torch.__version__,
                    "transformers": transformers.__version__,
                },
                "truncated_share": tokens.n_truncated / total,
                "tokenize_seconds": seconds,
            },
            on_rows=lambda done, cached: self.report("encode", split, done, total, cached),
        )

    def _tokens(self, split: SplitName, rows: Rows) -> tuple[Tokens, float]:
        """Return one split's tokens and the seconds they took when they were made."""
        total = len(rows.labels)
        path = self.job.cache_dir / "tokens" / f"{tokens_key(self.job, split)}.npz"
        with locked(path, on_wait=lambda: self.report("wait", split, 0, total)):
            found = read_arrays(path)
            if found is not None and len(found[0]["offsets"]) == total + 1:
                arrays, meta = found
                tokens = Tokens(
                    ids=arrays["ids"],
                    types=arrays.get("types"),
                    offsets=arrays["offsets"],
                    n_truncated=meta["n_truncated"],
                )
                return tokens, meta["seconds"]
            self.tokens_were_cached = False
            return self._tokenize(split, rows, path)

    def _tokenize(self, split: SplitName, rows: Rows, path: Path) -> tuple[Tokens, float]:
        total, started = len(rows.labels), time.monotonic()
        if self.tokenizer is None:
            self.tokenizer = load_tokenizer(self.job)
        tokens = tokenize(
            self.tokenizer,
            rows,
            max_length=self.job.max_length,
            on_rows=lambda done: self.report("tokenize", split, done, total),
        )
        seconds = round(time.monotonic() - started, 3)
        arrays: dict[str, NDArray[Any]] = {"ids": tokens.ids, "offsets": tokens.offsets}
        if tokens.types is not None:
            arrays["types"] = tokens.types
        write_arrays(path, arrays, {"n_truncated": tokens.n_truncated, "seconds": seconds})
        return tokens, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """Both heads' part of the result."""

    predictions: dict[HeadName, NDArray[np.int64]]
    validation_accuracy: dict[HeadName, tuple[float, ...]]
    l2: float | None
    best_epochs: tuple[int, ...]
    pooler_origin: PoolerOrigin


def _fit_heads(
    work: _Work,
    rows: Mapping[SplitName, Rows],
    features: Mapping[SplitName, Features],
    device: torch.device,
) -> _Fitted:
    """Train the heads the job asks for on finished features."""
    held = {split: torch.from_numpy(np.array(features[split].rows)).to(device) for split in SPLITS}
    labels = {split: torch.from_numpy(rows[split].labels).to(device) for split in SPLITS}
    predictions: dict[HeadName, NDArray[np.int64]] = {}
    accuracies: dict[HeadName, tuple[float, ...]] = {}
    l2: float | None = None
    heads: list[HeadFit] = []
    if "linear" in work.job.heads:
        fit, predicted = _linear(work, held, labels)
        predictions["linear"] = predicted[None].cpu().numpy()
        accuracies["linear"], l2 = (fit.validation_accuracy,), fit.l2
    if "head" in work.job.heads:
        heads = _head(work, held, labels)
        predictions["head"] = torch.stack([one.predictions for one in heads]).cpu().numpy()
        accuracies["head"] = tuple(one.validation_accuracy for one in heads)
    return _Fitted(
        predictions=predictions,
        validation_accuracy=accuracies,
        l2=l2,
        best_epochs=tuple(one.best_epoch for one in heads),
        pooler_origin=heads[0].origin if heads else "none",
    )


def _linear(
    work: _Work, features: Mapping[SplitName, Tensor], labels: Mapping[SplitName, Tensor]
) -> tuple[LinearFit, Tensor]:
    scale = fit_scale(features["train"])
    total = len(work.job.l2_grid)
    work.report("head", "linear", 0, total)
    fit = choose_linear(
        (scale.apply(features["train"]), labels["train"]),
        (scale.apply(features["validation"]), labels["validation"]),
        l2_grid=work.job.l2_grid,
        n_classes=work.job.n_classes,
        on_fit=lambda done: work.report("head", "linear", done, total),
    )
    return fit, predict_linear(fit.weights, scale.apply(features["test"]))


def _head(
    work: _Work, features: Mapping[SplitName, Tensor], labels: Mapping[SplitName, Tensor]
) -> list[HeadFit]:
    job = work.job
    config = encoder_config(read_config(job.folder), job.model_type)
    shape = head_shape(config, activation=job.head_activation, n_classes=job.n_classes)
    pooler = None
    if job.head_activation != "none" and job.pooler_tensors:
        tensors = read_tensors(job, wanted_tensors(job.pooler_tensors))
        pooler = pooler_state(job.pooler_tensors, tensors, shape)
    epochs, total = itertools.count(1), len(job.recipe.seeds) * job.recipe.epochs
    work.report("head", "head", 0, total)
    return [
        train_head(
            shape,
            (features["train"], labels["train"]),
            (features["validation"], labels["validation"]),
            features["test"],
            recipe=job.recipe,
            seed=seed,
            pooler=pooler,
            on_epoch=lambda: work.report("head", "head", next(epochs), total),
        )
        for seed in job.recipe.seeds
    ]
