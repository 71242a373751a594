"""From a batch of tokens to one vector per row: last hidden states, pooled before any pooler."""

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubbot.errors import CheckpointError
from hubbot.probing.encoder import Encoder
from hubbot.probing.tokens import Tokens
from hubbot.schema import Pooling


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows padded on the right to the longest of them."""

    ids: Tensor
    """int64 of shape (n, length)."""
    mask: Tensor
    """int64 of shape (n, length), 1 for real tokens."""
    types: Tensor | None
    """int64 of shape (n, length), or None."""
    lengths: Tensor
    """int64 of shape (n,)."""


def pad(tokens: Tokens, rows: NDArray[np.int64], *, pad_id: int, device: torch.device) -> Batch:
    """Lay the given rows side by side.

    Args:
        tokens: All rows.
        rows: int64 of shape (n,), row numbers.
        pad_id: Fills the rest; RoBERTa and MPNet count positions by it.
        device: Where the batch goes.
    """
    lengths = tokens.lengths[rows]
    ids = np.full((len(rows), int(lengths.max())), pad_id, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        span = slice(tokens.offsets[row], tokens.offsets[row + 1])
        ids[place, :length] = tokens.ids[span]
        mask[place, :length] = 1
        if tokens.types is not None:
            types[place, :length] = tokens.types[span]
    return Batch(
        ids=torch.from_numpy(ids).to(device),
        mask=torch.from_numpy(mask).to(device),
        types=torch.from_numpy(types).to(device) if tokens.types is not None else None,
        lengths=torch.from_numpy(lengths).to(device),
    )


def padding_id(config: Any) -> int:
    """Return the id to pad with; any will do where the model has none, since it is masked."""
    known = getattr(config, "pad_token_id", None)
    return known if isinstance(known, int) and known >= 0 else 0


@torch.inference_mode()
def pooled_vectors(encoder: Encoder, batch: Batch, pooling: Pooling) -> Tensor:
    """Run the encoder and take one vector per row.

    Args:
        encoder: Frozen, in eval mode.
        batch: n rows.
        pooling: The architecture's.

    Returns:
        float32 of shape (n, hidden_size).

    Source:
        ``decoder_eos``: T5ForSequenceClassification of transformers (decoder fed with the input
        shifted right, state at the last end-of-sequence token); ``mean``:
        ModernBertForSequenceClassification; ``last_token``: GPT2ForSequenceClassification.
    """
    outputs: Any = encoder.model(**_inputs(encoder, batch, pooling))
    return _taken(encoder, batch, pooling, outputs.last_hidden_state.float())


def _taken(encoder: Encoder, batch: Batch, pooling: Pooling, hidden: Tensor) -> Tensor:
    if pooling == "first":
        return hidden[:, 0]
    if pooling == "mean":
        weight = batch.mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)
    places = batch.lengths - 1
    if pooling == "decoder_eos":
        places = _last_eos(encoder, batch)
    return hidden[torch.arange(len(hidden), device=hidden.device), places]


def _inputs(encoder: Encoder, batch: Batch, pooling: Pooling) -> dict[str, Any]:
    accepted = inspect.signature(encoder.model.forward).parameters
    inputs: dict[str, Any] = {
        "input_ids": batch.ids,
        "attention_mask": batch.mask,
        "return_dict": True,
    }
    if batch.types is not None and "token_type_ids" in accepted:
        inputs["token_type_ids"] = batch.types
    if "use_cache" in accepted:
        inputs["use_cache"] = False
    if pooling == "decoder_eos":
        inputs["decoder_input_ids"] = _shifted(encoder, batch.ids)
    return inputs


def _shifted(encoder: Encoder, ids: Tensor) -> Tensor:
    """Shift right, as T5 does to feed its decoder with its own input."""
    start = encoder.config.decoder_start_token_id
    if start is None:
        start = padding_id(encoder.config)
    return torch.cat([torch.full_like(ids[:, :1], start), ids[:, :-1]], dim=1)


def _last_eos(encoder: Encoder, batch: Batch) -> Tensor:
    is_eos = (batch.ids == encoder.config.eos_token_id) & batch.mask.bool()
    if not bool(is_eos.any(dim=1).all()):
        raise CheckpointError(
            "the tokenizer ends a row without the end-of-sequence token "
            f"{encoder.config.eos_token_id} that this pooling needs; it belongs to another model"
        )
    from_the_end: Tensor = is_eos.int().flip(1).argmax(dim=1)
    return batch.ids.shape[1] - 1 - from_the_end
