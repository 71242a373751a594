"""Texts to token ids, once per tokenizer and data set."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import DatasetError
from hubbot.probing.rows import Rows

_CHUNK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Token ids of many rows, end to end."""

    ids: NDArray[np.int32]
    """Shape (n_tokens,)."""
    types: NDArray[np.int8] | None
    """Shape (n_tokens,), segment of each token; None where the tokenizer gives none."""
    offsets: NDArray[np.int64]
    """Shape (n_rows + 1,); row i is ``ids[offsets[i]:offsets[i + 1]]``."""
    n_truncated: int
    """Rows that were cut."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per row, shape (n_rows,)."""
        return np.diff(self.offsets)

    @property
    def largest_id(self) -> int:
        """Largest token id in use."""
        return int(self.ids.max())


def tokenize(
    tokenizer: Any, rows: Rows, *, max_length: int, on_rows: Callable[[int], None]
) -> Tokens:
    """Encode each row, pairs as pairs, with the tokenizer's own special tokens.

    Args:
        tokenizer: As transformers loads it.
        rows: Texts.
        max_length: Tokens after which a row is cut, longest side first.
        on_rows: Called with the number of rows done.

    Raises:
        DatasetError: If a row becomes no token at all.
    """
    ids: list[NDArray[np.int32]] = []
    types: list[NDArray[np.int8]] = []
    lengths: list[int] = []
    n_truncated = 0
    for start, chunk in _chunks(rows):
        encoded = _encode(tokenizer, chunk, max_length=max_length)
        lengths += [len(row) for row in encoded["input_ids"]]
        if 0 in lengths:
            raise DatasetError(
                f"row {lengths.index(0)} becomes no token at all; leave rows without text out"
            )
        ids += [np.array(row, dtype=np.int32) for row in encoded["input_ids"]]
        types += [np.array(row, dtype=np.int8) for row in encoded.get("token_type_ids", ())]
        full = [i for i, row in enumerate(encoded["input_ids"]) if len(row) >= max_length]
        n_truncated += _count_longer(tokenizer, chunk, full, max_length=max_length)
        on_rows(start + len(chunk[0]))
    return Tokens(
        ids=np.concatenate(ids),
        types=np.concatenate(types) if types else None,
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        n_truncated=n_truncated,
    )


def _chunks(rows: Rows) -> Iterator[tuple[int, list[list[str]]]]:
    for start in range(0, len(rows.labels), _CHUNK):
        yield start, [column[start : start + _CHUNK] for column in rows.texts]


def _encode(tokenizer: Any, columns: list[list[str]], *, max_length: int | None) -> Any:
    return tokenizer(
        *columns,
        truncation="longest_first" if max_length is not None else False,
        max_length=max_length,
        padding=False,
        return_attention_mask=False,
        verbose=False,
    )


def _count_longer(
    tokenizer: Any, columns: list[list[str]], rows: list[int], *, max_length: int
) -> int:
    """Count the rows that really were cut among those that fill the whole length."""
    if not rows:
        return 0
    whole = _encode(tokenizer, [[column[i] for i in rows] for column in columns], max_length=None)
    return sum(len(row) > max_length for row in whole["input_ids"])
