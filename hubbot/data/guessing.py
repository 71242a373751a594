"""Which columns hold texts and labels where the user did not say; every guess is explained."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hubbot.data.labels import FEW
from hubbot.data.own_columns import (
    CAP,
    LABEL_TIERS,
    NEEDS_PARTNER,
    NUMBERED,
    PAIRS,
    STEMS,
    TEXT_NAMES,
    WEAK_PAIRS,
    Column,
)
from hubbot.errors import SettingsError
from hubbot.printable import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The columns that are used."""

    texts: tuple[str, ...]
    """One, or two for a pair, in the order in which the tokenizer gets them."""
    label: str
    """Label column."""
    note: str
    """How they were guessed, in a sentence; empty where the user named them all."""


def named_texts(given: Sequence[str], columns: Collection[str]) -> tuple[str, ...]:
    """Return text columns as the user means them: a comma parts two names unless it is in one.

    Args:
        given: Values of ``--text-column``.
        columns: All columns of the data.

    >>> named_texts(["a,b", "c, d"], ["a,b", "c", "d"])
    ('a,b', 'c', 'd')
    """
    parts = [[item] if item in columns else item.split(",") for item in given]
    names = [name if name in columns else name.strip() for found in parts for name in found]
    return tuple(name for name in names if name)


def check_named(
    where: str,
    columns: Sequence[str],
    unusable: Mapping[str, str],
    *,
    texts: Sequence[str],
    label: str,
) -> None:
    """Refuse column names of the user that cannot be meant.

    Args:
        where: File or split, for messages.
        columns: Columns that can be used.
        unusable: Other columns, and what they hold.
        texts: Text columns as the user named them; none for a guess.
        label: Label column as the user named it; empty for a guess.

    Raises:
        SettingsError: If one is not there, is named twice, or there are more than two texts.
    """
    if len(texts) > 2:
        raise SettingsError(
            f"--text-column was given {len(texts)} times ({_listed(texts)}); expected one, or two "
            "for a pair of texts"
        )
    named = [*texts, *([label] if label else [])]
    for option, name in zip(
        [*["--text-column"] * len(texts), "--label-column"], named, strict=False
    ):
        if name in unusable:
            raise SettingsError(
                f"{option} {printable(name)}: this column of {where} holds {unusable[name]}; "
                f"expected one value in each row, as in {_listed(columns)}"
            )
        if name not in columns:
            raise SettingsError(
                f"{option} {printable(name)}: no such column in {where}"
                f"{nearest(name, columns)}; found {_listed(columns)}"
            )
    if len(set(named)) < len(named):
        raise SettingsError(f"{_listed(named)}: a column was named twice; each has one use")


def choose_columns(
    where: str,
    columns: Sequence[Column],
    *,
    texts: Sequence[str] = (),
    label: str = "",
    unusable: Mapping[str, str] | None = None,
) -> Choice:
    """Guess the columns that the user did not name.

    Args:
        where: File or split, for messages.
        columns: All that can be used.
        texts: Text columns as the user named them; none for a guess.
        label: Label column as the user named it; empty for a guess.
        unusable: Other columns, and what they hold, for messages.

    Raises:
        SettingsError: If nothing fits, or several things do; lists the candidates.
    """
    said = []
    chosen, why = tuple(texts), ""
    if not chosen:
        able = [c for c in columns if c.name != label]
        chosen, why = _guess_texts(where, able, unusable or {})
        word = "text column" if len(chosen) == 1 else "text columns"
        said.append(f"{word}: {' and '.join(repr(printable(n)) for n in chosen)} ({why})")
    if not label:
        found, why = _guess_label(where, [c for c in columns if c.name not in chosen])
        label = found.name
        said.append(f"label column: {printable(label)!r} ({why})")
    note = f"{'; '.join(said)}; say --text-column/--label-column to choose others" if said else ""
    return Choice(texts=chosen, label=label, note=note)


def _guess_texts(
    where: str, columns: Sequence[Column], unusable: Mapping[str, str]
) -> tuple[tuple[str, ...], str]:
    able = [c for c in columns if _may_be_text(c)]
    if not able:
        raise _no_text(where, columns, unusable)
    by_name = {c.plain: c.name for c in able}
    named = [plain for plain in by_name if plain in TEXT_NAMES | NEEDS_PARTNER]
    numbered = _numbered(able)
    strong = [pair for pair in PAIRS if set(pair) <= set(by_name)]
    strong += [pair for pair, stem in numbered.items() if stem in STEMS and pair not in strong]
    weak = [pair for pair in WEAK_PAIRS if set(pair) <= set(by_name)]
    weak += [pair for pair, stem in numbered.items() if stem not in STEMS]
    pairs = strong or [pair for pair in weak if set(named) <= set(pair)]
    is_between = bool(weak) and not pairs and "text" not in named
    if is_between or len(pairs) > 1 or (pairs and "text" in by_name and "text" not in pairs[0]):
        raise _ambiguous(where, "--text-column", [c.name for c in able])
    if pairs:
        return tuple(by_name[plain] for plain in pairs[0]), "a pair by their names"
    return _single_text(where, able, by_name, named)


