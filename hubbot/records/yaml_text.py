"""YAML as hubbot writes it: one spelling for each value, read alike by YAML 1.1 and 1.2.

A dumper of a library would do, but the two versions disagree on ``no``, ``1e5`` and dates, and
cards need the same text whatever version of the library is installed. Strings that could be
taken for anything else, or that come from strangers, are double quoted with JSON's escapes,
which both versions of YAML read as they stand.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./()-]*(?:,? [A-Za-z0-9_./()-]+)*")
_WORDS = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"}
)
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff0-\uffff\U000e0000-\U000e007f]"
)


def quote(text: str) -> str:
    """Return ``text`` in double quotes, with nothing in it that is invisible or ends a line."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(_escaped, quoted)


def scalar(value: str | float | bool | None) -> str:
    """Return one scalar as YAML.

    Raises:
        ValueError: If a number is not finite, or the value is of another kind.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return value if _is_plain(value) else quote(value)
    raise ValueError(f"{value!r} is no YAML scalar; give text, a number, a truth value or None")


def flow(value: Any) -> str:
    """Return mappings, sequences and scalars on one line, as in ``{a: 1, b: [x, y]}``."""
    if isinstance(value, Mapping):
        pairs = (f"{_flow_scalar(key)}: {flow(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return _flow_scalar(value)


def block_lines(value: Mapping[str, Any]) -> list[str]:
    """Return a mapping as lines of block YAML, not indented, without line ends.

    Sequences of scalars stay on one line; a sequence of mappings has its dashes below the key.
    """
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            lines.append(f"{scalar(key)}:")
            lines.extend(f"  {line}" for line in block_lines(item))
        elif _is_list_of_mappings(item):
            lines.append(f"{scalar(key)}:")
            lines.extend(line for each in item for line in item_lines(each))
        else:
            lines.append(f"{scalar(key)}: {_inline(item)}")
    return lines


def item_lines(value: Mapping[str, Any]) -> list[str]:
    """Return a mapping as one item of a block sequence, the dash in the first column."""
    first, *rest = block_lines(value)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _inline(value: Any) -> str:
    is_collection = isinstance(value, Mapping | Sequence) and not isinstance(value, str)
    return flow(value) if is_collection else scalar(value)


def _is_list_of_mappings(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) and item for item in value)
    )


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _flow_scalar(value: Any) -> str:
    if isinstance(value, str) and "," in value:
        return quote(value)
    return scalar(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written; only finite numbers are recorded")
    text = repr(value)
    # YAML 1.1 takes 1e-05 for text: its numbers with an exponent need a point.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
