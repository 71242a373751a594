"""What all pictures share: style, text from outside made harmless, the line below, the file."""

import io
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

from hubbot import __version__
from hubbot.errors import SettingsError
from hubbot.printable import printable

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that a picture is the same on every machine."""

MINUS = "\N{MINUS SIGN}"

FOOTER_LINE = 0.12
"""Height of a line of the footer, inches."""

_DPI = 200
_SMALL = 6.5
_LETTER = 0.047
"""Mean width of the footer's letters, inches, on the safe side."""
_STYLE: Mapping[str, Any] = {
    "font.family": [FONT],
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    # Names from outside may hold dollar signs: nothing is read as a formula.
    "text.parse_math": False,
    # Text stays text in an SVG, and the same picture has the same bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "hubbot",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Set hubbot's style for figures that are made and saved inside; a user's own is put back."""
    with mpl.rc_context():
        mpl.rcdefaults()
        parameters: Any = mpl.rcParams  # typed by its keys from matplotlib 3.11 on
        parameters.update(_STYLE)
        yield


def shown(text: object, *, limit: int = 40) -> str:
    r"""Return text from outside as it can be drawn: no control characters, no missing glyphs.

    Args:
        text: Anything; its ``str`` is taken.
        limit: Characters, at least 5; longer text loses its middle, since names differ at the ends.

    >>> shown("模型/base\n"), shown("a" * 30 + "b" * 30, limit=9)
    ('\\u6a21\\u578b/base\\n', 'aaaa…bbbb')
    """
    glyphs = _glyphs()
    plain = "".join(
        letter if ord(letter) in glyphs else letter.encode("unicode_escape").decode()
        for letter in printable(text, limit=None)
    )
    if len(plain) <= limit:
        return plain
    tail = (limit - 1) // 2
    return f"{plain[: limit - 1 - tail]}…{plain[-tail:]}"


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text, inches.

    Args:
        text: As it is drawn.
        size: Of the letters, points.
    """
    font = FontProperties(family=FONT, size=size)
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign and a true minus; 0 has none.

    >>> signed(1.26), signed(0.0), signed(-0.04) == f"{MINUS}0.0"
    ('+1.3', '0', True)
    """
    if value == 0:
        return "0"
    return f"{'+' if value > 0 else MINUS}{abs(value):.{digits}f}"


def unsigned_plus(value: float, digits: int = 1) -> str:
    """Return a number with a true minus where it is negative, and no plus."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def footer_lines(figure_width: float, text: str) -> list[str]:
    """Return the lines of a footer, hubbot's version at the end.

    Args:
        figure_width: Inches.
        text: One paragraph, made harmless by ``shown`` where it comes from outside.
    """
    return textwrap.wrap(
        f"{text} Drawn by hubbot\N{NO-BREAK SPACE}{__version__}.",
        width=max(int((figure_width - 0.2) / _LETTER), 20),
    )


def add_footer(figure: Figure, lines: list[str]) -> None:
    """Write where the numbers come from below everything, small, in the lower left corner.

    Args:
        figure: With room for ``FOOTER_LINE`` inches a line, and as much again.
        lines: From ``footer_lines``.
    """
    at = 0.1 / float(figure.get_figwidth()), 0.06 / float(figure.get_figheight())
    figure.text(*at, "\n".join(lines), fontsize=_SMALL, color="0.25", va="bottom", gid="footer")


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same figure gives the same bytes.

    Args:
        figure: Made inside ``drawing``, which must still be open.
        path: Ends in .png or .svg.

    Raises:
        SettingsError: If the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    made_by = f"hubbot {__version__}"
    title = str(figure.get_suptitle())
    metadata: dict[str, str | None] = (
        {"Title": title, "Creator": made_by, "Date": None}
        if kind == "svg"
        else {"Title": title, "Software": made_by}
    )
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=_DPI, metadata=metadata)
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise SettingsError(
            f"{path}: the picture cannot be written ({error.strerror or error}); choose another "
            "file or make room"
        ) from error


@cache
def _glyphs() -> frozenset[int]:
    """Return the characters that the font can draw."""
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())
