"""The protocols of measured gains: those of ``protocols.toml`` that fine-tune."""

from dataclasses import replace
from functools import cache
from typing import Any

from hubbot.catalog.architectures import get_architecture
from hubbot.catalog.tables import read_table, unknown_name
from hubbot.errors import SettingsError
from hubbot.schema import GainProtocol, GainRecipe, SplitRule

MIN_TRAIN = 2
"""Training rows below which nothing is fine-tuned."""

_KIND = "gain"
_AS_WRITTEN: SplitRule = "as-written"


def load_gain_protocols() -> tuple[GainProtocol, ...]:
    """Return every gain protocol of the catalog, on all rows, in the order of the file."""
    return tuple(_by_name().values())


def gain_protocol_of(
    architecture: str,
    *,
    max_train: int | None = None,
    epochs: int | None = None,
    as_written: bool = False,
) -> GainProtocol:
    """Return the protocol by which gains of an architecture are measured.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        max_train: Training rows of the label-stratified prefix; None for all.
        epochs: Passes instead of the recipe's; None for the recipe's.
        as_written: Whether hidden tests are cut from train, as the papers' text says.

    Raises:
        SettingsError: If the architecture is unknown or has no protocol, or a number is too small.
    """
    name = get_architecture(architecture).name
    for found in load_gain_protocols():
        if name in read_table("protocols.toml")[found.name]["architectures"]:
            return _varied(found, max_train, epochs, as_written=as_written)
    raise SettingsError(
        f"no protocol says how {name} is fine-tuned; expected one in protocols.toml, known are "
        f"{', '.join(item.name for item in load_gain_protocols())}"
    )


def get_gain_protocol(identifier: str) -> GainProtocol:
    """Return a gain protocol by identifier.

    Args:
        identifier: Such as ``gain-minilm@1`` or ``gain-minilm@1+as-written+train1000+epochs3``.

    Raises:
        SettingsError: If the name, the version or a part behind ``+`` is unknown.

    Examples:
        >>> get_gain_protocol("gain-minilm@1+train1000+epochs3").max_train
        1000
    """
    head, *parts = identifier.strip().split("+")
    name, _, version = head.partition("@")
    if name not in _by_name():
        raise unknown_name("gain protocol", name, _by_name())
    found = _by_name()[name]
    if version != str(found.version):
        raise SettingsError(
            f"gain protocol {identifier}: version {version or 'missing'}, known is "
            f"{found.name}@{found.version}"
        )
    as_written = parts[:1] == [_AS_WRITTEN]
    rest = parts[1:] if as_written else parts
    max_train = _number(rest.pop(0), "train", identifier) if _starts(rest, "train") else None
    epochs = _number(rest.pop(0), "epochs", identifier) if _starts(rest, "epochs") else None
    if rest:
        raise SettingsError(
            f"gain protocol {identifier}: {rest[0]!r} is not known; expected +as-written, "
            "+train<N> and +epochs<N>, in this order"
        )
    return _varied(found, max_train, epochs, as_written=as_written)


def _starts(parts: list[str], word: str) -> bool:
    return bool(parts) and parts[0].startswith(word)


def _number(part: str, word: str, identifier: str) -> int:
    digits = part.removeprefix(word)
    if not digits.isdecimal() or not digits.isascii():
        raise SettingsError(
            f"gain protocol {identifier}: after {word} comes a whole number, found {digits!r}"
        )
    return int(digits)


def _varied(
    found: GainProtocol, max_train: int | None, epochs: int | None, *, as_written: bool
) -> GainProtocol:
    if max_train is not None and max_train < MIN_TRAIN:
        raise SettingsError(f"--max-train {max_train}: expected {MIN_TRAIN} training rows or more")
    if epochs is not None and epochs < 1:
        raise SettingsError(f"--epochs {epochs}: expected 1 or more")
    return replace(
        found,
        max_train=max_train,
        epochs=epochs,
        split_rule=_AS_WRITTEN if as_written else "as-run",
    )


@cache
def _by_name() -> dict[str, GainProtocol]:
    return {
        name: _entry(name, table)
        for name, table in read_table("protocols.toml").items()
        if table.get("kind") == _KIND
    }


def _entry(name: str, table: dict[str, Any]) -> GainProtocol:
    recipe = {"validate_every": None} | table["recipe"]
    return GainProtocol(name=name, version=table["version"], recipe=GainRecipe(**recipe))
