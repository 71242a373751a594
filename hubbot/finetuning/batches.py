"""Rows side by side for the model, and what it predicts for them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hubbot.finetuning.loading import takes_types
from hubbot.finetuning.rows import Examples
from hubbot.probing.features import cut_batches
from hubbot.probing.pooling import pad, padding_id

CPU = torch.device("cpu")


class RowNumbers(Dataset[int]):
    """Row numbers, which ``Collator`` turns into batches."""

    def __init__(self, n_rows: int) -> None:
        self._n_rows = n_rows

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, index: int) -> int:
        return index


class Collator:
    """Pads rows to the longest of them and adds their labels."""

    def __init__(self, examples: Examples, model: Any) -> None:
        self._tokens = examples.tokens
        self._pad_id = padding_id(model.config)
        self._has_types = takes_types(model)
        labels = torch.from_numpy(examples.labels)
        self._labels = labels.float() if labels.is_floating_point() else labels

    def __call__(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch: the model's inputs and ``labels``, all on the CPU."""
        places = np.asarray(rows, dtype=np.int64)
        return self.inputs(places) | {"labels": self._labels[torch.from_numpy(places)]}

    def inputs(self, places: NDArray[np.int64]) -> dict[str, Tensor]:
        """Return the model's inputs for rows, int64 of shape (n, length) on the CPU."""
        batch = pad(self._tokens, places, pad_id=self._pad_id, device=CPU)
        inputs = {"input_ids": batch.ids, "attention_mask": batch.mask}
        if self._has_types and batch.types is not None:
            inputs["token_type_ids"] = batch.types
        return inputs


def predict(
    model: Any,
    examples: Examples,
    collator: Collator,
    *,
    tokens_at_a_time: int,
    autocast: AbstractContextManager[Any],
    on_rows: Callable[[int], None],
) -> NDArray[np.float32]:
    """Return the logits of all rows, with dropout switched off.

    Args:
        model: On its device; left in eval mode.
        examples: Rows.
        collator: Of the same rows.
        tokens_at_a_time: Padded tokens of one batch.
        autocast: Precision to run in; entered once.
        on_rows: Called with the number of rows done.

    Returns:
        float32 of shape (n_rows, n_outputs), in file order.
    """
    model.eval()
    device = next(model.parameters()).device
    logits = np.empty((examples.n_rows, model.config.num_labels), dtype=np.float32)
    done = 0
    with torch.no_grad(), autocast:  # not inference_mode: models keep tensors for training
        for places, inputs in _passes(examples, collator, tokens_at_a_time):
            moved = {name: part.to(device) for name, part in inputs.items()}
            logits[places] = model(**moved).logits.float().cpu().numpy()
            done += len(places)
            on_rows(done)
    return logits


def _passes(
    examples: Examples, collator: Collator, tokens_at_a_time: int
) -> "DataLoader[tuple[NDArray[np.int64], dict[str, Tensor]]]":
    """Return row numbers and inputs of each pass, longest rows first.

    A DataLoader draws one random number when a walk through it begins, as the one does that the
    Trainer evaluates with: so a look leaves the dropout behind it as the Trainer's would.
    """
    lengths = examples.tokens.lengths
    order = np.argsort(-lengths, kind="stable").astype(np.int64)
    batches = [batch.tolist() for batch in cut_batches(order, lengths, tokens_at_a_time)]

    def collate(rows: list[int]) -> tuple[NDArray[np.int64], dict[str, Tensor]]:
        places = np.asarray(rows, dtype=np.int64)
        return places, collator.inputs(places)

    return DataLoader(
        RowNumbers(examples.n_rows),  # type: ignore[arg-type]  # what collate makes of them
        batch_sampler=batches,
        collate_fn=collate,
    )


def decided(logits: NDArray[np.float32], *, is_regression: bool) -> NDArray[Any]:
    """Return predictions of shape (n_rows,): the largest logit's class (int64), or the number."""
    if is_regression:
        return logits[:, 0].astype(np.float64)
    classes: NDArray[np.int64] = logits.argmax(axis=1).astype(np.int64)
    return classes
