"""Data sets as plain Parquet files, from a folder or by Hub id.

A probe needs nothing else: the files are handed to the child, which has neither network nor the
``datasets`` library.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec, DataSplit, SplitName

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

Splits = Mapping[SplitName, DataSplit]
"""The splits that serve as ``train``, ``validation`` and ``test``."""


def load_folder(spec: DatasetSpec, data_dir: Path) -> Splits:
    """Find a data set's splits below a folder laid out as ``<dataset>/<split>.parquet``.

    Args:
        spec: Entry of the catalog; its ``folders`` are tried in order.
        data_dir: Folder that holds one folder per data set.

    Returns:
        One checked split for each role.

    Raises:
        DatasetError: If no folder holds all splits, or a file disagrees with the catalog.
    """
    tried = [data_dir / folder for folder in spec.folders]
    for folder in tried:
        paths = {role: folder / f"{split}.parquet" for role, split in spec.splits.items()}
        if all(path.is_file() for path in paths.values()):
            logger.info("data set %s: reading %s", spec.name, folder)
            return {
                role: _check_split(spec, path, spec.splits[role], revision="")
                for role, path in paths.items()
            }
    wanted = ", ".join(f"{split}.parquet" for split in spec.splits.values())
    places = ", ".join(str(folder) for folder in tried)
    raise DatasetError(
        f"data set {spec.name!r}: no folder holds all of {wanted}; looked in {places}. "
        "Put the files there, or leave --data-dir out to read the Hub"
    )


def load_from_hub(
    spec: DatasetSpec, *, revision: str, cache_dir: Path, token: str | None = None
) -> Splits:
    """Read a data set by its Hub id with the ``datasets`` library, once per revision.

    Args:
        spec: Entry of the catalog.
        revision: Commit hash of the data set.
        cache_dir: hubbot's cache; the Parquet files are written below it.
        token: Token for reading.

    Returns:
        One checked split for each role.

    Raises:
        DatasetError: If the Hub's data set cannot be read or disagrees with the catalog.
    """
    folder = cache_dir / "datasets" / spec.name / revision
    paths = {split: folder / f"{split}.parquet" for split in spec.splits.values()}
    missing = {split: path for split, path in paths.items() if not path.is_file()}
    if missing:
        columns = (*spec.text_columns, spec.label_column)
        fetch_columns(spec, missing, columns=columns, revision=revision, token=token)
    return {
        role: _check_split(spec, paths[split], split, revision=revision)
        for role, split in spec.splits.items()
    }


def fetch_columns(
    spec: DatasetSpec,
    paths: Mapping[str, Path],
    *,
    columns: Sequence[str],
    revision: str,
    token: str | None,
) -> None:
    """Write columns of a Hub data set to Parquet files, each whole or not at all.

    Args:
        spec: Entry of the catalog; where it has a ``hub_revision``, that branch's layout
            (``<config>/<split>/*.parquet``, without configurations of its own) is expected.
        paths: For each wanted split of the data set the file to write; all beside each other.
        columns: Columns to keep.
        revision: Commit hash or branch of the data set; empty for its main branch.
        token: Token for reading.

    Raises:
        DatasetError: If the Hub's data set cannot be read, or lacks a column.
    """
    import datasets

    what: dict[str, Any] = {"name": spec.config}
    if spec.hub_revision:
        folder = spec.config or "default"
        what = {"data_files": {split: f"{folder}/{split}/*.parquet" for split in paths}}
    beside = next(iter(paths.values())).parent
    beside.mkdir(parents=True, exist_ok=True)
    # A cache of its own: from a shared one, ``datasets`` serves another revision of the same data
    # set, with no more than a warning, when the one asked for cannot be had.
    with TemporaryDirectory(dir=beside, prefix=".arrow-") as cache:
        try:
            tables = datasets.load_dataset(
                spec.hub_id,
                **what,
                split=list(paths),
                revision=revision or None,
                token=token,
                cache_dir=cache,
            )
            for table, path in zip(tables, paths.values(), strict=True):
                partial = path.with_name(f"{path.name}.{os.getpid()}.part")
                table.select_columns(list(columns)).to_parquet(partial)
                partial.replace(path)
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            datasets.exceptions.DatasetsError,
        ) as error:
            raise DatasetError(
                f"data set {spec.hub_id} (split {', '.join(paths)}, revision "
                f"{revision[:12] or 'main'}) cannot be read: {error}. Check the connection, or "
                "give the files with --data-dir"
            ) from error


def _check_split(spec: DatasetSpec, path: Path, split: str, *, revision: str) -> DataSplit:
    table = read_columns(spec, path)
    where = f"data set {spec.name!r}, {path.name}"
    if table.num_rows == 0:
        raise DatasetError(f"{where}: no rows; expected at least one per class")
    for name in table.column_names:
        if table[name].null_count:
            raise DatasetError(
                f"{where}: column {name!r} lacks {table[name].null_count} values; "
                "drop those rows first"
            )
    labels = {int(value) for value in table[spec.label_column].unique().to_pylist()}
    expected = set(range(len(spec.label_names)))
    if not labels <= expected:
        raise DatasetError(
            f"{where}: labels {sorted(labels - expected)} are not in the label map "
            f"{dict(enumerate(spec.label_names))}; -1 means hidden: use a labelled split"
        )
    return DataSplit(
        path=path,
        digest=content_digest(table),
        n_rows=table.num_rows,
        split=split,
        revision=revision,
    )


def read_columns(spec: DatasetSpec, path: Path) -> "pa.Table":
    """Read the text columns and the label column of one Parquet file.

    Args:
        spec: Entry of the catalog that names the columns.
        path: Parquet file.

    Returns:
        Table with the text columns as strings and the labels as int64, in catalog order.

    Raises:
        DatasetError: If the file is not Parquet, or a column is missing or of another type.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [*spec.text_columns, spec.label_column]
    try:
        found = pq.read_schema(path).names
        missing = [name for name in columns if name not in found]
        if missing:
            raise DatasetError(
                f"data set {spec.name!r}, {path.name}: no column {missing[0]!r}; "
                f"expected {columns}, found {found}"
            )
        table = pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{path} is not a readable Parquet file: {error}") from error
    kinds: dict[str, Any] = dict.fromkeys(spec.text_columns, pa.string())
    kinds[spec.label_column] = pa.int64()
    try:
        return table.select(columns).cast(pa.schema(list(kinds.items())))
    except pa.ArrowException as error:
        raise DatasetError(
            f"data set {spec.name!r}, {path.name}: expected text and whole-number labels, "
            f"found {table.schema.types}: {error}"
        ) from error


def read_label_names(path: Path, column: str) -> tuple[str, ...] | None:
    """Return the class names that the ``datasets`` library left in a Parquet file, in label order.

    Args:
        path: Parquet file.
        column: Label column.

    Returns:
        Class names; None where the file does not say.
    """
    import pyarrow.parquet as pq

    raw = (pq.read_schema(path).metadata or {}).get(b"huggingface")
    if raw is None:
        return None
    try:
        names = json.loads(raw)["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def content_digest(table: "pa.Table") -> str:
    """Digest of the values in row order, independent of compression and row groups."""
    digest = hashlib.sha256()
    for name in table.column_names:
        digest.update(f"{name}\0{table.num_rows}\0".encode())
        for value in table[name].to_pylist():
            text = str(value).encode()
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(text)
    return f"sha256:{digest.hexdigest()}"
