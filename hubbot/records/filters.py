"""Which models of a ranking a user can take: licence, size, language, source."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.gains.entries import Entries

_SEPARATORS = re.compile(r"[;,\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a model has to be; the base model always stays, to compare with."""

    licence: str | None = None
    """Identifier, such as ``apache-2.0``; None for any."""
    max_parameters: int | None = None
    """Greatest number of weights; None for any."""
    language: str | None = None
    """Code, such as ``en``; None for any."""
    source: str | None = None
    """Where its numbers come from; None for anywhere."""


def apply_filters(entries: Entries, filters: Filters) -> tuple[Entries, tuple[str, ...]]:
    """Return the models that pass, and a sentence for each filter that met models it cannot judge.

    Args:
        entries: Each model once.
        filters: What they have to be. A model of which it is not known is left out.

    Raises:
        SettingsError: If no model comes from the source asked for.
    """
    keep = np.ones(len(entries), dtype=bool)
    notices: list[str] = []
    for name, is_known, passes in _tests(entries, filters):
        unknown = int((keep & ~is_known & ~entries.is_base).sum())
        if unknown:
            notices.append(f"models left out because their {name} is not known: {unknown}")
        keep &= (is_known & passes) | entries.is_base
    return entries.take(keep), tuple(notices)


_Test = tuple[str, NDArray[np.bool_], NDArray[np.bool_]]


def _tests(entries: Entries, filters: Filters) -> list[_Test]:
    tests: list[_Test] = []
    if filters.licence is not None:
        licence = filters.licence.strip().casefold()
        tests.append(_text_test("licence", entries.licence, lambda cell: cell.strip() == licence))
    if filters.max_parameters is not None:
        known = np.isfinite(entries.parameters)
        tests.append(("number of parameters", known, entries.parameters <= filters.max_parameters))
    if filters.language is not None:
        language = filters.language.strip().casefold()
        tests.append(
            _text_test(
                "language", entries.language, lambda cell: language in _SEPARATORS.split(cell)
            )
        )
    if filters.source is not None:
        tests.append(_source_test(entries, filters.source))
    return tests


def _text_test(name: str, column: NDArray[np.object_], passes: Callable[[str], bool]) -> _Test:
    known = np.array([bool(cell) for cell in column], dtype=bool)
    return name, known, np.array([passes(cell.casefold()) for cell in column], dtype=bool)


def _source_test(entries: Entries, source: str) -> _Test:
    passes = np.array([cell == source for cell in entries.source], dtype=bool)
    if not (passes & ~entries.is_base).any():
        known = ", ".join(sorted(set(entries.source[~entries.is_base]))) or "none at all"
        raise SettingsError(f"source {source!r}: no model comes from it; there are {known}")
    return "source", np.ones(len(entries), dtype=bool), passes
