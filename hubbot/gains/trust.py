"""How much of a measured gain to believe: single runs at the top of a list are lucky ones.

A published average gain is one run per target, and moves with the seed as the base model's mean
score does. Models of a calibration scatter around what LP and flags predict by noise and by what
sets them apart. The share of the scatter that is no noise is the weight a measurement gets; the
rest of the way it is drawn to the prediction, but never by more than 1.5 standard deviations of
the noise, so that a model that collapsed, or one that is truly exceptional, stays where it is.

On published models, one half of the targets drawn in this way tells the mean gain over the other
half better than the half as it was measured, on each of the five architectures with a calibration
(root mean squared error 0.69 for 0.79 points on roberta-base, 1.26 for 1.36 on bert-base-uncased),
and the ten models that a measured half puts first are 0.24 to 0.71 points too high, those that a
drawn half puts first at most 0.28 (``benchmarks/shrinkage.py``).

Source:
    Weights: James-Stein shrinkage towards a regression, Morris, "Parametric empirical Bayes
    inference" (JASA 1983). Limit: Efron and Morris, "Limiting the risk of Bayes and empirical Bayes
    estimators" (JASA 1972). Why the top of a list needs it: Efron, "Tweedie's formula and selection
    bias" (JASA 2011).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hubbot.gains.smoother import Array

MOST_DRAWN = 1.5
"""Standard deviations of the noise that a measurement is drawn by at most."""

_TO_SD = 1.4826
"""Median absolute deviation of a normal, inverted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a measurement of one run per target is worth beside a prediction."""

    noise_sd: float
    """Standard deviation of a measured average gain between seeds, points."""
    model_sd: float
    """Standard deviation of true gains around what is predicted, points."""
    model_sd_at_most: float
    """The same, one standard error higher; widths of intervals are taken from it."""
    base_sd: float
    """Standard error of the base model's own mean score, points; common to all its models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Best estimates of true gains of n measured models."""

    gain: Array
    """float64 of shape (n,), points."""
    low: Array
    """float64 of shape (n,): lower ends, points."""
    high: Array
    """float64 of shape (n,): upper ends, points."""


def measure_trust(residuals: Array, *, seed_sd: float, n_seeds: int) -> Trust:
    """Return what measured gains of one architecture are worth.

    Args:
        residuals: float64 of shape (n,): measured gains minus what was predicted without them,
            points; two or more.
        seed_sd: Standard deviation of the base model's mean score between seeds, points. A model
            fine-tuned from another start is taken to move as much, but not by more than all
            residuals together do: base models whose runs fail now and then (T5) move by far more
            than the models tuned from them.
        n_seeds: Runs of the base model behind its mean score.
    """
    # Median and deviation from it: models that collapsed must not pass for ordinary scatter.
    scatter = _TO_SD * float(np.median(np.abs(residuals - np.median(residuals))))
    error = math.sqrt(2 / len(residuals))  # of a variance, relative to it
    share = max(1 - (seed_sd / scatter) ** 2, error, 0.0) if scatter > 0 else 1.0
    share = min(share, 1.0)
    return Trust(
        noise_sd=scatter * math.sqrt(1 - share) if scatter > 0 else seed_sd,
        model_sd=scatter * math.sqrt(share),
        model_sd_at_most=scatter * math.sqrt(min(share + error, 1.0)),
        base_sd=seed_sd / math.sqrt(n_seeds),
    )


def believe(seed_sd: float, n_seeds: int) -> Trust:
    """Return the trust where too few models are measured to tell: every number as it stands.

    Args:
        seed_sd: As for ``measure_trust``.
        n_seeds: As for ``measure_trust``.
    """
    return Trust(
        noise_sd=seed_sd,
        model_sd=math.inf,
        model_sd_at_most=math.inf,
        base_sd=seed_sd / math.sqrt(n_seeds),
    )


def settle(
    measured: Array, predicted: Array, noise_sd: Array, trust: Trust, *, level: float
) -> Settled:
    """Draw measured gains towards predicted ones, as far as noise explains the difference.

    With t ** 2 = ``model_sd`` ** 2 and s the noise, the weight of the measurement is
    w = t ** 2 / (t ** 2 + s ** 2), raised where the way to go would be over 1.5 s. The variance
    of what is left is w * s ** 2, and that of the base model's mean is added to it.

    Args:
        measured: float64 of shape (n,), points.
        predicted: float64 of shape (n,): without the model's own measurement, points.
        noise_sd: float64 of shape (n,): of each measurement, points; NaN for ``trust.noise_sd``,
            whose measurements were taken against the base model's published mean. A number of
            one's own holds the base model's error already.
        trust: From ``measure_trust`` of the same architecture.
        level: Nominal coverage of the intervals.
    """
    is_own = np.isfinite(noise_sd)
    noise = np.where(is_own, noise_sd, trust.noise_sd)
    distance = measured - predicted
    kept = _kept(trust.model_sd, noise, distance)
    kept_at_most = np.maximum(_kept(trust.model_sd_at_most, noise, distance), kept)
    gain = predicted + kept * distance if math.isfinite(trust.model_sd) else measured
    base = np.where(is_own, 0.0, trust.base_sd)
    half = NormalDist().inv_cdf((1 + level) / 2) * np.hypot(np.sqrt(kept_at_most) * noise, base)
    return Settled(gain=gain, low=gain - half, high=gain + half)


def without_noise(gain: Array, low: Array, high: Array, trust: Trust, *, level: float) -> Settled:
    """Return intervals of true gains from those of gains that are still to be measured.

    Each side's variance loses that of the noise, but never falls below that of models around their
    prediction.

    Args:
        gain: float64 of shape (n,): expected gains, points.
        low: float64 of shape (n,): lower ends of intervals for a measured gain, points.
        high: float64 of shape (n,): upper ends, points.
        trust: From ``measure_trust`` of the same architecture.
        level: Nominal coverage of the intervals.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    sides = []
    for side in (gain - low, high - gain):
        left = np.maximum((side / z) ** 2 - trust.noise_sd**2, trust.model_sd_at_most**2)
        sides.append(np.minimum(z * np.sqrt(left), side))
    return Settled(gain=gain, low=gain - sides[0], high=gain + sides[1])


def _kept(model_sd: float, noise: Array, distance: Array) -> Array:
    if not math.isfinite(model_sd):
        return np.ones(len(noise))
    both = model_sd**2 + noise**2
    lost = np.where(both > 0, noise**2 / np.where(both > 0, both, 1.0), 0.0)
    away = np.abs(distance)
    limit = np.where(away > 0, MOST_DRAWN * noise / np.where(away > 0, away, 1.0), 1.0)
    kept: Array = 1 - np.minimum(lost, limit)
    return kept
