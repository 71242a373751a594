"""A target's rows, tokenised, as the child trains on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubbot.data.prepared import LABEL, TEXT, TEXT_PAIR
from hubbot.errors import CheckpointError, DatasetError, ProbeError
from hubbot.finetuning.job import FinetuneJob
from hubbot.finetuning.metric import Numbers
from hubbot.probing.rows import Rows, class_numbers, read_table, stratified_prefix
from hubbot.probing.tokens import Tokens, tokenize
from hubbot.schema import SplitName


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Rows of one split, in file order."""

    texts: tuple[list[str], ...]
    """One list per text column, each of n_rows strings."""
    labels: Numbers
    """Shape (n_rows,): int64 class numbers, or float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Tokenised rows of one split, in file order."""

    tokens: Tokens
    """Their token ids."""
    labels: Numbers
    """Shape (n_rows,): int64 class numbers, or float64."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(self.tokens.lengths.max())


def read_texts(job: FinetuneJob, split: SplitName) -> Texts:
    """Read one split; the training split cut to as many rows as the job asks for.

    Classes are cut to the first rows of each, in proportion (``stratified_prefix``); of a
    regression, rows spread evenly over the file are kept.

    Raises:
        DatasetError: If the file, a column, a text or a label is not what the job says.
        ProbeError: If all training labels are the same.
    """
    columns = (TEXT, TEXT_PAIR) if job.is_pair else (TEXT,)
    file = job.splits[split]
    table = read_table(file, columns, LABEL)
    raw = np.asarray(table[LABEL].to_numpy())
    labels: Numbers
    if job.is_regression:
        labels = _numbers(raw, str(file.path))
    else:
        labels = class_numbers(raw, len(job.label_names), file.path)
    if split == "train":
        kept = _kept(labels, job)
        table, labels = table.take(kept), labels[kept]
        _check_spread(labels, job)
    return Texts(texts=tuple(table[name].to_pylist() for name in columns), labels=labels)


def _numbers(raw: NDArray[Any], where: str) -> NDArray[np.float64]:
    if raw.dtype.kind not in "fiu" or not np.isfinite(raw).all():
        raise DatasetError(
            f"{where}: labels of a regression must be finite numbers, found {raw.dtype} with NaN, "
            "infinity or text; leave such rows out"
        )
    return raw.astype(np.float64)


def _kept(labels: Numbers, job: FinetuneJob) -> NDArray[np.int64]:
    n_rows = len(labels) if job.max_train is None else min(job.max_train, len(labels))
    if job.is_regression:
        return np.arange(n_rows, dtype=np.int64) * len(labels) // max(n_rows, 1)
    return stratified_prefix(labels.astype(np.int64), n_rows)


def _check_spread(labels: Numbers, job: FinetuneJob) -> None:
    if len(np.unique(labels)) < 2:
        raise ProbeError(
            f"{job.target}: all {len(labels)} training labels are {labels[0]}; fine-tuning needs "
            "two different ones or more; check the split or raise --max-train"
        )


def tokenise(
    tokenizer: Any, rows: Texts, *, job: FinetuneJob, on_rows: Callable[[int], None]
) -> Examples:
    """Encode each row, pairs as pairs, cut at the recipe's length, longest side first.

    Args:
        tokenizer: The checkpoint's own.
        rows: Texts and labels.
        job: Recipe.
        on_rows: Called with the number of rows done.

    Raises:
        DatasetError: If a row becomes no token at all.
    """
    as_read = Rows(texts=rows.texts, labels=np.zeros(len(rows.labels), dtype=np.int64))
    tokens = tokenize(tokenizer, as_read, max_length=job.recipe.max_length, on_rows=on_rows)
    return Examples(tokens=tokens, labels=rows.labels)


def without_ends(rows: Texts, tokenizer: Any) -> Texts:
    """Blank the end-of-sequence mark where a text spells it out.

    T5's classifier takes the state at the last such mark and refuses a batch in which rows have
    different numbers of them.
    """
    mark = tokenizer.eos_token
    if not mark:
        return rows
    texts = tuple([text.replace(mark, " ") for text in column] for column in rows.texts)
    return Texts(texts=texts, labels=rows.labels)


def check_ends(job: FinetuneJob, examples: Examples, end: int | None) -> None:
    """Check that rows end with the mark whose state T5's classifier takes.

    Raises:
        CheckpointError: If a row has none, or another number of them than the first row.
    """
    tokens = examples.tokens
    counts = np.add.reduceat((tokens.ids == end).astype(np.int64), tokens.offsets[:-1])
    if counts[0] == 0 or (counts != counts[0]).any():
        raise CheckpointError(
            f"{job.model}: the tokenizer does not end every row with the end-of-sequence token "
            f"{end} of config.json; it belongs to another model"
        )
