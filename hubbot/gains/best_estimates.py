"""One estimate of the gain of every model, from the best that is known of it.

All estimates are of the same thing: the average gain over the site's 36 targets, points.

* ``measured``: the measured average, drawn to what LP predicts as far as noise explains the
  difference (``trust``); the interval is of the true gain, without the noise of one run.
* ``quick``: measured on the four quick targets only. The other 32 are predicted from them and LP:
  gain = (32 * predicted + sum of the quick gains) / 36, and the interval is 32 / 36 as wide.
* ``lp``: predicted from LP and flags; the interval is of what fine-tuning would measure.

Comparisons between models are between true gains, so that the noise of a single run is taken out of
the widths of predicted ones too (``true_low``, ``true_high``).

Where LP, the quick gains, or flags at such an LP lie beyond what the calibration has seen, the
estimate is what ``predict`` says there, with its wide interval, and it is marked; beyond by more
than a tenth of the range, or where NLI data inflate LP by nobody knows how much, it is far. A
measured model is not drawn to a far prediction, but to what the others reach.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.calibration import Calibration, has_unlearned_nli, lacks_flags, predictor_of
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.entries import Entries
from hubbot.gains.flags import flag_table
from hubbot.gains.groups import AFTER_QUICK, GROUPS
from hubbot.gains.placing import GROUP, Placing, seed_noise
from hubbot.gains.predict import Columns, predict_columns
from hubbot.gains.smoother import Array, Rows
from hubbot.gains.spread import MARGIN
from hubbot.gains.trust import (
    Settled,
    Trust,
    believe,
    measure_trust,
    settle,
    without_noise,
)

Knowledge = Literal["none", "lp", "quick", "measured", "base"]
"""What an estimate rests on."""

KNOWLEDGE: tuple[Knowledge, ...] = ("none", "lp", "quick", "measured", "base")
"""Poorest first; columns hold positions in it."""

_NONE, _LP, _QUICK, _MEASURED, _BASE = range(len(KNOWLEDGE))
_MOST_LPS = 20_000
_SAME_LP = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """Best estimates of the gains of n models."""

    gain: Array
    """float64 of shape (n,), points; NaN where there is none."""
    low: Array
    """float64 of shape (n,): lower ends, points."""
    high: Array
    """float64 of shape (n,): upper ends, points."""
    true_low: Array
    """float64 of shape (n,): lower ends of intervals of the true gain, points."""
    true_high: Array
    """float64 of shape (n,): upper ends, points."""
    probability_positive: Array
    """float64 of shape (n,): of a gain above 0; NaN for the base model."""
    predicted: Array
    """float64 of shape (n,): gain predicted from LP and flags, points, for a model of the
    calibration without its own measurement; NaN where there is none."""
    knowledge: NDArray[np.int64]
    """int64 of shape (n,): position in ``KNOWLEDGE``."""
    is_extrapolated: NDArray[np.bool_]
    """Whether the gain rests on LP, quick gains or flags beyond what the calibration has seen."""
    is_far: NDArray[np.bool_]
    """Whether it does so by more than a tenth of the range seen, or on an inflated LP."""
    is_borrowed: NDArray[np.bool_]
    """Whether the calibration is of another probe."""
    reason: NDArray[np.int64]
    """int64 of shape (n,): position in ``reasons``; 0 where something is predicted from LP."""
    reasons: tuple[str, ...]
    """Why nothing is; the first is empty."""


def best_estimates(
    entries: Entries, architecture: str, calibrations: Calibrations, *, level: float = 0.9
) -> Estimates:
    """Return the best estimate of every model.

    Args:
        entries: Models of one architecture.
        architecture: Its name in the catalog.
        calibrations: From ``load_calibrations``.
        level: Nominal coverage of the intervals.

    Raises:
        SettingsError: If the level is too high for the number of models in a calibration.
    """
    found = _Draft(len(entries))
    for protocol in dict.fromkeys(entries.protocol):
        rows = np.flatnonzero(entries.protocol == protocol)
        _fill(found, entries, rows, Placing(protocol, architecture, calibrations), level)
    base = np.flatnonzero(entries.is_base)
    found.gain[base] = found.low[base] = found.high[base] = 0.0
    found.true_low[base] = found.true_high[base] = 0.0
    found.positive[base] = found.predicted[base] = np.nan
    found.knowledge[base] = _BASE
    found.reason[base] = 0
    found.is_extrapolated[base] = found.is_far[base] = False
    return found.done()


class _Draft:
    """Columns of ``Estimates`` while they are filled, a protocol at a time."""

    def __init__(self, n: int) -> None:
        self.gain, self.positive, self.predicted = np.full((3, n), np.nan)
        self.low, self.high, self.true_low, self.true_high = np.full((4, n), np.nan)
        self.knowledge = np.full(n, _NONE, dtype=np.int64)
        self.is_extrapolated, self.is_far, self.is_borrowed = np.zeros((3, n), dtype=bool)
        self.reason = np.zeros(n, dtype=np.int64)
        self.reasons = [""]

    def explain(self, rows: NDArray[np.intp], reason: str) -> None:
        if len(rows) and reason not in self.reasons:
            self.reasons.append(reason)
        if len(rows):
            self.reason[rows] = self.reasons.index(reason)

    def put(self, rows: NDArray[np.intp], columns: Columns, true: Settled, knowledge: int) -> None:
        self.gain[rows] = columns.gain
        self.low[rows], self.high[rows] = columns.low, columns.high
        self.true_low[rows], self.true_high[rows] = true.low, true.high
        self.positive[rows] = columns.probability_positive
        self.knowledge[rows] = knowledge

    def done(self) -> Estimates:
        return Estimates(
            gain=self.gain,
            low=self.low,
            high=self.high,
            true_low=self.true_low,
            true_high=self.true_high,
            probability_positive=self.positive,
            predicted=self.predicted,
            knowledge=self.knowledge,
            is_extrapolated=self.is_extrapolated,
            is_far=self.is_far,
            is_borrowed=self.is_borrowed,
            reason=self.reason,
            reasons=tuple(self.reasons),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """The models probed under one protocol."""

    entries: Entries
    """What is known of them."""
    rows: NDArray[np.intp]
    """Their rows in the whole table."""
    lp: Array
    """LP on the calibration's scale, points; NaN where there is none."""
    flags: Array
    """From ``flag_table``."""
    is_far: NDArray[np.bool_]
    """Whether LP is far from what the calibration has seen; filled in by ``_fill_lp``."""


