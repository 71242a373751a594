"""Published results made into the small tables that hubbot carries.

The raw files are those of the model-recycling project: ``models_tested.csv`` (one row per model,
fractions) and ``pretrained_scores.csv`` (the pretrained models over seeds, points). What is wrong
with a row is found by hubbot's own rules; columns that others added to say so are not read.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.architectures import find_architecture
from hubbot.errors import SettingsError
from hubbot.gains.findings import RULES, Report
from hubbot.gains.levels import KnownLevels, measure_levels, usual_scores
from hubbot.gains.published import FOLDER
from hubbot.gains.score_table import ScoreTable, read_scores
from hubbot.gains.table import Table, read_table
from hubbot.gains.table_checks import check_table

MODELS_FILE = "models_tested.csv"
BASE_FILE = "pretrained_scores.csv"

_LEAST_TARGETS = 35
"""Targets of 36 that a row needs for its mean gain to be one over the whole group."""

_UNSOUND = frozenset({"misaligned", "off-grid", "out-of-range", "copied"})
"""Findings about targets after which none of a row's target scores is used."""


def _whole(cell: str) -> str:
    return str(int(float(cell))) if cell else ""


_DETAILS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "size": ("parameters", _whole),
    "model_type": ("model_type", str),
    "classification": ("is_classification", str.lower),
    "last_modified": ("last_modified", str),
}
"""Raw columns that describe a checkpoint, what they are called here and how they are written."""

