"""What is lost, in points, by fine-tuning only the first models of a list instead of all of them.

On one target the loss of some models is the best gain of all models minus the best of theirs
(seed 000, section 4.2). Two things make such a number too good or too bad, and both are met here:

* A model's own gains must not have helped to place it. Predictions are cross-validated, models of
  one account together, and the order by measured average leaves the target out that the loss is
  counted on.
* The best of hundreds of single runs is a lucky one, so the loss as measured (``mean``) is too
  high for any list. ``corrected`` is the loss in true gains: for every cell, what the model and the
  target reach on average is combined with the measured gain as far as seed noise lets it be
  believed (``trust``), and the loss is averaged over draws of true gains from what remains unsure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.calibrating import Sample, mean_gain, published_samples
from hubbot.gains.calibration import MIN_MODELS, owner_numbers
from hubbot.gains.flags import flag_table
from hubbot.gains.groups import GROUPS
from hubbot.gains.published import load_base_scores
from hubbot.gains.smoother import Array, Rows
from hubbot.gains.trust import measure_trust, settle
from hubbot.gains.validation import cross_validate

TOPS = (1, 3, 5, 10)
"""How many models a user fine-tunes."""

ORDERS: Mapping[str, str] = {
    "predicted": "predicted gain, cross-validated",
    "lp": "LP accuracy",
    "measured": "measured average over the other targets",
    "random": "a random choice",
}
"""Ways to order models, and what each goes by."""

_GROUP = "site36"
_LEVEL = 0.9
_REPEATS = 3
_DRAWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLoss:
    """Loss of the first models of one order, over the targets."""

    order: str
    """Key of ``ORDERS``."""
    top: int
    """Models fine-tuned; all of them where there are fewer."""
    mean: float
    """Mean over the targets of the loss as measured, points; too high by luck of single runs."""
    greatest: float
    """Greatest loss as measured, points."""
    share_above_one: float
    """Share of targets with a loss as measured above one point, 0 to 1."""
    corrected: float
    """Mean over the targets of the loss in true gains, points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReport:
    """Expected losses on one architecture's published gains."""

    architecture: str
    """Name in the catalog."""
    n_models: int
    """Models with known gains and LP: all that a choice is made from."""
    n_targets: int
    """Targets."""
    losses: tuple[ExpectedLoss, ...]
    """By order, then by number of models."""
    notes: tuple[str, ...]
    """What could not be compared, and why."""


def published_losses(architecture: str, *, tops: Sequence[int] = TOPS) -> LossReport | None:
    """Return the losses on the published gains of an architecture; None where there are none.

    Args:
        architecture: Name in the catalog.
        tops: How many models are fine-tuned.
    """
    sample = next((item for item in published_samples() if item.architecture == architecture), None)
    if sample is None or not len(sample.models):
        return None
    places = [sample.targets.index(target) for target in GROUPS[_GROUP]]
    average = mean_gain(sample.gains, sample.targets, _GROUP)
    keep = np.isfinite(average) & np.isfinite(sample.lp)
    gains = sample.gains[keep][:, places]
    notes = ["No popularity is published, so the order by downloads cannot be compared."]
    orders: dict[str, Sequence[Array]] = {}
    if keep.sum() >= 2 * MIN_MODELS:
        orders["predicted"] = _cross_validated(sample, keep, average)
    else:
        notes.append(
            f"{int(keep.sum())} models are too few to predict some from the others; no order by "
            "predicted gain."
        )
    orders["lp"] = [sample.lp[keep][:, None]]
    orders["measured"] = [mean_of_others(gains)]
    base = load_base_scores(architecture)
    seed_sds = np.array([base[target].sd for target in GROUPS[_GROUP]])
    return LossReport(
        architecture=architecture,
        n_models=len(gains),
        n_targets=gains.shape[1],
        losses=tuple(expected_losses(gains, orders, seed_sds, tops=tops)),
        notes=tuple(notes),
    )


def expected_losses(
    gains: Array,
    orders: Mapping[str, Sequence[Array]],
    seed_sds: Array,
    *,
    tops: Sequence[int] = TOPS,
) -> list[ExpectedLoss]:
    """Return the losses of several orders and of a random choice.

    Args:
        gains: float64 of shape (n, n_targets), points; NaN where not measured. On each target the
            choice is among the models measured there; every target needs one.
        orders: For each name one or more arrays of shape (n, n_targets) or (n, 1), high is tried
            first; losses are averaged over them. Equals are tried in the order of rows, NaN last.
        seed_sds: float64 of shape (n_targets,): standard deviation between seeds, points.
        tops: How many models are fine-tuned, 1 or more each.
    """
    drawn = draw_true_gains(gains, seed_sds)
    found = [
        _summary(name, top, *_mean_loss(gains, drawn, scores, top))
        for name, scores in orders.items()
        for top in tops
    ]
    return found + [
        _summary("random", top, random_loss(gains, top), float(random_loss(drawn, top).mean()))
        for top in tops
    ]


def top_loss(gains: Array, scores: Array, top: int) -> Array:
    """Return the loss of the first models on each target.

    Args:
        gains: float64 of shape (..., n, n_targets), points; NaN where not measured.
        scores: float64 of shape (n, n_targets), high is tried first.
        top: How many are tried.

    Returns:
        float64 of shape (..., n_targets), points.
    """
    is_known = np.isfinite(gains.reshape(-1, *scores.shape)[0])
    order = np.argsort(np.where(is_known, -scores, np.inf), axis=0, kind="stable")[:top]
    chosen = np.take_along_axis(gains, _like(order, gains), axis=-2)
    loss: Array = np.nanmax(gains, axis=-2) - np.nanmax(chosen, axis=-2)
    return loss


