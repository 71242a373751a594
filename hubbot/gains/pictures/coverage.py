"""What held-out models show of a calibration's promises, in numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest

from hubbot.gains.calibration import Calibration
from hubbot.gains.smoother import Array
from hubbot.gains.validation import Validation, cross_validate

LEVELS = tuple(round(0.05 * step, 2) for step in range(10, 20))
"""Nominal coverages: 0.50, 0.55, ..., 0.95."""

CHANCE = 0.95
"""Share of samples that the band for sampling error holds."""

_PER_BIN = 20
"""Models in a group of like probability, about."""

_MOST_BINS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A calibration and what cross-validation says of it."""

    calibration: Calibration
    """With n models."""
    validation: Validation
    """Of the same models, with intervals of some levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Achieved coverage of the levels that the number of models allows."""

    nominal: Array
    """float64 of shape (n_levels,), 0 to 1."""
    achieved: Array
    """Same shape: share of models, mean over repeats."""
    low: Array
    """Same shape: lower end of what chance allows if the nominal level were true."""
    high: Array
    """Same shape: upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How often gains were positive among models given about the same probability."""

    promised: Array
    """float64 of shape (n_bins,): mean probability, 0 to 1."""
    achieved: Array
    """Same shape: share of positive gains."""
    low: Array
    """Same shape: lower end of the 95 % interval of that share (Wilson)."""
    high: Array
    """Same shape: upper end."""
    n: tuple[int, ...]
    """Models in each bin."""


def check_calibrations(
    calibrations: Iterable[Calibration], *, n_repeats: int = 1
) -> tuple[Checked, ...]:
    """Cross-validate calibrations as the picture needs it.

    Args:
        calibrations: Lines printed elsewhere are left out: there is nothing to fit.
        n_repeats: Splits, each with ten folds.
    """
    return tuple(
        Checked(
            calibration=item,
            validation=cross_validate(item.rows, item.gain, n_repeats=n_repeats, levels=LEVELS),
        )
        for item in calibrations
        if item.line is None
    )


def coverage_of(validation: Validation) -> Coverage:
    """Return nominal and achieved coverage, and what chance allows.

    Levels are left out that some training fold held too few models for.

    Args:
        validation: Of n models.
    """
    # A model left out of one split is left out of all, so n models count, not n times repeats.
    n = len(validation.gain)
    usable = [
        level
        for place, level in enumerate(validation.levels)
        if np.isfinite(validation.ends[place]).all()
    ]
    nominal = np.array(usable, dtype=np.float64)
    tail = (1 - CHANCE) / 2
    return Coverage(
        nominal=nominal,
        achieved=np.array([validation.coverage(level) for level in usable]),
        low=binom.ppf(tail, n, nominal) / n,
        high=binom.ppf(1 - tail, n, nominal) / n,
    )


def reliability_of(validation: Validation) -> Reliability:
    """Return how often gains were positive, over groups of models with like probability.

    Args:
        validation: Of n models.
    """
    promised = validation.probability_positive.mean(axis=0)
    is_positive = validation.gain > 0
    order = np.argsort(promised, kind="stable")
    bins = np.array_split(order, int(np.clip(len(order) // _PER_BIN, 1, _MOST_BINS)))
    tests = [binomtest(int(is_positive[members].sum()), len(members)) for members in bins]
    ends = [test.proportion_ci(confidence_level=CHANCE, method="wilson") for test in tests]
    return Reliability(
        promised=np.array([promised[members].mean() for members in bins]),
        achieved=np.array([test.statistic for test in tests]),
        low=np.array([end.low for end in ends]),
        high=np.array([end.high for end in ends]),
        n=tuple(len(members) for members in bins),
    )