_MODEL_COLUMNS = (
    *("architecture", "model", "lp_accuracy", "avg_gain", "n_targets"),
    *(name for name, _ in _DETAILS.values()),
    "findings",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The tables made of the raw files."""

    files: Mapping[str, str]
    """For each file name its text."""
    n_models: int
    """Rows of the published table."""
    n_with_lp: int
    """Rows with a measured LP."""
    n_usable: int
    """Rows with LP and mean gain, no duplicates."""
    report: Report
    """What the checks found in the published table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    rows: tuple[tuple[str, str, float, float, int], ...]
    """Architecture, target, mean, standard deviation, seeds."""
    means: Mapping[str, Mapping[str, float]]
    """For each architecture and target the mean, points."""
    targets: tuple[str, ...]
    """Every target there is."""


def import_model_recycling(source: Path) -> Imported:
    """Make hubbot's tables from the raw published files.

    Args:
        source: Folder with ``models_tested.csv`` and ``pretrained_scores.csv``, or the first of
            them, the other beside it.

    Raises:
        SettingsError: If a file or a column is not there, or a cell cannot be read.
    """
    path = source / MODELS_FILE if source.is_dir() else source
    base_path = path.parent / BASE_FILE
    for needed in (path, base_path):
        if not needed.is_file():
            raise SettingsError(
                f"{needed}: there is no such file; expected {MODELS_FILE} and {BASE_FILE} of the "
                "published results in one folder"
            )
    base = _read_base(base_path)
    table = read_scores(path, base.targets)
    if len(table.targets) < _LEAST_TARGETS:
        raise SettingsError(
            f"{path}: {len(table.targets)} columns are targets of {base_path.name}, expected at "
            f"least {_LEAST_TARGETS}"
        )
    details = read_table(path, text=tuple(_DETAILS), numbers=())
    report = _checked(table, base)
    rules = _rules_of_rows(table, report)
    is_sound = _is_sound(table, report)
    # A zero stands for a score that was not measured, as the checks say.
    measured = replace(table, scores=np.where(table.scores == 0, np.nan, table.scores))
    gains = _mean_gains(measured, base, is_sound)
    return _imported(measured, details, base, report, rules, is_sound, gains)


def write_tables(imported: Imported, folder: Path) -> None:
    """Write the tables, replacing those of an earlier import.

    Args:
        imported: From ``import_model_recycling``.
        folder: Made where it does not exist.

    Raises:
        SettingsError: If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in imported.files.items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8", newline="")
            part.replace(folder / name)
    except OSError as error:
        raise SettingsError(
            f"{folder}: cannot be written ({error.strerror or error}); give another folder (--out)"
        ) from error


def differing_files(imported: Imported) -> tuple[str, ...]:
    """Return the names of the files that are not, byte for byte, those packaged with hubbot.

    Args:
        imported: From ``import_model_recycling``.
    """
    packaged = resources.files("hubbot.gains") / "data" / FOLDER
    return tuple(
        name
        for name, text in imported.files.items()
        if not (packaged / name).is_file() or (packaged / name).read_bytes() != text.encode()
    )


def _read_base(path: Path) -> _Base:
    table = read_table(path, text=("base_model", "target"), numbers=("n_seeds", "mean", "std"))
    means: dict[str, dict[str, float]] = {}
    rows = []
    for place in range(table.n_rows):
        name = _catalog_name(table.text["base_model"][place])
        target = table.text["target"][place]
        mean, sd = (float(table.numbers[column][place]) for column in ("mean", "std"))
        means.setdefault(name, {})[target] = mean
        rows.append((name, target, mean, sd, int(table.numbers["n_seeds"][place])))
    targets = tuple(dict.fromkeys(row[1] for row in rows))
    return _Base(rows=tuple(rows), means=means, targets=targets)


def _checked(table: ScoreTable, base: _Base) -> Report:
    """Check the published table with levels drawn from its own sound rows.

    The first pass finds test-set sizes and misaligned rows by the grid alone; sound rows then show
    how far gains reach, with which the second pass looks for swapped columns.
    """
    nothing = KnownLevels(base=base.means, spread={}, best_gain={}, sizes={})
    first = check_table(table, nothing)
    sound = np.flatnonzero(_is_sound(table, first))
    known = measure_levels(
        base.means,
        first.sizes,
        [table.architectures[row] for row in sound],
        table.targets,
        table.scores[sound],
    )
    return check_table(table, known)


def _is_sound(table: ScoreTable, report: Report) -> NDArray[np.bool_]:
    """Return for each row whether its target scores can be used."""
    bad = {
        finding.line
        for finding in report.findings
        if finding.rule in _UNSOUND and finding.column != table.lp_column
    }
    return ~np.isin(table.lines, list(bad))


def _rules_of_rows(table: ScoreTable, report: Report) -> list[tuple[str, ...]]:
    of_line: dict[int, set[str]] = {}
    for finding in report.findings:
        of_line.setdefault(finding.line, set()).add(finding.rule)
    return [
        tuple(rule for rule in RULES if rule in of_line.get(int(line), ())) for line in table.lines
    ]


def _mean_gains(table: ScoreTable, base: _Base, is_sound: NDArray[np.bool_]) -> NDArray[np.float64]:
    gains = table.scores - usual_scores(base.means, table.architectures, table.targets)
    is_used = is_sound & (np.isfinite(gains).sum(axis=1) >= _LEAST_TARGETS)
    mean = np.full(table.n_rows, np.nan)
    mean[is_used] = np.nanmean(gains[is_used], axis=1)
    return mean


def _imported(
    table: ScoreTable,
    details: Table,
    base: _Base,
    report: Report,
    rules: Sequence[tuple[str, ...]],
    is_sound: NDArray[np.bool_],
    gains: NDArray[np.float64],
) -> Imported:
    lp = np.where(table.lp_accuracy > 0, table.lp_accuracy, np.nan)
    n_targets = np.isfinite(table.scores).sum(axis=1)
    is_unique = np.array(["duplicate" not in names for names in rules])
    is_kept = is_sound & is_unique & (n_targets > 0)
    order = sorted(
        range(table.n_rows),
        key=lambda row: (table.architectures[row], table.models[row], table.lines[row]),
    )
    models = (
        (
            table.architectures[row],
            table.models[row],
            _points(lp[row]),
            _points(gains[row]),
            str(n_targets[row]),
            *(change(details.text[name][row]) for name, (_, change) in _DETAILS.items()),
            ";".join(rules[row]),
        )
        for row in order
    )
    scores = (
        (table.architectures[row], table.models[row], *map(_points, table.scores[row]))
        for row in order
        if is_kept[row]
    )
    base_rows = (
        (name, target, _points(mean), _points(sd), str(n))
        for name, target, mean, sd, n in base.rows
    )
    return Imported(
        files={
            "models.csv": _csv(_MODEL_COLUMNS, models),
            "scores.csv": _csv(("architecture", "model", *table.targets), scores),
            "base_scores.csv": _csv(("architecture", "target", "mean", "sd", "n_seeds"), base_rows),
            "test_sizes.csv": _csv(
                ("target", "test_size"),
                ((name, str(size or "")) for name, size in report.sizes.items()),
            ),
        },
        n_models=table.n_rows,
        n_with_lp=int(np.isfinite(lp).sum()),
        n_usable=int((np.isfinite(lp) & np.isfinite(gains) & is_unique).sum()),
        report=report,
    )


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _points(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def _catalog_name(name: str) -> str:
    entry = find_architecture(name)
    return name if entry is None else entry.name
