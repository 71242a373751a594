"""Markdown written and read with strangers' text in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&$#@]")
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\uffff\U000e0000-\U000e007f]+"
)
_AUTOLINK = re.compile(r"(?i)(https?|ftp|mailto)(:)|(www)(\.)")

_FENCE = re.compile(r" {0,3}(?:(`{3,})[^`\r\n]*|(~{3,})[^\r\n]*)[\r\n]*\Z")
_RAW_OPEN = re.compile(r"(?i) {0,3}<(pre|script|style|textarea)(?=[\s>])")
_RAW_CLOSE = re.compile(r"(?i)</(pre|script|style|textarea)>")
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)")


def escape(text: str) -> str:
    """Return text that Markdown shows letter by letter, on one line.

    Control and direction characters become blanks; nothing in it makes a link, a mention, a
    table cell or HTML.
    """
    line = " ".join(_INVISIBLE.sub(" ", text).split())
    safe = _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", line)
    return _AUTOLINK.sub(_break_link, safe)


def code(text: str) -> str:
    """Return text as a code span, such as a model's name."""
    line = " ".join(_INVISIBLE.sub(" ", text).split())
    if not line:
        return ""
    if "`" not in line and "|" not in line:
        return f"`{line}`"
    # Ids of the Hub hold neither; whatever else comes along is shown as plain text.
    return escape(line)


def _break_link(match: re.Match[str]) -> str:
    word, sign = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{word}&#{ord(sign)};"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a Markdown text."""

    text: str
    """The line with its end."""
    start: int
    """Index of its first character."""
    block: int | None
    """Index at which the code block around it begins; None outside of code."""


def lines_of(text: str) -> Iterator[Line]:
    """Yield the lines, each with the code block it belongs to.

    Fences as in CommonMark 4.5, and ``<pre>`` and its like (4.6, first kind). Fences that are
    indented by four or more, as in nested lists, are not followed: what they hold is indented
    as well, and markers count in the first columns only.
    """
    block: int | None = None
    fence = raw = ""
    for found in _LINES.finditer(text):
        line, start = found[0], found.start()
        if not line:
            break
        if fence:
            yield Line(line, start, block)
            if _closes(line, fence):
                block, fence = None, ""
        elif raw:
            yield Line(line, start, block)
            if _RAW_CLOSE.search(line):
                block, raw = None, ""
        else:
            opened, html = _FENCE.fullmatch(line), _RAW_OPEN.match(line)
            if opened:
                block, fence = start, opened[1] or opened[2]
            elif html and not _RAW_CLOSE.search(line):
                block, raw = start, html[1]
            yield Line(line, start, block)


def unclosed_block(text: str) -> int | None:
    """Return the index at which a code block begins that runs to the end, None without one."""
    block: int | None = None
    last = ""
    for line in lines_of(text):
        block, last = line.block, line.text
    if block is None:
        return None
    opener = _LINES.match(text, block)
    fence = _FENCE.fullmatch(opener[0]) if opener else None
    mark = (fence[1] or fence[2]) if fence else ""
    is_closed = _closes(last, mark) if mark else bool(_RAW_CLOSE.search(last))
    is_opener = opener is not None and opener.end() >= len(text)
    return block if is_opener or not is_closed else None


def _closes(line: str, fence: str) -> bool:
    stripped = line.strip(" \t\r\n")
    indent = len(line) - len(line.lstrip(" "))
    return indent <= 3 and len(stripped) >= len(fence) and set(stripped) == {fence[0]}
