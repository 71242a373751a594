"""Where an LP stands on the scale of a calibration, and how far seeds move a mean score."""

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.calibration import (
    MIN_MODELS,
    PUBLISHED,
    Calibration,
    load_scales,
    predictor_of,
)
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.entries import Entries
from hubbot.gains.groups import AFTER_QUICK
from hubbot.gains.lp_rules import MNLI_CLASSES
from hubbot.gains.published import load_base_scores
from hubbot.gains.smoother import Array
from hubbot.gains.trust import Trust, measure_trust

GROUP = "site36"
"""Targets that every estimate of a ranking averages over."""

_DEFAULT_SEEDS = 20
"""Runs behind a base model's mean where the published ones say nothing."""


class Placing:
    """What answers for the models of an architecture that were probed under one protocol."""

    def __init__(self, protocol: str, architecture: str, calibrations: Calibrations) -> None:
        """Find the calibrations.

        Args:
            protocol: Of the probe.
            architecture: Name in the catalog.
            calibrations: From ``load_calibrations``.
        """
        own = calibrations.get((protocol, architecture, GROUP))
        published = calibrations.get((PUBLISHED, architecture, GROUP))
        self.architecture = architecture
        self.calibration: Calibration | None = own or published
        self.is_borrowed = own is None and protocol != PUBLISHED
        self.is_published = protocol == PUBLISHED
        self.trust: Trust | None = None
        if self.calibration is not None:
            left_out = predictor_of(self.calibration, has_flags=True).smoother.left_out
            seed_sd, n_seeds = seed_noise(architecture)
            self.trust = measure_trust(left_out, seed_sd=seed_sd, n_seeds=n_seeds)
        self.after_quick = calibrations.get((protocol, architecture, AFTER_QUICK))

    def lp_on_scale(self, entries: Entries) -> tuple[Array, list[tuple[NDArray[np.bool_], str]]]:
        """Return LP on the calibration's scale, and why it is missing where it is.

        Args:
            entries: n models probed under the protocol.

        Returns:
            float64 of shape (n,), points, NaN where nothing can be predicted from it; and bool
            arrays of shape (n,) with the reason for the models they mark, later ones first.
        """
        calibration = self.calibration
        if calibration is None:
            reason = (
                f"no calibration for {self.architecture}: fewer than {MIN_MODELS} models with LP "
                "and a measured gain are known"
            )
            return np.full(len(entries), np.nan), [(np.ones(len(entries), dtype=bool), reason)]
        accuracy = np.full(len(entries), np.nan) if self.is_borrowed else entries.lp_accuracy
        base_lp = calibration.scale.base_lp
        from_gain = entries.lp_gain + (np.nan if base_lp is None else base_lp)
        lp = np.where(np.isfinite(accuracy), accuracy, from_gain)
        why = "no LP was measured"
        if self.is_borrowed:
            why = "no LP gain is known, and the calibration is borrowed from another probe"
        reasons = [(~np.isfinite(lp), why)]
        if base_lp is None:
            lost = ~np.isfinite(lp) & np.isfinite(entries.lp_gain)
            reasons.append((lost, f"LP gain without a base: {calibration.scale.base_lp_missing}"))
        if self.is_published:
            prior = _is_class_prior(lp)
            reasons.append((prior, "LP is the share of one MNLI class: the probe learned nothing"))
            lp = np.where(prior, np.nan, lp)
        return lp, reasons


def seed_noise(architecture: str) -> tuple[float, int]:
    """Return how far a mean score over the 36 targets moves between seeds, and the runs behind it.

    Args:
        architecture: Name in the catalog.

    Returns:
        Standard deviation of the base model's mean score, points, and number of its runs. Where the
        mean scores themselves are not published run by run, the targets are taken to move
        independently: the root of the summed squares of their standard deviations, over 36 (0.33
        for 0.36 on roberta-base, 0.51 for 0.55 and 0.55 for 0.48 on the two BERTs).
    """
    scores = load_base_scores(architecture)
    found = load_scales(PUBLISHED).get(architecture)
    n_seeds = min((score.n_seeds for score in scores.values()), default=_DEFAULT_SEEDS)
    if found is not None and found.seed_sd is not None:
        return found.seed_sd, n_seeds
    if not scores:  # another architecture: what moves least is not assumed of it
        known = [scale.seed_sd or 0.0 for scale in load_scales(PUBLISHED).values()]
        return max(known), n_seeds
    squares = sum(score.sd**2 for score in scores.values())
    return float(np.sqrt(squares)) / len(scores), n_seeds


def _is_class_prior(lp: Array) -> NDArray[np.bool_]:
    shares = 100 * np.array(list(MNLI_CLASSES.values())) / sum(MNLI_CLASSES.values())
    return np.asarray((np.abs(lp[:, None] - shares) <= 0.005).any(axis=1))
