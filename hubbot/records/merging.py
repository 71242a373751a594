"""One entry for each model: the same name or the same weights twice are one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hubbot.gains.entries import Entries

_FILLED = ("parameters", "licence", "language", "digest")
"""Columns that a kept row takes from a dropped one, where it knows nothing itself."""


def merge(entries: Entries) -> Entries:
    """Return each model once, under the name that most is known of.

    Rows are one model where their names are equal but for case, or their weights digests are. The
    row with the most measured is kept (36 targets, then the quick four, then LP), the oldest among
    equals; other names of the same weights go to ``also_known_as``.

    Args:
        entries: From several sources.
    """
    names = [name.casefold() for name in entries.model]
    if len(set(names)) == len(names) and _all_differ(entries.digest.tolist()):
        return entries
    groups = _groups(names, entries.digest.tolist())
    dropped: set[int] = set()
    known_as = dict(entries.also_known_as)
    columns = {name: getattr(entries, name).copy() for name in _FILLED}
    for rows in groups:
        kept, *others = sorted(rows, key=lambda row: _preference(entries, row))
        dropped.update(others)
        known = {entries.model[row] for row in others} - {entries.model[kept]}
        fold = entries.model[kept].casefold()
        if other_names := sorted(name for name in known if name.casefold() != fold):
            known_as[entries.model[kept]] = tuple(other_names)
        for column in columns.values():
            known_values = (column[row] for row in (kept, *others) if _is_known(column[row]))
            column[kept] = next(known_values, column[kept])
    filled = replace(entries, **columns, also_known_as=known_as)
    return filled.take(np.array([row for row in range(len(entries)) if row not in dropped]))


def _all_differ(digests: Sequence[str]) -> bool:
    known = [digest for digest in digests if digest]
    return len(set(known)) == len(known)


def _groups(names: Sequence[str], digests: Sequence[str]) -> list[list[int]]:
    """Return the rows of each group of two or more that are one model."""
    leader = list(range(len(names)))

    def find(row: int) -> int:
        while leader[row] != row:
            leader[row] = leader[leader[row]]
            row = leader[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row, (name, digest) in enumerate(zip(names, digests, strict=True)):
        for key in (("name", name), ("digest", digest)):
            if key[1]:
                leader[find(row)] = find(first.setdefault(key, row))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for row in range(len(names)):
        groups[find(row)].append(row)
    return [rows for rows in groups.values() if len(rows) > 1]


def _preference(entries: Entries, row: int) -> tuple[bool, bool, bool, bool, str, str]:
    return (
        not entries.is_base[row],
        not np.isfinite(entries.measured[row]),
        not np.isfinite(entries.quick[row]).all(),
        not (np.isfinite(entries.lp_accuracy[row]) or np.isfinite(entries.lp_gain[row])),
        entries.date[row] or "9999",
        entries.model[row],
    )


def _is_known(value: object) -> bool:
    return bool(value) and value == value  # NaN is the one value that differs from itself
