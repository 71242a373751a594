"""Data sets ready for fine-tuning: three Parquet files of one layout, whatever they came from.

The child that fine-tunes gets these files alone; it needs no knowledge of castings or label names.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.data.load import content_digest
from hubbot.errors import DatasetError
from hubbot.schema import DataSplit, SplitName, Target

if TYPE_CHECKING:
    import pyarrow as pa

TEXT, TEXT_PAIR, LABEL = "text", "text_pair", "label"
"""Columns of a prepared file; ``text_pair`` is there for pairs only."""

ROLES: tuple[SplitName, ...] = ("train", "validation", "test")


def write_target(
    name: str,
    tables: "Mapping[SplitName, pa.Table]",
    *,
    label_names: Sequence[str],
    metric: str,
    source: str,
    licence: str,
    split_rule: str,
    folder: Path,
    notes: Sequence[str] = (),
    revision: str = "",
    is_catalog: bool = False,
    is_whole: bool = True,
    label_column: str = "",
    text_columns: Sequence[str] = (),
) -> Target:
    """Write the three splits and return the target.

    Args:
        name: Name in the catalog, Hub id, or the file's name.
        tables: For each role a table with the columns ``text``, for pairs ``text_pair`` (strings),
            and ``label``: class numbers 0 .. len(label_names) - 1, or floats for a regression.
        label_names: Class names in label order; none for a regression.
        metric: ``accuracy`` or ``spearman``.
        source: Hub id and revision, or the files.
        licence: As the makers state it; empty where unknown.
        split_rule: How the splits were made, in a sentence.
        folder: Where the files go; written whole or not at all.
        notes: What a user should know.
        revision: Commit hash of the data set; empty for local files.
        is_catalog: Whether it is the catalog's.
        is_whole: Whether it has the rows that were published, or given.
        label_column: Column that the labels are from.
        text_columns: Columns that the texts are from.

    Raises:
        DatasetError: If a split has no rows, a cell is empty, or a label is out of range.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits: dict[SplitName, DataSplit] = {}
    for role in ROLES:
        table = _typed(tables[role], is_regression=not label_names)
        _check(name, role, table, len(label_names))
        digest = content_digest(table)
        path = folder / f"{role}-{digest.removeprefix('sha256:')[:16]}.parquet"
        if not path.exists():
            _write(table, path)
        splits[role] = DataSplit(
            path=path, digest=digest, n_rows=table.num_rows, split=role, revision=revision
        )
    return Target(
        name=name,
        splits=splits,
        is_pair=TEXT_PAIR in tables["train"].column_names,
        label_names=tuple(label_names),
        metric=metric,
        source=source,
        licence=licence,
        split_rule=split_rule,
        notes=tuple(notes),
        is_catalog=is_catalog,
        is_whole=is_whole,
        label_column=label_column,
        text_columns=tuple(text_columns),
    )


def _typed(table: "pa.Table", *, is_regression: bool) -> "pa.Table":
    import pyarrow as pa

    names = [name for name in (TEXT, TEXT_PAIR) if name in table.column_names]
    label = pa.float64() if is_regression else pa.int64()
    fields = [*((name, pa.string()) for name in names), (LABEL, label)]
    return table.select([*names, LABEL]).cast(pa.schema(fields))


def _check(name: str, role: str, table: "pa.Table", n_classes: int) -> None:
    import pyarrow.compute as pc

    where = f"data set {name!r}, {role}"
    if table.num_rows == 0:
        raise DatasetError(f"{where}: no rows; expected at least one: give a larger file")
    for column in table.column_names:
        if table[column].null_count:
            raise DatasetError(
                f"{where}: column {column!r} has {table[column].null_count} empty cells; leave "
                "such rows out"
            )
    if n_classes:
        low, high = pc.min_max(table[LABEL]).as_py().values()
        if low < 0 or high >= n_classes:
            raise DatasetError(
                f"{where}: class numbers from {low} to {high}, expected 0 to {n_classes - 1}; -1 "
                "means hidden: use a labelled split"
            )


def _write(table: "pa.Table", path: Path) -> None:
    import pyarrow.parquet as pq

    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    pq.write_table(table, partial)
    partial.replace(path)
