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
from hubbot.gains.levels import gain_limit
from hubbot.gains.published import load_base_scores, load_published_models
from hubbot.gains.smoother import Array
from hubbot.gains.table import Table, looks_like_fractions, read_header, read_table

logger = logging.getLogger(__name__)

_TEXT = ("protocol", "licence", "language", "weights_digest")
_POINTS = ("lp_accuracy", "lp_gain", "measured_gain", *(f"quick_{target}" for target in QUICK))
_NUMBERS = (*_POINTS, "parameters")
_SCORES = ("lp_accuracy", *(f"quick_{target}" for target in QUICK))
_USUAL_FRACTION = {"lp_gain": 0.5, "measured_gain": 0.05}
"""Median size that gains in fractions do not exceed: half, and a twentieth, of all answers. Many
honest average gains lie within one point of 0, but not ten of them within a twentieth."""

_LEAST_GAINS = 10
"""Gains needed to tell fractions from points."""

_SAME_LP = 0.02
"""Points by which an LP gain may differ from accuracy minus the base model's: rounding."""

_TELLING = ("lp_accuracy", "lp_gain", "measured_gain")


def read_entries(path: Path, architecture: str) -> Entries:
    """Read the rows of one architecture from a CSV table.

    Args:
        path: Columns ``architecture`` and ``model``, and at least one of ``lp_accuracy``,
            ``lp_gain`` and ``measured_gain`` (average over the 36 targets); also ``protocol`` (the
            published one where empty), ``quick_rte``, ``quick_cb``, ``quick_mrpc``, ``quick_cola``
            (scores), ``parameters``, ``licence``, ``language``, ``weights_digest``. Points. Both
            LP columns may be filled on the published scale if they agree.
        architecture: Name, Hub id or alias in the catalog.

    Returns:
        Entries with ``source`` the file's name; rows of other architectures are left out.

    Raises:
        SettingsError: If the file is not such a table, an architecture or protocol in it is
            unknown, a number is out of range or a fraction, a gain is far above any known one, LP
            accuracy and LP gain do not agree, or a model stands there twice.
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
    name = get_architecture(architecture).name
    _check_measured(table, rows, name)
    _check_lp(table, rows, name)
    return _entries(table, rows, name)


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
    for name, most in _USUAL_FRACTION.items():
        values = table.numbers.get(name)
        if values is None:
            continue
        if _are_fractions(values, most):
            raise SettingsError(
                f"{table.path}, column {name!r}: all numbers lie within -1 to 1, most of them near "
                "0, as fractions would; points are expected, so multiply them by 100"
            )
        _refuse(table, name, np.abs(values) > 100, "points from -100 to 100")
    parameters = table.numbers.get("parameters")
    if parameters is not None:
        _refuse(table, "parameters", parameters <= 0, "a number of weights above 0")


def _are_fractions(gains: Array, most: float) -> bool:
    sizes = np.abs(gains[np.isfinite(gains)])
    if len(sizes) < _LEAST_GAINS or not np.any(sizes > 0):
        return False
    return bool(np.all(sizes <= 1) and np.median(sizes) <= most)


def _check_measured(table: Table, rows: NDArray[np.intp], architecture: str) -> None:
    values = table.numbers.get("measured_gain")
    if values is None:
        return
    best = {
        name: max(row.avg_gain for row in load_published_models(name) if row.avg_gain is not None)
        for name in load_scales(PUBLISHED)
    }
    # An architecture that nobody has published gains of is given the widest room.
    limit = gain_limit(best.get(architecture, max(best.values())))
    is_wrong = np.zeros(table.n_rows, dtype=bool)
    is_wrong[rows] = values[rows] > limit
    _refuse(
        table,
        "measured_gain",
        is_wrong,
        f"an average gain over the base model of at most {limit:.1f} points, the best known one "
        "with much to spare (a score stands there, or another base model's mean was taken off)",
    )


def _check_lp(table: Table, rows: NDArray[np.intp], architecture: str) -> None:
    """Refuse rows whose two LP columns say different things."""
    accuracy, gain = table.numbers.get("lp_accuracy"), table.numbers.get("lp_gain")
    base_lp = _published_base(architecture)
    if accuracy is None or gain is None or np.isnan(base_lp):
        return
    protocols = table.text.get("protocol", ("",) * table.n_rows)
    for row in rows[np.abs(accuracy[rows] - gain[rows] - base_lp) > _SAME_LP].tolist():
        if protocols[row] not in ("", PUBLISHED):
            continue  # the base model's LP under another probe is not known here
        raise SettingsError(
            f"{table.path}, line {table.lines[row]}: lp_accuracy {accuracy[row]:g} and lp_gain "
            f"{gain[row]:g} do not agree: the base model's published LP is {base_lp:.2f}, so an LP "
            f"gain of {accuracy[row] - base_lp:.2f} is expected; leave one of the two empty, or "
            "name the protocol that they were measured under"
        )


def _published_base(architecture: str) -> float:
    scale = load_scales(PUBLISHED).get(architecture)
    return np.nan if scale is None or scale.base_lp is None else scale.base_lp


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
    given, accuracy = number("lp_gain"), number("lp_accuracy")
    from_accuracy = accuracy - _published_base(architecture)
    found = np.where(np.isfinite(given) | (protocol != PUBLISHED), given, from_accuracy)
    return found.astype(np.float64)
