"""Checkpoints tried on a target within a budget: who is next, who may go on, who is passed over.

Decisions look at validation scores alone.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hubbot.candidates import MOST_TRIED, Candidate
from hubbot.cells import Bench, measure_cells
from hubbot.comparing import check_cells
from hubbot.errors import CheckpointError, HubbotError, IntegrityError, ProbeError
from hubbot.measurement import Checkpoint
from hubbot.schema import Target

if TYPE_CHECKING:
    from hubbot.records.cells import Cell

logger = logging.getLogger(__name__)

Reachable = Iterator[tuple[Candidate, Checkpoint]]
"""Candidates that can be had, best first, downloaded when they are asked for."""

_SPENT = "fine-tunings of the budget"
"""Task that is reported; the search may end before."""


@dataclass(slots=True, kw_only=True, eq=False)
class Trial:
    """One checkpoint tried."""

    candidate: Candidate | None
    """None for the base model."""
    checkpoint: Checkpoint
    """What is fine-tuned."""
    cells: "tuple[Cell, ...]" = ()
    """One for each seed, from seed 0."""
    flags: tuple[str, ...] = ()
    """Words of warning of the integrity gate."""
    spent: int = 0
    """Fine-tunings that were finished."""

    @property
    def validation(self) -> float:
        """Mean score on validation, points."""
        return sum(cell.validation_score for cell in self.cells) / len(self.cells)


@dataclass(slots=True, kw_only=True)
class Trials:
    """Everything tried so far; the base model comes first."""

    bench: Bench
    """Protocol, ledger and limits."""
    target: Target
    """What is fine-tuned on."""
    seeds: int
    """Of each checkpoint that is tried to the end."""
    budget: int
    """Fine-tunings that may be spent, the base model's included."""
    tried: list[Trial] = field(default_factory=list)
    """The base model and every checkpoint whose cells are there."""
    failed: dict[str, str] = field(default_factory=dict)
    """Models that could not be measured, and why."""
    lost: int = 0
    """Fine-tunings spent on those."""

    @property
    def base(self) -> Trial:
        """The base model."""
        return self.tried[0]

    @property
    def left(self) -> int:
        """Fine-tunings that the budget still pays for."""
        return self.budget - self.lost - sum(len(trial.cells) for trial in self.tried)

    def first(self, base: Checkpoint, reachable: Reachable) -> bool:
        """Try the base model and the first candidate that can be measured.

        Returns:
            Whether to go on: it gains more on validation than the standard error of its mean.

        Raises:
            HubbotError: If the base model cannot be measured: nothing can be compared then.
        """
        self.tried.append(Trial(candidate=None, checkpoint=base))
        following = self._next(reachable)  # fetched first: without one, nothing need be trained
        self.base.cells = self._measured(self.base, self.seeds)
        while following is not None and self.left >= self.seeds:
            if self._run(following, self.seeds):
                return self.validation_gain(following)[0] > self.validation_gain(following)[1]
            following = self._next(reachable)
        return False

    def one_by_one(self, reachable: Reachable) -> None:
        """Go down the ranking, all seeds each, as far as the budget pays."""
        while self.left >= self.seeds:
            trial = self._next(reachable)
            if trial is None:
                return
            self._run(trial, self.seeds)

    def by_halves(self, reachable: Reachable) -> None:
        """Give one seed to many, one more to the better half, until few have all seeds."""
        alive: list[Trial] = []
        while self.left >= 1 and _cost_of_halving(len(alive) + 1, self.seeds) <= self._room(alive):
            trial = self._next(reachable)
            if trial is None:
                break
            if self._run(trial, 1):
                alive.append(trial)
        n_seeds = 1
        while alive and n_seeds < self.seeds:
            alive.sort(key=lambda trial: -trial.validation)
            alive = alive[: math.ceil(len(alive) / 2)]
            n_seeds += 1
            alive = [trial for trial in alive if self._run(trial, n_seeds)]

    def _room(self, alive: Sequence[Trial]) -> int:
        return self.left + sum(len(trial.cells) for trial in alive)

    def _next(self, reachable: Reachable) -> Trial | None:
        known = {trial.checkpoint.local.weights_digest for trial in self.tried}
        for candidate, checkpoint in reachable:
            if checkpoint.local.weights_digest in known:
                logger.warning(
                    "passed over: %s holds the very weights of a model tried before",
                    checkpoint.local.model,
                )
                continue
            return Trial(candidate=candidate, checkpoint=checkpoint)
        return None

    def _run(self, trial: Trial, n_seeds: int) -> bool:
        """Give a checkpoint so many seeds; one that cannot be measured is told of and passed over.

        Raises:
            HubbotError: If as many as ``MOST_TRIED`` cannot be: then it is hardly their fault.
        """
        try:
            trial.cells = self._measured(trial, n_seeds)
            # Copies of a model tried before are passed over; who else has its answers is no matter.
            trial.flags = check_cells(
                self.bench,
                self.target,
                trial.cells,
                self.base.cells[:n_seeds],
                among={one.checkpoint.local.weights_digest for one in self.tried},
            )
        except (CheckpointError, IntegrityError, ProbeError) as error:
            # What it cost is spent: what was finished, and what failed unless all was finished.
            self.lost += min(trial.spent + 1, n_seeds)
            self._drop(trial, error)
            return False
        if trial not in self.tried:
            self.tried.append(trial)
        return True

    def _drop(self, trial: Trial, error: HubbotError) -> None:
        self.tried = [one for one in self.tried if one is not trial]
        self.failed[trial.checkpoint.local.model] = str(error)
        logger.warning("passed over: %s", error)
        if len(self.failed) >= MOST_TRIED and len(self.tried) == 1:
            raise error

    def _measured(self, trial: Trial, n_seeds: int) -> "tuple[Cell, ...]":
        others = self.budget - self.left - (len(trial.cells) if trial in self.tried else 0)
        trial.spent = 0

        def on_cell(cell: "Cell") -> None:
            trial.spent += 1
            if trial.spent > len(trial.cells):
                self.bench.report(_SPENT, others + trial.spent, self.budget)

        return measure_cells(
            self.bench, trial.checkpoint, self.target, range(n_seeds), on_cell=on_cell
        )

    def validation_gain(self, trial: Trial) -> tuple[float, float]:
        """Return the mean gain on validation over the base model, and its standard error, points.

        The error is over seeds; 0 for one seed, which tells none.
        """
        pairs = zip(trial.cells, self.base.cells[: len(trial.cells)], strict=True)
        gains = [own.validation_score - other.validation_score for own, other in pairs]
        mean = sum(gains) / len(gains)
        if len(gains) == 1:
            return mean, 0.0
        variance = sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1)
        return mean, math.sqrt(variance / len(gains))

    def complete(self) -> list[Trial]:
        """Return those that have all seeds, the base model first."""
        return [trial for trial in self.tried if len(trial.cells) == self.seeds]

    def best(self) -> Trial:
        """Return the best on validation among those with all seeds; the base model on a tie."""
        return max(self.complete(), key=lambda trial: trial.validation)  # the first of equals


def _cost_of_halving(n: int, seeds: int) -> int:
    """Return the fine-tunings that halving n checkpoints takes."""
    cost, alive = n, n
    for _ in range(seeds - 1):
        alive = math.ceil(alive / 2)
        cost += alive
    return cost