def _no_text(where: str, columns: Sequence[Column], unusable: Mapping[str, str]) -> SettingsError:
    empty = [c.name for c in columns if c.missing == c.rows]
    said = [f"every cell of {_listed(empty)} is empty"] if empty else []
    said += [
        f"{printable(c.name)!r} is empty in {c.missing:,} of {c.rows:,} rows"
        for c in columns
        if c.rows / 2 < c.missing < c.rows
    ][:3]
    said += [f"{printable(n)!r} holds {what}" for n, what in [*unusable.items()][:3]]
    hint = f" ({'; '.join(said)})" if said else ""
    return SettingsError(
        f"{where}: no column looks like text{hint}; found {_listed([c.name for c in columns])}. "
        "Name it with --text-column"
    )


def nearest(name: str, names: Sequence[str], *, likeness: float = 0.6) -> str:
    """Return a question that offers the name that was probably meant; empty where none is near.

    Args:
        name: As the user wrote it.
        names: Those that there are.
        likeness: Least likeness of two names, 0 to 1, as ``difflib`` counts it.

    >>> nearest("labl", ["text", "label"]), nearest("x", ["text"])
    (" (did you mean 'label'?)", '')
    """
    by_fold = {other.strip().casefold(): other for other in names}
    near = difflib.get_close_matches(name.strip().casefold(), list(by_fold), n=1, cutoff=likeness)
    return f" (did you mean {printable(by_fold[near[0]])!r}?)" if near else ""


def _single_text(
    where: str, able: Sequence[Column], by_name: Mapping[str, str], named: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    for plain in ("text", "sentence"):
        if plain in named and not NEEDS_PARTNER & set(named):
            named = [plain]
    if len(named) > 1:
        raise _ambiguous(where, "--text-column", [by_name[plain] for plain in named])
    if named:
        return (by_name[named[0]],), f"by its name{_others(able, by_name[named[0]])}"
    varied = [c for c in able if c.share_distinct >= 0.5]
    long = [c for c in varied if c.mean_length >= 20 and c.mean_words >= 3]
    for found, why in ((long, "the only long text"), (varied, "the only text")):
        if len(found) == 1:
            return (found[0].name,), why
        if found:
            raise _ambiguous(where, "--text-column", [c.name for c in found])
    raise _ambiguous(where, "--text-column", [c.name for c in able])


def _others(able: Sequence[Column], chosen: str) -> str:
    others = [c.name for c in able if c.name != chosen and c.mean_words >= 3]
    return f"; not used: {_listed(others)}" if others else ""


def _may_be_text(column: Column) -> bool:
    is_filled = column.missing * 2 <= column.rows and column.distinct > 1
    is_category = column.distinct <= min(FEW, column.rows / 2) and column.mean_words < 2
    return is_filled and not (column.is_numeric or column.is_id or is_category)


def _numbered(able: Sequence[Column]) -> dict[tuple[str, str], str]:
    """Return pairs such as sentence1 and sentence2, and the word before the number."""
    wordy = [c.plain for c in able if c.mean_words >= 2 and c.plain not in NEEDS_PARTNER]
    parts = {plain: found for plain in wordy if (found := NUMBERED.match(plain))}
    return {
        (one, two): first[1]
        for one, first in parts.items()
        for two, second in parts.items()
        if first[1] == second[1] and (first[2], second[2]) in (("1", "2"), ("a", "b"))
    }


def _guess_label(where: str, columns: Sequence[Column]) -> tuple[Column, str]:
    named = _named_label(where, columns)
    if named is not None:
        return named, f"by its name; {_values(named)}"
    able = [c for c in columns if not c.is_id and c.distinct > 1]
    few = [c for c in able if c.distinct <= FEW and c.distinct * 2 <= c.rows]
    numeric = [c for c in able if c.is_numeric]
    for found, why in ((few, "the only one with few values"), (numeric, "the only numbers")):
        if len(found) == 1:
            return found[0], f"{why}: {_values(found[0])}"
        if found:
            raise _ambiguous(where, "--label-column", [c.name for c in found])
    raise SettingsError(
        f"{where}: no column looks like a label; found {_listed([c.name for c in columns])} beside "
        "the texts. Name it with --label-column"
    )


def _named_label(where: str, columns: Sequence[Column]) -> Column | None:
    """Return the column whose name says most; an empty one where no other name says anything."""
    for able in ([c for c in columns if c.missing < c.rows], columns):
        tiers = [[c for c in able if c.plain in names] for names in LABEL_TIERS]
        tiers.insert(2, [c for c in able if "label" in c.plain.split("_")])
        for found in tiers:
            if len(found) > 1:
                raise _ambiguous(where, "--label-column", [c.name for c in found])
            if found:
                return found[0]
    return None


def _values(column: Column) -> str:
    at_least = "at least " if column.distinct >= CAP else ""
    return f"{at_least}{column.distinct} {'value' if column.distinct == 1 else 'values'}"


def _ambiguous(where: str, option: str, names: Sequence[str]) -> SettingsError:
    what = "texts" if option == "--text-column" else "labels"
    twice = ", twice for a pair" if option == "--text-column" else ""
    return SettingsError(
        f"{where}: more than one column may hold the {what}: {_listed(names)}. Say which with "
        f"{option}{twice}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name, limit=60)) for name in names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more"
