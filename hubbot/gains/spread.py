"""The gains a calibration finds likely for a new model: interval and probability from them.

The spread is distribution-free. Every model i of a calibration is left out once; the smoother
through the others, read at the new model, plus model i's own left-out residual is one value the new
gain could have taken. Models with a low LP scatter more than those with a high one, so residuals
are first divided by their usual size at model i and multiplied by that at the new model. A new
checkpoint may come from an account whose other models are known or from a new one, so every model
is also left out once together with all others of its account. These 2 n values are the predictive
spread: interval ends are order statistics of it, the probability of a gain is the share above 0.

Source:
    Barber, Candes, Ramdas, Tibshirani, "Predictive inference with the jackknife+" (Annals of
    Statistics 2021), with signed residuals and half of the error on each side; residuals scaled by
    their expected size: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman, "Distribution-free predictive
    inference for regression" (JASA 2018), section 5.2. The plain jackknife+
    guarantees a coverage of 1 - 2 * alpha; choosing form and numbers on the same models, scaling
    and leaving out accounts give that guarantee up. What is achieved is measured on models that no
    fit has seen: ``benchmarks/calibration.py``.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.gains.smoother import Form, Rows, Smoother, Tuning, fit, noticed_flags

Array = NDArray[np.float64]

MIN_FOR_SCALE = 40
"""With fewer models every residual is taken to have the same usual size."""

_SCALE_RIDGE = 5.0
_SCALE_FLOOR = 0.2
_SCALE_CLIP = (0.02, 0.98)

_LINE_RIDGE = 1.0
MARGIN = 0.1
"""Share of the range seen by which a new model may lie outside before the smoother is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a calibration says of m new models."""

    gain: Array
    """float64 of shape (m,): expected gain, points."""
    slope: Array
    """float64 of shape (m,): points of gain per point of LP, at most, near each model's LP;
    NaN where it was not asked for."""
    values: Array
    """float64 of shape (m, k * n): gains that the calibration finds equally likely, in no order; k
    is 2 where models were also left out by account, else 1, and twice that where some model was
    read with and without its flags."""
    n: int
    """Models behind them."""
    beyond: Array
    """float64 of shape (m,): points of gain by which a model may lie off because it lies beyond
    what the calibration has seen; 0 inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far a smoother may be followed.

    The steepest models are often those at the end of a range: a curve through models with an LP of
    up to 56 would climb to a gain of 30 points at an LP of 80. So a new model is read where the
    reach ends, goes on from there along a straight ridge line through all models, and that it lies
    beyond is told by a wider interval.
    """

    low: Array
    """float64 of shape (n_columns,): least LP and quick gains that are followed, points."""
    high: Array
    """float64 of shape (n_columns,): greatest ones, points."""
    slope: Array
    """float64 of shape (n_columns,): slopes of that line, points of gain per point."""
    doubt: Array
    """float64 of shape (n_columns,): least-squares slope of the gain over each column alone."""

    def hold(self, rows: Rows) -> tuple[Rows, Array, Array]:
        """Return rows within the reach, and what the distance may do to their gain.

        Args:
            rows: What is known of m models.

        Returns:
            The rows; float64 of shape (m,), points: what the line adds to the gain; and the same
            for how far it may be off: root of the summed squares of doubt * distance.
        """
        columns = _reaching(rows)
        held = np.clip(columns, self.low, self.high)
        added = (columns - held) * self.slope
        quick = None if rows.quick is None else held[:, 1:]
        inside = Rows(lp=held[:, 0], flags=rows.flags, quick=quick)
        off = (columns - held) * self.doubt
        return inside, added.sum(axis=1), np.sqrt((off**2).sum(axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """A fitted smoother and the usual size of its residuals."""

    fitted: Rows
    """What is known of the n fitted models."""
    smoother: Smoother
    """Expected gain."""
    scale: Smoother | None
    """Expected logarithm of the residual's size; None where it is the same for all."""
    fitted_scale: Array
    """float64 of shape (n,): left-out size of each fitted model's residual."""
    bounds: tuple[float, float]
    """Least and greatest logarithm of a size that is believed."""
    reach: Reach
    """How far the smoother is followed."""
    seen: tuple[float, float]
    """Least and greatest gain of a fitted model, points."""
    plain: "Predictor | None" = None
    """The predictor that knows no flags; None where this one does not use them."""

    def lacks(self, rows: Rows) -> NDArray[np.bool_]:
        """Return bool of shape (m,): whether no model with such flags has been seen at such an LP.

        A name that says nothing does not mean that the model is plain: where all known models with
        a high LP are fused, an unnamed one may be too, or may not.

        Args:
            rows: What is known of m models.
        """
        fitted = self.fitted
        if self.plain is None or rows.flags is None or fitted.flags is None:
            return np.zeros(len(rows), dtype=np.bool_)
        margin = MARGIN * np.ptp(fitted.lp)
        lacking = np.ones(len(rows), dtype=np.bool_)
        noticed = noticed_flags(fitted)
        known, asked_flags = fitted.flags[:, noticed], rows.flags[:, noticed]
        for pattern in np.unique(asked_flags, axis=0):
            alike = fitted.lp[(known == pattern).all(axis=1)]
            if len(alike):
                asked = (asked_flags == pattern).all(axis=1)
                is_near = (alike.min() - margin <= rows.lp) & (rows.lp <= alike.max() + margin)
                lacking[asked & is_near] = False
        return lacking

    def spread(self, rows: Rows, *, lp_sd: float = 0.0) -> Spread:
        """Return expected gains and the predictive spread.

        Where flags and LP were never seen together, the values are those with and those without
        regard to flags, half and half, and the expected gain is the mean of the two.

        Args:
            rows: What is known of m models, with the columns of the fitted rows.
            lp_sd: Distance, points, over which the slope is measured; 0 leaves it out (NaN).
        """
        found = self._spread(rows, lp_sd=lp_sd)
        lacking = self.lacks(rows)
        if self.plain is None or not lacking.any():
            return found
        other = self.plain.spread(replace(rows[lacking], flags=None), lp_sd=lp_sd)
        values = np.hstack([found.values, found.values])
        values[lacking, found.values.shape[1] :] = other.values
        for mine, theirs in ((found.gain, other.gain), (found.slope, other.slope)):
            mine[lacking] = (mine[lacking] + theirs) / 2
        return replace(found, values=values)

    def _spread(self, rows: Rows, *, lp_sd: float) -> Spread:
        held, added, beyond = self.reach.hold(rows)
        gain, one, account = self.smoother.predict_without(held)
        added = self._limited(gain, added)
        gain, one = gain + added, one + added[:, None]
        if self.scale is None:
            size = np.ones(len(rows))
        else:
            size = np.exp(np.clip(self.scale.predict(held), *self.bounds))
        slope = np.full(len(rows), np.nan)
        if lp_sd > 0:
            moved = [self._expected(replace(rows, lp=rows.lp + by)) for by in (-lp_sd, lp_sd)]
            slope = np.max(np.abs(np.stack(moved) - gain), axis=0) / lp_sd
        usual = size[:, None] / self.fitted_scale
        values = one + usual * self.smoother.left_out
        if account is not None:
            account = account + added[:, None] + usual * self.smoother.owner_left_out
            values = np.hstack([values, account])
        return Spread(
            gain=gain, slope=slope, values=values, n=len(self.fitted_scale), beyond=beyond
        )

    def _expected(self, rows: Rows) -> Array:
        held, added, _ = self.reach.hold(rows)
        inside = self.smoother.predict(held)
        return inside + self._limited(inside, added)

    def _limited(self, gain: Array, added: Array) -> Array:
        """Return what may be added without leaving the gains that models were seen to have."""
        low, high = self.seen
        within: Array = np.clip(gain + added, np.minimum(gain, low), np.maximum(gain, high)) - gain
        return np.where(added == 0, 0.0, within)


