"""``run``: one pass of the whole path over what is new, within its budgets; safe to repeat.

What was done is read from the ledger, not remembered: a pass that was killed leaves everything
finished, and the next one goes on from there.
"""

import datetime
import logging
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from hubbot.bot.cards import publish_records
from hubbot.bot.checking import check_bot_settings
from hubbot.bot.corrections import find_moved
from hubbot.bot.discovering import Discovery, chosen_architectures, discover_into, told
from hubbot.bot.following import follow_pull_requests
from hubbot.bot.locking import only_one
from hubbot.bot.measuring import measure_checkpoints
from hubbot.bot.moments import past_moment_of
from hubbot.bot.scores import file_scores
from hubbot.bot.summary import Summary, spelt
from hubbot.bot.targets import measure_targets, minutes_for_checkpoints
from hubbot.bot.workplace import Budget, OnCard, Workplace, ignore_card
from hubbot.catalog.architectures import load_architectures
from hubbot.errors import HubbotError, RemoteError
from hubbot.extras import require_extra
from hubbot.measurement import Report, no_report
from hubbot.records.filed import take_over_filed
from hubbot.records.pass_rows import BotLedger
from hubbot.schema import Annotation, DatasetAnnotation
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_CLOCK_TOLERANCE_S = 3600.0
"""By how much a clock may be behind the ledger before it is told of."""

OnEnd = Callable[[Summary], None]
"""Told what a pass did."""


def ignore_summary(summary: Summary) -> None:
    """Do nothing."""


def run(
    *,
    architectures: Sequence[str] = (),
    budget: Budget | None = None,
    send: bool = False,
    discovers: bool = True,
    since: str | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    on_card: OnCard = ignore_card,
    on_end: OnEnd = ignore_summary,
) -> Summary:
    """Find what is new, measure it, bring it to cards, file the scores: one pass.

    Args:
        architectures: Names; none named: those of the settings, else all of the catalog.
        budget: What may be spent; None for what the settings say.
        send: Whether pull requests are opened; without it nothing is written to Hub or GitHub.
        discovers: Whether the Hub's list is looked through first.
        since: As for ``discover``.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_card: Told what was or would be done to each card.
        on_end: Told what was done, also where the pass ends early, before the error is raised.

    Returns:
        What was done; also where single checkpoints failed.

    Raises:
        SettingsError: If something is set up wrongly, another pass is at work, or the disk is full.
        RemoteError: If the Hub refuses the token, it may not write though ``send`` is given, or the
            Hub cannot be reached at all.
    """
    require_extra("probe", purpose="hubbot run")
    settings = settings or load_settings()
    with only_one(settings.ledger_file):
        return pass_under_lock(
            architectures=architectures,
            budget=budget,
            send=send,
            discovers=discovers,
            since=since,
            settings=settings,
            report=report,
            on_card=on_card,
            on_end=on_end,
        )


def pass_under_lock(
    *,
    architectures: Sequence[str],
    budget: Budget | None,
    send: bool,
    settings: Settings,
    report: Report,
    discovers: bool = True,
    since: str | None = None,
    on_card: OnCard = ignore_card,
    on_end: OnEnd = ignore_summary,
) -> Summary:
    """As ``run``, for a caller that holds the lock of ``only_one``."""
    moment = None if since is None else past_moment_of(since)
    chosen = chosen_architectures(architectures, settings)
    take_over_filed(settings)
    with BotLedger(settings.ledger_file) as ledger:
        work = Workplace(
            ledger=ledger,
            settings=settings,
            budget=budget or budget_of(settings),
            number=ledger.begin_pass(),
            is_sending=send,
            report=report,
            on_card=on_card,
        )
        everything = len(chosen) == len(load_architectures())
        names = () if everything else tuple(entry.name for entry in chosen)
        running = RunningPass(work, on_end)

        def look() -> Discovery:
            return discover_into(
                ledger,
                chosen,
                since=moment,
                settings=settings,
                report=report,
            )

        _tell_of_clock(work)
        running.step("settings", lambda: check_bot_settings(settings, is_sending=send))
        if discovers:
            running.discover(look)
        running.step("pull requests", lambda: follow_pull_requests(work))
        running.step("corrections", lambda: find_moved(work))

        def measure() -> None:
            minutes = minutes_for_checkpoints(work, names)
            measure_checkpoints(work, names, minutes=minutes)

        running.step("checkpoints", measure)
        running.step("targets", lambda: measure_targets(work, names))
        running.step("cards", lambda: publish_records(work, names))
        running.step("scores", lambda: running.scores.update(file_scores(work)))
        return running.end()


