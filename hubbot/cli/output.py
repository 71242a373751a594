"""How results reach a terminal, a file or a program."""

import dataclasses
import datetime
import json
import logging
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hubbot.printable import printable
from hubbot.schema import Interval

_UNCUT = 1_000_000
"""Width of what is no terminal: wider than any row."""

_LEAST_WIDTH = 24
"""Letters below which a column of text cannot be read."""

_COMMAND = re.compile(r"^([^\S\n]*)::", re.MULTILINE)


def complain(message: str) -> None:
    """Print one error for a person, on standard error, untrusted text made harmless."""
    print(f"hubbot: {_shown(message)}", file=sys.stderr)


def note(message: str) -> None:
    """Print a line that is not the result, on standard error."""
    print(_shown(message), file=sys.stderr)


def _shown(text: str) -> str:
    return without_commands(printable(text, keep="\n\t", limit=None))


def without_commands(text: str) -> str:
    r"""Return text in which no line is a command to the workflow that shows it.

    GitHub's runner obeys lines that begin with ``::``, white space apart, and ``##[`` anywhere.

    Source:
        docs.github.com, "Workflow commands for GitHub Actions"; actions/runner, ActionCommand.cs.

    >>> print(without_commands("a ::b::\n  ::error::c\n##[warning]d"))
    a ::b::
      \::error::c
    #\#[warning]d
    """
    if "::" not in text and "##[" not in text:
        return text
    return _COMMAND.sub(r"\1\\::", text.replace("##[", "#\\#["))


def print_json(value: Any) -> None:
    """Print exactly one JSON document on standard output."""
    json.dump(_plain(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_json_line(value: Any) -> None:
    """Print one JSON document on one line of standard output."""
    json.dump(_plain(value), sys.stdout, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_json_list(values: Iterable[Any]) -> None:
    """Print one JSON list on standard output, an item at a time: it may be long."""
    # Nothing is printed before the first item is had: asking for it may fail.
    before, end = "[\n", "[]\n"
    for value in values:
        sys.stdout.write(before)
        json.dump(_plain(value), sys.stdout, ensure_ascii=False, allow_nan=False)
        before, end = ",\n", "\n]\n"
    sys.stdout.write(end)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def points(value: float | None, interval: Interval | None = None, *, signed: bool = False) -> str:
    """Write a number of points, with its interval where there is one.

    >>> points(1.234, (0.5, 2.0), signed=True)
    '+1.23 (+0.50 to +2.00)'
    """
    if value is None:
        return "-"
    pattern = "{:+.2f}" if signed else "{:.2f}"
    text = pattern.format(value)
    if interval is not None:
        text += f" ({pattern.format(interval[0])} to {pattern.format(interval[1])})"
    return text


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns on standard output."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(Text(_shown(name)), Text(_shown(value)))
    _print(table)


def print_table(
    title: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    wide: Collection[str] = (),
) -> None:
    """Print a table on standard output; nothing in it is cut.

    Args:
        title: Above it.
        header: Names of the columns.
        rows: Cells as text.
        wide: Columns of text, which keep a width to read them by. Where the terminal is too narrow
            for that, each row is printed as lines.
    """
    # As text: a plain string would be read as markup.
    caption = Text(_shown(title), style="table.title")
    rows = [*rows] if wide else rows
    if wide and sys.stdout.isatty() and _narrowest(header, rows, wide) > _console().width:
        _print_blocks(caption, header, rows)
        return
    table = Table(title=caption, title_justify="left", show_lines=False)
    for index, name in enumerate(header):
        is_left = index == 0 or name in wide
        justify: Literal["left", "right"] = "left" if is_left else "right"
        width = _LEAST_WIDTH if name in wide else None
        table.add_column(Text(_shown(name)), justify=justify, overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    _print(table)


def _narrowest(header: Sequence[str], rows: Iterable[Sequence[str]], wide: Collection[str]) -> int:
    """Return the width that a table needs whose wide columns alone are folded."""
    cells = zip(header, *rows, strict=True)
    widths = (
        _LEAST_WIDTH if column[0] in wide else max(cell_len(_shown(cell)) for cell in column)
        for column in cells
    )
    # Three letters a column are its frame, and one closes it.
    return 3 * len(header) + 1 + sum(widths)


def _print_blocks(caption: Text, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print each row as its first cell, and the others by name below it."""
    console = _console()
    console.print(caption)
    for first, *others in rows:
        console.print(Text(_shown(first), style="bold", overflow="fold"))
        named = [
            f"{name}: {_shown(cell)}" for name, cell in zip(header[1:], others, strict=True) if cell
        ]
        console.print(Padding(Text("; ".join(named), overflow="fold"), (0, 0, 0, 2)))


def _print(table: Table) -> None:
    """Print a table; what reads a pipe or a file gets each row on one line, whole."""
    console = _console()
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as printed:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in printed.get().splitlines())


def print_text(text: str) -> None:
    """Print plain text on standard output, control characters escaped."""
    sys.stdout.write(_shown(text) + ("" if text.endswith("\n") else "\n"))


def print_diff(diff: str) -> None:
    """Print a unified diff, coloured on a terminal."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    console = _console()
    for line in diff.splitlines():
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1], "")
        console.print(Text(_shown(line), style=style), soft_wrap=True)


def _console() -> Console:
    # Made anew each time: standard output may have been replaced (tests, redirection).
    width = None if sys.stdout.isatty() else _UNCUT
    return Console(file=sys.stdout, highlight=False, width=width)


class _StandardError(logging.Handler):
    """Writes to what standard error is now: progress bars and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        note(self.format(record))


def set_up_logging(*, is_verbose: bool) -> None:
    """Send hubbot's own log to standard error; other packages keep their settings.

    Args:
        is_verbose: Whether to tell what is done, not only what is odd.
    """
    log = logging.getLogger("hubbot")
    log.setLevel(logging.INFO if is_verbose else logging.WARNING)
    if not any(isinstance(handler, _StandardError) for handler in log.handlers):
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        log.addHandler(handler)
    # It says "stamina.retry_scheduled" and nothing else; hub/client.py says what was refused.
    stamina_log = logging.getLogger("stamina")
    if not stamina_log.handlers:
        stamina_log.addHandler(logging.NullHandler())
