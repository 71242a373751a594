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

# The info string behind backticks holds none: ```a``` is a code span in a paragraph.
_OPENING = re.compile(
    r"^ {0,3}(?:(?P<ticks>`{3,})[^`\n]*|(?P<tildes>~{3,})[^\n]*"
    r"|<(?P<raw>(?i:pre|script|style|textarea))(?=[\s>])[^\n]*)(?:\n|\Z)",
    re.MULTILINE,
)
_RAW_END = re.compile(r"(?i)</(?:pre|script|style|textarea)>[^\n]*(?:\n|\Z)")


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
    # Ids of the Hub hold none of these; whatever else comes along is shown as plain text.
    return escape(line) if set(line) & set("`|<>") else f"`{line}`"


def _break_link(match: re.Match[str]) -> str:
    word, sign = (match[1], match[2]) if match[1] else (match[3], match[4])
    return f"{word}&#{ord(sign)};"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A stretch of Markdown that is shown as it stands."""

    start: int
    """Index at which its first line begins."""
    end: int
    """Index behind its last line."""
    is_closed: bool
    """Whether it was closed, rather than running to the end for want of a closing line."""


def code_blocks(text: str) -> Iterator[CodeBlock]:
    """Yield the code blocks in order.

    Fences as in CommonMark 0.31.2, section 4.5, and ``<pre>`` and its like (4.6, first kind).
    Fences indented by four or more, as in nested lists, are not followed: what they hold is
    indented as well, and markers count in the first columns only. Fences inside other HTML
    are followed, though CommonMark would not.
    """
    position = 0
    while opened := _OPENING.search(text, position):
        mark = opened["ticks"] or opened["tildes"]
        if mark:
            closed = _fence_end(mark).search(text, opened.end())
        else:
            closed = _RAW_END.search(text, opened.start())
        position = closed.end() if closed else len(text)
        yield CodeBlock(opened.start(), position, closed is not None)
        if closed is None:
            return


def _fence_end(mark: str) -> re.Pattern[str]:
    return re.compile(rf"^ {{0,3}}{mark[0]}{{{len(mark)},}}[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
