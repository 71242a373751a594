"""When a card need not be changed: the same score, measured again, moves a little."""

from collections.abc import Mapping
from typing import Any

from hubbot.publishing.card import read_annotation

TOLERANCE = 0.1
"""Points by which two runs of one protocol on the same weights may differ (other hardware)."""

_OF_THE_RUN = ("date", "revision", "hubbot_version")


def says_the_same(old: bytes, new: bytes) -> bool:
    """Return whether two annotated cards tell a reader the same of the same weights.

    Args:
        old: Card as it stands.
        new: Card as it would be proposed.
    """
    before, after = read_annotation(old), read_annotation(new)
    if before is None or after is None:
        return before is after
    is_same_file = bool(after.get("weights_digest")) and (
        before.get("weights_digest") == after["weights_digest"]
    )
    ignored = _OF_THE_RUN if is_same_file else ("date", "hubbot_version")
    return _is_close(_without(before, ignored), _without(after, ignored))


def _without(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def _is_close(old: Any, new: Any) -> bool:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_is_close(old[key], new[key]) for key in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(_is_close, old, new))
    if isinstance(old, float | int) and isinstance(new, float | int):
        # Half a hundredth for the rounding of either number.
        return abs(old - new) <= TOLERANCE + 0.01
    return bool(old == new)
