"""Notes on a data set as words, and the words as notes again.

Two lines of the section stand for each note: a row of the table and an item of the list below
it. Both are written and read here, so that they cannot drift apart; the sentences around them
are in the templates.
"""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import date as Date  # noqa: N812 - the field itself is called date
from typing import Any

from hubbot.errors import CardError
from hubbot.printable import printable
from hubbot.publishing.links import Links
from hubbot.publishing.markdown import code, escape
from hubbot.publishing.result import points
from hubbot.publishing.templates import render
from hubbot.publishing.wording import PULL_REQUEST_MARKER
from hubbot.schema import SensitivityNote

_REVISION_LENGTH = 12
"""Digits of a commit hash that are printed."""

_NAME = r"(?:`[^`]+`|(?:&#[0-9]+;|[A-Za-z0-9]|[^\x00-\x7f])+)"
_ITEM = re.compile(
    rf"- (?P<architecture>{_NAME})(?: on (?P<target>{_NAME}))?"
    rf"(?: in configuration (?P<config>{_NAME}))?(?:, label column (?P<label_column>{_NAME}))?"
    rf"(?:, text columns (?P<text_columns>{_NAME}))?: "
    rf"(?P<intermediate_model>{_NAME})(?: at revision (?P<intermediate_revision>{_NAME}))?"
    rf" against (?P<base_model>{_NAME}); "
    r"(?P<seeds>[0-9]+) seeds?, (?:(?P<n_train>[0-9]+) sampled training rows?, )?"
    rf"(?P<n_test>[0-9]+) test rows? scored by (?P<metric>{_NAME})"
    r"(?:, standard error (?P<se>[0-9]+\.[0-9]+))?; "
    rf"protocol (?P<protocol>{_NAME}); "
    rf"data set (?P<dataset>{_NAME})(?: at revision (?P<revision>{_NAME}))?; "
    rf"(?P<date>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}), hubbot (?P<hubbot_version>{_NAME})\."
)
_ROW = re.compile(
    rf"\| (?P<architecture>{_NAME}) \|(?: [^|]* \|)? (?P<gain>[+-][0-9]+\.[0-9]+) "
    r"\| (?P<low>[+-][0-9]+\.[0-9]+) to (?P<high>[+-][0-9]+\.[0-9]+) "
    r"\((?P<percent>[0-9]+(?:\.[0-9]+)?) %\) \| (?P<verdict>[^|]*) \|"
)
_HEAD = re.compile(r"\|(?: [A-Z][A-Za-z ()]* \|)+|\|(?: :?-+:? \|)+")
_NAMES = ("architecture", "intermediate_model", "base_model", "metric", "protocol", "dataset")
_REVISIONS = ("revision", "intermediate_revision")


def render_dataset_section(notes: Sequence[SensitivityNote], links: Links) -> str:
    """Return the card's section from marker to marker."""
    return render("dataset_section.md.j2", **_values(notes, links))


def render_dataset_pull_request(notes: Sequence[SensitivityNote], links: Links) -> str:
    """Return the description of the pull request, marker included."""
    return render("dataset_pull_request.md.j2", marker=PULL_REQUEST_MARKER, **_values(notes, links))


def read_section(section: str) -> list[SensitivityNote]:
    """Return the notes that a section holds, with revisions as far as they are printed.

    Args:
        section: From marker to marker, with line ends of any kind.

    Raises:
        CardError: If a row or an item is not of the form in which hubbot writes them.
    """
    lines = [line.strip() for line in section.splitlines()]
    table = [_evenly(line) for line in lines if line.startswith("|")]
    rows = [_matched(_ROW, line) for line in table if not _HEAD.fullmatch(line)]
    items = [_matched(_ITEM, line) for line in lines if line.startswith("- ")]
    if [row["architecture"] for row in rows] != [item["architecture"] for item in items]:
        raise _unreadable(f"{len(rows)} rows that do not belong to its {len(items)} items")
    return [_note(row, item) for row, item in zip(rows, items, strict=True)]


def _values(notes: Sequence[SensitivityNote], links: Links) -> dict[str, Any]:
    labels = [_label(note) for note in notes]
    return {
        "rows": [_row(note, label, any(labels)) for note, label in zip(notes, labels, strict=True)],
        "items": [_item(note) for note in notes],
        "has_labels": any(labels),
        "links": links,
    }


