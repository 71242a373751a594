"""A card cut into byte order mark, YAML header and body, and put together again."""

import re
from dataclasses import dataclass

from hubbot.errors import CardError

BOM = "\ufeff"

# What counts as a header follows ``REGEX_YAML_BLOCK`` of huggingface_hub/repocard.py, which
# follows the Hub's own server: the first line that is not blank is exactly ``---``, the next
# line ``---`` ends it, and that one may carry blanks.
_OPENING = re.compile(r"\s*---(?:\r\n|\r|\n)")
_CLOSING = re.compile(r"(?:\r\n|\r|\n)(---[ \t]*(?:\r\n|\n|\Z))")
# Nothing between the two lines: no header to the Hub, plainly one to its author.
_EMPTY = re.compile(r"(\s*---(?:\r\n|\n))(---[ \t]*(?:\r\n|\n|\Z))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The parts of a card; joined in this order they are the card again."""

    bom: str
    """Byte order mark, or empty."""
    opening: str
    """Blank lines and the first ``---`` with its line end; empty without a header."""
    header: str
    """YAML, whole lines with their ends; empty without a header."""
    closing: str
    """The second ``---`` and what ends its line; empty without a header."""
    body: str
    """Markdown."""

    def join(self) -> bytes:
        """Return the card as bytes."""
        parts = (self.bom, self.opening, self.header, self.closing, self.body)
        return "".join(parts).encode()

    @property
    def has_header(self) -> bool:
        """Whether the Hub finds a header (an empty one counts)."""
        return bool(self.opening)

    @property
    def first_line(self) -> int:
        """Number, from 1, of the header's first line in the file."""
        return len(_LINE_END.findall(self.opening)) + 1

    @property
    def first_body_line(self) -> int:
        """Number, from 1, of the body's first line in the file."""
        above = self.opening + self.header + self.closing
        return len(_LINE_END.findall(above)) + 1

    @property
    def line_end(self) -> str:
        """Line end of the header, or of the body where there is no header."""
        found = _LINE_END.search(self.opening or self.body)
        return found[0] if found else "\n"

    @property
    def body_line_end(self) -> str:
        """Line end of the body's last line, or of the header where the body has one line."""
        found = _LINE_END.findall(self.body[-100_000:]) or _LINE_END.findall(self.closing)
        return found[-1] if found else self.line_end


_LINE_END = re.compile(r"\r\n|\n")


def split(card: bytes) -> Layout:
    """Cut a card into its parts.

    Raises:
        CardError: If the bytes are not UTF-8, a header is opened and not closed, or line ends
            are carriage returns alone.
    """
    try:
        text = card.decode("utf-8")
    except UnicodeDecodeError as error:
        line = card.count(b"\n", 0, error.start) + 1
        raise CardError(
            f"README.md line {line}: expected UTF-8, found byte 0x{card[error.start]:02x}; "
            "save the card as UTF-8"
        ) from error
    bom = BOM if text.startswith(BOM) else ""
    layout = _cut(bom, text.removeprefix(BOM))
    _refuse_bare_returns(layout)
    return layout


def _cut(bom: str, text: str) -> Layout:
    empty = _EMPTY.match(text)
    if empty:
        opening, closing = empty.groups()
        return Layout(
            bom=bom, opening=opening, header="", closing=closing, body=text[empty.end() :]
        )
    opened = _OPENING.match(text)
    # The closing line may begin right behind the opening one's line end only in _EMPTY.
    closed = _CLOSING.search(text, opened.end()) if opened else None
    if opened and closed:
        return Layout(
            bom=bom,
            opening=opened[0],
            header=text[opened.end() : closed.start(1)],
            closing=closed[1],
            body=text[closed.end() :],
        )
    _refuse_half_header(text)
    return Layout(bom=bom, opening="", header="", closing="", body=text)


def _refuse_half_header(text: str) -> None:
    start = text.lstrip()
    if re.match(r"---[ \t]*(?:[\r\n]|\Z)", start):
        line = len(_LINE_END.findall(text[: len(text) - len(start)])) + 1
        raise CardError(
            f"README.md line {line}: '---' opens a header that the Hub does not see, because "
            "the line carries blanks or no later line is '---'; close the header, or put a "
            "blank line and text before the rule"
        )


def _refuse_bare_returns(layout: Layout) -> None:
    text = layout.opening + layout.header + layout.closing
    if re.search(r"\r(?!\n)", text) or ("\n" not in layout.body and "\r" in layout.body):
        raise CardError(
            "README.md: lines end in carriage returns alone, which the Hub does not read as "
            "line ends; save the card with LF or CRLF"
        )
