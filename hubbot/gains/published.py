"""The published results packaged with hubbot, as values; see ``data/SOURCE.md``.

``importing`` writes these tables, so they are read as they stand, without checking them again.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from hubbot.catalog.architectures import find_architecture
from hubbot.gains.levels import KnownLevels, measure_levels

FOLDER = "model_recycling_2023"
"""Folder of the tables, beside this package's other data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """One row of the published results."""

    architecture: str
    """Name in the catalog."""
    model: str
    """Hub id as it was then; a few stand there twice (finding ``duplicate``)."""
    lp_accuracy: float | None
    """LP accuracy on MNLI, points; None where it was not measured."""
    avg_gain: float | None
    """Mean gain over the 36 targets, points; None where targets are missing, stand in the wrong
    columns or were copied. Models that collapsed in fine-tuning keep theirs."""
    n_targets: int
    """Targets with a score other than 0, 0 to 36, right or wrong."""
    parameters: int | None
    """Number of weights."""
    model_type: str
    """``model_type`` of config.json."""
    is_classification: bool
    """Whether the checkpoint carried a classification head."""
    last_modified: str
    """When the repository was last changed, ISO 8601."""
    findings: tuple[str, ...]
    """Names of the rules (``findings.RULES``) that found something in the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedGains:
    """Gains of fine-tuned models over the base model of their architecture."""

    architecture: str
    """Name in the catalog."""
    models: tuple[str, ...]
    """Hub id of each row."""
    targets: tuple[str, ...]
    """Name of each column."""
    gains: NDArray[np.float64]
    """float64 of shape (n_models, n_targets), points; NaN where there is no score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseScore:
    """Score of a pretrained model on one target, over seeds."""

    mean: float
    """Mean over the seeds, points."""
    sd: float
    """Standard deviation between the seeds, points."""
    n_seeds: int
    """How many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    architectures: tuple[str, ...]
    models: tuple[str, ...]
    targets: tuple[str, ...]
    values: NDArray[np.float64]


def load_published_models(architecture: str | None = None) -> tuple[PublishedModel, ...]:
    """Return the published rows, ordered by architecture and name.

    Args:
        architecture: Name, Hub id or alias in the catalog; None for all.
    """
    if architecture is None:
        return _models()
    name = _name(architecture)
    return tuple(row for row in _models() if row.architecture == name)


def load_published_gains(architecture: str) -> PublishedGains:
    """Return the gains of every fine-tuned model whose columns are sound.

    The base model's own row is left out: its gain over itself is seed noise.

    Args:
        architecture: Name, Hub id or alias in the catalog; an unknown one has no rows.
    """
    name = _name(architecture)
    scores = _scores()
    rows = [
        row
        for row, one in enumerate(scores.architectures)
        if one == name and scores.models[row] != name
    ]
    base = _base_scores().get(name, {})
    means = np.array([base[t].mean if t in base else np.nan for t in scores.targets])
    return PublishedGains(
        architecture=name,
        models=tuple(scores.models[row] for row in rows),
        targets=scores.targets,
        gains=scores.values[rows] - means,
    )


def load_base_scores(architecture: str) -> Mapping[str, BaseScore]:
    """Return the pretrained model's score on each target.

    Args:
        architecture: Name, Hub id or alias in the catalog; an unknown one has none.
    """
    return _base_scores().get(_name(architecture), {})


@cache
def load_test_sizes() -> Mapping[str, int | None]:
    """Return the examples in each target's test set, None where the score is a correlation."""
    return {target: int(size) if size else None for target, size in _rows("test_sizes.csv")}


@cache
def load_known_levels() -> KnownLevels:
    """Return what scores on the published targets usually are."""
    base = {
        name: {target: score.mean for target, score in scores.items()}
        for name, scores in _base_scores().items()
    }
    scores = _scores()
    return measure_levels(
        base, load_test_sizes(), scores.architectures, scores.targets, scores.values
    )


@cache
def _models() -> tuple[PublishedModel, ...]:
    return tuple(
        PublishedModel(
            architecture=architecture,
            model=model,
            lp_accuracy=float(lp) if lp else None,
            avg_gain=float(gain) if gain else None,
            n_targets=int(n_targets),
            parameters=int(parameters) if parameters else None,
            model_type=model_type,
            is_classification=is_classification == "true",
            last_modified=last_modified,
            findings=tuple(findings.split(";")) if findings else (),
        )
        for (
            architecture,
            model,
            lp,
            gain,
            n_targets,
            parameters,
            model_type,
            is_classification,
            last_modified,
            findings,
        ) in _rows("models.csv")
    )


@cache
def _base_scores() -> Mapping[str, Mapping[str, BaseScore]]:
    found: dict[str, dict[str, BaseScore]] = defaultdict(dict)
    for architecture, target, mean, sd, n_seeds in _rows("base_scores.csv"):
        found[architecture][target] = BaseScore(
            mean=float(mean), sd=float(sd), n_seeds=int(n_seeds)
        )
    return dict(found)


@cache
def _scores() -> _Scores:
    header, *rows = _rows("scores.csv", with_header=True)
    return _Scores(
        architectures=tuple(row[0] for row in rows),
        models=tuple(row[1] for row in rows),
        targets=tuple(header[2:]),
        values=np.array([[float(cell or "nan") for cell in row[2:]] for row in rows]),
    )


def _rows(file: str, *, with_header: bool = False) -> Iterator[list[str]]:
    path = resources.files("hubbot.gains") / "data" / FOLDER / file
    with path.open(encoding="utf-8") as lines:
        rows = csv.reader(lines)
        if not with_header:
            next(rows)
        yield from rows


def _name(architecture: str) -> str:
    entry = find_architecture(architecture)
    return architecture if entry is None else entry.name
