"""The architecture catalog: ``architectures.toml`` as values."""

from functools import cache
from typing import Any

from hubbot.catalog.tables import read_table, unknown_name
from hubbot.errors import SettingsError
from hubbot.schema import Architecture

_HUB_ADDRESSES = ("https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "hf.co/")


def load_architectures() -> tuple[Architecture, ...]:
    """Return every architecture of the catalog, in the order of the file."""
    return tuple(_by_name().values())


def get_architecture(name: str) -> Architecture:
    """Return one architecture by name, Hub id or older alias, in any case.

    Args:
        name: Such as ``roberta-base`` or ``FacebookAI/roberta-base``; the owner may be left out
            where only one architecture is called so.

    Raises:
        SettingsError: If there is none; the message has the nearest names.

    Examples:
        >>> get_architecture("FacebookAI/roberta-base").name
        'roberta-base'
    """
    found = find_architecture(name) or _by_bare_name().get(normalise_id(name))
    if found is None:
        if not name.strip():
            raise SettingsError("the architecture is empty; expected one such as roberta-base")
        raise unknown_name("architecture", name, _by_any_name_as_written())
    return found


def find_architecture(name: str) -> Architecture | None:
    """Return the architecture of that name, Hub id or alias, or None.

    Args:
        name: May also be an address on the Hub, and may carry ``@revision``.
    """
    return _by_any_name().get(normalise_id(name))


def normalise_id(name: str) -> str:
    """Return a Hub id in one spelling, fit for comparing only.

    Args:
        name: Hub id as people write it: address, ``id@revision``, any case.

    Examples:
        >>> normalise_id("https://huggingface.co/FacebookAI/roberta-base/")
        'facebookai/roberta-base'
    """
    text = name.strip()
    for address in _HUB_ADDRESSES:
        text = text.removeprefix(address)
    return text.partition("@")[0].strip("/").casefold()


def lineage(architecture: Architecture) -> tuple[str, ...]:
    """Return what the architecture was trained on from, nearest first, as far as it is known.

    Args:
        architecture: An entry of the catalog.

    Returns:
        Names in the catalog, or Hub ids outside it; empty where none is known.
    """
    names: list[str] = []
    parent = architecture.derived_from
    while parent is not None and parent not in names:
        names.append(parent)
        known = find_architecture(parent)
        parent = known.derived_from if known else None
    return tuple(names)


@cache
def _by_name() -> dict[str, Architecture]:
    return {name: _entry(name, table) for name, table in read_table("architectures.toml").items()}


@cache
def _by_any_name_as_written() -> dict[str, Architecture]:
    return {
        spelling: item
        for item in _by_name().values()
        for spelling in (item.name, item.hub_id, *item.aliases)
    }


@cache
def _by_any_name() -> dict[str, Architecture]:
    return {normalise_id(name): item for name, item in _by_any_name_as_written().items()}


@cache
def _by_bare_name() -> dict[str, Architecture]:
    """Return architectures by the last part of their names, where only one is called so.

    For what people type, never for what a card declares: there an id without an owner is another
    repository.
    """
    found: dict[str, list[Architecture]] = {}
    for item in _by_name().values():
        found.setdefault(normalise_id(item.name.rpartition("/")[2]), []).append(item)
    return {name: items[0] for name, items in found.items() if len(items) == 1}


def _entry(name: str, table: dict[str, Any]) -> Architecture:
    values: dict[str, Any] = dict(table)
    for key in ("aliases", "pooler_tensors", "relatives"):
        values[key] = tuple(table.get(key, ()))
    accepts = table.get("accepts", {})
    values["accepts"] = {key: tuple(allowed) for key, allowed in accepts.items()}
    return Architecture(name=name, **values)
