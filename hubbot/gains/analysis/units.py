"""Are these gains, and in points? What cannot be is refused with its place and the remedy."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import Flags, Floats
from hubbot.gains.table import Table, Units

GREATEST_GAIN = 100.0
"""Points: scores lie within 0 to 100, so no gain and no standard deviation is beyond."""

LEAST_MEAN_OF_SCORES = 20.0
"""Points: where no cell is negative and their mean is above this, the cells are taken for scores.
The papers' printed matrices of gains have means of -1.9 to -0.3, and negative cells throughout."""

GREATEST_RANK = 1e15
"""Largest number in a ranking column; squares of much larger ones overflow."""

LEAST_FOR_UNITS = 20
"""Gains needed before their size says that they are fractions."""


def gains_in_points(table: Table, targets: Sequence[str], units: Units | None) -> Floats:
    """Return the gains of a table in points.

    Args:
        table: Read with the targets as numbers.
        targets: Columns with the gains.
        units: What the file holds; None for points unless the numbers look like fractions or like
            scores. ``"points"`` takes them for gains in points whatever they look like.

    Returns:
        float64 of shape (n_rows, n_targets), points, NaN for missing.

    Raises:
        SettingsError: If no gain is known, one is beyond what scores allow, or they look like
            fractions or like scores.
    """
    gains = np.column_stack([table.numbers[name] for name in targets])
    if not np.isfinite(gains).any():
        raise SettingsError(
            f"{table.path}: every cell is empty; expected gains in points, at least some of them "
            "known"
        )
    if units == "fractions":
        wrong = _first(table, targets, np.abs(gains) > 1)
        if wrong is not None:
            raise SettingsError(
                f"{wrong[0]}: a gain is {wrong[1]:g}, expected fractions from -1 to 1; leave out "
                "--units fractions if these are points"
            )
        gains = gains * 100
    _check_gains(table, targets, gains)
    if units is None:
        _check_fractions(table.path, gains)
    if units != "points":
        _check_scores(table.path, gains)
    return gains


def check_sds(table: Table, targets: Sequence[str], units: Units | None) -> None:
    """Refuse standard deviations that scores cannot have.

    Args:
        table: Read with the targets as numbers.
        targets: Columns with the standard deviations.
        units: What the file holds; None for points.

    Raises:
        SettingsError: If one is negative or beyond 100 points.
    """
    values = np.column_stack([table.numbers[name] for name in targets])
    greatest = 1.0 if units == "fractions" else GREATEST_GAIN
    wrong = _first(table, targets, (values < 0) | (values > greatest))
    if wrong is not None:
        where, value = wrong
        found = "negative" if value < 0 else "beyond what scores can spread"
        raise SettingsError(
            f"{where}: the standard deviation {value:g} is {found}; expected 0 to {greatest:g} "
            f"({units or 'points'}), or an empty cell where it is not known"
        )


def check_rankings(table: Table, rankings: Sequence[str]) -> None:
    """Refuse numbers too large to be squared and summed.

    Args:
        table: Read with the rankings as numbers.
        rankings: Columns by which sources are ranked, in any unit.

    Raises:
        SettingsError: If one is beyond 1e15.
    """
    for name in rankings:
        wrong = _first(table, [name], np.abs(table.numbers[name])[:, None] > GREATEST_RANK)
        if wrong is not None:
            raise SettingsError(
                f"{wrong[0]}: {wrong[1]:g} is too large for a ranking; expected "
                f"{-GREATEST_RANK:g} to {GREATEST_RANK:g}, or an empty cell where it is not known"
            )


def _first(table: Table, targets: Sequence[str], wrong: Flags) -> tuple[str, float] | None:
    """Return the place in the file and the value of the first wrong cell; None without any."""
    cells = np.argwhere(wrong)
    if not len(cells):
        return None
    row, column = cells[0]
    place = f"{table.path}, line {table.lines[row]}, column {targets[column]!r}"
    return place, float(table.numbers[targets[column]][row])


def _check_gains(table: Table, targets: Sequence[str], gains: Floats) -> None:
    wrong = _first(table, targets, np.abs(gains) > GREATEST_GAIN)
    if wrong is not None:
        where, value = wrong
        raise SettingsError(
            f"{where}: a gain of {value:g} points is impossible, scores lie within 0 to 100; "
            "expected -100 to 100, or an empty cell where it is not known (leave a column that is "
            "no target out with --ignore)"
        )


def _check_fractions(path: Path, gains: Floats) -> None:
    known = gains[np.isfinite(gains)]
    if known.size >= LEAST_FOR_UNITS and np.all(np.abs(known) <= 1):
        raise SettingsError(
            f"{path}: all {known.size} gains lie within -1 and 1, as fractions do; expected points "
            "(0 to 100): say --units fractions to have them converted, or --units points if they "
            "are points all the same"
        )


def _check_scores(path: Path, gains: Floats) -> None:
    known = gains[np.isfinite(gains)]
    mean = float(known.mean())
    if known.min() >= 0 and mean > LEAST_MEAN_OF_SCORES:
        raise SettingsError(
            f"{path}: no cell is negative and their mean is {mean:.1f} points, as of scores; "
            "expected gains: subtract the base model's score on each target from its column, or "
            "say --units points if these are gains in points all the same"
        )
