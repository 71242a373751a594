"""How far a calibration can be trusted: cross-validation, every choice made inside the folds."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.smoother import Array, Rows, choose
from hubbot.gains.spread import Predictor, intervals, make_predictor, probabilities_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was predicted for models that the fit had not seen."""

    gain: Array
    """float64 of shape (n,): what was measured, points."""
    predicted: Array
    """float64 of shape (n_repeats, n), points."""
    levels: tuple[float, ...]
    """Nominal coverages."""
    ends: Array
    """float64 of shape (n_levels, n_repeats, n, 2): lower and upper ends, points; NaN where the
    training folds held too few models for the level."""
    probability_positive: Array
    """float64 of shape (n_repeats, n)."""
    forms: tuple[str, ...]
    """Form chosen in each fold of each repeat."""

    @property
    def rmse(self) -> float:
        """Root mean squared error, points."""
        return float(np.sqrt(((self.predicted - self.gain) ** 2).mean()))

    def coverage(self, level: float) -> float:
        """Return the share of models whose gain lies in the interval of that nominal level.

        Predictions without an interval do not count; NaN where there is none with one.
        """
        covered = self.is_covered(level)[self._has_interval(level)]
        return float(covered.mean()) if covered.size else math.nan

    def is_covered(self, level: float) -> NDArray[np.bool_]:
        """Return bool of shape (n_repeats, n): whether the gain lies in the interval."""
        ends = self.ends[self.levels.index(level)]
        inside: NDArray[np.bool_] = (ends[..., 0] <= self.gain) & (self.gain <= ends[..., 1])
        return inside

    def width(self, level: float) -> float:
        """Return the mean width of the intervals, points; NaN where there is none."""
        ends = self.ends[self.levels.index(level)][self._has_interval(level)]
        return float((ends[:, 1] - ends[:, 0]).mean()) if ends.size else math.nan

    def _has_interval(self, level: float) -> NDArray[np.bool_]:
        has: NDArray[np.bool_] = np.isfinite(self.ends[self.levels.index(level)]).all(axis=-1)
        return has


def folds(
    n: int, *, n_folds: int, seed: int, groups: Sequence[str] | None = None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows to fit on and rows to predict, each row predicted once.

    Args:
        n: Rows.
        n_folds: Parts of nearly equal size.
        seed: Of the split.
        groups: Rows of one group stay in one part; None for rows by themselves.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        part = rng.permutation(n) % n_folds
    else:
        names = sorted(set(groups))
        part_of = dict(zip(names, rng.permutation(len(names)) % n_folds, strict=True))
        part = np.array([part_of[group] for group in groups])
    for fold in range(n_folds):
        held_out = np.flatnonzero(part == fold)
        if len(held_out):
            yield np.flatnonzero(part != fold), held_out


def cross_validate(
    rows: Rows,
    gain: Array,
    *,
    n_folds: int = 10,
    n_repeats: int = 1,
    levels: tuple[float, ...] = (0.9,),
    groups: Sequence[str] | None = None,
) -> Validation:
    """Predict every model from folds that do not hold it; form and numbers are chosen inside.

    Args:
        rows: What is known of n models.
        gain: float64 of shape (n,), points.
        n_folds: Parts of each split.
        n_repeats: Splits; seeds 0, 1, ...
        levels: Nominal coverages of the intervals.
        groups: As in ``folds``.
    """
    n = len(gain)
    predicted = np.full((n_repeats, n), np.nan)
    positive = np.full((n_repeats, n), np.nan)
    ends = np.full((len(levels), n_repeats, n, 2), np.nan)
    forms: list[str] = []
    for repeat in range(n_repeats):
        for fitted, held_out in folds(n, n_folds=n_folds, seed=repeat, groups=groups):
            predictor = _choose_and_fit(rows[fitted], gain[fitted])
            forms.append(predictor.smoother.form.name)
            spread = predictor.spread(rows[held_out])
            predicted[repeat, held_out] = spread.gain
            positive[repeat, held_out] = probabilities_positive(spread)
            for place, level in enumerate(levels):
                if (len(fitted) + 1) * (1 - level) / 2 + 1e-9 >= 1:
                    ends[place, repeat, held_out] = intervals(spread, level=level)
    return Validation(
        gain=gain,
        predicted=predicted,
        levels=levels,
        ends=ends,
        probability_positive=positive,
        forms=tuple(forms),
    )


def _choose_and_fit(rows: Rows, gain: Array) -> Predictor:
    plain = None
    if rows.flags is not None:
        plain = _choose_and_fit(replace(rows, flags=None), gain)
    form, tuning, _ = choose(rows, gain)
    return make_predictor(form, tuning, rows, gain, plain=plain)