def random_loss(gains: Array, top: int) -> Array:
    """Return the expected loss of models drawn at random, exactly.

    Args:
        gains: float64 of shape (..., n, n_targets), points; NaN where not measured.
        top: How many are drawn, without replacement.

    Returns:
        float64 of shape (..., n_targets), points.
    """
    ordered = np.sort(gains, axis=-2)  # NaN is sorted to the end
    known = np.isfinite(gains.reshape(-1, *gains.shape[-2:])[0]).sum(axis=0)
    losses = np.empty(ordered.shape[:-2] + ordered.shape[-1:])
    for target, n in enumerate(known):
        values = ordered[..., :n, target]
        losses[..., target] = values[..., -1] - values @ best_shares(int(n), top)
    return losses


def best_shares(n: int, top: int) -> Array:
    """Return the probability of each of n ordered values of being the best of some drawn.

    Args:
        n: Values, least first.
        top: How many are drawn without replacement; all where there are fewer.

    Returns:
        float64 of shape (n,): C(i - 1, top - 1) / C(n, top) for the i-th least.
    """
    top = min(top, n)
    shares = np.zeros(n)
    share = top / n
    for place in range(n, top - 1, -1):
        shares[place - 1] = share
        share *= (place - top) / max(place - 1, 1)
    return shares


def mean_of_others(gains: Array) -> Array:
    """Return each model's mean gain over all targets but one.

    Args:
        gains: float64 of shape (n, n_targets), points; NaN where not measured.

    Returns:
        float64 of shape (n, n_targets): the mean without that target, points; NaN where no other
        was measured.
    """
    known = np.isfinite(gains)
    values = np.where(known, gains, 0.0)
    others = known.sum(axis=1, keepdims=True) - known
    total = values.sum(axis=1, keepdims=True) - values
    return np.where(others > 0, total / np.maximum(others, 1), np.nan)


def draw_true_gains(gains: Array, seed_sds: Array, *, n_draws: int = _DRAWS) -> Array:
    """Return gains as they may truly be, given single noisy runs.

    A cell is drawn around the mean of its model plus the mean of its target (both over what is
    known, less the mean of all), towards which the measurement is settled as ``trust.settle`` does.

    Args:
        gains: float64 of shape (n, n_targets), points; NaN where not measured.
        seed_sds: float64 of shape (n_targets,): standard deviation between seeds, points.
        n_draws: How many; always the same ones for the same gains.

    Returns:
        float64 of shape (n_draws, n, n_targets), points; NaN as in ``gains``.
    """
    target = np.nanmean(gains, axis=0)
    model = np.nanmean(gains - target, axis=1)
    expected = target + model[:, None]
    centre, sd = gains.copy(), np.zeros_like(gains)
    z = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    for column, seed_sd in enumerate(seed_sds):
        known = np.flatnonzero(np.isfinite(gains[:, column]))
        if len(known) < 2:
            continue
        measured, likely = gains[known, column], expected[known, column]
        trust = measure_trust(measured - likely, seed_sd=float(seed_sd), n_seeds=1)
        # The base model's own error is the same in all gains of a column: no loss hangs on it.
        trust = replace(trust, base_sd=0.0)
        found = settle(measured, likely, np.full(len(known), np.nan), trust, level=_LEVEL)
        centre[known, column] = found.gain
        sd[known, column] = (found.high - found.gain) / z
    noise = np.random.default_rng(0).standard_normal((n_draws, *gains.shape))
    drawn: Array = centre + sd * noise
    return drawn


def _cross_validated(sample: Sample, keep: NDArray[np.bool_], average: Array) -> list[Array]:
    # Models of one account are often near copies: one must not help to place the other.
    owners = owner_numbers(
        [model for model, is_kept in zip(sample.models, keep, strict=True) if is_kept]
    )
    rows = Rows(lp=sample.lp[keep], flags=flag_table(sample.flags)[keep], owners=owners)
    found = cross_validate(
        rows, average[keep], n_repeats=_REPEATS, groups=[str(owner) for owner in owners]
    )
    return [predicted[:, None] for predicted in found.predicted]


def _mean_loss(
    gains: Array, drawn: Array, orders: Sequence[Array], top: int
) -> tuple[Array, float]:
    scores = [np.broadcast_to(order, gains.shape) for order in orders]
    losses = np.mean([top_loss(gains, order, top) for order in scores], axis=0)
    corrected = [float(top_loss(drawn, order, top).mean()) for order in scores]
    return losses, float(np.mean(corrected))


def _summary(name: str, top: int, losses: Array, corrected: float) -> ExpectedLoss:
    return ExpectedLoss(
        order=name,
        top=top,
        mean=float(losses.mean()),
        greatest=float(losses.max()),
        share_above_one=float((np.round(losses, 9) > 1).mean()),
        corrected=corrected,
    )


def _like(order: NDArray[np.intp], gains: Array) -> NDArray[np.intp]:
    return order.reshape((1,) * (gains.ndim - 2) + order.shape)
