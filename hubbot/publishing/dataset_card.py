"""A data-set card with hubbot's section on it: what is between its markers, nothing else touched.

A section holds one note for each architecture and target. The header stays as it is: data-set
cards have no model-index. As with model cards, everything here goes from bytes to bytes or
values, and that the rest was kept is checked on the outcome each time.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hubbot.errors import CardError, IntegrityError, SettingsError
from hubbot.publishing.card import is_opted_out
from hubbot.publishing.dataset_wording import (
    name,
    own_target,
    read_section,
    render_dataset_pull_request,
    render_dataset_section,
)
from hubbot.publishing.layout import split
from hubbot.publishing.links import Links
from hubbot.publishing.section import drop_section, find_section, put_section
from hubbot.publishing.steady import TOLERANCE
from hubbot.schema import SensitivityNote

__all__ = [
    "TITLE",
    "annotate_dataset",
    "check_note",
    "dataset_pull_request_body",
    "fuller_note",
    "has_own_words",
    "is_opted_out",
    "read_notes",
    "remove_notes",
    "says_the_same",
]

TITLE = "Add intertraining sensitivity to the data set card"
"""Title of every pull request on a data set, whatever its notes say."""

_ROUNDING = 0.01
"""Half a hundredth for the rounding of either number."""

_LETTER = re.compile(r"[^\W_]")


def annotate_dataset(
    card: bytes, notes: Sequence[SensitivityNote], *, links: Links | None = None
) -> bytes:
    """Return the card with notes in its section, beside those that it holds already.

    Of two notes on one architecture and target the newer stays, and of two from one day the given
    one, unless both tell a reader the same. One of part of the rows never replaces a full one.

    Args:
        card: README.md.
        notes: What was measured.
        links: Addresses to print.

    Returns:
        The card; the same bytes where it says all of it already.

    Raises:
        CardError: If the card opted out, or its section cannot be read, or it cannot be edited
            without touching the rest.
    """
    if is_opted_out(card):
        raise CardError("README.md: 'hubbot: false' in the header asks to be left alone")
    held = read_notes(card)
    merged = _merged(held, notes)
    if merged == held:
        return card
    layout = split(card)
    section = render_dataset_section(merged, links or Links())
    annotated = replace(layout, body=put_section(layout, section)).join()
    _check_untouched(card, annotated)
    return annotated


def read_notes(card: bytes) -> list[SensitivityNote]:
    """Return the notes on a card, sorted; none where it has no section of ours.

    Numbers have two decimals and revisions twelve digits, as printed.

    Raises:
        CardError: If the section is not as hubbot writes it.
    """
    layout = split(card)
    span = find_section(layout)
    return [] if span is None else read_section(layout.body[span.start : span.end])


def remove_notes(card: bytes) -> bytes:
    """Return the card without our section, as it was before the first note.

    Raises:
        CardError: If its markers are broken.
    """
    return drop_section(split(card)).join()


def has_own_words(card: bytes) -> bool:
    """Tell whether a card says anything to a reader, or took a section of ours before.

    A card of a header alone is usually written by a tool; with our section below, a reader would
    see nothing of the data set but hubbot.

    Raises:
        CardError: If it cannot be read.
    """
    layout = split(card)
    return find_section(layout) is not None or bool(_LETTER.search(_without_comments(layout.body)))


def dataset_pull_request_body(card: bytes, *, links: Links | None = None) -> str:
    """Return the description of the pull request that proposes a card, ended by a line end.

    Args:
        card: As proposed; its notes are told.
        links: Addresses to print.

    Raises:
        CardError: If its section cannot be read.
    """
    return render_dataset_pull_request(read_notes(card), links or Links()) + "\n"


def check_note(note: SensitivityNote) -> None:
    """Refuse a note that must not stand on a card.

    Args:
        note: What was measured.

    Raises:
        SettingsError: If it names a model that a reader cannot get.
        IntegrityError: If its numbers do not add up.
    """
    item = f"{note.dataset}, {note.architecture}"
    if not note.intermediate_revision:
        raise SettingsError(
            f"{item}: {note.intermediate_model} was read from a folder; a card names models that "
            "its readers can get: upload it and measure with --with OWNER/NAME"
        )
    for what, is_wrong in _wrongs(note).items():
        if is_wrong:
            raise IntegrityError(
                f"{item}: {what}; nothing is proposed, measure again",
                check="sensitivity-note",
            )


def fuller_note(notes: Sequence[SensitivityNote], new: SensitivityNote) -> SensitivityNote | None:
    """Return the note that stays because the new one is of part of the rows; None without one.

    Args:
        notes: Those on the card.
        new: As it would be written.
    """
    if not new.is_short:
        return None
    held = (note for note in notes if _key(note) == _key(new) and not note.is_short)
    return next(held, None)


def says_the_same(old: SensitivityNote, new: SensitivityNote) -> bool:
    """Return whether two notes tell a reader the same of the same comparison.

    Numbers may differ by what two runs of one protocol do, but not in their sign. Day, version and
    wording are left aside, and so are revisions: merging our own pull requests moves those of
    data set and model.

    Args:
        old: As it stands on a card.
        new: As it would be written.
    """
    return (
        _identity(old) == _identity(new)
        and _direction(old) == _direction(new)
        and (old.se is None) == (new.se is None)
        and all(
            abs(before - after) <= TOLERANCE + _ROUNDING
            for before, after in zip(_numbers(old), _numbers(new), strict=True)
        )
    )


def _merged(
    held: Sequence[SensitivityNote], notes: Sequence[SensitivityNote]
) -> list[SensitivityNote]:
    kept = {_key(note): note for note in held}
    for note in notes:
        old = kept.get(_key(note))
        if old is None or _replaces(note, old):
            kept[_key(note)] = note
    return [kept[key] for key in sorted(kept)]


def _replaces(new: SensitivityNote, old: SensitivityNote) -> bool:
    if new.is_short != old.is_short:
        return old.is_short
    return not (says_the_same(old, new) or old.date > new.date)


def _key(note: SensitivityNote) -> tuple[str, ...]:
    """Return what a note is about, as a card writes it: target, columns and architecture.

    A target that is the data set itself has no name of its own, so that renaming it is no other.
    """
    columns = (note.config or "", note.label_column, note.text_columns)
    return name(own_target(note)), *map(name, columns), name(note.architecture)


def _identity(note: SensitivityNote) -> tuple[Any, ...]:
    names = (note.base_model, note.intermediate_model, note.protocol, note.metric)
    counts = (note.seeds, note.n_train, note.n_test, round(note.level, 4))
    return (*_key(note), *map(name, names), *counts)


def _direction(note: SensitivityNote) -> tuple[bool, bool]:
    """Return whether the interval, as printed, lies above 0, and below."""
    low, high = (round(end, 2) for end in note.interval)
    return low > 0, high < 0


def _numbers(note: SensitivityNote) -> tuple[float, ...]:
    return (note.gain, *note.interval, note.se or 0.0)


def _wrongs(note: SensitivityNote) -> dict[str, bool]:
    low, high = note.interval
    names = [note.dataset, note.target, note.architecture, note.base_model, note.protocol]
    texts = [*names, note.intermediate_model, note.metric, note.verdict, note.hubbot_version]
    se = 0.0 if note.se is None else note.se
    return {
        "expected names and a verdict, found one empty": not all(map(name, texts)),
        f"expected a gain of -100 to 100 points, found {note.gain}": not -100 <= note.gain <= 100,
        f"expected an interval around {note.gain}, found {low} to {high}": not (
            -math.inf < low <= note.gain <= high < math.inf
        ),
        f"expected a level between 0 and 1, found {note.level}": not 0 < note.level < 1,
        f"expected a standard error from 0, found {note.se}": not 0 <= se < math.inf,
        f"expected seeds and test rows, found {note.seeds} and {note.n_test}": (
            min(note.seeds, note.n_test) < 1
        ),
    }


def _without_comments(body: str) -> str:
    parts, position = [], 0
    while (start := body.find("<!--", position)) >= 0:
        parts.append(body[position:start])
        end = body.find("-->", start)
        if end < 0:
            return "".join(parts)
        position = end + len("-->")
    return "".join(parts) + body[position:]


def _check_untouched(card: bytes, annotated: bytes) -> None:
    """Refuse an outcome whose section would not be found again, or whose rest differs."""
    if find_section(split(annotated)) is None or remove_notes(annotated) != remove_notes(card):
        raise CardError(
            "README.md: the card would change outside hubbot's markers; edit it by hand"
        )
