"""Which start is best: models in the order of their best estimates, in bands.

What is known best of a model decides its estimate (``best_estimates``); the estimates decide the
order. A measured model is not put before a better predicted one for having been measured: its
measurement makes its estimate surer, and that shows in its interval and band.

Estimates far beyond what a calibration has seen say little of a model's place: the models they are
of stand after all others, in their own order and without a band, so that neither their luck heads
the list nor their wide intervals make one band of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hubbot.gains.bands import cut_bands
from hubbot.gains.best_estimates import KNOWLEDGE, Estimates, Knowledge, best_estimates
from hubbot.gains.calibration_file import Calibrations
from hubbot.gains.entries import Entries
from hubbot.gains.flags import TRAINED_ON_MNLI
from hubbot.gains.placing import seed_noise
from hubbot.gains.published import load_base_scores
from hubbot.gains.smoother import Array
from hubbot.schema import Interval

EXTRAPOLATED = "extrapolated"
BORROWED = "borrowed"
"""Flags that a ranking adds."""

_UNSTABLE = 1.0
"""Standard deviation of the base model's mean score, points, above which gains are in doubt."""

_LEAST_DOUBT = 1e-4
"""Rounding must not make a probability certain."""

INFLATED = f"{TRAINED_ON_MNLI}: LP inflated"
"""How a ranking words the flag of a model that has seen the probe's labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedModel:
    """One line of a ranking."""

    rank: int | None
    """1 for the best; equal estimates share a rank, far extrapolated ones come after all others;
    None where there is no estimate."""
    band: int | None
    """1 for the best; models of one band cannot be told apart (``bands``). None for the base
    model, whose gain is 0 for sure, and where there is no estimate or a far extrapolated one."""
    model: str
    """Hub id."""
    gain: float | None
    """Best estimate of the average gain, points; the order is by it."""
    interval: Interval | None
    """Of ``gain``, points, at the ranking's level."""
    probability_positive: float | None
    """Probability of a gain above 0, never 0 or 1 itself; None for the base model."""
    measured_gain: float | None
    """Average gain as it was measured, points."""
    predicted_gain: float | None
    """Gain predicted from LP and flags, without the model's own measurement, points."""
    lp_accuracy: float | None
    """LP accuracy, points."""
    lp_gain: float | None
    """LP(m, MNLI), points."""
    knowledge: Knowledge
    """What ``gain`` rests on."""
    protocol: str
    """Protocol of the probe."""
    flags: tuple[str, ...]
    """Words of warning."""
    source: str
    """Where the numbers come from."""
    parameters: int | None
    """Number of weights."""
    licence: str
    """As its card states it; empty where not known."""
    language: str
    """Language codes; empty where not known."""
    also_known_as: tuple[str, ...]
    """Other names of the same weights."""
    note: str
    """Why there is no estimate, or no prediction; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranking:
    """All models of one architecture.

    Best first; then far extrapolated ones, then those without an estimate.
    """

    architecture: str
    """Name in the catalog."""
    level: float
    """Nominal coverage of the intervals, and the probability with which a band holds its best."""
    entries: Entries
    """In the order of the ranking."""
    estimates: Estimates
    """In the order of ``entries`` as they came; ``order`` leads to them."""
    order: NDArray[np.intp]
    """int64 of shape (n,): row of ``estimates`` of each line."""
    rank: NDArray[np.int64]
    """int64 of shape (n_ranked,)."""
    band: NDArray[np.int64]
    """int64 of shape (n_ranked,); 0 for the base model and far extrapolated ones."""
    n_left_out: int = 0
    """Known models that filters left out."""

    @property
    def n_ranked(self) -> int:
        """Models with an estimate."""
        return len(self.rank)

    @property
    def base_line(self) -> int | None:
        """Line of the base model, from 0; None where it is not among the entries."""
        found = np.flatnonzero(self.entries.is_base)
        return int(found[0]) if len(found) else None

    def refused(self) -> Mapping[str, int]:
        """Return why models have no estimate, and how many each reason concerns."""
        rows = self.order[self.n_ranked :]
        codes, counts = np.unique(self.estimates.reason[rows], return_counts=True)
        return {
            self.estimates.reasons[code]: int(count)
            for code, count in zip(codes, counts, strict=True)
        }

    def reading(self) -> Iterator[str]:
        """Yield sentences on how to read the ranking."""
        n_models = int((~self.entries.is_base).sum())
        if n_models == 0:
            yield self._about_nothing()
        if n_models == 0 or not self.n_ranked:
            return
        n_banded = int((self.band > 0).sum())
        n_first = int((self.band == 1).sum())
        if n_banded:
            yield (
                f"Band 1 is {_count(n_first)} of {n_banded}: with {100 * self.level:.0f} % "
                "probability the truly best is among them; each next band is the same of what is "
                "left. Inside a band the order is not to be relied on."
            )
        yield from self._about_extrapolated(has_others=n_banded > 0)
        if n_banded and self.base_line is not None:
            yield self._about_base(self.base_line)
        yield from self._about_luck()
        seed_sd, _ = seed_noise(self.architecture)
        # Of an architecture without published runs, only the worst is assumed, nothing known.
        if seed_sd > _UNSTABLE and load_base_scores(self.architecture):
            yield (
                "The base model's own runs fail now and then (its mean score moves by "
                f"{seed_sd:.1f} points between seeds), which lowers what gains are counted "
                "from: any start that does not fail seems better than it."
            )

    def _about_nothing(self) -> str:
        if self.n_left_out == 1:
            return f"The one known model of {self.architecture} does not pass the filters."
        if self.n_left_out:
            return (
                f"None of the {self.n_left_out} known models of {self.architecture} passes the "
                "filters."
            )
        return (
            f"No model of {self.architecture} is known yet; probe some (`hubbot probe MODEL`) "
            "or give a table of your own (--from FILE.csv)."
        )

    def _about_extrapolated(self, *, has_others: bool) -> Iterator[str]:
        n = int(self.estimates.is_far.sum())
        if not n:
            return
        where = " and stand after all others" if has_others else ", and their order says little"
        yield (
            f"Extrapolated far, {_count(n)}: LP or measured scores well beyond what the "
            "calibration has seen, or an LP inflated by NLI data of which it has seen too little. "
            f"Such models have no band{where}."
        )

    def _about_base(self, line: int) -> str:
        rows = self.order[: self.n_ranked][self.band > 0]
        n = int((self.estimates.low[rows] > 0).sum())
        alone = f"{50 * (1 + self.level):.0f} %"  # one end of the interval each
        if not n:
            sure = "of no other can it be said that its whole interval lies above"
        elif n == 1:
            sure = f"1 model lies above it with its whole interval, so with {alone} it is better"
        else:
            sure = (
                f"{n} models lie above it with their whole interval: each by itself is better with "
                f"{alone} or more, not all of them together"
            )
        return f"The base model itself, gain 0, stands at rank {self.rank[line]}; {sure}."

    def _about_luck(self) -> Iterator[str]:
        is_measured = self.estimates.knowledge == KNOWLEDGE.index("measured")
        if not is_measured.any():
            return
        yield (
            "Measured gains are single runs, and those at the top of a list are lucky ones: gain "
            "is drawn to what LP predicts as far as seed noise explains the difference."
            if np.isfinite(self.estimates.predicted[is_measured]).any()
            else "Measured gains are single runs, and those at the top of a list are lucky ones; "
            "with so few of them nothing can be taken off, so they are too high."
        )

    def lines(self, top: int | None = None) -> tuple[RankedModel, ...]:
        """Return the first lines as values.

        Args:
            top: How many; None for all.
        """
        n = len(self.order) if top is None else min(top, len(self.order))
        return tuple(self.line(at) for at in range(n))

    def line(self, at: int) -> RankedModel:
        """Return one line as a value.

        Args:
            at: From 0.
        """
        row, entries, found = int(self.order[at]), self.entries, self.estimates
        is_ranked = at < self.n_ranked
        gain = _rounded(found.gain[row])
        parameters = entries.parameters[at]
        return RankedModel(
            rank=int(self.rank[at]) if is_ranked else None,
            band=int(self.band[at]) or None if is_ranked else None,
            model=entries.model[at],
            gain=gain,
            interval=None
            if gain is None
            else (round(float(found.low[row]), 4), round(float(found.high[row]), 4)),
            probability_positive=_unsure(found.probability_positive[row]),
            measured_gain=_rounded(entries.measured[at]),
            predicted_gain=_rounded(found.predicted[row]),
            lp_accuracy=_rounded(entries.lp_accuracy[at]),
            lp_gain=_rounded(entries.lp_gain[at]),
            knowledge=KNOWLEDGE[found.knowledge[row]],
            protocol=entries.protocol[at],
            flags=tuple(_flags(entries.flags[at], found, row)),
            source=entries.source[at],
            parameters=int(parameters) if np.isfinite(parameters) else None,
            licence=entries.licence[at],
            language=entries.language[at],
            also_known_as=tuple(entries.also_known_as.get(entries.model[at], ())),
            note=found.reasons[found.reason[row]],
        )


def rank_entries(
    entries: Entries, architecture: str, calibrations: Calibrations, *, level: float = 0.9
) -> Ranking:
    """Put models in the order of their best estimates, in bands.

    Args:
        entries: Models of one architecture, each once.
        architecture: Its name in the catalog.
        calibrations: From ``load_calibrations``.
        level: Nominal coverage of the intervals, and of each band holding its best model.

    Returns:
        The ranking. Far extrapolated models follow by estimate, those without one by LP accuracy;
        names decide between equals only.

    Raises:
        SettingsError: If the level is too high for the number of models in a calibration.
    """
    found = best_estimates(entries, architecture, calibrations, level=level)
    is_ranked = np.isfinite(found.gain)
    # Equal keys are taken in the order of names; NaN is sorted to the end.
    names = np.argsort(np.argsort(entries.model.astype(str), kind="stable"))
    part = np.where(is_ranked, found.is_far, 2)
    order = np.lexsort((names, -entries.lp_accuracy, -found.gain, part))
    ranked = order[: int(is_ranked.sum())]
    band = np.zeros(len(ranked), dtype=np.int64)
    banded = np.flatnonzero(~entries.is_base[ranked] & ~found.is_far[ranked])
    rows = ranked[banded]
    band[banded] = cut_bands(
        found.gain[rows], found.true_low[rows], found.true_high[rows], level=level
    )
    return Ranking(
        architecture=architecture,
        level=level,
        entries=entries.take(order),
        estimates=found,
        order=order,
        rank=_ranks(found.gain[ranked], int(found.is_far[ranked].sum())),
        band=band,
    )


def _ranks(gain: Array, n_last: int) -> NDArray[np.int64]:
    """Return ranks of gains in falling order, of which the last n begin anew behind the others."""
    n_first = len(gain) - n_last
    first, last = gain[:n_first], gain[n_first:]
    places = [np.searchsorted(-part, -part, side="left") for part in (first, last)]
    return np.concatenate([places[0], n_first + places[1]]) + 1


def _count(n: int) -> str:
    return "1 model" if n == 1 else f"{n} models"


def _flags(flags: tuple[str, ...], found: Estimates, row: int) -> Iterator[str]:
    for flag in flags:
        yield INFLATED if flag == TRAINED_ON_MNLI else flag
    if found.is_extrapolated[row] and EXTRAPOLATED not in flags:
        yield EXTRAPOLATED
    if found.is_borrowed[row] and BORROWED not in flags:
        yield BORROWED


def _unsure(probability: float) -> float | None:
    rounded = _rounded(probability)
    return None if rounded is None else min(max(rounded, _LEAST_DOUBT), 1 - _LEAST_DOUBT)


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
