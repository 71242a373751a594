"""Numbers of a record as words, and the texts made from them."""

from dataclasses import dataclass
from typing import Any

from hubbot.publishing.links import Links
from hubbot.publishing.result import SOURCE, points
from hubbot.publishing.templates import render
from hubbot.records.record import LP_INTERVAL_LEVEL, Record

PULL_REQUEST_MARKER = "<!-- hubbot:pull-request -->"
"""Hidden comment by which a pull request of ours is found again."""

_HEADS = {
    "linear": "a multinomial logistic regression",
    "head": "a classification head (mean over seeds)",
}
_TARGETS = {
    "site36": "36 English text-classification data sets",
    "general": "14 English text-classification data sets of GLUE and SuperGLUE",
    "quick": "RTE, CB, MRPC and CoLA",
}
_WARNINGS = ("borrowed", "extrapolated", "within seed noise", "trained on mnli")
_ON_PREDICTIONS = _WARNINGS[:3]
_REFUSED = "No gain is predicted"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of numbers."""

    measure: str
    """What was measured."""
    value: str
    """Points, two decimals."""
    interval: str
    """Ends and level, or that it is not known."""


def render_section(record: Record, links: Links) -> str:
    """Return the card's section from marker to marker."""
    return render("section.md.j2", **_values(record, links))


def render_pull_request(record: Record, links: Links) -> str:
    """Return the description of the pull request, marker included."""
    return render("pull_request.md.j2", marker=PULL_REQUEST_MARKER, **_values(record, links))


def _values(record: Record, links: Links) -> dict[str, Any]:
    is_published = record.source != SOURCE
    return {
        "record": record,
        "links": links,
        "rows": _rows(record),
        "head_words": "a linear probe" if is_published else _HEADS[record.head],
        "interval_level": _percent(record.interval_level),
        "warnings": _unsaid_warnings(record),
        "revision": record.revision[:12],
        "is_published": is_published,
        "note": _note(record),
        "targets": _TARGETS.get(record.target_group, f"the targets of {record.target_group}"),
    }


def _rows(record: Record) -> list[Row]:
    rows = [
        Row(
            "MNLI linear-probe accuracy",
            f"{points(record.lp_accuracy[record.head]):.2f}",
            _interval(record.lp_accuracy_interval.get(record.head), LP_INTERVAL_LEVEL, "{:.2f}"),
        )
    ]
    gains, intervals = record.lp_gain or {}, record.lp_gain_interval or {}
    if record.head in gains:
        interval = _interval(intervals.get(record.head), LP_INTERVAL_LEVEL, "{:+.2f}")
        rows.append(Row("LP(m, MNLI)", f"{points(gains[record.head]):+.2f}", interval))
    if record.predicted_gain is not None:
        interval = _interval(record.predicted_gain_interval, record.interval_level, "{:+.2f}")
        rows.append(
            Row("Predicted intertraining gain", f"{points(record.predicted_gain):+.2f}", interval)
        )
    return rows


def _interval(interval: tuple[float, float] | None, level: float, form: str) -> str:
    if interval is None:
        return "not known"
    low, high = (form.format(points(end)) for end in interval)
    return f"{low} to {high} ({_percent(level)})"


def _percent(level: float) -> str:
    return f"{100 * level:.4g} %"


def _unsaid_warnings(record: Record) -> list[str]:
    flags = {flag.lower().replace("_", " ").replace("-", " ") for flag in record.flags}
    note = record.prediction_note.lower()
    silent = _ON_PREDICTIONS if record.predicted_gain is None else ()
    return [word for word in _WARNINGS if word in flags and word not in note and word not in silent]


def _note(record: Record) -> str:
    """Return what is said beside the numbers; a missing gain is always spoken of."""
    note = record.prediction_note.strip()
    if record.predicted_gain is not None or note.startswith(_REFUSED):
        return note
    return f"{_REFUSED}: {note}" if note else f"{_REFUSED}."
