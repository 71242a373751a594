"""The probe protocols: ``protocols.toml`` as values."""

import re
from dataclasses import replace
from functools import cache
from typing import Any

from hubbot.catalog.datasets import get_dataset
from hubbot.catalog.tables import read_table, unknown_name
from hubbot.errors import SettingsError
from hubbot.schema import HeadRecipe, Protocol

_SIZE = re.compile(r"[1-9][0-9]{0,8}")


def load_protocols() -> tuple[Protocol, ...]:
    """Return every protocol of the catalog, trained on all rows, in the order of the file."""
    return tuple(_by_name().values())


def get_protocol(identifier: str) -> Protocol:
    """Return a protocol by identifier.

    Args:
        identifier: ``lp-mnli``, or ``lp-mnli@20000`` for a prefix of 20,000 training rows.

    Returns:
        The protocol; its ``identifier`` is the one asked for.

    Raises:
        SettingsError: If the name is unknown, the size is not a whole number, there are fewer
            rows than classes, or the size is that of the whole training split or more.

    Examples:
        >>> get_protocol("lp-mnli@20000").max_train
        20000
    """
    name, at, size = identifier.strip().partition("@")
    if name not in _by_name():
        raise unknown_name("protocol", identifier, _by_name())
    protocol = _by_name()[name]
    return _with_size(protocol, size) if at else protocol


def _with_size(protocol: Protocol, size: str) -> Protocol:
    if not _SIZE.fullmatch(size):
        raise SettingsError(
            f"protocol {protocol.name}@{size}: after @ comes the number of training rows, "
            f"such as {protocol.name}@20000"
        )
    rows = int(size)
    dataset = get_dataset(protocol.dataset)
    whole = dataset.sizes[dataset.splits["train"]]
    if rows < len(dataset.label_names):
        raise SettingsError(
            f"protocol {protocol.name}@{size}: {rows} training rows cannot hold the "
            f"{len(dataset.label_names)} classes of {dataset.name}; ask for more rows"
        )
    if rows >= whole:
        raise SettingsError(
            f"protocol {protocol.name}@{size}: {dataset.name} has {whole} training rows; "
            f"use {protocol.name} for all of them"
        )
    return replace(protocol, max_train=rows)


@cache
def _by_name() -> dict[str, Protocol]:
    return {
        name: _entry(name, table)
        for name, table in read_table("protocols.toml").items()
        if table.get("kind", "probe") == "probe"
    }


def _entry(name: str, table: dict[str, Any]) -> Protocol:
    recipe = dict(table["recipe"])
    recipe["seeds"] = tuple(recipe["seeds"])
    return Protocol(
        name=name,
        version=table["version"],
        dataset=table["dataset"],
        max_length=table["max_length"],
        max_train=None,
        dtype=table["dtype"],
        l2_grid=tuple(table["l2_grid"]),
        recipe=HeadRecipe(**recipe),
    )
