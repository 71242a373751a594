"""What the pull request with the scores of a run says: one table, readable without the files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - the field itself is called date

from hubbot.publishing.markdown import code
from hubbot.publishing.result import points
from hubbot.publishing.templates import render
from hubbot.records.record import LP_INTERVAL_LEVEL, Record

MOST_ROWS = 100
"""Rows of the table; the rest is counted."""

_MOST_LETTERS = 40_000
"""Characters of the table; GitHub takes 65,536 in all."""

_HUB = "https://huggingface.co"
_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)?")
_TITLE = re.compile(r"Scores of [0-9]+ models?, [0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOTHING = "–"  # noqa: RUF001 - a dash in a table


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One record that is filed or changed."""

    record: Record
    """As proposed."""
    old: Record | None
    """As filed now; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of the table, each cell Markdown."""

    model: str
    architecture: str
    lp_gain: str
    predicted_gain: str
    change: str

    @property
    def letters(self) -> int:
        """Characters of the cells."""
        cells = (self.model, self.architecture, self.lp_gain, self.predicted_gain, self.change)
        return sum(len(cell) + 3 for cell in cells)


def scores_title(n: int, date: Date) -> str:
    """Return the title.

    Args:
        n: Records that are filed or changed.
        date: Day of the run.

    >>> scores_title(1, Date(2026, 1, 2))
    'Scores of 1 model, 2026-01-02'
    """
    return f"Scores of {n} model{'' if n == 1 else 's'}, {date.isoformat()}"


def is_scores_title(title: str) -> bool:
    """Tell whether a title is one of ``scores_title``, which nobody has put another in place of.

    >>> is_scores_title("Scores of 12 models, 2026-01-02")
    True
    """
    return _TITLE.fullmatch(title.strip()) is not None


def scores_body(
    rows: Sequence[ScoreRow],
    summary: Mapping[str, str | float],
    date: Date,
    *,
    n: int | None = None,
) -> str:
    """Return the description in Markdown, ended by a line end.

    Names and reasons come from strangers and are shown letter by letter.

    Args:
        rows: Records that are filed or changed.
        summary: What else the run tells, by name; left out where empty.
        date: Day of the run.
        n: Records in all, of which ``rows`` may be the first; None where they are all.
    """
    ordered = sorted(rows, key=lambda row: (row.record.architecture, row.record.model))
    lines: list[_Line] = []
    letters = 0
    for row in ordered[:MOST_ROWS]:
        line = _line(row)
        letters += line.letters
        if letters > _MOST_LETTERS:
            break
        lines.append(line)
    text = render(
        "scores_pull_request.md.j2",
        n=len(rows) if n is None else n,
        rows=lines,
        date=date,
        lp_level=f"{100 * LP_INTERVAL_LEVEL:.4g} %",
        counts=[(name, _number(value)) for name, value in summary.items()],
    )
    return text + "\n"


def _line(row: ScoreRow) -> _Line:
    record = row.record
    return _Line(
        model=_link(record.model),
        architecture=code(record.architecture),
        lp_gain=_signed(_lp_gain(record), _lp_interval(record)),
        predicted_gain=_signed(record.predicted_gain, record.predicted_gain_interval),
        change=_change(record, row.old),
    )


def _link(model: str) -> str:
    """Return a model as a link to its page, where its name is an id of the Hub."""
    name = code(model)
    return f"[{name}]({_HUB}/{model})" if _HUB_ID.fullmatch(model) else name


def _lp_gain(record: Record) -> float | None:
    return (record.lp_gain or {}).get(record.head) if record.has_probe else None


def _lp_interval(record: Record) -> tuple[float, float] | None:
    return (record.lp_gain_interval or {}).get(record.head) if record.has_probe else None


def _signed(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return _NOTHING
    shown = f"{points(value):+.2f}"
    if interval is None:
        return shown
    low, high = (points(end) for end in interval)
    return f"{shown} ({low:+.2f} to {high:+.2f})"


def _change(record: Record, old: Record | None) -> str:
    """Return in what a record differs from the one that is filed."""
    if old is None:
        return "new"
    parts = []
    if record.revision != old.revision:
        parts.append("other revision")
    if record.protocol != old.protocol:
        parts.append(f"{code(record.protocol)} in the place of {code(old.protocol)}")
    else:
        parts += _moves("LP", _lp_gain(record), _lp_gain(old))
    parts += _moves("predicted", record.predicted_gain, old.predicted_gain)
    if record.measured != old.measured:
        parts.append("measured gains")
    return ", ".join(parts) or "other details"


def _moves(name: str, new: float | None, old: float | None) -> list[str]:
    """Return by how many points a number moved; nothing where it stands as it was printed."""
    if new is None or old is None:
        return [] if new is old else [f"{name} {'gone' if new is None else 'new'}"]
    moved = points(new) - points(old)
    return [f"{name} {moved:+.2f}"] if abs(moved) >= 0.005 else []


def _number(value: str | float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
