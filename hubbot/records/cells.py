"""Cells: one checkpoint fine-tuned on one target with one seed, and how a cell becomes a row."""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Predictions = NDArray[np.int64] | NDArray[np.float64]
"""Shape (n_test,): predicted classes (int64), or numbers of a regression (float64)."""

KEY_COLUMNS = ("weights_digest", "target_digest", "protocol", "seed", "files_digest")
"""Columns that tell one cell from every other."""

NAME_COLUMNS = ("model", "revision", "architecture", "target")
_VALUE_COLUMNS = (
    *("score", "validation_score", "predictions", "kind", "n_test"),
    *("seconds", "peak_memory_gb", "device", "dtype", "versions", "date", "details"),
)
COLUMNS = (*KEY_COLUMNS, *NAME_COLUMNS, *_VALUE_COLUMNS)
"""Columns of the table of cells, in the order of ``to_row``."""

_STORED = {"int64": "<i8", "float64": "<f8"}
"""Kind of predictions and how they lie in the file, alike on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKey:
    """What a result depends on; two cells with one key are the same fine-tuning."""

    weights_digest: str
    """``sha256:`` and the hex digest of the weights that were fine-tuned."""
    target_digest: str
    """``sha256:`` and the hex digest over the rows of train, validation and test."""
    protocol: str
    """Identifier of the gain protocol, such as ``gain-minilm@1``."""
    seed: int
    """Decides the head's first weights, dropout and the order of the rows."""
    files_digest: str = ""
    """``sha256:`` and the hex digest over the tokenizer's files and what config.json says of the
    network; empty for cells that were kept before it was known."""

    def __str__(self) -> str:
        weights, target = (_short(each) for each in (self.weights_digest, self.target_digest))
        return f"weights {weights} on target {target} by {self.protocol}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """A finished fine-tuning."""

    key: CellKey
    """What it depends on."""
    model: str
    """Hub id or folder name, as it was called when the cell was trained."""
    revision: str = ""
    """Full commit hash then; empty for a local folder."""
    architecture: str
    """Name in the catalog."""
    target: str
    """Name of the target then."""
    score: float
    """Test score, points: accuracy 0 to 100, a correlation -100 to 100."""
    validation_score: float
    """Best score on validation, points."""
    predictions: Predictions
    """Of the test rows, in file order, shape (n_test,)."""
    seconds: Mapping[str, float]
    """Wall-clock time of each stage."""
    peak_memory_gb: float
    """Most memory the child held, GiB."""
    device: str
    """``cpu`` or the GPU's name."""
    dtype: str
    """Precision of the training."""
    versions: Mapping[str, str]
    """Versions of torch, transformers and accelerate."""
    date: str
    """When it was finished, ISO 8601, UTC."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of the run; plain values."""

    def __post_init__(self) -> None:
        """Refuse what no row could hold.

        Raises:
            ValueError: If a score is not finite or out of range, or the predictions are not one
                int64 or finite float64 for each test row.
        """
        for name, points in (("score", self.score), ("validation score", self.validation_score)):
            if not -100 <= points <= 100:  # also refuses NaN
                raise ValueError(f"{self.title}: {name} is {points}, expected -100 to 100 points")
        found = self.predictions
        if found.ndim != 1 or not found.size or str(found.dtype) not in _STORED:
            raise ValueError(
                f"{self.title}: predictions of shape {found.shape} and type {found.dtype}, "
                "expected one int64 or float64 for each test row"
            )
        if not np.isfinite(found).all():
            raise ValueError(f"{self.title}: predictions hold NaN or infinity; train it again")

    @property
    def title(self) -> str:
        """The cell as messages name it."""
        return f"{self.model} on {self.target}, seed {self.key.seed}"

    def has_result_of(self, other: "Cell") -> bool:
        """Return whether two cells hold the same scores and predictions to the last bit."""
        return (
            (self.score, self.validation_score) == (other.score, other.validation_score)
            and self.predictions.dtype == other.predictions.dtype
            and np.array_equal(self.predictions, other.predictions)
        )


def to_row(cell: Cell) -> tuple[Any, ...]:
    """Return the cell as values of ``COLUMNS``."""
    kind = str(cell.predictions.dtype)
    plain = np.ascontiguousarray(cell.predictions, dtype=_STORED[kind]).tobytes()
    return (
        *key_values(cell.key),
        *(cell.model, cell.revision, cell.architecture, cell.target),
        *(float(cell.score), float(cell.validation_score)),
        *(zlib.compress(plain), kind, len(cell.predictions)),
        *(_json(cell.seconds), float(cell.peak_memory_gb), cell.device, cell.dtype),
        *(_json(cell.versions), cell.date, _json(cell.details)),
    )


def from_row(row: tuple[Any, ...]) -> Cell:
    """Return the cell that ``to_row`` wrote.

    Raises:
        ValueError: If the row is not whole: its predictions cannot be unpacked, or are too few.
    """
    values = dict(zip(COLUMNS, row, strict=True))
    key = CellKey(**{name: values.pop(name) for name in KEY_COLUMNS})
    kind, n_test, packed = (values.pop(name) for name in ("kind", "n_test", "predictions"))
    try:
        plain = zlib.decompress(packed)
        predictions = np.frombuffer(plain, dtype=_STORED[kind]).astype(kind)
        for name in ("seconds", "versions", "details"):
            values[name] = json.loads(values[name])
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the row of {key} cannot be unpacked: {error}") from error
    if len(predictions) != n_test:
        raise ValueError(f"the row of {key} has {len(predictions)} predictions of {n_test}")
    return Cell(key=key, predictions=predictions, **values)


def key_values(key: CellKey) -> tuple[str | int, ...]:
    """Return the key as values of ``KEY_COLUMNS``."""
    return tuple(getattr(key, name) for name in KEY_COLUMNS)


def _json(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return JSON's kinds; a loss that is NaN must not cost the cell, so it becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
