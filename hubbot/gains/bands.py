"""Bands of a ranking: models that their intervals do not tell apart.

A band is the shortest head of the list that holds the truly best of its models with a given
probability; the next band is the same of what remains. The order inside a band is not to be relied
on. Each true gain is taken to be spread around its estimate as its interval says, a normal of its
own width on either side, and independently of the others: errors that all models share (the base
model's own mean) cancel in a comparison, so leaving them in makes bands longer, never shorter.

Source:
    Subset selection: Gupta, "On some multiple decision (selection and ranking) rules"
    (Technometrics 1965); with a distribution for every true value, as here: Berger and Deely, "A
    Bayesian approach to ranking and selection of related means" (JASA 1988). The estimates are
    drawn towards what is expected of such models (``trust``), which is what lets a thousand
    of them be compared at once; limits that hold without it (Hsu, "Constrained simultaneous
    confidence intervals for multiple comparisons with the best", Annals of Statistics 1984;
    Mogstad, Romano, Shaikh, Wilhelm, "Inference for ranks", Review of Economic Studies 2024) put
    most of a published list into one band.
"""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.smoother import Array

MOST_BANDS = 10
"""The last band holds whatever the others leave, without saying anything of its best model."""

_REACH = 6.0
"""Standard deviations beyond which a normal is taken to have ended."""
_POINTS = 160
_BLOCK = 4096
_TABLE_END = 8.0
_TABLE_STEPS = 500
"""Entries of the table for each standard deviation; the nearest one is taken."""
_NARROWEST = 1e-6
"""Least standard deviation, points: an interval of no width is a point."""


def cut_bands(estimate: Array, low: Array, high: Array, *, level: float = 0.9) -> NDArray[np.int64]:
    """Return the band of each model, 1 for the best.

    Args:
        estimate: float64 of shape (n,), points, greatest first.
        low: float64 of shape (n,): lower ends of intervals of ``level``, points.
        high: float64 of shape (n,): upper ends, points.
        level: Nominal coverage of the intervals, and the probability with which a band holds the
            best of its own models and of all that come after it; above 0 and below 1.

    Returns:
        int64 of shape (n,), 1 to ``MOST_BANDS``, in the order of ``estimate``. Models with the same
        estimate are in one band.
    """
    if not len(estimate):
        return np.empty(0, dtype=np.int64)
    rows = np.column_stack([estimate, low, high])
    # Many models have the LP of another, and so the same three numbers.
    is_new = np.concatenate([[True], np.any(rows[1:] != rows[:-1], axis=1)])
    starts = np.flatnonzero(is_new)
    z = NormalDist().inv_cdf((1 + level) / 2)
    kinds = _Kinds(
        estimate=estimate[starts],
        below=np.maximum((estimate - low)[starts] / z, _NARROWEST),
        above=np.maximum((high - estimate)[starts] / z, _NARROWEST),
        count=np.diff(np.append(starts, len(estimate))).astype(np.float64),
    )
    bands = np.full(len(starts), MOST_BANDS, dtype=np.int64)
    begun = 0
    for band in range(1, MOST_BANDS):
        if begun == len(starts):
            break
        ended = begun + _head(kinds[begun:], level)
        ended = int(np.searchsorted(-kinds.estimate, -kinds.estimate[ended - 1], side="right"))
        bands[begun:ended] = band
        begun = ended
    return np.asarray(bands[np.cumsum(is_new) - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kinds:
    """Models with the same three numbers, as one."""

    estimate: Array
    """float64 of shape (n,), points, greatest first."""
    below: Array
    """float64 of shape (n,): standard deviation below the estimate, points."""
    above: Array
    """float64 of shape (n,): the same above it."""
    count: Array
    """float64 of shape (n,): how many models they are."""

    def __getitem__(self, index: slice | NDArray[np.intp]) -> "_Kinds":
        return _Kinds(
            estimate=self.estimate[index],
            below=self.below[index],
            above=self.above[index],
            count=self.count[index],
        )


def _head(kinds: _Kinds, level: float) -> int:
    """Return how many of the first kinds it takes to hold the best with that probability."""
    start = float((kinds.estimate - _REACH * kinds.below).max())
    reach = kinds.estimate + _REACH * kinds.above
    # The others end before the best can begin.
    contenders = np.flatnonzero(reach > start)
    grid = np.linspace(start, float(reach.max()), _POINTS)
    blocks = [contenders[at : at + _BLOCK] for at in range(0, len(contenders), _BLOCK)]
    total = np.sum([_log_shares(grid, kinds[rows]).sum(axis=0) for rows in blocks], axis=0)
    passed = np.zeros(_POINTS)
    for rows in blocks:
        inside = passed + np.cumsum(_log_shares(grid, kinds[rows]), axis=0)
        enough = np.flatnonzero(_probability_inside(inside, total) >= level)
        if len(enough):
            return int(rows[enough[0]]) + 1
        passed = inside[-1]
    return len(kinds.estimate)


def _probability_inside(inside: Array, total: Array) -> Array:
    """Return the probabilities that the greatest of some models is above that of all others.

    Args:
        inside: float64 of shape (m, n_points): logarithm of the distribution function of the
            greatest of the first k models, for m values of k.
        total: float64 of shape (n_points,): the same of all models.
    """
    distribution, outside = np.exp(inside), np.exp(total - inside)
    middle = (outside[:, 1:] + outside[:, :-1]) / 2
    probability: Array = (np.diff(distribution, axis=1) * middle).sum(axis=1)
    return probability


def _log_shares(grid: Array, kinds: _Kinds) -> Array:
    """Return logarithms of the distribution functions of the best model of each kind.

    Args:
        grid: float64 of shape (n_points,), points.
        kinds: m of them.

    Returns:
        float64 of shape (m, n_points).
    """
    distance = grid - kinds.estimate[:, None]
    z = distance / np.where(distance < 0, kinds.below[:, None], kinds.above[:, None])
    place = np.rint((np.clip(z, -_TABLE_END, _TABLE_END) + _TABLE_END) * _TABLE_STEPS)
    log_share: Array = _log_normal_table()[place.astype(np.intp)] * kinds.count[:, None]
    return log_share


@cache
def _log_normal_table() -> Array:
    n = round(2 * _TABLE_END * _TABLE_STEPS) + 1
    points = np.linspace(-_TABLE_END, _TABLE_END, n)
    return np.array([math.log(0.5 * math.erfc(-z / math.sqrt(2))) for z in points])
