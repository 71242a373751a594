"""What scores usually are: the base model's level per target, and how far gains from it reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_ROWS = 20
"""Sound rows that a target needs before anything is called usual."""

_LEAST_MARGIN = 5.0
"""Points above the best known gain below which nothing is called impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLevels:
    """Levels of known targets, from published results."""

    base: Mapping[str, Mapping[str, float]]
    """For each architecture and target the base model's mean score, points."""
    spread: Mapping[str, float]
    """For each target the robust standard deviation of gains over the base model, points."""
    best_gain: Mapping[str, float]
    """For each target the largest gain that any sound row of any architecture reaches, points."""
    sizes: Mapping[str, int | None]
    """For each target the examples in its test set; None where the score is a correlation."""

    def gain_limit(self, target: str) -> float:
        """Return the gain, points, above which a score of that target is not believed.

        The best known gain and half as much again, at least 5 points: of the published rows, none
        of a random 30 % ever came near the limit drawn from the other 70 %.
        """
        return gain_limit(self.best_gain.get(target, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What is usual in each cell and column of one table, points; NaN where not known."""

    usual: NDArray[np.float64]
    """float64 of shape (n_rows, n_targets): the base model's score."""
    spread: NDArray[np.float64]
    """float64 of shape (n_targets,): robust standard deviation of gains."""
    limit: NDArray[np.float64]
    """float64 of shape (n_targets,): gain that is not believed."""


def gain_limit(best: float) -> float:
    """Return the gain above which no other is believed.

    Args:
        best: Best known gain of that kind, points; NaN where none is known.
    """
    return best + max(_LEAST_MARGIN, best / 2)


def measure_levels(
    base: Mapping[str, Mapping[str, float]],
    sizes: Mapping[str, int | None],
    architectures: Sequence[str],
    targets: Sequence[str],
    scores: NDArray[np.float64],
) -> KnownLevels:
    """Return the levels that sound rows show.

    Args:
        base: For each architecture and target the base model's mean score, points.
        sizes: For each target the examples in its test set.
        architectures: Architecture of each row.
        targets: Names of the columns.
        scores: float64 of shape (n_rows, n_targets), points, NaN for missing; sound rows only.
    """
    gains = scores - usual_scores(base, architectures, targets)
    spread, best = {}, {}
    for place, target in enumerate(targets):
        column = gains[np.isfinite(gains[:, place]), place]
        if len(column) >= _LEAST_ROWS:
            spread[target] = robust_spread(column)
            best[target] = float(column.max())
    return KnownLevels(base=base, spread=spread, best_gain=best, sizes=sizes)


def levels_of_table(
    known: KnownLevels,
    architectures: Sequence[str],
    targets: Sequence[str],
    scores: NDArray[np.float64],
    own_base: Mapping[str, int],
) -> Levels:
    """Return what is usual in a table's cells.

    Args:
        known: Levels of published results.
        architectures: Architecture of each row.
        targets: Names of the columns.
        scores: float64 of shape (n_rows, n_targets), points, NaN for missing.
        own_base: For each architecture the row that holds the base model itself; used where
            ``known`` has no level.
    """
    own = {
        name: {target: float(scores[row, place]) for place, target in enumerate(targets)}
        for name, row in own_base.items()
    }
    base = {name: {**own.get(name, {}), **known.base.get(name, {})} for name in {*own, *known.base}}
    return Levels(
        usual=usual_scores(base, architectures, targets),
        spread=np.array([known.spread.get(target, np.nan) for target in targets]),
        limit=np.array([known.gain_limit(target) for target in targets]),
    )


def usual_scores(
    base: Mapping[str, Mapping[str, float]], architectures: Sequence[str], targets: Sequence[str]
) -> NDArray[np.float64]:
    """Return the base model's score for every row and target, NaN where not known.

    Args:
        base: For each architecture and target the base model's mean score, points.
        architectures: Architecture of each row.
        targets: Names of the columns.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(architectures))}
    table = np.array(
        [[base.get(name, {}).get(target, np.nan) for target in targets] for name in places],
        dtype=np.float64,
    ).reshape(len(places), len(targets))
    return table[np.fromiter(map(places.__getitem__, architectures), dtype=np.int64)]


def robust_spread(values: NDArray[np.float64]) -> float:
    """Return 1.4826 times the median distance from the median: the standard deviation of a normal.

    Args:
        values: float64 of shape (n,), finite.
    """
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