class RunningPass:
    """The steps of a pass: one that fails ends the pass, whose summary is written all the same."""

    def __init__(self, work: Workplace, on_end: OnEnd) -> None:
        """Begin a pass.

        Args:
            work: Ledger, settings and budget.
            on_end: Told what was done.
        """
        self._work = work
        self._on_end = on_end
        # Told first, so that the summary can name what was opened.
        self._on_card, work.on_card = work.on_card, self._note_card
        self._opened: list[str] = []
        self._opted_out = dict(work.ledger.opt_outs())
        self._begun = datetime.datetime.now(tz=datetime.UTC)
        self._discovered: Discovery | None = None
        self._seconds: dict[str, float] = {}
        self.scores: dict[str, object] = {}

    def _note_card(self, done: Annotation | DatasetAnnotation) -> None:
        if done.action == "opened" and done.url:
            self._opened.append(done.url)
        self._on_card(done)

    def discover(self, look: Callable[[], Discovery]) -> None:
        """Look through the list; where that fails, what is known already is still worked on."""
        try:
            self._discovered = look()
        except BaseException as error:
            if not isinstance(error, RemoteError) or error.kind == "unauthorised":
                self._fail("list", error)
            self._work.note_problem(f"nothing was listed: {error}")

    def step(self, name: str, action: Callable[[], object]) -> None:
        """Do one step.

        Raises:
            BaseException: Whatever it ended with, once the summary is written.
        """
        begun = time.monotonic()
        try:
            action()
        except BaseException as error:
            self._seconds[name] = time.monotonic() - begun
            self._fail(name, error)
        self._seconds[name] = time.monotonic() - begun

    def _fail(self, name: str, error: BaseException) -> NoReturn:
        why = str(error) if isinstance(error, HubbotError) else type(error).__name__
        try:
            self.end(stopped=f"{name}: {why}")
        except HubbotError as other:
            logger.warning("what the pass did is not written down: %s", other)
        raise error

    def end(self, *, stopped: str = "") -> Summary:
        """Write, tell and return the summary; where it cannot be written, it is told first."""
        summary = self._summarise(stopped)
        try:
            self._work.ledger.end_pass(self._work.number, _plain(summary))
        finally:
            self._on_end(summary)
        return summary

    def _summarise(self, stopped: str) -> Summary:
        work = self._work
        measured, seconds = work.n_measured, time.monotonic() - work.begun
        on_targets = self._seconds.get("targets", 0.0)
        heard = work.ledger.opt_outs().items() - self._opted_out.items()
        return Summary(
            number=work.number,
            begun=self._begun.isoformat(timespec="seconds"),
            seconds=round(seconds, 1),
            is_sending=work.is_sending,
            discovered={} if self._discovered is None else told(self._discovered),
            touched=spelt(work.ledger.count_checkpoints(pass_number=work.number)),
            total=spelt(work.ledger.count_checkpoints()),
            n_measured=measured,
            n_opened=work.n_opened,
            events=dict(work.events),
            problems=tuple(work.problems),
            stopped=stopped,
            seconds_per_model=round(work.seconds / measured, 2) if measured else None,
            cost=self._price(seconds),
            # Of the checkpoints alone: what else a pass does would make each look dear.
            cost_per_model=self._price(work.seconds / measured) if measured else None,
            target_seconds=round(on_targets, 1),
            target_cost=self._price(on_targets),
            opened=tuple(self._opened),
            opt_outs=dict(sorted(heard)),
            scores=self.scores,
        )

    def _price(self, seconds: float) -> float | None:
        per_hour = self._work.settings.bot.price_per_hour
        return None if per_hour is None else round(per_hour * seconds / 3600, 4)


def budget_of(
    settings: Settings,
    *,
    minutes: float | None = None,
    max_models: int | None = None,
    max_pull_requests: int | None = None,
) -> Budget:
    """Return the budget of the settings, with what is given in its place.

    Args:
        settings: Section ``bot``.
        minutes: After which nothing new is begun; None leaves the setting, as for the others.
        max_models: Most checkpoints that are measured.
        max_pull_requests: Most pull requests that are opened; there is no setting for a pass.
    """
    bot = settings.bot
    return Budget(
        minutes=bot.budget_minutes if minutes is None else minutes,
        max_models=bot.max_models if max_models is None else max_models,
        max_pull_requests=max_pull_requests,
    )


def _tell_of_clock(work: Workplace) -> None:
    """Tell of a clock behind the ledger's times, by which caps go on counting: the safe side."""
    behind_s = work.ledger.now() - time.time()
    if behind_s > _CLOCK_TOLERANCE_S:
        work.note_problem(
            f"the clock is {behind_s / 3600:.1f} hours behind what the ledger holds; until it has "
            "caught up, no day's pull requests are forgotten (bot.max_pull_requests_per_day): set "
            "the clock right"
        )


def _plain(summary: Summary) -> dict[str, object]:
    return {name: getattr(summary, name) for name in Summary.__dataclass_fields__}