def _fill(
    draft: _Draft, entries: Entries, rows: NDArray[np.intp], source: Placing, level: float
) -> None:
    own = entries.take(rows)
    lp, reasons = source.lp_on_scale(own)
    for is_so, reason in reasons:
        draft.explain(rows[is_so], reason)
    part = _Part(
        entries=own,
        rows=rows,
        lp=lp,
        flags=flag_table(list(own.flags)),
        is_far=np.zeros(len(rows), dtype=bool),
    )
    if source.trust is not None and source.calibration is not None:
        _fill_lp(draft, part, source, source.calibration, source.trust, level)
        if source.after_quick is not None:
            _fill_quick(draft, part, source.after_quick, source.trust, level)
    for trust, some, expected in _trusted(draft, part, source):
        measured, noise_sd = own.measured[some], own.measured_sd[some]
        found = settle(measured, expected, noise_sd, trust, level=level)
        columns = _columns(found.gain, found.low, found.high, level)
        draft.put(rows[some], columns, found, _MEASURED)
        draft.is_extrapolated[rows[some]] = draft.is_far[rows[some]] = False


def _fill_lp(
    draft: _Draft,
    part: _Part,
    source: Placing,
    calibration: Calibration,
    trust: Trust,
    level: float,
) -> None:
    some = np.flatnonzero(np.isfinite(part.lp))
    rows, lp, flags = part.rows[some], part.lp[some], part.flags[some]
    lp_sd = calibration.scale.run_spread if source.is_borrowed else 0.0
    if not len(some):
        return
    columns, is_extrapolated, is_far = _predict(calibration, lp, flags, level, lp_sd)
    draft.put(rows, columns, _without_noise(columns, trust, level), _LP)
    draft.predicted[rows] = columns.gain
    draft.is_borrowed[rows] = source.is_borrowed
    draft.is_extrapolated[rows] = is_extrapolated
    part.is_far[some] = draft.is_far[rows] = is_far


def _predict(
    calibration: Calibration, lp: Array, flags: Array, level: float, lp_sd: float
) -> tuple[Columns, NDArray[np.bool_], NDArray[np.bool_]]:
    """Predict every distinct pair of LP and flags once, and tell how far it is from those seen."""
    if len(np.unique(lp)) > _MOST_LPS:
        lp = np.round(lp, 2)  # moves a prediction by less than is printed
    distinct, place = np.unique(np.column_stack([lp, flags]), axis=0, return_inverse=True)
    rows = Rows(lp=distinct[:, 0], flags=distinct[:, 1:])
    found = predict_columns(calibration, rows, level=level, lp_sd=lp_sd)
    at = place.ravel()
    columns = Columns(
        gain=found.gain[at],
        low=found.low[at],
        high=found.high[at],
        probability_positive=found.probability_positive[at],
    )
    is_extrapolated, is_far = _far(calibration, rows)
    return columns, is_extrapolated[at], is_far[at]


