"""Features of one split: from the cache, or encoded once, resumably, into it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hubbot.errors import CheckpointError, IntegrityError
from hubbot.probing.cache import RowFile, open_rows, write_text
from hubbot.probing.encoder import Encoder
from hubbot.probing.job import CheckpointFiles, ProbeJob
from hubbot.probing.pooling import pad, padding_id, pooled_vectors
from hubbot.probing.tokens import Tokens

_TOKENS_PER_BATCH = {"cpu": 2_048, "cuda": 32_768}
"""Where the job leaves it open; the first is what ``benchmarks/RESULTS.md`` found quickest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of one split and how they came about."""

    rows: NDArray[np.float32]
    """Shape (n_rows, hidden_size), mapped from disk, in file order."""
    seconds: float
    """Time the encoder took, over all runs that worked on it."""
    tokenize_seconds: float
    """Time the tokenizer took when the tokens were made."""
    truncated_share: float
    """Share of rows that were cut, 0 to 1."""
    device: str
    """Device it ran on."""
    versions: dict[str, str]
    """Versions of torch and transformers it ran with."""


def find_features(path: Path, n_rows: int) -> Features | None:
    """Return finished features from the cache; None where there are none."""
    rows = open_rows(path, n_rows)
    if rows is None:
        return None
    try:
        meta = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return Features(rows=rows, **meta)
    except (OSError, ValueError, TypeError):
        path.unlink(missing_ok=True)  # rows of unknown origin are not used
        return None


def encode(
    job: ProbeJob,
    encoder: Encoder,
    tokens: Tokens,
    *,
    path: Path,
    meta: dict[str, Any],
    on_rows: Callable[[int, int], None],
) -> None:
    """Encode the rows that no earlier run has encoded, and put the finished array at ``path``.

    Args:
        job: Pooling and batch size.
        encoder: Frozen.
        tokens: All rows of the split.
        path: Where the array goes; partial files lie beside it.
        meta: Device and versions, kept beside the array.
        on_rows: Called with the rows done and how many of them an earlier run had done.

    Raises:
        CheckpointError: If rows are longer than the model has positions.
        IntegrityError: If a feature is NaN or infinite.
        ProbeError: If the disk has no room.
    """
    check_positions(job, encoder, tokens)
    device = next(encoder.model.parameters()).device
    order = np.argsort(-tokens.lengths, kind="stable").astype(np.int64)
    with RowFile(path, n_rows=len(order), width=int(encoder.config.hidden_size)) as file:
        cached, before, started = file.done, file.seconds, time.monotonic()
        on_rows(cached, cached)
        budget = job.tokens_per_batch or _TOKENS_PER_BATCH[device.type]
        for places in cut_batches(order, tokens.lengths, budget, start=cached):
            batch = pad(tokens, places, pad_id=padding_id(encoder.config), device=device)
            vectors = pooled_vectors(encoder, batch, job.pooling).cpu().numpy()
            _check_finite(job, vectors)
            file.write(places, vectors, seconds=before + time.monotonic() - started)
            on_rows(file.done, cached)
        notes = {**meta, "seconds": round(file.seconds, 3)}
        write_text(path.with_suffix(".json"), json.dumps(notes))
        file.finish()


def cut_batches(
    order: NDArray[np.int64], lengths: NDArray[np.int64], tokens_per_batch: int, *, start: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Cut rows, longest first, into batches of at most so many padded tokens.

    Args:
        order: int64 of shape (n,), row numbers by falling length.
        lengths: int64 of shape (n,), tokens of each row.
        tokens_per_batch: Rows times longest row; a single row may exceed it.
        start: Rows of ``order`` to skip.

    Yields:
        Row numbers of one batch.
    """
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        stop = start + max(1, tokens_per_batch // longest)
        yield order[start:stop]
        start = stop


def check_positions(job: CheckpointFiles, encoder: Encoder, tokens: Tokens) -> None:
    """Check that the model has positions for the longest row.

    RoBERTa and MPNet count positions from the padding id on; T5 and ModernBERT relatively.

    Raises:
        CheckpointError: If rows are longer than the model has positions.
    """
    config, longest = encoder.config, int(tokens.lengths.max())
    if config.model_type in {"t5", "modernbert"}:
        return
    offset = padding_id(config) + 1 if config.model_type in {"roberta", "mpnet"} else 0
    positions = config.max_position_embeddings - offset
    if longest > positions:
        raise CheckpointError(
            f"{job.model}: the model has {positions} positions, the longest row {longest} tokens; "
            "this protocol cannot be used with it"
        )


def _check_finite(job: ProbeJob, vectors: NDArray[np.float32]) -> None:
    if not np.isfinite(vectors).all():
        raise IntegrityError(
            f"{job.model}: the encoder gives NaN or infinity; nothing is recorded; the weights may "
            "have been saved in a precision too small for them",
            check="finite features",
        )


def device_name(device: torch.device) -> str:
    """Return ``cpu`` or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
