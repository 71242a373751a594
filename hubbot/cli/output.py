"""How results reach a terminal, a file or a program."""

import dataclasses
import datetime
import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hubbot.printable import printable
from hubbot.schema import Interval


def complain(message: str) -> None:
    """Print one error for a person, on standard error, untrusted text made harmless."""
    print(f"hubbot: {_shown(message)}", file=sys.stderr)


def note(message: str) -> None:
    """Print a line that is not the result, on standard error."""
    print(_shown(message), file=sys.stderr)


def _shown(text: str) -> str:
    return printable(text, keep="\n\t", limit=None)


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
    _console().print(table)


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output."""
    # As text: a plain string would be read as markup.
    caption = Text(_shown(title), style="table.title")
    table = Table(title=caption, title_justify="left", show_lines=False)
    for index, name in enumerate(header):
        justify: Literal["left", "right"] = "left" if index == 0 else "right"
        table.add_column(Text(_shown(name)), justify=justify, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    _console().print(table)


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
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 150)


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