def make_predictor(
    form: Form, tuning: Tuning, rows: Rows, gain: Array, *, plain: Predictor | None = None
) -> Predictor:
    """Fit a form, and the usual size of its residuals.

    Args:
        form: From ``forms_for(rows)``.
        tuning: Its numbers.
        rows: What is known of n models.
        gain: float64 of shape (n,), points.
        plain: The predictor for the same models without flags, where ``rows`` hold flags.
    """
    plain = plain if "flags" in form.needs else None
    smoother = fit(form, tuning, rows, gain)
    reach, seen = _reach_of(rows, gain), (float(gain.min()), float(gain.max()))
    residuals = np.abs(smoother.left_out)
    if len(rows) < MIN_FOR_SCALE or not np.any(residuals > 0):
        ones = np.ones(len(rows))
        return Predictor(
            fitted=rows,
            smoother=smoother,
            scale=None,
            fitted_scale=ones,
            bounds=(0.0, 0.0),
            reach=reach,
            seen=seen,
            plain=plain,
        )
    # The floor keeps a model that was met exactly from counting as one without any error.
    target = np.log(residuals + _SCALE_FLOOR * np.median(residuals))
    scale = fit(_scale_form(rows, form), Tuning(ridge=_SCALE_RIDGE), rows, target)
    left_out = target - scale.left_out
    low, high = (float(end) for end in np.quantile(left_out, _SCALE_CLIP))
    return Predictor(
        fitted=rows,
        smoother=smoother,
        scale=scale,
        fitted_scale=np.exp(np.clip(left_out, low, high)),
        bounds=(low, high),
        reach=reach,
        seen=seen,
        plain=plain,
    )