def _far(calibration: Calibration, asked: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are extrapolated, and which of them far."""
    outside = _outside(_known_columns(asked), _known_columns(calibration.rows))
    is_inflated = has_unlearned_nli(calibration, asked)
    is_far = is_inflated | (outside > MARGIN)
    return is_far | (outside > 0) | lacks_flags(calibration, asked), is_far


def _outside(asked: Array, seen: Array) -> Array:
    """Return how far rows lie outside the range of their columns, at most, as a share of it."""
    low, high = seen.min(axis=0), seen.max(axis=0)
    distance = np.maximum(np.maximum(low - asked, asked - high), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(distance > 0, distance / (high - low), 0.0)
    return np.asarray(share.max(axis=1))


def _without_noise(columns: Columns, trust: Trust, level: float) -> Settled:
    return without_noise(columns.gain, columns.low, columns.high, trust, level=level)


def _fill_quick(
    draft: _Draft, part: _Part, calibration: Calibration, trust: Trust, level: float
) -> None:
    own = part.entries
    has_all = np.isfinite(own.quick).all(axis=1) & np.isfinite(part.lp)
    some = np.flatnonzero(has_all)
    if not len(some):
        return
    asked = Rows(lp=part.lp[some], flags=part.flags[some], quick=own.quick[some])
    others = predict_columns(calibration, asked, level=level)
    n, n_all = len(GROUPS[AFTER_QUICK]), len(GROUPS[GROUP])
    sides = (others.gain, others.low, others.high)
    gain, low, high = ((n * side + own.quick[some].sum(axis=1)) / n_all for side in sides)
    columns = _columns(gain, low, high, level)
    draft.put(part.rows[some], columns, _without_noise(columns, trust, level), _QUICK)
    is_extrapolated, is_far = _far(calibration, asked)
    draft.is_extrapolated[part.rows[some]] = is_extrapolated
    draft.is_far[part.rows[some]] = is_far


def _known_columns(rows: Rows) -> Array:
    return rows.lp[:, None] if rows.quick is None else np.column_stack([rows.lp, rows.quick])


def _trusted(
    draft: _Draft, part: _Part, source: Placing
) -> Iterator[tuple[Trust, NDArray[np.intp], Array]]:
    """Yield what measurements are worth, the rows it is said of, and what was expected of them."""
    seed_sd, n_seeds = seed_noise(source.architecture)
    is_measured = np.isfinite(part.entries.measured)
    calibration, trust = source.calibration, source.trust
    if calibration is None or trust is None:
        some = np.flatnonzero(is_measured)
        yield believe(seed_sd, n_seeds), some, part.entries.measured[some]
        return
    is_expected = np.isfinite(part.lp) & ~part.is_far
    some = np.flatnonzero(is_measured & is_expected)
    _leave_own_out(draft, part, some, calibration)
    yield trust, some, draft.predicted[part.rows[some]]
    # Without LP, or far from all others, all that is expected of a model is what the others reach.
    centre = float(np.median(calibration.gain))
    some = np.flatnonzero(is_measured & ~is_expected)
    trust = measure_trust(calibration.gain - centre, seed_sd=seed_sd, n_seeds=n_seeds)
    yield trust, some, np.full(len(some), centre)


def _leave_own_out(
    draft: _Draft, part: _Part, some: NDArray[np.intp], calibration: Calibration
) -> None:
    """Take the model's own gain out of its prediction, where the calibration holds that model."""
    left_out = predictor_of(calibration, has_flags=True).smoother.left_out
    place = {model: at for at, model in enumerate(calibration.models)}
    for row in some:
        at = place.get(part.entries.model[row])
        if at is not None and abs(calibration.rows.lp[at] - part.lp[row]) < _SAME_LP:
            draft.predicted[part.rows[row]] = calibration.gain[at] - left_out[at]


def _columns(gain: Array, low: Array, high: Array, level: float) -> Columns:
    """Return the same with probabilities, a normal of its own width on either side."""
    normal = NormalDist()
    z = normal.inv_cdf((1 + level) / 2)
    side = np.maximum(np.where(gain > 0, gain - low, high - gain), 1e-9) / z
    grid = np.linspace(-8.0, 8.0, 1601)
    chances = np.interp(gain / side, grid, [normal.cdf(point) for point in grid])
    chances = np.clip(chances, 1e-4, 1 - 1e-4)  # nothing measured so few times is certain
    return Columns(gain=gain, low=low, high=high, probability_positive=chances)
