"""Gain of a model over its base model on the same seeds and test rows, and how sure it is.

Two things make it uncertain: which rows the test set happens to hold, and which seeds were drawn.
Every seed answers every row, so a difference in row i with seed s is taken as

    gain + row_i + seed_s + rest_is

and the interval comes from a hierarchical bootstrap of that, one draw at a time: rows are drawn
again, jointly for both models and all seeds, which carries the shares of rows and rest; seeds are
drawn again as pairs, which carries the share of seeds. A plain percentile bootstrap of so few seeds
is too narrow by far (where seeds differ much, 79 % for 95 with 3 of them, 86 % with 5), so three
things are done to seeds: their deviations are widened by sqrt(k / (k - 1)), their variance is drawn
from what so few of them leave open (variance * (k - 1) / chi-square), and of it is taken off what
the rows already carry.

Coverage of the 95 % interval, simulated (binary answers of two models with row, seed and rest
effects; test sets of 277 and 2,000 rows; seeds from no share in the variance to nearly all of it;
1,000 tables each, so a number is good to a point and a half):

    seeds      3            5            10           20
    coverage   94 to 99 %   94 to 99 %   95 to 97 %   94 to 96 %

It errs to the wide side where seeds hardly differ, since few of them cannot show that; with 2 an
interval is too wide to be of use. For one seed rows alone are drawn, and that interval says nothing
of other seeds.

Source:
    Owen, "The pigeonhole bootstrap" (Annals of Applied Statistics, 2007), for drawing both ways;
    Carpenter, Goldstein, Rasbash, "A novel bootstrap procedure for assessing the relationship
    between class size and achievement" (Applied Statistics, 2003), for deviations widened to their
    variance; Weerahandi, "Generalized confidence intervals" (JASA, 1993), for drawing a variance
    component. One half of a row on either side, as in ``intervals``; correlations get as much.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.rank_correlation import Floats, Ranked, correlations, row_counts
from hubbot.schema import Interval

LEVEL = 0.95
"""Nominal coverage of every interval here."""

DRAWS = 10_000
"""Of the bootstrap; the ends of an interval move by a few hundredths of its width."""

RANK_DRAWS = 1_000
"""Where each draw computes rank correlations anew."""

_MOST_RANKED = 10_000_000
"""Cells (draws times rows) above which a long test set gets fewer draws."""

_Kind = TypeVar("_Kind", bound=np.generic)

Predicted = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedGain:
    """Gain of a model over its base model, measured on the same seeds and rows; points."""

    gain: float
    """Mean over seeds of the paired difference of test scores."""
    se: float | None
    """Standard error of that mean over seeds; None for one seed."""
    interval: Interval
    """95 % interval over seeds and test rows; over what is known of them alone."""
    p_value: float
    """Two-sided, that there is no gain: twice the share of bootstrap draws on the smaller side of
    0, so that it falls below 0.05 where the interval leaves 0 out; at least 2 / (draws + 1)."""
    seeds: int
    """Number of seeds."""
    n_test: int | None
    """Test rows; None where only scores were given."""
    score: float
    """Mean test score of the model."""
    base_score: float
    """Mean test score of the base model."""
    rows_se: float | None
    """Standard error from the test rows alone, that no number of seeds takes away; with one seed
    the rest is in it too. None where only scores were given."""
    is_equal: bool = False
    """Whether both are right on the very same rows with every seed, or give the same numbers."""

    @property
    def has_seed_noise(self) -> bool:
        """Whether the interval knows of the difference between seeds."""
        return self.seeds > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageGain:
    """Mean of gains over targets."""

    gain: float
    """Points."""
    se: float | None
    """Standard error over seeds, points; None where a gain has none."""
    n_targets: int
    """How many."""


def paired_gain(
    model: NDArray[np.bool_], base: NDArray[np.bool_], *, seed: int = 0, draws: int = DRAWS
) -> PairedGain:
    """Return the gain in accuracy.

    Args:
        model: bool of shape (n_seeds, n_test) or (n_test,): whether the model, fine-tuned with each
            seed, labels each test row correctly.
        base: The base model's: same shape, same seeds and rows in the same order.
        seed: Of the bootstrap; the same input gives the same interval.
        draws: Of the bootstrap.

    Raises:
        ValueError: If the shapes differ, or there is no row.
    """
    own, other = _tables(model, base)
    n_seeds, n_test = own.shape
    difference = own.astype(np.int64) - other.astype(np.int64)
    rng = np.random.default_rng(seed)
    # A row's mean over seeds takes few values, so rows are drawn by how often each occurs.
    sums, counts = np.unique(difference.sum(axis=0), return_counts=True)
    drawn = rng.multinomial(n_test, counts / n_test, size=draws) @ sums
    gain = float(difference.mean())
    noise = drawn / (n_seeds * n_test) - gain + rng.normal(0, 1 / n_test, draws)
    rows, rest = _variances(difference)
    return _finish(
        own.mean(axis=1),
        other.mean(axis=1),
        row_noise=noise,
        rows_variance=rows + 1 / n_test**2,
        rest_variance=rest,
        n_test=n_test,
        rng=rng,
        is_equal=not difference.any(),
    )


def paired_spearman(
    model: Floats, base: Floats, labels: Floats, *, seed: int = 0, draws: int = RANK_DRAWS
) -> PairedGain:
    """Return the gain in Spearman's rank correlation, computed anew for every draw of rows.

    Args:
        model: float64 of shape (n_seeds, n_test) or (n_test,): predictions.
        base: The base model's: same shape, same seeds and rows in the same order.
        labels: float64 of shape (n_test,).
        seed: Of the bootstrap.
        draws: Of the bootstrap; fewer above 10,000 rows.

    Raises:
        ValueError: If the shapes differ, or there is no row.
    """
    own, other = _tables(model, base)
    n_seeds, n_test = own.shape
    if labels.shape != (n_test,):
        raise ValueError(f"{labels.shape} labels for {n_test} test rows")
    rng = np.random.default_rng(seed)
    target, columns = Ranked(labels), [Ranked(column) for column in (*own, *other)]
    draws = min(draws, max(_MOST_RANKED // n_test, 200))
    once = np.ones((1, n_test))
    scores = correlations(target, columns, once)[0]
    parts = [correlations(target, columns, w) for w in row_counts(rng, n_test, draws)]
    drawn = np.concatenate(parts)
    by_seed = drawn[:, :n_seeds] - drawn[:, n_seeds:]
    mean = by_seed.mean(axis=1)
    rest = 0.0
    if n_seeds > 1:
        rest = float((by_seed - mean[:, None]).var(axis=0).mean()) * n_seeds / (n_seeds - 1)
    own_scores, base_scores = scores[:n_seeds], scores[n_seeds:]
    return _finish(
        own_scores,
        base_scores,
        row_noise=mean
        - float((own_scores - base_scores).mean())
        + rng.normal(0, 1 / n_test, draws),
        rows_variance=max(float(mean.var()) - rest / n_seeds, 0.0) + 1 / n_test**2,
        rest_variance=rest,
        n_test=n_test,
        rng=rng,
        is_equal=bool(np.array_equal(own, other)),
    )


def paired_predictions(
    metric: str, model: Predicted, base: Predicted, labels: Predicted, *, seed: int = 0
) -> PairedGain:
    """Return the gain in a target's own metric.

    Args:
        metric: ``accuracy`` or ``spearman``.
        model: Predictions, shape (n_seeds, n_test) or (n_test,).
        base: The base model's: same shape, same seeds and rows in the same order.
        labels: The true ones, shape (n_test,).
        seed: Of the bootstrap.

    Raises:
        ValueError: If the metric is another one, the shapes differ or there is no row.
    """
    if metric == "accuracy":
        return paired_gain(model == labels, base == labels, seed=seed)
    if metric == "spearman":
        floats = (part.astype(np.float64) for part in (model, base, labels))
        return paired_spearman(*floats, seed=seed)
    raise ValueError(f"metric {metric!r}; expected accuracy or spearman")


def paired_scores(model: Floats, base: Floats) -> PairedGain:
    """Return the gain of scores whose predictions are not at hand, with Student's t over seeds.

    Args:
        model: float64 of shape (n_seeds,): test scores of two seeds or more, points.
        base: The base model's with the same seeds.

    Raises:
        ValueError: If the shapes differ, or there are fewer than two seeds.
    """
    if model.shape != base.shape or model.ndim != 1 or len(model) < 2:
        raise ValueError(
            f"scores of shapes {model.shape} and {base.shape}; expected the same two seeds or more"
        )
    from scipy.special import stdtr, stdtrit  # of the extra `probe`, which fine-tuning needs

    difference = model - base
    gain, degrees = float(difference.mean()), len(difference) - 1
    se = float(difference.std(ddof=1)) / math.sqrt(len(difference))
    half = float(stdtrit(degrees, (1 + LEVEL) / 2)) * se
    p_value = 2 * float(stdtr(degrees, -abs(gain) / se)) if se > 0 else float(gain == 0)
    return PairedGain(
        gain=gain,
        se=se,
        interval=_inside(gain, gain - half, gain + half),
        p_value=p_value,
        seeds=len(difference),
        n_test=None,
        score=float(model.mean()),
        base_score=float(base.mean()),
        rows_se=None,
    )


def average_gain(gains: Iterable[PairedGain]) -> AverageGain:
    """Return the mean gain over targets, whose errors are independent of each other.

    Args:
        gains: One for each target, at least one.

    Raises:
        ValueError: If there is none.
    """
    each = list(gains)
    if not each:
        raise ValueError("no gains to average; measure one target at least")
    errors = [gain.se for gain in each if gain.se is not None]
    is_known = len(errors) == len(each)
    return AverageGain(
        gain=sum(gain.gain for gain in each) / len(each),
        se=math.hypot(*errors) / len(each) if is_known else None,
        n_targets=len(each),
    )


def _finish(
    model: Floats,
    base: Floats,
    *,
    row_noise: Floats,
    rows_variance: float,
    rest_variance: float,
    n_test: int,
    rng: np.random.Generator,
    is_equal: bool,
) -> PairedGain:
    """Add the noise of seeds to that of rows; every number is still a share, 0 to 1.

    Args:
        model: Score with each seed, shape (n_seeds,).
        base: The base model's.
        row_noise: float64 of shape (draws,): drawn gain minus the gain.
        rows_variance: Of the gain, from rows alone.
        rest_variance: Of one seed's gain, from the rest: it is in ``row_noise`` already.
        n_test: Test rows.
        rng: Draws seeds.
        is_equal: As in ``PairedGain``.
    """
    by_seed = model - base
    gain, n_seeds = float(by_seed.mean()), len(by_seed)
    draws = gain + row_noise + _seed_noise(by_seed, rest_variance, len(row_noise), rng)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    se = float(by_seed.std(ddof=1)) / math.sqrt(n_seeds) if n_seeds > 1 else None
    return PairedGain(
        gain=100 * gain,
        se=None if se is None else 100 * se,
        interval=_inside(100 * gain, 100 * float(low), 100 * float(high)),
        p_value=min(2 * (1 + beyond) / (1 + len(draws)), 1.0),
        seeds=n_seeds,
        n_test=n_test,
        score=100 * float(model.mean()),
        base_score=100 * float(base.mean()),
        rows_se=100 * math.sqrt(rows_variance),
        is_equal=is_equal,
    )


def _seed_noise(
    by_seed: Floats, rest_variance: float, draws: int, rng: np.random.Generator
) -> Floats:
    """Return how far the mean moves with the seeds drawn, shape (draws,); 0 for one seed."""
    n_seeds = len(by_seed)
    deviations = by_seed - by_seed.mean()
    variance = float((deviations**2).sum()) / max(n_seeds - 1, 1)
    if variance == 0:
        return np.zeros(draws)
    picked = deviations[rng.integers(0, n_seeds, (draws, n_seeds))].mean(axis=1)
    unit = picked * math.sqrt(n_seeds / (n_seeds - 1) / variance)
    chance = rng.chisquare(n_seeds - 1, draws) / (n_seeds - 1)
    return np.asarray(unit * np.sqrt(np.maximum(variance / chance - rest_variance, 0.0)))


def _variances(difference: NDArray[np.int64]) -> tuple[float, float]:
    """Return the variance of the mean from rows alone, and of one seed's mean from the rest.

    Two-way analysis of variance without replication, as in ``intervals``. The rest cannot be told
    from the rows with one seed and stays with them.
    """
    n_seeds, n_test = difference.shape
    mean = float(difference.mean())
    of_rows, of_seeds = difference.mean(axis=0), difference.mean(axis=1)
    rows = float(((of_rows - mean) ** 2).sum())
    if n_seeds == 1 or n_test == 1:
        return rows / n_test**2, 0.0
    total = float((difference**2).sum()) - difference.size * mean**2
    left = total - n_seeds * rows - n_test * float(((of_seeds - mean) ** 2).sum())
    rest = max(left, 0.0) / ((n_seeds - 1) * (n_test - 1)) / n_test
    return max(rows / (n_test - 1) / n_test - rest / n_seeds, 0.0), rest


def _tables(model: NDArray[_Kind], base: NDArray[_Kind]) -> tuple[NDArray[_Kind], NDArray[_Kind]]:
    own, other = np.atleast_2d(model), np.atleast_2d(base)
    if own.shape != other.shape or own.ndim != 2 or own.size == 0:
        raise ValueError(
            f"a gain needs the same seeds and test rows: model {model.shape}, base {base.shape}"
        )
    return own, other


def _inside(gain: float, low: float, high: float) -> Interval:
    """Return an interval within what gains can be, around the gain."""
    return max(min(low, gain), -100.0), min(max(high, gain), 100.0)
