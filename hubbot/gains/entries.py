"""Models of one architecture with what is known of each, as columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.groups import QUICK
from hubbot.gains.smoother import Array

Text = NDArray[np.object_]
"""Column of ``str``; empty where not known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entries:
    """What is known of n models of one architecture, one row each."""

    model: Text
    """Hub id."""
    lp_accuracy: Array
    """LP accuracy under ``protocol``, points; NaN where not known."""
    lp_gain: Array
    """LP accuracy minus the base model's under the same protocol, points; NaN where not known."""
    protocol: Text
    """Protocol of the probe."""
    measured: Array
    """Average gain measured over the 36 targets, points; NaN where not known."""
    measured_sd: Array
    """Standard deviation of that average, points; NaN for one run per target, as published."""
    quick: Array
    """float64 of shape (n, 4): measured gains on ``groups.QUICK``, points; NaN where not known."""
    flags: NDArray[np.object_]
    """Tuple of words of warning of each model; those of ``flags.COLUMNS`` move predictions."""
    is_base: NDArray[np.bool_]
    """Whether it is the base model itself, whose gain is 0."""
    parameters: Array
    """Number of weights; NaN where not known."""
    licence: Text
    """As the model's card states it."""
    language: Text
    """Language codes, separated by semicolons or spaces."""
    source: Text
    """Where the numbers come from."""
    digest: Text
    """Digest of the weights."""
    date: Text
    """Day of the measurement, ISO 8601."""
    also_known_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other names of the same weights, by ``model``."""

    def __len__(self) -> int:
        return len(self.model)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Entries":
        """Return some of the rows, in the order asked for.

        Args:
            rows: Numbers of rows, or bool of shape (n,).
        """
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return Entries(**columns, also_known_as=self.also_known_as)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Return entries from rows of values; what a row does not name is not known.

        Args:
            rows: Keys are names of fields; ``model`` and ``source`` are needed.
        """
        return cls.from_columns(len(table := list(rows)), _columns_of(table))

    @classmethod
    def from_columns(cls, n: int, columns: Mapping[str, Any]) -> Self:
        """Return entries from whole columns; a column that is not there is not known.

        Args:
            n: Number of rows.
            columns: Sequences of n values by name of the field.
        """
        whole: dict[str, Any] = {name: _column(name, columns.get(name), n) for name in _COLUMNS}
        return cls(**whole)


_COLUMNS = tuple(item.name for item in fields(Entries) if item.name != "also_known_as")
_NUMBERS = frozenset({"lp_accuracy", "lp_gain", "measured", "measured_sd", "parameters"})


def join(parts: Iterable[Entries]) -> Entries:
    """Return the rows of several tables under one another.

    Args:
        parts: One or more.
    """
    tables = list(parts)
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in tables]) for name in _COLUMNS
    }
    names = {name: other for part in tables for name, other in part.also_known_as.items()}
    return Entries(**columns, also_known_as=names)


def _columns_of(rows: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    named = {name for row in rows for name in row}
    return {name: [row.get(name, _unknown(name)) for row in rows] for name in named}


def _unknown(name: str) -> Any:
    if name in _NUMBERS:
        return np.nan
    if name == "quick":
        return (np.nan,) * len(QUICK)
    return {"flags": (), "is_base": False}.get(name, "")


def _column(name: str, values: Any, n: int) -> NDArray[Any]:
    if name in _NUMBERS:
        return np.full(n, np.nan) if values is None else np.array(values, dtype=np.float64)
    if name == "quick":
        shape = (n, len(QUICK))
        return np.full(shape, np.nan) if values is None else np.reshape(values, shape).astype(float)
    if name == "is_base":
        return np.zeros(n, dtype=bool) if values is None else np.array(values, dtype=bool)
    column = np.empty(n, dtype=object)
    # Assigned one by one where they are tuples: numpy would make a second axis of them.
    if values is None:
        column[:] = [_unknown(name)] * n if name == "flags" else ""
    else:
        for row, value in enumerate(values):
            column[row] = value
    return column
