"""One split's texts and labels, from Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hubbot.errors import DatasetError
from hubbot.probing.job import ProbeJob
from hubbot.schema import DataSplit, SplitName


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Texts and labels of the rows a probe uses, in file order."""

    texts: tuple[list[str], ...]
    """One list per text column, each of n_rows strings."""
    labels: NDArray[np.int64]
    """Shape (n_rows,), values 0 .. n_classes - 1."""


def read_rows(job: ProbeJob, split: SplitName) -> Rows:
    """Read one split, cut to the label-stratified prefix where the job asks for it.

    Raises:
        DatasetError: If the file, a column, a text or a label is not what the job says.
    """
    file = job.splits[split]
    table = read_table(file, job.text_columns, job.label_column)
    labels = class_numbers(np.asarray(table[job.label_column].to_numpy()), job.n_classes, file.path)
    if split == "train" and job.max_train is not None:
        kept = stratified_prefix(labels, job.max_train)
        table, labels = table.take(pa.array(kept)), labels[kept]
    return Rows(texts=tuple(table[name].to_pylist() for name in job.text_columns), labels=labels)


def class_numbers(labels: NDArray[Any], n_classes: int, where: Path) -> NDArray[np.int64]:
    """Check that labels are class numbers.

    Args:
        labels: Shape (n_rows,), as the file has them.
        n_classes: Number of classes.
        where: File, for messages.

    Returns:
        int64 of shape (n_rows,), values 0 .. n_classes - 1.

    Raises:
        DatasetError: If they are not whole numbers in that range.
    """
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise DatasetError(
            f"{where}: labels must be whole numbers 0 to {n_classes - 1}, found "
            f"{labels.dtype} from {labels.min()} to {labels.max()}; check the data set's entry"
        )
    return labels.astype(np.int64)


def read_table(split: DataSplit, text_columns: Sequence[str], label_column: str) -> pa.Table:
    """Read the columns of one split and check that every cell is there.

    Args:
        split: File, and the rows it must have.
        text_columns: Columns of text.
        label_column: Column of labels, of any type.

    Raises:
        DatasetError: If the file, a column or a text is not what the job says.
    """
    table = _read_columns(split.path, text_columns, label_column)
    if table.num_rows != split.n_rows or table.num_rows == 0:
        raise DatasetError(
            f"{split.path}: expected {split.n_rows} rows (at least one), found "
            f"{table.num_rows}; fetch the data set again"
        )
    for name in (*text_columns, label_column):
        if table[name].null_count:
            raise DatasetError(
                f"{split.path}: column {name!r} has empty cells; leave such rows out"
            )
    return table


def _read_columns(path: Path, text_columns: Sequence[str], label_column: str) -> pa.Table:
    wanted = [*text_columns, label_column]
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            missing = [name for name in wanted if name not in found]
            if missing:
                raise DatasetError(f"{path}: missing columns {missing}; found {found}")
            table = file.read(columns=wanted)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: not readable as Parquet ({error})") from error
    for name in text_columns:
        if table.schema.field(name).type not in (pa.string(), pa.large_string()):
            kind = table.schema.field(name).type
            raise DatasetError(f"{path}: column {name!r} must hold text, found {kind}")
    return table


def stratified_prefix(labels: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Choose the first rows of each class, in proportion to the classes' sizes.

    Largest remainders are rounded up, the smaller class number first where they tie.

    Args:
        labels: int64 of shape (n,).
        n_rows: Rows wanted; all of them where there are no more.

    Returns:
        int64 of shape (min(n, n_rows),), ascending row numbers.
    """
    if n_rows >= len(labels):
        return np.arange(len(labels), dtype=np.int64)
    classes, counts = np.unique(labels, return_counts=True)
    # In whole numbers, so that no rounding of a float decides a row.
    quotas = counts * n_rows // len(labels)
    remainders = counts * n_rows % len(labels)
    for place in np.argsort(-remainders, kind="stable")[: n_rows - int(quotas.sum())]:
        quotas[place] += 1
    kept = [
        np.flatnonzero(labels == label)[:quota]
        for label, quota in zip(classes, quotas, strict=True)
    ]
    return np.sort(np.concatenate(kept)).astype(np.int64)
