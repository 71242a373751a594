"""The data-set catalog: ``datasets.toml`` as values."""

from functools import cache
from typing import Any

from hubbot.catalog.tables import read_table, unknown_name
from hubbot.errors import SettingsError
from hubbot.schema import DatasetSpec, SplitName


def load_datasets() -> tuple[DatasetSpec, ...]:
    """Return every data set of the catalog, in the order of the file."""
    return tuple(_by_name().values())


def get_dataset(name: str) -> DatasetSpec:
    """Return one data set by name.

    Args:
        name: Name in the catalog, such as ``mnli``; Hub id where one entry alone has it, such as
            ``facebook/anli``; or a folder below ``--data-dir`` or the last part of one, such as
            ``tweet_eval/emotion`` or ``emotion``.

    Raises:
        SettingsError: If there is none, or several; the message has the nearest names.
    """
    spec = find_dataset(name)
    if spec is not None:
        return spec
    known = load_datasets()
    raise unknown_name(
        "data set", name, (*(item.name for item in known), *(item.hub_id for item in known))
    )


def find_dataset(name: str) -> DatasetSpec | None:
    """Return one data set by name, None where the catalog does not know the name.

    Args:
        name: As ``get_dataset`` takes it.

    Raises:
        SettingsError: If the name stands for several data sets.
    """
    if name in _by_name():
        return _by_name()[name]
    folded = name.strip().casefold()
    matching = _same_id(folded) or _same_folder(folded)
    if len(matching) > 1:
        raise SettingsError(
            f"{name!r} stands for {len(matching)} data sets of the catalog; name one of them: "
            f"{', '.join(spec.name for spec in matching)}"
        )
    return matching[0] if matching else None


def split_parts(spec: DatasetSpec, role: SplitName) -> tuple[str, ...]:
    """Return the splits of the data set that serve as one of ours; none where it is cut from train.

    Args:
        spec: Entry of the catalog.
        role: What they serve as.

    Examples:
        >>> split_parts(get_dataset("anli"), "test")
        ('test_r1', 'test_r2', 'test_r3')
    """
    names = spec.splits.get(role)
    return tuple(names.split("+")) if names else ()


def published_rows(spec: DatasetSpec, role: SplitName) -> int:
    """Return the published rows of a split, before anything is cut off it.

    Args:
        spec: Entry of the catalog.
        role: What the split serves as; 0 where it is cut from train.
    """
    return sum(spec.sizes[part] for part in split_parts(spec, role))


def borrows_validation(spec: DatasetSpec) -> bool:
    """Return whether the official validation split is the test, train giving the validation.

    So it is where the makers hide the labels of the test, and for MRPC (design, protocols); MNLI
    has two official validation splits, one for each.
    """
    return "validation" not in spec.splits and spec.splits.get("test") == "validation"


def _same_id(folded: str) -> list[DatasetSpec]:
    return [spec for spec in load_datasets() if spec.hub_id.casefold() == folded]


def _same_folder(folded: str) -> list[DatasetSpec]:
    whole = [spec for spec in load_datasets() if folded in _folded_folders(spec)]
    return whole or [
        spec
        for spec in load_datasets()
        if folded in {folder.rpartition("/")[2] for folder in _folded_folders(spec)}
    ]


def _folded_folders(spec: DatasetSpec) -> set[str]:
    return {folder.casefold() for folder in spec.folders}


@cache
def _by_name() -> dict[str, DatasetSpec]:
    return {name: _entry(name, table) for name, table in read_table("datasets.toml").items()}


def _entry(name: str, table: dict[str, Any]) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        hub_id=table["hub_id"],
        config=table.get("config"),
        revision=table.get("revision", ""),
        hub_revision=table.get("hub_revision", ""),
        alternatives=tuple(table.get("alternatives", ())),
        folders=tuple(table["folders"]),
        text_columns=tuple(table["text_columns"]),
        label_column=table["label_column"],
        label_names=tuple(table["label_names"]),
        task_type=table["task_type"],
        metric=table["metric"],
        splits=dict(table["splits"]),
        sizes=dict(table["sizes"]),
        test_is_public=table.get("test_is_public", True),
        casting=table.get("casting", ""),
        raw_columns=tuple(table.get("raw_columns", ())),
        group_column=table.get("group_column", ""),
        cut_test=table.get("cut_test", 0.0),
        cut_validation=table.get("cut_validation", 0.0),
        groups=tuple(table.get("groups", ())),
        licence=table["licence"],
        notes=table.get("notes", ""),
        sources=dict(table.get("sources", {})),
    )
