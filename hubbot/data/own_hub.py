"""A data set of the Hub that is not in the catalog, read as it is, once per revision."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubbot.data.own_tables import (
    OwnSplit,
    OwnTables,
    chooses_and_tests,
    role_of,
    split_of_parquet,
    trains_already,
)
from hubbot.errors import DatasetError, SettingsError
from hubbot.printable import printable
from hubbot.schema import SplitName

_ROLES: tuple[SplitName, ...] = ("train", "validation", "test")
_CONTENTS = "contents.json"
_BY_FILES = "Download its files and give them one by one"


def read_hub(
    hub_id: str,
    *,
    config: str | None,
    validation: str | None,
    test: str | None,
    revision: str,
    cache_dir: Path,
    token: str | None,
) -> OwnTables:
    """Read a data set by its Hub id with the ``datasets`` library.

    Args:
        hub_id: Id of the data set.
        config: Its configuration; None for the only one.
        validation: Name of the split that serves as validation; found by its name without.
        test: Name of the split that serves as test; found by its name without.
        revision: Commit hash; the main branch, read anew each time, without one.
        cache_dir: hubbot's cache; Parquet files are written below it.
        token: Token for reading.

    Raises:
        SettingsError: If a split is not there or named twice, or several may be meant.
        DatasetError: If the data set cannot be read.
    """
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", hub_id, re.ASCII) is None:
        raise SettingsError(
            f"{printable(hub_id)}: neither a file nor a Hub id (owner/name); check the spelling"
        )
    folder = cache_dir / "datasets" / "own" / _folder_name(hub_id, config)
    folder = folder / _folder_name(revision or "main", None)
    contents = _kept(folder) if revision else None
    if contents is None:
        contents = _fetch(hub_id, config, folder, revision=revision, token=token)
    names = _serving(hub_id, list(contents), {"validation": validation, "test": test})
    splits = {
        role: _split(hub_id, name, folder / contents[name]["file"], contents[name]["unusable"])
        for role, name in names.items()
    }
    at = f"{hub_id}{f', config {config}' if config else ''}, revision {revision or 'main'}"
    return OwnTables(
        name=hub_id if config is None else f"{hub_id}:{config}",
        source=f"{at}: splits {', '.join(names.values())}",
        splits=splits,
        revision=revision,
    )


def _folder_name(name: str, config: str | None) -> str:
    """Return a name that is one folder, whatever a config or branch is called."""
    whole = name if config is None else f"{name}@{config}"
    return re.sub(
        r"[^\w.@-]", lambda found: f"%{ord(found[0]):02x}", whole.replace("/", "--"), flags=re.A
    )


def _split(hub_id: str, name: str, path: Path, unusable: Mapping[str, str]) -> OwnSplit:
    return split_of_parquet(f"{hub_id}, split {name}", [path], unusable)


def _kept(folder: Path) -> dict[str, dict[str, Any]] | None:
    """Return what an earlier run wrote here, if it came to the end."""
    try:
        contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
        is_whole = all((folder / split["file"]).is_file() for split in contents.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return contents if is_whole else None


def _fetch(
    hub_id: str, config: str | None, folder: Path, *, revision: str, token: str | None
) -> dict[str, dict[str, Any]]:
    """Write every split's texts and numbers to Parquet; the list of them comes last.

    ``datasets`` gets a cache of its own for the time: where the Hub does not answer it would go on
    with whatever revision it finds in the usual one.
    """
    import datasets

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="reading-", dir=folder) as reading:
            found = datasets.load_dataset(
                hub_id, config, revision=revision or None, token=token, cache_dir=reading
            )
            contents = {
                name: _write(part, folder, f"{place}.parquet")
                for place, (name, part) in enumerate(found.items())
            }
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        datasets.exceptions.DatasetsError,
    ) as error:
        raise DatasetError(
            f"data set {hub_id} ({config or 'no config'}, revision {revision[:12] or 'main'}) "
            f"cannot be read: {printable(error)}. Check id, --config and connection, or download "
            "its files and give their folder"
        ) from error
    partial = folder / f"{_CONTENTS}.{os.getpid()}.part"
    partial.write_text(json.dumps(contents), encoding="utf-8")
    partial.replace(folder / _CONTENTS)
    return contents


def _write(part: Any, folder: Path, file: str) -> dict[str, Any]:
    import datasets

    kinds = (datasets.Value, datasets.ClassLabel)
    unusable = {
        name: f"{type(kind).__name__} values"
        for name, kind in part.features.items()
        if not isinstance(kind, kinds)
    }
    partial = folder / f"{file}.{os.getpid()}.part"
    part.select_columns([name for name in part.column_names if name not in unusable]).to_parquet(
        partial
    )
    partial.replace(folder / file)
    return {"file": file, "unusable": unusable}


def _serving(
    hub_id: str, names: list[str], wanted: Mapping[SplitName, str | None]
) -> dict[SplitName, str]:
    """Return which split of the data set serves as what; none that is named serves twice."""
    said = _said(hub_id, names, wanted)
    rest = [name for name in names if name not in said.values()]
    serving: dict[SplitName, str] = {}
    for role in _ROLES:
        found = [said[role]] if role in said else [n for n in rest if role_of(n) == role]
        if len(found) > 1 and role in found:
            found = [role]
        if len(found) > 1:
            next_step = f"Say which with --{role}" if role != "train" else _BY_FILES
            raise SettingsError(
                f"{hub_id}: more than one split may serve as {role}: {', '.join(found)}. "
                f"{next_step}"
            )
        if found:
            serving[role] = found[0]
    if "train" not in serving:
        for role, name in said.items():
            if role_of(name) == "train" or len(names) == 1:
                raise trains_already(name, role)
        free = [name for name in rest if name not in serving.values()]
        if len(names) > 1 or not free:
            raise SettingsError(
                f"{hub_id}: no split named train; found {', '.join(names)}. {_BY_FILES}"
            )
        serving["train"] = free[0]
    return serving


def _said(
    hub_id: str, names: list[str], wanted: Mapping[SplitName, str | None]
) -> dict[SplitName, str]:
    """Return the splits that the user named, each for one role."""
    said = {role: name for role, name in wanted.items() if name is not None}
    for role, name in said.items():
        if name not in names:
            raise SettingsError(
                f"{hub_id}: no split {printable(name)!r} for --{role}; found {', '.join(names)}"
            )
    if len(set(said.values())) < len(said):
        raise chooses_and_tests(f"{hub_id}, split {said['test']}")
    return said
