"""Is a target worth intertraining: what a paired gain says, in words, and how many seeds it takes.

How sure a gain over k seeds is depends on two parts of its variance (``gains.paired``):

    variance(k) = rows + per_seed / k

``rows`` comes from which test rows there are and stays, whatever the number of seeds; ``per_seed``
is the variance between gains of single seeds. A difference d is seen with 80 % probability, by a
two-sided test at 5 %, where

    d >= (t(0.975, f) + t(0.8, f)) * sqrt(variance(k)),
    f = (k - 1) * (variance(k) / (per_seed / k))^2

and never where d < (1.960 + 0.842) * sqrt(rows): then the test set is too small.

Source:
    Sample size of a paired comparison, with Student's t in place of the normal: Lachin,
    "Introduction to sample size determination and power analysis for clinical trials" (Controlled
    Clinical Trials, 1981), equation 4; degrees of freedom by Satterthwaite (1946), as in
    ``intervals``. The p-value is that of ``paired``: of the same draws as the interval.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from hubbot.gains.paired import PairedGain
from hubbot.schema import Interval

TO_SEE = 0.5
"""Points of gain that are worth seeing, unless told."""

POWER = 0.8
"""Probability with which a difference of that size is to be found."""

LEVEL = 0.95
"""One minus the size of the two-sided test."""

_HARDLY_ANY = 2
"""Seeds from which a spread follows, but none to rely on: its t-quantile is 12.7."""

MOST_SEEDS = 10_000
"""Numbers of seeds that are looked through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Whether fine-tuning on a target gains from an intermediate model."""

    gain: float
    """Points."""
    interval: Interval
    """95 % interval over seeds and test rows, points."""
    se: float | None
    """Standard error over seeds, points; None for one seed."""
    p_value: float
    """Two-sided, that there is no gain."""
    verdict: str
    """The answer as one plain sentence."""
    seeds: int
    """Seeds behind it."""
    to_see: float
    """Difference, points, that ``seeds_needed`` is about."""
    seeds_needed: int | None
    """Seeds with which such a difference is found in 80 of 100 cases; None where no number of them
    is enough, or one seed cannot tell."""
    least_visible: float | None
    """Least difference, points, that this test set can show with any number of seeds; None where
    it is not known."""


def judge(paired: PairedGain, *, to_see: float = TO_SEE) -> Sensitivity:
    """Say whether there is a gain, and if none was found, what it would take.

    Args:
        paired: Gain of the intermediate model over the base model.
        to_see: Difference, points, worth seeing.

    Raises:
        ValueError: If ``to_see`` is not above 0.
    """
    if not 0 < to_see <= 100:
        raise ValueError(f"to_see is {to_see}, expected a difference above 0, up to 100 points")
    return Sensitivity(
        gain=paired.gain,
        interval=paired.interval,
        se=paired.se,
        p_value=paired.p_value,
        verdict=_verdict(paired, to_see),
        seeds=paired.seeds,
        to_see=to_see,
        seeds_needed=seeds_needed(paired, to_see),
        least_visible=least_visible(paired),
    )


def seeds_needed(paired: PairedGain, difference: float) -> int | None:
    """Return the seeds with which a difference is found with 80 % probability.

    Args:
        paired: Its variance between seeds and over rows is taken for the true one.
        difference: Points.

    Returns:
        At least 2; None where no number up to 10,000 is enough, or one seed cannot tell.
    """
    if paired.se is None:
        return None
    rows, per_seed = (paired.rows_se or 0.0) ** 2, paired.seeds * paired.se**2
    if _normal_sum() ** 2 * rows >= difference**2:
        return None
    # More seeds only help, so the least number is found by halving.
    low, high = 2, MOST_SEEDS
    if not _is_seen(difference, rows, per_seed, high):
        return None
    while low < high:
        middle = (low + high) // 2
        if _is_seen(difference, rows, per_seed, middle):
            high = middle
        else:
            low = middle + 1
    return low


def least_visible(paired: PairedGain) -> float | None:
    """Return the least difference, points, that the test set can show with any number of seeds.

    Args:
        paired: Of two seeds or more; with one, rows and seeds cannot be told apart.

    Returns:
        None where it is not known.
    """
    if paired.rows_se is None or not paired.has_seed_noise:
        return None
    return _normal_sum() * paired.rows_se


def _normal_sum() -> float:
    normal = NormalDist()
    return normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(POWER)


def _is_seen(difference: float, rows: float, per_seed: float, seeds: int) -> bool:
    from scipy.special import stdtrit  # of the extra `probe`, which fine-tuning needs

    variance = rows + per_seed / seeds
    if per_seed == 0:
        return difference >= _normal_sum() * math.sqrt(variance)
    degrees = (seeds - 1) * (variance / (per_seed / seeds)) ** 2
    quantiles = stdtrit(degrees, (1 + LEVEL) / 2) + stdtrit(degrees, POWER)
    return bool(difference >= quantiles * math.sqrt(variance))


def _verdict(paired: PairedGain, to_see: float) -> str:
    low, high = paired.interval
    if low <= 0 <= high:
        return _nothing_found(paired, to_see)
    word = "helps" if paired.gain > 0 else "hurts"
    half = (high - low) / 2
    digits = _digits(min(abs(low), abs(high)))
    return (
        f"intertraining {word} by {abs(paired.gain):.{digits}f} ± {half:.{digits}f} points (95 % "
        f"interval {low:+.{digits}f} to {high:+.{digits}f}, {_seeds(paired.seeds)})"
    )


def _digits(nearest: float) -> int:
    """Return the decimals with which the end nearer to 0 is not printed as 0: one, mostly."""
    return next((digits for digits in (1, 2, 3) if round(nearest, digits) > 0), 4)


def _nothing_found(paired: PairedGain, to_see: float) -> str:
    # Rounded up: nothing larger than the number that is printed.
    most = math.ceil(10 * max(abs(end) for end in paired.interval) - 1e-9) / 10
    found = f"no difference larger than {most:.1f} points found with {_seeds(paired.seeds)}"
    if paired.seeds == _HARDLY_ANY and not paired.is_equal:
        return (
            f"{_HARDLY_ANY} seeds leave a difference of up to {most:.1f} points open; with 3 or "
            "more an interval begins to tell something"
        )
    if not paired.has_seed_noise:
        return f"{found}; only more seeds can tell how many are needed to see {to_see:g}"
    needed, least = seeds_needed(paired, to_see), least_visible(paired)
    if needed is None and least is not None and least >= to_see:
        return f"{found}; the test set of {_rows(paired)} cannot show less than {least:.1f} points"
    if needed is None:
        return f"{found}; over {MOST_SEEDS:,} would be needed to see {to_see:g}"
    if needed <= paired.seeds:
        return f"{found}, enough to see {to_see:g} in most cases"
    return f"{found}; {needed:,} would be needed to see {to_see:g}"


def _seeds(n: int) -> str:
    return "1 seed, whose own noise is not in it" if n == 1 else f"{n} seeds"


def _rows(paired: PairedGain) -> str:
    return "1 row" if paired.n_test == 1 else f"{paired.n_test:,} rows"
