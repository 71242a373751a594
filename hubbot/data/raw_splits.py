"""The splits of a catalog data set as its makers give them, before anything is cast or cut."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.catalog.datasets import borrows_validation, split_parts
from hubbot.data.castings import raw_columns
from hubbot.data.load import fetch_columns, read_label_names
from hubbot.data.prepared import ROLES
from hubbot.errors import DatasetError
from hubbot.schema import DatasetSpec, SplitName

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")

Files = Mapping[SplitName, Sequence[Path]]
"""Parquet files of each split that the entry names, joined in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSplits:
    """What was read."""

    tables: "Mapping[SplitName, pa.Table]"
    """Raw columns of each split that was found, by what the catalog says it serves as."""
    label_names: tuple[str, ...] | None
    """Class names that the files themselves give, in label order; None where they are silent."""
    source: str
    """Hub id and revision, or the folder."""


def read_raw_folder(spec: DatasetSpec, data_dir: Path) -> RawSplits:
    """Read ``<folder>/<split>.parquet`` from the first of the entry's folders that has them.

    A folder without the training split serves too where there are both validation and test; what
    then becomes of them is not decided here.

    Args:
        spec: Entry of the catalog.
        data_dir: Folder that holds one folder per data set.

    Raises:
        DatasetError: If no folder has the files, or one cannot be read.
    """
    whole, partial = ROLES, tuple(role for role in ROLES if role != "train")
    for wanted in (whole, partial):
        if wanted == partial and (borrows_validation(spec) or len(spec.splits) < len(ROLES)):
            continue
        for folder in spec.folders:
            files = _files(spec, data_dir / folder, wanted)
            if all(path.is_file() for paths in files.values() for path in paths):
                logger.info("data set %s: reading %s", spec.name, data_dir / folder)
                return _read(spec, files, source=f"local files {folder}/*.parquet")
    names = [path.name for paths in _files(spec, data_dir, whole).values() for path in paths]
    places = ", ".join(str(data_dir / folder) for folder in spec.folders)
    raise DatasetError(
        f"data set {spec.name!r}: no folder holds all of {', '.join(names)}; looked in {places}. "
        "Put the files there, or leave --data-dir out to read the Hub"
    )


def read_raw_from_hub(
    spec: DatasetSpec, *, revision: str, cache_dir: Path, token: str | None = None
) -> RawSplits:
    """Read a data set by its Hub id with the ``datasets`` library, once per commit.

    Args:
        spec: Entry of the catalog.
        revision: Commit hash; where empty, the entry's, or the head of the branch it names.
        cache_dir: hubbot's cache; the raw columns are kept below it.
        token: Token for reading.

    Raises:
        DatasetError: If the Hub's data set cannot be read, or lacks a column.
    """
    wanted = revision or spec.revision or spec.hub_revision
    folder = cache_dir / "raw-datasets" / spec.name / (wanted.replace("/", "--") or "main")
    files = _files(spec, folder, ROLES)
    # A branch moves: only what a commit gave may be read again.
    is_kept = _COMMIT.fullmatch(wanted) is not None
    missing = {
        path.stem: path
        for paths in files.values()
        for path in paths
        if not (is_kept and path.is_file())
    }
    if missing:
        columns = raw_columns(spec)
        fetch_columns(spec, missing, columns=columns, revision=wanted, token=token)
    place = spec.hub_id if spec.config is None else f"{spec.hub_id} ({spec.config})"
    return _read(spec, files, source=f"{place} at {wanted or 'main'}")


def _files(spec: DatasetSpec, folder: Path, roles: Sequence[SplitName]) -> Files:
    return {
        role: [folder / f"{part}.parquet" for part in split_parts(spec, role)]
        for role in roles
        if role in spec.splits
    }


def _read(spec: DatasetSpec, files: Files, *, source: str) -> RawSplits:
    tables = {role: _read_joined(spec, paths) for role, paths in files.items()}
    names = {
        read_label_names(path, spec.label_column) for paths in files.values() for path in paths
    }
    if len(names) > 1:
        raise DatasetError(
            f"data set {spec.name!r}: its files name the classes differently ({names}); expected "
            "files of one data set at one revision"
        )
    return RawSplits(tables=tables, label_names=names.pop(), source=source)


def _read_joined(spec: DatasetSpec, paths: Sequence[Path]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(raw_columns(spec))
    parts = []
    for path in paths:
        try:
            found = pq.read_schema(path).names
            missing = [name for name in columns if name not in found]
            if missing:
                raise DatasetError(
                    f"data set {spec.name!r}, {path.name}: no column {missing[0]!r}; expected "
                    f"{columns}, found {found}"
                )
            # Files of one data set may differ in the width of their types alone.
            parts.append(pq.read_table(path, columns=columns).select(columns))
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(
                f"{path} is not a readable Parquet file: {error}; put the makers' file there"
            ) from error
    return pa.concat_tables(parts, promote_options="permissive")
