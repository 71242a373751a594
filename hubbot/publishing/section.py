"""Our section in a card's Markdown: found, replaced where it stands, appended, taken out.

A marker counts where it stands alone on its line, indented by three blanks at most, outside of
code blocks. Markers that are quoted, indented as code or part of a sentence are someone's text
about hubbot, and stay text.
"""

import bisect
import re
from dataclasses import dataclass, replace

from hubbot.errors import CardError
from hubbot.publishing.layout import Layout
from hubbot.publishing.markdown import code_blocks

BEGIN, END = "<!-- hubbot:begin -->", "<!-- hubbot:end -->"

_MARKER = re.compile(r"^ {0,3}(<!-- hubbot:(?:begin|end) -->)[ \t]*(?:\r\n|\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Span:
    """Where our section stands in the body."""

    start: int
    """Index of the first marker's line."""
    end: int
    """Index behind the second marker's line, its line end included."""
    line_end: str
    """Line end behind the first marker."""
    is_last: bool
    """Whether no line end follows the second marker."""


def find_section(layout: Layout) -> Span | None:
    """Return where our section stands, None where there is none.

    Raises:
        CardError: If there is not exactly one begin marker with an end marker below.
    """
    body = layout.body
    if "<!-- hubbot:" not in body:
        return None
    blocks = list(code_blocks(body))
    starts = [block.start for block in blocks]
    found = []
    for match in _MARKER.finditer(body):
        before = bisect.bisect_right(starts, match.start())
        if before == 0 or blocks[before - 1].end <= match.start():
            found.append(match)
    if not found:
        return None
    if [match[1] for match in found] != [BEGIN, END]:
        numbers = [_line_number(layout, match.start()) for match in found]
        raise CardError(
            f"README.md line {numbers[0]}: expected one '{BEGIN}' and below it one '{END}', "
            f"found markers in lines {', '.join(map(str, numbers))}; remove those that are too "
            "many or add the one that is missing"
        )
    first, last = found
    return Span(
        first.start(),
        last.end(),
        "\r\n" if first[0].endswith("\r\n") else "\n",
        not last[0].endswith("\n"),
    )


def put_section(layout: Layout, section: str) -> str:
    r"""Return the body with our section in it.

    Args:
        layout: The card.
        section: The section from marker to marker, lines ended by ``\n``, none at its end.

    Returns:
        The body: the section in its old place, else at the end, else, where a code block was
        never closed and would swallow it, in front of that block.
    """
    body, span = layout.body, find_section(layout)
    if span is not None:
        old = body[span.start : span.end]
        ending = old[len(old.rstrip("\r\n")) :]
        return body[: span.start] + _with(section, span.line_end) + ending + body[span.end :]
    line_end = layout.body_line_end
    text = _with(section, line_end)
    for block in code_blocks(body):
        if not block.is_closed:
            return body[: block.start] + line_end + text + line_end + body[block.start :]
    if _ends_line(layout):
        return body + line_end + text + line_end
    return body + line_end + line_end + text


def drop_section(layout: Layout) -> Layout:
    """Return the card without our section and the line ends that came with it.

    One line end in front of it goes where a blank line is there; both go where no line end
    follows the section, since then the card had none at its end.
    """
    span = find_section(layout)
    if span is None:
        return layout
    # A header that ended the file without a line end has got its line end from us.
    above = layout.closing + layout.body[: span.start]
    shorter = _without_line_end(above)
    if span.is_last:
        above = _without_line_end(shorter)
    elif not shorter or shorter.endswith("\n"):
        above = shorter
    cut = len(layout.closing)
    return replace(layout, closing=above[:cut], body=above[cut:] + layout.body[span.end :])


def _without_line_end(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def _ends_line(layout: Layout) -> bool:
    above = layout.body or layout.closing
    return not above or above.endswith("\n")


def _with(section: str, line_end: str) -> str:
    return section.replace("\n", line_end)


def _line_number(layout: Layout, index: int) -> int:
    return layout.first_body_line + layout.body.count("\n", 0, index)
