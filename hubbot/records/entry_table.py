"""A table of one's own as entries of a ranking."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.architectures import find_architecture, get_architecture
from hubbot.catalog.protocols import get_protocol
from hubbot.errors import SettingsError
from hubbot.gains.calibration import PUBLISHED, load_scales
from hubbot.gains.entries import Entries, Text
from hubbot.gains.flags import name_flags
from hubbot.gains.groups import QUICK
from hubbot.gains.published import load_base_scores
from hubbot.gains.smoother import Array
from hubbot.gains.table import Table, looks_like_fractions, read_header, read_table

logger = logging.getLogger(__name__)

_TEXT = ("protocol", "licence", "language", "weights_digest")
_POINTS = ("lp_accuracy", "lp_gain", "measured_gain", *(f"quick_{target}" for target in QUICK))
_NUMBERS = (*_POINTS, "parameters")
_SCORES = ("lp_accuracy", *(f"quick_{target}" for target in QUICK))
_TELLING = ("lp_accuracy", "lp_gain", "measured_gain")


def read_entries(path: Path, architecture: str) -> Entries:
    """Read the rows of one architecture from a CSV table.

    Args:
        path: Columns ``architecture`` and ``model``, and at least one of ``lp_accuracy``,
            ``lp_gain`` and ``measured_gain`` (average over the 36 targets); also ``protocol`` (the
            published one where empty), ``quick_rte``, ``quick_cb``, ``quick_mrpc``, ``quick_cola``
            (scores), ``parameters``, ``licence``, ``language``, ``weights_digest``. Points.
        architecture: Name, Hub id or alias in the catalog.

    Returns:
        Entries with ``source`` the file's name; rows of other architectures are left out.

    Raises:
        SettingsError: If the file is not such a table, an architecture or protocol in it is
            unknown, a number is out of range or a fraction, or a model stands there twice.
    """
    header = read_header(path)
    if not any(name in header for name in _TELLING):
        raise SettingsError(
            f"{path}: none of the columns {', '.join(_TELLING)}; expected at least one, in points"
        )
    text = ("architecture", "model", *(name for name in _TEXT if name in header))
    numbers = tuple(name for name in _NUMBERS if name in header)
    table = read_table(path, text=text, numbers=numbers)
    if unused := [name for name in header if name not in {*text, *numbers}]:
        logger.warning("%s: columns not used: %s", path, ", ".join(unused))
    rows = _rows_of(table, get_architecture(architecture).name)
    _check_names(table, rows)
    _check_numbers(table)
    return _entries(table, rows, get_architecture(architecture).name)


def _rows_of(table: Table, architecture: str) -> NDArray[np.intp]:
    wanted = set()
    for name in dict.fromkeys(table.text["architecture"]):
        found = find_architecture(name)
        if found is None:
            line = int(table.lines[table.text["architecture"].index(name)])
            try:
                get_architecture(name)
            except SettingsError as error:
                raise SettingsError(f"{table.path}, line {line}: {error}") from error
        elif found.name == architecture:
            wanted.add(name)
    column = table.text["architecture"]
    return np.array([row for row, name in enumerate(column) if name in wanted], dtype=np.intp)


def _check_names(table: Table, rows: NDArray[np.intp]) -> None:
    seen: dict[str, int] = {}
    names = table.text["model"]
    for row in rows.tolist():
        name = names[row]
        if not name:
            raise SettingsError(f"{table.path}, line {table.lines[row]}: the model has no name")
        before = seen.setdefault(name.casefold(), row)
        if before != row:
            raise SettingsError(
                f"{table.path}: model {name!r} stands on lines {table.lines[before]} and "
                f"{table.lines[row]}; expected every model of an architecture once"
            )


def _check_numbers(table: Table) -> None:
    for name in _SCORES:
        values = table.numbers.get(name)
        if values is None:
            continue
        if looks_like_fractions(values):
            raise SettingsError(
                f"{table.path}, column {name!r}: all numbers lie within 0 to 1; points are "
                "expected, so multiply them by 100"
            )
        _refuse(table, name, ~((values > 1) & (values <= 100)), "points above 1, up to 100")
    for name in ("lp_gain", "measured_gain"):
        values = table.numbers.get(name)
        if values is not None:
            _refuse(table, name, np.abs(values) > 100, "points from -100 to 100")
    parameters = table.numbers.get("parameters")
    if parameters is not None:
        _refuse(table, "parameters", parameters <= 0, "a number of weights above 0")


def _refuse(table: Table, name: str, is_wrong: NDArray[np.bool_], expected: str) -> None:
    wrong = np.flatnonzero(is_wrong & np.isfinite(table.numbers[name]))
    if len(wrong):
        row = wrong[0]
        raise SettingsError(
            f"{table.path}, line {table.lines[row]}, column {name!r}: "
            f"{table.numbers[name][row]:g}; expected {expected}, or an empty cell"
        )


def _entries(table: Table, rows: NDArray[np.intp], architecture: str) -> Entries:
    def text(name: str) -> NDArray[np.object_]:
        column = np.array(table.text.get(name, ("",) * table.n_rows), dtype=object)
        return column[rows]

    def number(name: str) -> Array:
        column = table.numbers.get(name)
        return np.full(len(rows), np.nan) if column is None else column[rows]

    model, protocol = text("model"), text("protocol")
    protocol[protocol == ""] = PUBLISHED
    for name in dict.fromkeys(protocol):
        if name != PUBLISHED:
            get_protocol(name)
    return Entries.from_columns(
        len(rows),
        {
            "model": model,
            "lp_accuracy": number("lp_accuracy"),
            "lp_gain": _lp_gains(number, protocol, architecture),
            "protocol": protocol,
            "measured": number("measured_gain"),
            "quick": _quick_gains(number, len(rows), architecture),
            "flags": [name_flags(name) for name in model],
            "parameters": number("parameters"),
            "licence": text("licence"),
            "language": text("language"),
            "source": [table.path.name] * len(rows),
            "digest": text("weights_digest"),
        },
    )


def _quick_gains(number: Callable[[str], Array], n: int, architecture: str) -> Array:
    base = load_base_scores(architecture)
    gains = np.full((n, len(QUICK)), np.nan)
    for place, target in enumerate(QUICK):
        if target in base:
            gains[:, place] = number(f"quick_{target}") - base[target].mean
    return gains


def _lp_gains(number: Callable[[str], Array], protocol: Text, architecture: str) -> Array:
    """Return LP gains, from the published base model's LP where only the accuracy is given."""
    scale = load_scales(PUBLISHED).get(architecture)
    base_lp = np.nan if scale is None or scale.base_lp is None else scale.base_lp
    given, accuracy = number("lp_gain"), number("lp_accuracy")
    found = np.where(np.isfinite(given) | (protocol != PUBLISHED), given, accuracy - base_lp)
    return found.astype(np.float64)