def intervals(spread: Spread, *, level: float, lp_sd: float = 0.0) -> Array:
    """Return the intervals that should hold the gains of new models.

    Args:
        spread: Of m models.
        level: Nominal coverage, 0 to 1.
        lp_sd: Standard deviation, points, by which the LP itself may be off (a borrowed
            calibration). With z the normal quantile of ``level``, each end moves away from the
            expected gain to the square root of (its distance squared + (z * slope * lp_sd) squared
            + (z * beyond) squared).

    Returns:
        float64 of shape (m, 2): lower and upper ends, points.

    Raises:
        SettingsError: If the level is too high for the number of models.
    """
    n, copies = spread.n, spread.values.shape[1] // spread.n
    rank = math.floor((n + 1) * (1 - level) / 2 + 1e-9)
    if rank < 1:
        highest = math.floor(1000 * (1 - 2 / (n + 1)) + 1e-9) / 1000
        raise SettingsError(
            f"level {level} needs at least {math.ceil(2 / (1 - level) - 1 - 1e-9)} models, this "
            f"calibration has {n}; the highest level it supports is {highest:.3f}"
        )
    # With two values of each model, as many are left outside as with one: twice the rank.
    first, last = copies * rank - 1, copies * (n - rank)
    ordered = np.partition(spread.values, (first, last), axis=1)
    low, high = ordered[:, first], ordered[:, last]
    z = _normal_quantile((1 + level) / 2)
    extra = z * spread.beyond
    if lp_sd > 0:
        extra = z * np.hypot(spread.beyond, np.abs(spread.slope) * lp_sd)
    below, above = np.maximum(spread.gain - low, 0.0), np.maximum(high - spread.gain, 0.0)
    low = np.where(extra > 0, np.minimum(low, spread.gain - np.hypot(below, extra)), low)
    high = np.where(extra > 0, np.maximum(high, spread.gain + np.hypot(above, extra)), high)
    # Where residuals are very skewed, the mean may lie beyond an order statistic of low level.
    return np.column_stack([np.minimum(low, spread.gain), np.maximum(high, spread.gain)])


def probabilities_positive(spread: Spread, *, lp_sd: float = 0.0) -> Array:
    """Return the probabilities that the gains of new models are above 0.

    Args:
        spread: Of m models.
        lp_sd: As for ``intervals``; each value is blurred by a normal of that size.

    Returns:
        float64 of shape (m,): (n times the share of values above 0, plus one half) / (n + 1): never
        exactly 0 or 1, which n models cannot show.
    """
    values = spread.values
    above = np.sum(values > 0, axis=1) + 0.5 * np.sum(values == 0, axis=1)
    blur = spread.beyond
    if lp_sd > 0:
        blur = np.hypot(spread.beyond, np.abs(spread.slope) * lp_sd)
    is_blurred = blur > 0
    above[is_blurred] = _normal_share(values[is_blurred] / blur[is_blurred, None]).sum(axis=1)
    probability: Array = (above * spread.n / values.shape[1] + 0.5) / (spread.n + 1)
    return probability


def _reach_of(rows: Rows, gain: Array) -> Reach:
    columns = _reaching(rows)
    low, high = columns.min(axis=0), columns.max(axis=0)
    margin = MARGIN * (high - low)
    scale = columns.std(axis=0)
    scale = np.where(scale > 0, scale, np.inf)
    scaled = (columns - columns.mean(axis=0)) / scale
    penalty = _LINE_RIDGE * np.eye(scaled.shape[1])
    moment = scaled.T @ (gain - gain.mean())
    slope = np.linalg.solve(scaled.T @ scaled + penalty, moment) / scale
    doubt = moment / len(rows) / scale
    return Reach(low=low - margin, high=high + margin, slope=slope, doubt=doubt)


def _reaching(rows: Rows) -> Array:
    """Return float64 of shape (n, 1 + n_quick): the columns that have no natural end."""
    if rows.quick is None:
        return rows.lp[:, None]
    return np.column_stack([rows.lp, rows.quick])


def _scale_form(rows: Rows, form: Form) -> Form:
    if rows.quick is not None:
        return Form(name="size", straight=("lp", "quick"))
    # What the expected gain takes no notice of shall not move its interval either.
    if "flags" in form.needs:
        return Form(name="size", straight=("lp_bent", "flags"))
    return Form(name="size", straight=("lp_bent",))


def _normal_quantile(probability: float) -> float:
    # Imported here: start-up is counted in ms.
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def _normal_share(z: Array) -> Array:
    """Return the standard normal's distribution function, to 1e-7, for any number of values."""
    grid, share = _normal_table()
    return np.interp(z, grid, share)


@cache
def _normal_table() -> tuple[Array, Array]:
    grid = np.linspace(-8.0, 8.0, 16001)
    return grid, np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in grid])
