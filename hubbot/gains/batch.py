"""Predictions for a whole table of checkpoints, one after the other, in the table's order."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.gains.calibration import PUBLISHED
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.flags import name_flags
from hubbot.gains.groups import QUICK
from hubbot.gains.predict import Query, predict_many
from hubbot.gains.table import Table, looks_like_fractions, read_header, read_table
from hubbot.schema import Prediction

_CHUNK = 4096
_TEXT = ("architecture", "protocol", "model")
_LP = ("lp_accuracy", "lp_gain")
_QUICK = tuple(f"quick_{target}" for target in QUICK)
_LEAST_GAINS = 10
_KEYS = tuple(item.name for item in fields(Prediction))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one row."""

    line: int
    """Line of the file, 1 for the header."""
    model: str
    """Name in the row; empty where there is none."""
    architecture: str
    """As the row has it."""
    prediction: Prediction | None
    """The prediction (its ``gain`` may be None); None where the row is wrong."""
    error: str
    """Why the row is wrong; empty where it is not."""

    def plain(self) -> dict[str, Any]:
        """Return what a program reads: the keys of a prediction, and line, model and error."""
        if self.prediction is None:
            values: dict[str, Any] = dict.fromkeys(_KEYS)
            values |= {
                "architecture": self.architecture,
                "note": f"No gain is predicted: {self.error}",
            }
        else:
            values = {name: getattr(self.prediction, name) for name in _KEYS}
        return {"line": self.line, "model": self.model, **values, "error": self.error}


def predict_table(
    path: Path, *, level: float = 0.9, calibrations: Calibrations | None = None
) -> Iterator[Answer]:
    """Yield the answer to each row of a CSV file.

    Args:
        path: CSV with the column ``architecture`` and ``lp_accuracy`` or ``lp_gain`` (points), and
            where known ``protocol``, ``model`` and ``quick_rte``, ``quick_cb``, ``quick_mrpc``,
            ``quick_cola`` (scores, points). Other columns are passed over.
        level: Nominal coverage of the intervals.
        calibrations: From ``load_calibrations``; None for the packaged ones.

    Raises:
        SettingsError: If the file is no such table, or its numbers are fractions.
    """
    table = _read(path)
    text = {name: table.text.get(name) for name in _TEXT}
    for start in range(0, table.n_rows, _CHUNK):
        rows = range(start, min(start + _CHUNK, table.n_rows))
        queries = [_query(table, row) for row in rows]
        found = predict_many(queries, level=level, calibrations=calibrations)
        for row, answer in zip(rows, found, strict=True):
            models = text["model"]
            is_error = isinstance(answer, SettingsError)
            yield Answer(
                line=int(table.lines[row]),
                model="" if models is None else models[row],
                architecture=table.text["architecture"][row],
                prediction=None if isinstance(answer, SettingsError) else answer,
                error=str(answer) if is_error else "",
            )


def _read(path: Path) -> Table:
    header = read_header(path)
    if "architecture" not in header:
        raise SettingsError(
            f"{path}: there is no column 'architecture'; line 1 should name the columns, it has "
            f"{', '.join(header[:8])}"
        )
    numbers = [name for name in (*_LP, *_QUICK) if name in header]
    if not any(name in numbers for name in _LP):
        raise SettingsError(
            f"{path}: there is neither a column lp_accuracy nor lp_gain (points); the header has "
            f"{', '.join(header[:8])}"
        )
    for name in header:
        if name.startswith("quick_") and name not in _QUICK:
            raise SettingsError(f"{path}: {unknown_name('quick column', name, _QUICK)}")
    table = read_table(path, text=[name for name in _TEXT if name in header], numbers=numbers)
    for name in numbers:
        _refuse_fractions(path, name, table.numbers)
    return table


def _refuse_fractions(path: Path, name: str, numbers: Mapping[str, np.ndarray]) -> None:
    if name == "lp_gain":
        # A single LP gain below one point is common; a table of nothing else is not.
        values = np.abs(numbers[name])
        is_fraction = looks_like_fractions(values, least=_LEAST_GAINS)
    else:
        is_fraction = looks_like_fractions(numbers[name])
    if is_fraction:
        raise SettingsError(
            f"{path}: column {name} holds fractions (all within 1 of 0); hubbot works in "
            "points, so multiply the column by 100"
        )


def _query(table: Table, row: int) -> Query:
    def number(name: str) -> float | None:
        column = table.numbers.get(name)
        return None if column is None or math.isnan(column[row]) else float(column[row])

    def word(name: str) -> str:
        column = table.text.get(name)
        return "" if column is None else column[row]

    quick = {target: number(f"quick_{target}") for target in QUICK}
    model = word("model")
    return Query(
        architecture=word("architecture"),
        lp_accuracy=number("lp_accuracy"),
        lp_gain=number("lp_gain"),
        protocol=word("protocol") or PUBLISHED,
        flags=name_flags(model) if model else None,
        quick={target: score for target, score in quick.items() if score is not None},
    )
