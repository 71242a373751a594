"""A user's own data set as Parquet files, one list for each split, whatever it was before.

Which columns matter is decided elsewhere; every column is handed on as text, in pieces.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubbot.data.guessing import nearest
from hubbot.data.own_csv import copy_csv
from hubbot.data.own_json import copy_json
from hubbot.data.own_text import KINDS, PIECE, Kind, kind_of
from hubbot.errors import DatasetError, SettingsError
from hubbot.printable import printable
from hubbot.schema import SplitName

if TYPE_CHECKING:
    import pyarrow as pa

_ROLE_NAMES: Mapping[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}
_OTHER_FILES = (".xlsx", ".xls", ".txt", ".zip", ".gz", ".tar", ".feather")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+]*://")
_SHARD = re.compile(r"[-_.]\d+[-_]of[-_]\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSplit:
    """One split as it was given, nothing chosen or dropped yet."""

    name: str
    """Name of the file or of the Hub's split, for messages."""
    paths: tuple[Path, ...]
    """Parquet files, read one after the other."""
    columns: tuple[str, ...]
    """Columns that hold texts or numbers."""
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Other columns, and what they hold."""
    kind: Kind = "parquet"
    """What it was given as; only Parquet's types are the makers' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTables:
    """A data set as it was given."""

    name: str
    """Hub id, or the file's or folder's name."""
    source: str
    """Hub id and revision, or the names of the files."""
    splits: Mapping[SplitName, OwnSplit]
    """``train``, and what else there is."""
    notes: tuple[str, ...] = ()
    """How the files were read, where that was not plain."""
    revision: str = ""
    """Commit hash of a Hub data set."""


def is_local(source: str) -> bool:
    """Return whether a source is a file or folder rather than a Hub id.

    >>> is_local("my_reviews.csv"), is_local("./data"), is_local("owner/reviews")
    (True, True, False)
    """
    path = Path(source)
    if _ADDRESS.match(source):
        return True
    if source.startswith((".", "/", "~")) or kind_of(path) is not None:
        return True
    return path.suffix.lower() in _OTHER_FILES or os.path.lexists(source)


def read_local(source: str, *, validation: str | None, test: str | None, spool: Path) -> OwnTables:
    """Find the files of a data set and copy those that are not Parquet.

    Args:
        source: File, or folder with one file (or numbered parts) for each split.
        validation: Further file that serves as validation.
        test: Further file that serves as test.
        spool: Folder for the copies; must outlive the result.

    Raises:
        SettingsError: If a file is not there, cannot be told apart from another, or is named twice.
        DatasetError: If a file cannot be read.
    """
    path = _path(source)
    further: dict[SplitName, str | None] = {"validation": validation, "test": test}
    said: dict[SplitName, tuple[Path, ...]] = {
        role: (_existing(_beside(path, name)),)
        for role, name in further.items()
        if name is not None
    }
    if len(_resolved(said)) < len(said):
        raise chooses_and_tests(said["test"][0].name)
    files: dict[SplitName, tuple[Path, ...]] = {}
    files |= _folder_files(path, said) if path.is_dir() else _single_file(_existing(path), said)
    files |= said
    notes: list[str] = []
    splits = {role: _own_split(role, part, spool, notes) for role, part in files.items()}
    stem = path.resolve().name if path.is_dir() else _stem(path)
    return OwnTables(
        name=printable(stem) or "data",
        source=printable(", ".join(file.name for part in files.values() for file in part)),
        splits=splits,
        notes=tuple(notes),
    )


def _path(given: str) -> Path:
    if _ADDRESS.match(given):
        raise SettingsError(
            f"{printable(given)}: addresses are not read; download the file and name it, or give "
            "the Hub id of a data set (owner/name)"
        )
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise SettingsError(f"{printable(given)}: {error}; write the whole path") from error


