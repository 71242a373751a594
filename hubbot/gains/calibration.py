"""Calibrations: models of one architecture whose gain is known, and the form that fits them.

A calibration belongs to one architecture, one protocol and one group of targets, and is never
pooled over them. It carries the models themselves; the smoother is fitted when it is asked
(milliseconds), so that nothing can fall out of step with the data.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.flags import COLUMNS
from hubbot.gains.smoother import Array, Form, Rows, Tuning, noticed_flags
from hubbot.gains.spread import Predictor, Spread, make_predictor

MIN_MODELS = 20
"""With fewer models there is no number anywhere."""

PUBLISHED = "model-recycling-2023"
"""Calibrations on the scale of the published results; absolute LP accuracy allowed."""

PAPER = "paper"
"""The line printed in the paper, for RoBERTa-base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The form that cross-validation chose for rows that hold certain things."""

    form: Form
    """What is fitted."""
    tuning: Tuning
    """With which numbers."""
    tried: Mapping[str, float]
    """For every form tried the root of ``smoother.tune``'s error at its best numbers, points: the
    least that was found, so a little below what new models will show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What a protocol's numbers on one architecture hang on, beside the models."""

    base_lp: float | None
    """LP of the base model on the scale of the models' LP, points; None where it is unusable."""
    base_lp_missing: str
    """Why ``base_lp`` is None; empty where it is there."""
    seed_sd: float | None
    """Standard deviation of the base model's mean score between seeds, points."""
    run_shift: float = 0.0
    """How far the base model's LP lies apart in two runs of the protocol, points."""
    run_sd: float = 0.0
    """Standard deviation of that difference from model to model, points."""

    @property
    def run_spread(self) -> float:
        """Root mean square difference of LP between two runs of the protocol, points."""
        return math.hypot(self.run_shift, self.run_sd)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Models of one architecture with known LP and gain, and how the two hang together."""

    name: str
    """Protocol whose scale it is on: ``model-recycling-2023``, ``paper``, ``lp-mnli@N``."""
    architecture: str
    """Name in the catalog."""
    target_group: str
    """Group of targets the average gain runs over."""
    models: tuple[str, ...]
    """Hub id of each model."""
    rows: Rows
    """What is known of the n models; LP in points, accuracy (for ``paper`` gain)."""
    gain: Array
    """float64 of shape (n,): average gain over the target group, points."""
    quick_targets: tuple[str, ...]
    """Targets of the columns of ``rows.quick``; empty where there are none."""
    quick_base: tuple[float, ...]
    """Score of the base model on each quick target, points."""
    choices: Mapping[str, Choice]
    """For each context (``context``) what was chosen; empty where ``line`` is given."""
    line: tuple[float, float] | None
    """Slope and intercept printed elsewhere; None to fit."""
    scale: Scale
    """The base model's side of it."""
    date: str
    """When the results were published or calibrated."""
    source: str
    """Where they come from."""

    @property
    def n(self) -> int:
        """Number of models."""
        return len(self.gain)

    @property
    def lp_range(self) -> tuple[float, float]:
        """Least and greatest LP seen, points."""
        return float(self.rows.lp.min()), float(self.rows.lp.max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why there is no calibration for one architecture, protocol and group."""

    name: str
    """Protocol."""
    architecture: str
    """Name in the catalog."""
    target_group: str
    """Group of targets."""
    n: int
    """Models with LP and gains on the whole group."""
    reason: str
    """In a sentence."""


def context(*, has_flags: bool, has_quick: bool) -> str:
    """Return the name of what is known beside LP, such as ``lp+flags``."""
    return "lp" + ("+flags" if has_flags else "") + ("+quick" if has_quick else "")


def spread_at(calibration: Calibration, rows: Rows, *, lp_sd: float = 0.0) -> Spread:
    """Return what the calibration says of new models.

    Args:
        calibration: Models with known gain.
        rows: What is known of m new models, LP on the scale of ``calibration.rows``. Without
            ``flags`` or with some columns of ``quick`` only, the calibration's own models are
            stripped of the same: pass ``quick`` with NaN in the columns that are not known.
        lp_sd: As in ``spread.intervals``.

    Raises:
        ValueError: If a quick column is known for some of the rows only.
    """
    if calibration.line is not None:
        slope, intercept = calibration.line
        gain = slope * rows.lp + intercept
        residuals = calibration.gain - slope * calibration.rows.lp - intercept
        return Spread(
            gain=gain,
            slope=np.full(len(rows), slope),
            values=gain[:, None] + residuals,
            n=calibration.n,
            beyond=np.zeros(len(rows)),
        )
    predictor, asked = _asked(calibration, rows)
    return predictor.spread(asked, lp_sd=lp_sd)


def lacks_flags(calibration: Calibration, rows: Rows) -> NDArray[np.bool_]:
    """Return whether models with such flags have not been seen at such an LP.

    Args:
        calibration: Models with known gain.
        rows: As for ``spread_at``.

    Returns:
        bool of shape (m,).
    """
    if calibration.line is not None:
        return np.zeros(len(rows), dtype=np.bool_)
    predictor, asked = _asked(calibration, rows)
    return predictor.lacks(asked)


def has_unlearned_nli(calibration: Calibration, rows: Rows) -> NDArray[np.bool_]:
    """Return whether models have an LP inflated by NLI data, and too few such models were seen.

    Args:
        calibration: Models with known gain.
        rows: As for ``spread_at``.

    Returns:
        bool of shape (m,).
    """
    column = COLUMNS.index("nli")
    noticed = noticed_flags(calibration.rows)
    is_learned = bool(noticed.size) and bool(noticed[column])
    if rows.flags is None or calibration.line is not None or is_learned:
        return np.zeros(len(rows), dtype=np.bool_)
    flagged: NDArray[np.bool_] = rows.flags[:, column] > 0
    return flagged


def _asked(calibration: Calibration, rows: Rows) -> tuple[Predictor, Rows]:
    """Return the predictor for what is known of the rows, and the rows with these columns only."""
    known: tuple[int, ...] = ()
    if rows.quick is not None:
        # One set of columns for all rows of a call; predict_many groups them.
        is_known = np.isfinite(rows.quick)
        if not np.array_equal(is_known.any(axis=0), is_known.all(axis=0)):
            raise ValueError("quick columns must be known for all rows of a call or for none")
        known = tuple(int(column) for column in np.flatnonzero(is_known.all(axis=0)))
    quick = rows.quick[:, list(known)] if rows.quick is not None and known else None
    asked = Rows(lp=rows.lp, flags=rows.flags, quick=quick)
    return predictor_of(calibration, has_flags=rows.flags is not None, quick=known), asked


@lru_cache(maxsize=64)
def predictor_of(
    calibration: Calibration, *, has_flags: bool, quick: tuple[int, ...] = ()
) -> Predictor:
    """Return the fitted smoother for what is known beside LP.

    Args:
        calibration: Not a fixed line.
        has_flags: Whether flags are known.
        quick: Columns of ``calibration.rows.quick`` that are known.
    """
    choice = calibration.choices[context(has_flags=has_flags, has_quick=bool(quick))]
    rows = Rows(
        lp=calibration.rows.lp,
        flags=calibration.rows.flags if has_flags else None,
        quick=calibration.rows.quick[:, list(quick)]
        if calibration.rows.quick is not None and quick
        else None,
        owners=calibration.rows.owners,
    )
    plain = predictor_of(calibration, has_flags=False, quick=quick) if has_flags else None
    return make_predictor(choice.form, choice.tuning, rows, calibration.gain, plain=plain)


def owner_numbers(models: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each model's account; a model without one stands alone.

    Args:
        models: Hub ids, ``owner/name``.

    Returns:
        int64 of shape (n,), equal for models of one account.
    """
    seen: dict[str, int] = {}
    keys = (model.partition("/")[0].casefold() if "/" in model else f"/{model}" for model in models)
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def load_scales(name: str) -> Mapping[str, Scale]:
    """Return what a packaged protocol says of each base model, by architecture.

    Args:
        name: ``model-recycling-2023`` or ``paper``.
    """
    table = scales_table(name)
    return {
        architecture: Scale(
            base_lp=base.get("base_lp"),
            base_lp_missing=base.get("base_lp_missing", ""),
            seed_sd=base.get("seed_sd"),
            run_shift=table.get("run_shift", 0.0),
            run_sd=table.get("run_sd", 0.0),
        )
        for architecture, base in table["base"].items()
    }


def scales_table(name: str) -> Mapping[str, Any]:
    """Return one table of the packaged ``scales.toml``; not to be changed."""
    table: Mapping[str, Any] = _scales()[name]
    return table


@cache
def _scales() -> Mapping[str, Any]:
    path = resources.files("hubbot.gains") / "data" / "scales.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