def _row(note: SensitivityNote, label: str, has_labels: bool) -> str:
    low, high = note.interval
    cells = [
        name(note.architecture),
        *([label] if has_labels else []),
        f"{points(note.gain):+.2f}",
        f"{points(low):+.2f} to {points(high):+.2f} ({100 * note.level:.4g} %)",
        escape(note.verdict),
    ]
    return "".join(f"| {cell} " for cell in cells) + "|"


def _item(note: SensitivityNote) -> str:
    se = "" if note.se is None else f", standard error {points(note.se):.2f}"
    rows = "" if note.n_train is None else f"{_counted(note.n_train, 'sampled training row')}, "
    return (
        f"- {name(note.architecture)}{_where(note)}: "
        f"{name(note.intermediate_model)}{_at(note.intermediate_revision)} "
        f"against {name(note.base_model)}; "
        f"{_counted(note.seeds, 'seed')}, {rows}{_counted(note.n_test, 'test row')} "
        f"scored by {name(note.metric)}{se}; "
        f"protocol {name(note.protocol)}; "
        f"data set {name(note.dataset)}{_at(note.revision)}; "
        f"{note.date.isoformat()}, hubbot {name(note.hubbot_version)}."
    )


def own_target(note: SensitivityNote) -> str:
    """Return the target's name where data set and configuration do not say it already.

    Names are compared as they are printed: blanks around them do not come back from a card.
    """
    said = (name(text) for text in (note.dataset, note.config) if text)
    return "" if name(note.target) in said else note.target


def _label(note: SensitivityNote) -> str:
    """Return what tells targets of one data set apart in the table; empty for the only one."""
    shown = (own_target(note) or note.config or "", note.label_column)
    return ", ".join(name(text) for text in shown if text)


def _where(note: SensitivityNote) -> str:
    target = own_target(note)
    words = f" on {name(target)}" if target else ""
    words += f" in configuration {name(note.config)}" if note.config else ""
    words += f", label column {name(note.label_column)}" if note.label_column else ""
    return words + (f", text columns {name(note.text_columns)}" if note.text_columns else "")


def _at(revision: str) -> str:
    return f" at revision {name(revision[:_REVISION_LENGTH])}" if revision else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def name(text: str) -> str:
    """Return a name as one word of Markdown: a code span, or letters and references only.

    Whatever it holds, no blank or punctuation of it can be taken for ours when it is read back.
    """
    span = code(text)
    if span.startswith("`"):
        return span
    line = html.unescape(span)
    return "".join(
        f"&#{ord(letter)};" if letter.isascii() and not letter.isalnum() else letter
        for letter in line
    )


def _plain(word: str | None) -> str:
    if word is None:
        return ""
    return word[1:-1] if word.startswith("`") else html.unescape(word)


def _evenly(line: str) -> str:
    """Return a row with one blank around each cell: editors align tables."""
    return "".join(f"| {cell.strip()} " for cell in line[1:].removesuffix("|").split("|")) + "|"


def _matched(form: re.Pattern[str], line: str) -> Mapping[str, str | None]:
    found = form.fullmatch(line)
    if found is None:
        raise _unreadable(f"the line {printable(line, limit=120)!r}")
    return found.groupdict()


def _unreadable(found: str) -> CardError:
    return CardError(
        f"README.md: hubbot's section cannot be read back: found {found}; expected rows and items "
        "as hubbot writes them. Restore them, or delete all between the two markers"
    )


def _note(row: Mapping[str, str | None], item: Mapping[str, str | None]) -> SensitivityNote:
    names = {key: _plain(item[key]) for key in (*_NAMES, *_REVISIONS)}
    config = _plain(item["config"]) or None
    try:
        return SensitivityNote(
            **names,
            config=config,
            target=_plain(item["target"]) or config or names["dataset"],
            gain=float(str(row["gain"])),
            interval=(float(str(row["low"])), float(str(row["high"]))),
            level=round(float(str(row["percent"])) / 100, 6),
            se=None if item["se"] is None else float(item["se"]),
            seeds=int(str(item["seeds"])),
            n_train=None if item["n_train"] is None else int(item["n_train"]),
            label_column=_plain(item["label_column"]),
            text_columns=_plain(item["text_columns"]),
            n_test=int(str(item["n_test"])),
            verdict=html.unescape(str(row["verdict"])),
            date=Date.fromisoformat(str(item["date"])),
            hubbot_version=_plain(item["hubbot_version"]),
        )
    except ValueError as error:
        raise _unreadable(printable(error)) from error