def _beside(path: Path, given: str) -> Path:
    """Look for a further file where it is said to be, then inside the folder."""
    further = _path(given)
    inside = path / given
    return inside if not further.exists() and path.is_dir() and inside.exists() else further


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise SettingsError(f"{printable(path)}: a folder, expected one data file of that split")
    if not path.is_file():
        raise SettingsError(
            f"{printable(path)}: no such file{_files_nearby(path)}; expected a data file, a folder "
            "of them, or a Hub id (owner/name)"
        )
    if kind_of(path) is None:
        raise SettingsError(
            f"{printable(path.name)}: this kind of file cannot be read; expected one of "
            f"{', '.join(KINDS)} (text kinds also with .gz): export it as CSV"
        )
    if path.stat().st_size == 0:
        raise DatasetError(
            f"{printable(path.name)}: empty (0 bytes); expected rows of texts and labels"
        )
    return path


def _files_nearby(path: Path) -> str:
    """Return a question that offers the file that was probably meant."""
    try:
        # Endings alone make names alike.
        return nearest(path.name, [file.name for file in _readable(path.parent)], likeness=0.8)
    except OSError:
        return ""


def chooses_and_tests(name: str) -> SettingsError:
    """Return the refusal of a file, or split, that the user named for two roles."""
    return SettingsError(
        f"{printable(name)} is named for --validation and for --test; expected two, since rows "
        "that choose the best epoch cannot test it: leave --validation out, which is cut from "
        "train then"
    )


def trains_already(name: str, role: SplitName) -> SettingsError:
    """Return the refusal of a file, or split, to train on that the user named for another role."""
    return SettingsError(
        f"--{role} {printable(name)}: the model is trained on this; expected other rows: name "
        f"them, or leave --{role} out"
    )


def _resolved(said: Mapping[SplitName, tuple[Path, ...]]) -> set[Path]:
    return {file.resolve() for part in said.values() for file in part}


def _single_file(
    path: Path, said: Mapping[SplitName, tuple[Path, ...]]
) -> dict[SplitName, tuple[Path, ...]]:
    _check_not_said([path], said)
    return {"train": (path,)}


def _check_not_said(train: Sequence[Path], said: Mapping[SplitName, tuple[Path, ...]]) -> None:
    """Refuse files to train on that the user named as validation or test."""
    files = {file.resolve() for file in train}
    for role, (file,) in said.items():
        if file.resolve() in files:
            raise trains_already(file.name, role)


def _folder_files(
    folder: Path, said: Mapping[SplitName, tuple[Path, ...]]
) -> dict[SplitName, tuple[Path, ...]]:
    """Return the files of each split by their names, save what the user named already."""
    found = _readable(folder) or _readable(folder / "data")
    if not found:
        raise SettingsError(
            f"{printable(folder)}: no data files; expected train (and validation, test) with one "
            f"of the endings {', '.join(KINDS)}"
        )
    taken = _resolved(said)
    rest = [file for file in found if file.resolve() not in taken]
    roles: dict[SplitName, dict[str, list[Path]]] = {}
    for file in rest:
        role = _role_of(file)
        if role is not None and role not in said:
            key = _plain_stem(file) + file.suffix
            roles.setdefault(role, {}).setdefault(key, []).append(file)
    if "train" not in roles:
        is_lone = len(found) == 1
        _check_not_said([file for file in found if is_lone or _role_of(file) == "train"], said)
        if len(rest) == 1:
            return {"train": (rest[0],)}
        raise SettingsError(
            f"{printable(folder)}: no file is named train; found "
            f"{_listed([file.name for file in found])}. Rename one, or name one file instead of "
            "the folder"
        )
    return {role: _one_of(folder, role, named) for role, named in roles.items()}


def _one_of(folder: Path, role: SplitName, named: Mapping[str, list[Path]]) -> tuple[Path, ...]:
    """Return the files named by the role alone, such as test beside test_hard, or the only ones."""
    exact = [key for key in named if Path(key).stem in _ROLE_NAMES[role]]
    if len(exact) == 1:
        return tuple(named[exact[0]])
    if len(named) > 1:
        option = "" if role == "train" else f", or say which with --{role}"
        raise SettingsError(
            f"{printable(folder)}: more than one file may serve as {role}: "
            f"{_listed(sorted(p.name for part in named.values() for p in part))}. Keep one{option}"
        )
    return tuple(next(iter(named.values())))


