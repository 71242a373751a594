"""The data-set catalog: ``datasets.toml`` as values."""

from functools import cache
from typing import Any

from hubbot.catalog.tables import read_table, unknown_name
from hubbot.schema import DatasetSpec


def load_datasets() -> tuple[DatasetSpec, ...]:
    """Return every data set of the catalog, in the order of the file."""
    return tuple(_by_name().values())


def get_dataset(name: str) -> DatasetSpec:
    """Return one data set by name.

    Args:
        name: Name in the catalog, such as ``mnli``, or Hub id, such as ``nyu-mll/multi_nli``.

    Raises:
        SettingsError: If there is none; the message has the nearest names.
    """
    found = _by_name()
    if name in found:
        return found[name]
    by_id = [spec for spec in found.values() if spec.hub_id.casefold() == name.strip().casefold()]
    if len(by_id) == 1:
        return by_id[0]
    raise unknown_name("data set", name, (*found, *(spec.hub_id for spec in found.values())))


@cache
def _by_name() -> dict[str, DatasetSpec]:
    return {name: _entry(name, table) for name, table in read_table("datasets.toml").items()}


def _entry(name: str, table: dict[str, Any]) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        hub_id=table["hub_id"],
        config=table.get("config"),
        revision=table.get("revision", ""),
        folders=tuple(table["folders"]),
        text_columns=tuple(table["text_columns"]),
        label_column=table["label_column"],
        label_names=tuple(table["label_names"]),
        task_type=table["task_type"],
        metric=table["metric"],
        splits=dict(table["splits"]),
        sizes=dict(table["sizes"]),
        licence=table["licence"],
        sources=dict(table.get("sources", {})),
    )
