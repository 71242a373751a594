"""From LP accuracy to average gain: one least-squares line per architecture, with its spread.

The spread is distribution-free. Every model i of a calibration is left out once; the line through
the others, read at the new model's LP, plus model i's own residual against it, is one value the new
gain could have taken. These n values are the predictive spread: interval ends are order statistics
of it, the probability of a gain is the share above 0.

Source:
    Barber, Candes, Ramdas, Tibshirani, "Predictive inference with the jackknife+" (Annals of
    Statistics 2021), with signed residuals and half of the error on each side. Guaranteed coverage
    is 1 - 2 * alpha; 1 - alpha is what is seen where leaving one model out hardly moves the line
    (the tests check it on models that no line has seen).
"""

import csv
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.schema import Interval

MIN_MODELS = 20
"""With fewer models there is no number anywhere."""

PUBLISHED = "model-recycling-2023"
"""Calibrations on the scale of the published results; absolute LP accuracy allowed."""

PAPER = "paper"
"""The line printed in the paper, for RoBERTa-base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Models of one architecture with known LP and gain, and the line through them."""

    name: str
    """``model-recycling-2023`` or ``paper``."""
    architecture: str
    """Name in the catalog."""
    lp: tuple[float, ...]
    """LP of each model, points: accuracy, or for ``paper`` gain over the base model."""
    gain: tuple[float, ...]
    """Average gain of each model over the target group, points."""
    base_lp: float | None
    """LP of the base model on the scale of ``lp``; None where it cannot be used."""
    base_lp_missing: str
    """Why ``base_lp`` is None; empty where it is there."""
    seed_sd: float | None
    """Standard deviation of the base model's mean score between seeds, points."""
    line: tuple[float, float] | None
    """Slope and intercept printed elsewhere; None to fit them."""
    run_shift: float
    """How far the base model's LP lies apart in two runs of the protocol, points."""
    run_sd: float
    """Standard deviation of that difference from model to model, points."""
    target_group: str
    """Group of targets the average gain runs over."""
    date: str
    """When the results were published."""
    source: str
    """Where they come from."""

    @property
    def n(self) -> int:
        """Number of models."""
        return len(self.lp)

    @property
    def run_spread(self) -> float:
        """Root mean square difference of LP between two runs of the protocol, points."""
        return math.hypot(self.run_shift, self.run_sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a calibration says at one LP."""

    gain: float
    """On the line, points."""
    slope: float
    """Points of gain per point of LP."""
    values: NDArray[np.float64]
    """float64 of shape (n,), ascending: gains that the calibration finds equally likely."""


def load_calibrations(name: str) -> Mapping[str, Calibration]:
    """Return the calibrations of that name by architecture.

    Args:
        name: ``model-recycling-2023`` or ``paper``.
    """
    return _load(name)


def fit_line(lp: NDArray[np.float64], gain: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line.

    Args:
        lp: float64 of shape (n,), points; not all equal.
        gain: float64 of shape (n,), points.
    """
    centred = lp - lp.mean()
    slope = float(centred @ gain / (centred @ centred))
    return slope, float(gain.mean() - slope * lp.mean())


def spread_at(calibration: Calibration, lp: float) -> Spread:
    """Return the line and the predictive spread at one LP.

    Args:
        calibration: Models with known LP and gain.
        lp: LP of the new model, points, on the scale of ``calibration.lp``.

    Source:
        Left-out predictions without refitting: with leverage h_i of model i and its residual e_i,
        the line without i has residual e_i / (1 - h_i) at i and lies h(lp, lp_i) * e_i / (1 - h_i)
        lower at ``lp`` (h from the hat matrix; Cook & Weisberg, Residuals and Influence, 1982).
    """
    x, y = np.asarray(calibration.lp), np.asarray(calibration.gain)
    if calibration.line is not None:
        slope, intercept = calibration.line
        values = slope * lp + intercept + (y - slope * x - intercept)
        return Spread(gain=slope * lp + intercept, slope=slope, values=np.sort(values))
    slope, intercept = fit_line(x, y)
    centred = x - x.mean()
    sum_squares = centred @ centred
    left_out = (y - slope * x - intercept) / (1 - 1 / len(x) - centred**2 / sum_squares)
    moved = (1 / len(x) + (lp - x.mean()) * centred / sum_squares) * left_out
    gain = slope * lp + intercept
    return Spread(gain=gain, slope=slope, values=np.sort(gain - moved + left_out))


def interval(spread: Spread, *, level: float, lp_sd: float = 0.0) -> Interval:
    """Return the interval that should hold the gain of a new model.

    Args:
        spread: From ``spread_at``.
        level: Nominal coverage, 0 to 1.
        lp_sd: Standard deviation, points, by which the LP itself may be off (a borrowed
            calibration). With z the normal quantile of ``level``, each end moves away from the line
            to the square root of (its distance squared + (z * slope * lp_sd) squared).

    Raises:
        SettingsError: If the level is too high for the number of models.
    """
    n = len(spread.values)
    rank = math.floor((n + 1) * (1 - level) / 2 + 1e-9)
    if rank < 1:
        raise SettingsError(
            f"level {level} needs at least {math.ceil(2 / (1 - level) - 1 - 1e-9)} models, this "
            f"calibration has {n}; the highest level it supports is {1 - 2 / (n + 1):.3f}"
        )
    low, high = float(spread.values[rank - 1]), float(spread.values[n - rank])
    extra = _normal_quantile((1 + level) / 2) * abs(spread.slope) * lp_sd
    below, above = max(spread.gain - low, 0.0), max(high - spread.gain, 0.0)
    return (
        min(low, spread.gain - math.hypot(below, extra)) if extra else low,
        max(high, spread.gain + math.hypot(above, extra)) if extra else high,
    )


def probability_positive(spread: Spread, *, lp_sd: float = 0.0) -> float:
    """Return the probability that the gain of a new model is above 0.

    Args:
        spread: From ``spread_at``.
        lp_sd: As for ``interval``; blurs each value by a normal of slope * lp_sd.

    Returns:
        (share of the n values above 0, plus one half in n + 1): never exactly 0 or 1, which n
        models cannot show.
    """
    blur = abs(spread.slope) * lp_sd
    if blur > 0:
        count = sum(0.5 * math.erfc(-value / blur / math.sqrt(2)) for value in spread.values)
    else:
        count = float(np.sum(spread.values > 0) + 0.5 * np.sum(spread.values == 0))
    return (count + 0.5) / (len(spread.values) + 1)


def _normal_quantile(probability: float) -> float:
    # Imported here: it is needed for borrowed calibrations only, and start-up is counted in ms.
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


@cache
def _load(name: str) -> dict[str, Calibration]:
    folder = resources.files("hubbot.gains") / "data"
    tables = tomllib.loads((folder / "calibrations.toml").read_text(encoding="utf-8"))
    table = tables[name]
    models: dict[str, list[tuple[float, float]]] = {}
    with (folder / table["file"]).open(encoding="utf-8") as file:
        for architecture, _model, lp, gain in list(csv.reader(file))[1:]:
            models.setdefault(architecture, []).append((float(lp), float(gain)))
    return {
        architecture: Calibration(
            name=name,
            architecture=architecture,
            lp=tuple(lp for lp, _ in pairs),
            gain=tuple(gain for _, gain in pairs),
            base_lp=table["base"][architecture].get("base_lp"),
            base_lp_missing=table["base"][architecture].get("base_lp_missing", ""),
            seed_sd=table["base"][architecture].get("seed_sd"),
            line=(table["slope"], table["intercept"]) if "slope" in table else None,
            run_shift=table.get("run_shift", 0.0),
            run_sd=table.get("run_sd", 0.0),
            target_group=table["target_group"],
            date=table["date"],
            source=table["source"],
        )
        for architecture, pairs in models.items()
    }