def _readable(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = sorted(item for item in folder.iterdir() if item.is_file() and item.name[0] != ".")
    return [file for file in files if kind_of(file) is not None]


def _stem(path: Path) -> str:
    name = path.name[:-3] if path.suffix.lower() == ".gz" else path.name
    return Path(name).stem


def _plain_stem(path: Path) -> str:
    """Return a file's name without its ending and the number of a part."""
    return _SHARD.sub("", _stem(path).lower())


def _role_of(path: Path) -> SplitName | None:
    return role_of(_plain_stem(path))


def role_of(name: str) -> SplitName | None:
    """Return which split a name speaks of, by its first or last word; None where by neither.

    >>> role_of("validation_matched"), role_of("emotion-dev"), role_of("unsupervised")
    ('validation', 'validation', None)
    """
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    for word in (*words[:1], *words[-1:]):
        for role, names in _ROLE_NAMES.items():
            if word in names:
                return role
    return None


def _own_split(role: SplitName, files: Sequence[Path], spool: Path, notes: list[str]) -> OwnSplit:
    paths: list[Path] = []
    unusable: dict[str, str] = {}
    for place, file in enumerate(files):
        if kind_of(file) == "parquet":
            paths.append(file)
            continue
        copy = spool / f"{role}-{place}.parquet"
        copied = (copy_csv if kind_of(file) in ("csv", "tsv") else copy_json)(file, copy)
        notes.extend(copied.notes)
        unusable |= copied.unusable
        paths.append(copy)
    split = split_of_parquet(files[0].name, paths, unusable)
    return replace(split, kind=kind_of(files[0]) or split.kind)


def split_of_parquet(
    name: str, paths: Sequence[Path], unusable: Mapping[str, str] | None = None
) -> OwnSplit:
    """Describe a split that lies in Parquet files.

    Args:
        name: Name of the file or split, for messages.
        paths: Parquet files with the same columns.
        unusable: Columns that were left out before, and what they hold.

    Raises:
        DatasetError: If a file is not Parquet, or its columns are not those of the first.
    """
    import pyarrow.parquet as pq

    schemas = []
    for path in paths:
        with _parquet_errors(name):
            schemas.append(pq.read_schema(path))
    first = schemas[0]
    for schema in schemas[1:]:
        if schema.names != first.names:
            raise DatasetError(
                f"{printable(name)} and the files beside it: columns {schema.names}, expected "
                f"{first.names} as in the first"
            )
    repeated = sorted({column for column in first.names if first.names.count(column) > 1})
    if repeated:
        raise DatasetError(
            f"{printable(name)}: two columns are named {printable(repeated[0])!r}; give each its "
            "own name"
        )
    others = {f.name: str(f.type) for f in first if not _is_scalar(f.type)}
    return OwnSplit(
        name=printable(name),
        paths=tuple(paths),
        columns=tuple(column for column in first.names if column not in others),
        unusable={**(unusable or {}), **others},
    )


def _is_scalar(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_scalar(kind.value_type)
    tests = (
        types.is_string,
        types.is_large_string,
        types.is_string_view,
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_null,
    )
    return any(test(kind) for test in tests)


def text_pieces(split: OwnSplit, columns: Sequence[str]) -> "Iterator[pa.Table]":
    """Give columns of a split in pieces, in the order of the rows, every cell a string or null.

    Args:
        split: Split as it was given.
        columns: Columns of it; at least one.

    Raises:
        DatasetError: If a file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in split.paths:
        with _parquet_errors(split.name), pq.ParquetFile(path) as file:
            for piece in file.iter_batches(batch_size=PIECE, columns=list(columns)):
                arrays = [_as_strings(piece.column(name)) for name in columns]
                yield pa.table(arrays, names=list(columns))


def _as_strings(array: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.cast(pa.string())


@contextmanager
def _parquet_errors(name: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{printable(name)} is not a readable Parquet file: {error}") from error


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name, limit=60) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
