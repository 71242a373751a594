"""What all steps of one pass share: ledger, settings, budget, and who is told."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hubbot.measurement import Report, no_report
from hubbot.records.pass_rows import BotLedger
from hubbot.schema import Annotation, DatasetAnnotation
from hubbot.settings import Settings

logger = logging.getLogger(__name__)


OnCard = Callable[[Annotation | DatasetAnnotation], None]
"""Told what was or would be done to a card, its diff included."""


def ignore_card(done: Annotation | DatasetAnnotation) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a pass may spend; None or negative nothing: each limit is optional."""

    minutes: float | None = None
    """Minutes after which nothing new is begun."""
    max_models: int | None = None
    """Most checkpoints that are measured."""
    max_pull_requests: int | None = None
    """Most pull requests on cards that are opened."""


@dataclass(slots=True, kw_only=True)
class Workplace:
    """One pass at work; changed while it runs."""

    ledger: BotLedger
    """Open ledger."""
    settings: Settings
    """Read once."""
    budget: Budget
    """What may be spent."""
    number: int
    """Number of the pass."""
    is_sending: bool = False
    """Whether pull requests are opened; without it nothing is written to the Hub or GitHub."""
    has_records_elsewhere: bool = False
    """Whether the records of earlier passes are on another machine, which saw that they are there:
    a shard's."""
    report: Report = no_report
    """Told a task's name, steps done and steps in all."""
    on_card: OnCard = ignore_card
    """Told what was or would be done to each card."""
    begun: float = field(default_factory=time.monotonic)
    """When the pass began, by a clock that never goes back."""
    n_measured: int = 0
    """Checkpoints measured so far, those refused or failed included."""
    n_opened: int = 0
    """Pull requests opened so far."""
    would_open: Counter[str] = field(default_factory=Counter)
    """Pull requests that a dry run would have opened so far, by owner."""
    seconds: float = 0.0
    """Seconds spent on checkpoints so far."""
    unreachable: int = 0
    """Times in a row that fine-tuning met a Hub which could not be reached."""
    events: Counter[str] = field(default_factory=Counter)
    """What was done beside measuring, counted."""
    problems: list[str] = field(default_factory=list)
    """What went wrong that belongs to no checkpoint, a sentence each."""

    @property
    def opt_out(self) -> tuple[str, ...]:
        """Owners and repositories that asked to be left alone: in the settings, or of a bot."""
        return (*self.settings.bot.opt_out, *self.ledger.opt_outs())

    def settings_with_opt_outs(self) -> Settings:
        """Return the settings with those added who asked the bot itself."""
        bot = self.settings.bot.model_copy(update={"opt_out": self.opt_out})
        return self.settings.model_copy(update={"bot": bot})

    def minutes_spent(self) -> float:
        """Return for how many minutes the pass has been at work."""
        return (time.monotonic() - self.begun) / 60

    def why_stop(self) -> str | None:
        """Return why nothing new is begun; None while the budget lasts."""
        if self.budget.minutes is not None and self.minutes_spent() >= self.budget.minutes:
            return f"the budget of {self.budget.minutes:g} minutes is spent"
        most = self.budget.max_models
        if most is not None and self.n_measured >= most:
            return f"the budget of {most} checkpoints is spent"
        return None

    def is_last(self) -> bool:
        """Return whether the checkpoint that is at work now is the last of the budget."""
        most = self.budget.max_models
        return most is not None and self.n_measured + 1 >= most

    def why_not_open(self, owner: str, *, n_replaced: int = 0) -> tuple[str, str] | None:
        """Return why no pull request may be opened at an owner's now, as (code, sentence).

        Args:
            owner: Namespace of the repository.
            n_replaced: Open ones of the owner that would be closed in its favour.
        """
        bot, most = self.settings.bot, self.budget.max_pull_requests
        planned = self.would_open.total()
        if most is not None and self.n_opened + planned >= most:
            return "cap-pass", f"this pass has opened its {most} pull requests"
        if self.ledger.opened_within_a_day() + planned >= bot.max_pull_requests_per_day:
            return (
                "cap-day",
                f"{bot.max_pull_requests_per_day} pull requests were opened within 24 hours "
                "(bot.max_pull_requests_per_day)",
            )
        n_open = self.ledger.open_at_owner(owner) + self.would_open[owner] - n_replaced
        if n_open >= bot.max_open_per_owner:
            return (
                "cap-owner",
                f"{bot.max_open_per_owner} of ours are open at {owner} (bot.max_open_per_owner)",
            )
        return None

    def note_problem(self, problem: str) -> None:
        """Keep what belongs to no checkpoint, and log it."""
        logger.warning("%s", problem)
        self.problems.append(problem)
