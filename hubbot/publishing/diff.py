"""The difference between two cards, fit to be printed on a terminal."""

import difflib
import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\uffff\U000e0000-\U000e007f]"
)
_LINES = re.compile(r"[^\n]*\n|[^\n]+\Z")


def diff(old: bytes, new: bytes, path: str = "README.md") -> str:
    r"""Return a unified diff; empty where nothing differs.

    Characters that move the cursor, colour the terminal, turn the direction of text or cannot
    be seen are written as ``\x1b`` or ``\u202e``, the carriage return of CRLF included, and
    bytes that are not UTF-8 as ``\xff``.
    """
    before, after = _lines(old), _lines(new)
    shown = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=3)
    parts = []
    for line in shown:
        text = line.removesuffix("\n")
        parts.append(_HIDDEN.sub(_visible, text) + "\n")
        if not line.endswith("\n"):
            parts.append("\\ No newline at end of file\n")
    return "".join(parts)


def _lines(content: bytes) -> list[str]:
    # Lines are cut at \n only: str.splitlines would also cut at characters inside a line.
    return _LINES.findall(content.decode("utf-8", "backslashreplace"))


def _visible(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
