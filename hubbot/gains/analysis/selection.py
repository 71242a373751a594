"""What is lost by fine-tuning only the n best-ranked sources instead of all of them.

Source:
    "Where to start?" (Choshen et al., 2023), section 4.2: loss_n(t) = max-gain(t) minus the best
    gain on t among the n sources ranked highest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.matrix import (
    Floats,
    GainMatrix,
    max_of_known,
    mean_of_known,
    number_or_none,
)
from hubbot.gains.expected_loss import mean_of_others

_DIGITS = 9
"""Losses are rounded here before they are compared with 1: in binary 4.4 - 3.4 is above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Losses over the targets; the numbers are None where no target has one."""

    chosen: tuple[str, ...]
    """Sources ranked highest, best first; empty where there is no one list for all targets: for a
    random choice, and where each target is left out of its own ranking."""
    mean: float | None
    """Mean over the targets, points."""
    greatest: float | None
    """Largest loss, points."""
    n_above_one: int
    """Targets that lose more than one point."""
    n_targets: int
    """Targets with a loss: at least one of the chosen sources is known there."""
    losses: Mapping[str, float | None]
    """Loss of each target, points; null where no chosen source was measured on it."""


def selection_loss(matrix: GainMatrix, ranking: Floats, top_n: int) -> Loss:
    """Return what the top n of a ranking lose.

    Args:
        matrix: Missing cells are neither chosen from nor part of max-gain.
        ranking: float64 of shape (n_sources,), high is good; NaN is never chosen. Equal ones are
            ordered by name.
        top_n: How many sources are tried, 1 or more.
    """
    order = sorted(
        (i for i in range(len(ranking)) if np.isfinite(ranking[i])),
        key=lambda i: (-ranking[i], matrix.sources[i]),
    )[:top_n]
    losses = matrix.max_gain - max_of_known(matrix.gains[order])
    return _loss(matrix.targets, losses, chosen=[matrix.sources[i] for i in order])


def left_out_loss(matrix: GainMatrix, top_n: int) -> Loss:
    """Return what the top n lose where each target has no part in the ranking it is judged by.

    For every target the sources measured on it are ranked by their mean gain over all other
    targets, each target's mean taken off first: a source shall not lead for having been measured
    where gains come easily. A ranking by the mean over all targets has seen the gains that its loss
    is counted on, and beats a random choice even where the gains are nothing but noise; this one
    does not.

    Args:
        matrix: On each target the choice is among the sources measured there, as in
            ``random_loss``; one that was measured on no other target is never chosen.
        top_n: How many sources are tried, 1 or more. Equal ones are ordered by name.
    """
    # Rounded, so that means that are equal on paper are equal here, in whatever order summed up.
    over_others = mean_of_others(matrix.gains - mean_of_known(matrix.gains, axis=0))
    ranking = np.where(matrix.known, np.round(over_others, _DIGITS), np.nan)
    by_name = np.argsort(np.argsort(np.array(matrix.sources)))
    best = np.full(len(matrix.targets), np.nan)
    for j in range(len(matrix.targets)):
        order = np.lexsort((by_name, -ranking[:, j]))[:top_n]  # NaN is sorted to the end
        chosen = order[np.isfinite(ranking[order, j])]
        if chosen.size:
            best[j] = matrix.gains[chosen, j].max()
    return _loss(matrix.targets, matrix.max_gain - best, chosen=[])


def random_loss(matrix: GainMatrix, n: int) -> Loss:
    """Return the expected loss of n sources drawn at random, exactly.

    The best of n drawn without replacement out of N is the k-th smallest with probability
    C(k - 1, n - 1) / C(N, n). ``greatest`` and ``n_above_one`` are of these expected losses.

    Args:
        matrix: On each target the draw is among the N sources measured there; with fewer than n
            all of them are tried and nothing is lost.
        n: How many are drawn, 1 or more.
    """
    losses = np.full(len(matrix.targets), np.nan)
    for j in range(len(matrix.targets)):
        column = matrix.gains[:, j]
        values = np.sort(column[np.isfinite(column)])
        if values.size:
            losses[j] = values[-1] - expected_best(values, n)
    return _loss(matrix.targets, losses, chosen=[])


def expected_best(values: Floats, n: int) -> float:
    """Return the expected greatest of n values drawn without replacement.

    Args:
        values: float64 of shape (N,), in ascending order.
        n: 1 or more; N is used where it is larger.
    """
    total = len(values)
    n = min(n, total)
    chance = n / total
    expected = 0.0
    for k in range(total, n - 1, -1):
        expected += chance * float(values[k - 1])
        chance *= (k - n) / (k - 1) if k > 1 else 0.0
    return expected


def _loss(targets: Sequence[str], losses: Floats, *, chosen: Sequence[str]) -> Loss:
    losses = np.round(losses, _DIGITS)
    known = losses[np.isfinite(losses)]
    return Loss(
        chosen=tuple(chosen),
        mean=math.fsum(known) / known.size if known.size else None,
        greatest=float(known.max()) if known.size else None,
        n_above_one=int(np.sum(known > 1)),
        n_targets=int(known.size),
        losses={name: number_or_none(loss) for name, loss in zip(targets, losses, strict=True)},
    )
