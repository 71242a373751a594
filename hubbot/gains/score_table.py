"""A table of results, models by targets, read from CSV into points.

Two layouts are known. The published one (columns ``model_name``, ``base_model``, ``mnli_lp`` and
the targets) is in fractions and holds further columns, none of which is read. Any other table has
``model``, optionally ``architecture`` and ``lp_accuracy``, and one column of scores per target, in
points.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.architectures import find_architecture
from hubbot.catalog.tables import unknown_name
from hubbot.errors import SettingsError
from hubbot.gains.table import Table, Units, looks_like_fractions, read_header, read_table

MODEL_COLUMNS = ("model", "model_name")
ARCHITECTURE_COLUMNS = ("architecture", "base_model")
LP_COLUMNS = ("lp_accuracy", "mnli_lp")

_PUBLISHED = frozenset({"model_name", "base_model", "mnli_lp"})
"""Columns by which the published layout is known."""

_NOT_SCORES = frozenset(
    {
        *("avg_gain", "avg_score", "n_targets", "lp_gain", "findings"),
        *("parameters", "size", "tokenizer", "model_type", "layers", "last_modified"),
        *("classification", "is_classification", "revision", "licence", "source"),
    }
)
"""Columns of hubbot's own and the published tables that describe a row; never read as scores."""

_LEAST_TO_TELL = 3
"""Scores needed to say that a table is in fractions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Scores of models on targets."""

    models: tuple[str, ...]
    """Name of each row."""
    architectures: tuple[str, ...]
    """Architecture of each row, in the catalog's name where it knows it; empty strings where the
    table has no such column."""
    targets: tuple[str, ...]
    """Names of the score columns."""
    scores: NDArray[np.float64]
    """float64 of shape (n_rows, n_targets), points, NaN for missing."""
    lp_accuracy: NDArray[np.float64]
    """float64 of shape (n_rows,), points, NaN for missing."""
    lp_column: str
    """Name of its column in the file; empty where there is none."""
    lines: NDArray[np.int64]
    """int64 of shape (n_rows,): line of the file on which each row ends."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.models)


def read_scores(
    path: Path,
    known_targets: Collection[str],
    *,
    units: Units | None = None,
    ignore: Collection[str] = (),
) -> ScoreTable:
    """Read a results table.

    Args:
        path: CSV; see the head of this module for its columns.
        known_targets: Names of the published targets: the only score columns of that layout.
        units: What the file's numbers are; None for fractions in the published layout and points
            in any other.
        ignore: Columns that hold no scores.

    Raises:
        SettingsError: If the file is not such a table (as ``read_table``), has no score column or
            no score, or its numbers look like other units than they should be.
    """
    table, targets = _read(path, known_targets, ignore)
    model = _first(MODEL_COLUMNS, table.columns)
    architecture = _first(ARCHITECTURE_COLUMNS, table.columns)
    lp = _first(LP_COLUMNS, table.columns)
    scores = np.column_stack([table.numbers[name] for name in targets])
    lp_accuracy = table.numbers[lp] if lp else np.full(table.n_rows, np.nan)
    if not (np.isfinite(scores).any() or np.isfinite(lp_accuracy).any()):
        raise SettingsError(f"{path}: every score is missing; expected at least one number")
    if units is None:
        units = "fractions" if set(table.columns) >= _PUBLISHED else "points"
    _check_units(path, units, scores, lp_accuracy)
    scale = 100.0 if units == "fractions" else 1.0
    return ScoreTable(
        models=table.text[model],
        architectures=_catalog_names(table.text[architecture])
        if architecture
        else ("",) * table.n_rows,
        targets=targets,
        scores=scores * scale,
        lp_accuracy=lp_accuracy * scale,
        lp_column=lp,
        lines=table.lines,
    )


def read_sizes(path: Path) -> dict[str, int | None]:
    """Read a table of test-set sizes.

    Args:
        path: CSV with the columns ``target`` and ``test_size``; an empty size means that the score
            is not a share of right answers (a correlation, F1).

    Raises:
        SettingsError: If it is not such a table, a target stands there twice or a size is not a
            whole number above 1.
    """
    table = read_table(path, text=("target",), numbers=("test_size",))
    sizes: dict[str, int | None] = {}
    for target, size, line in zip(
        table.text["target"], table.numbers["test_size"], table.lines, strict=True
    ):
        if target in sizes:
            raise SettingsError(
                f"{path}, line {line}: target {target!r} stands there twice; expected it once"
            )
        if np.isfinite(size) and not (size >= 2 and size == int(size)):
            raise SettingsError(
                f"{path}, line {line}: test_size of {target!r} is {size:g}; expected a whole "
                "number of examples from 2, or an empty cell for a score that is no accuracy"
            )
        sizes[target] = int(size) if np.isfinite(size) else None
    return sizes


def _read(
    path: Path, known_targets: Collection[str], ignore: Collection[str]
) -> tuple[Table, tuple[str, ...]]:
    header = read_header(path)
    for name in ignore:
        if name not in header:
            raise SettingsError(f"{path}: {unknown_name('column', name, header)}")
    model = _first(MODEL_COLUMNS, header)
    if not model:
        raise SettingsError(
            f"{path}: there is no column with the models' names; expected one called "
            f"{' or '.join(MODEL_COLUMNS)}, found {', '.join(header[:6])}"
            f"{' ...' if len(header) > 6 else ''}"
        )
    text = [name for name in (model, _first(ARCHITECTURE_COLUMNS, header)) if name]
    lp = [name for name in (_first(LP_COLUMNS, header),) if name]
    is_published = set(header) >= _PUBLISHED
    targets = tuple(
        name
        for name in header
        if (name in known_targets if is_published else name not in _NOT_SCORES)
        and name not in {*ignore, *text, *lp}
    )
    if not targets:
        raise SettingsError(
            f"{path}: there is no column of scores beside {', '.join([*text, *lp])}; expected one "
            "column per target data set"
        )
    return read_table(path, text=text, numbers=[*lp, *targets]), targets


def _check_units(
    path: Path, units: Units, scores: NDArray[np.float64], lp_accuracy: NDArray[np.float64]
) -> None:
    numbers = np.concatenate([scores.ravel(), lp_accuracy])
    if units == "points" and looks_like_fractions(numbers, least=_LEAST_TO_TELL):
        raise SettingsError(
            f"{path}: all scores lie from 0 to 1, so they look like fractions; points (0 to 100) "
            "are expected. Give --units fractions"
        )
    known = numbers[np.isfinite(numbers)]
    if units == "fractions" and np.mean(known > 1) > 0.5:
        raise SettingsError(
            f"{path}: most scores are above 1, so they look like points; this table is read as "
            "fractions (0 to 1). Give --units points"
        )
    if np.mean(known < 0) > 0.2:
        raise SettingsError(
            f"{path}: {np.mean(known < 0):.0%} of the numbers are negative, so they look like "
            "gains; expected the scores themselves (name columns that hold none with --ignore)"
        )


def _catalog_names(names: Iterable[str]) -> tuple[str, ...]:
    given = tuple(names)
    found = {name: find_architecture(name) for name in set(given)}
    by_name: Mapping[str, str] = {
        name: name if entry is None else entry.name for name, entry in found.items()
    }
    return tuple(map(by_name.__getitem__, given))


def _first(names: Iterable[str], columns: Collection[str]) -> str:
    return next((name for name in names if name in columns), "")
