"""``bot --every 6h``: passes on a schedule, one bot at a time, graceful when it is told to stop."""

import datetime
import json
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Literal

from hubbot.bot.locking import only_one
from hubbot.bot.one_pass import OnEnd, ignore_summary, pass_under_lock
from hubbot.bot.workplace import Budget
from hubbot.errors import HubbotError, SettingsError, StorageError
from hubbot.extras import require_extra
from hubbot.measurement import Report, no_report
from hubbot.records.store import write_text
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_EVERY = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHORTEST_S = 1.0
_LONGEST_S = 366 * 86400.0

_LONGEST_SLEEP_S = 60.0
"""Seconds after which a waiting bot looks at the clock again, and says that it lives."""

Health = Literal["running", "waiting", "stopping", "stopped"]


class Stopped(KeyboardInterrupt):
    """The process was told to end (SIGTERM); handled as Ctrl-C is."""


def seconds_of(text: str) -> float:
    """Return a length of time in seconds.

    Args:
        text: A number with ``s``, ``m``, ``h`` or ``d``, such as ``6h``.

    Raises:
        SettingsError: If it is none, below one second, or above 366 days.

    >>> seconds_of("6h"), seconds_of("1.5m")
    (21600.0, 90.0)
    """
    found = _EVERY.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if seconds < _SHORTEST_S:
        raise SettingsError(f"--every {text!r}: expected a time such as 30m, 6h or 1d")
    if seconds > _LONGEST_S:
        raise SettingsError(f"--every {text!r}: expected at most 366d, for a schedule")
    return seconds


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM inside the block into ``Stopped``, so that children end and claims are freed.

    Outside the main thread, where no signal arrives, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        # Once: what cleans up is not to be interrupted again.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(slots=True, kw_only=True)
class _HealthFile:
    """A small JSON file that tells others whether the bot lives and what it does."""

    path: Path
    passes: int = 0
    failures: int = 0
    last_error: str = ""

    def write(self, state: Health, *, next_in_s: float | None = None) -> None:
        content = {
            "state": state,
            "pid": os.getpid(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "passes": self.passes,
            "failures_in_a_row": self.failures,
            "last_error": self.last_error,
            "next_in_s": next_in_s,
        }
        try:
            write_text(self.path, json.dumps(content, indent=1) + "\n")
        except SettingsError as error:
            # Others cannot see how it goes; that is no reason to stop.
            logger.warning("%s", error)


@dataclass(slots=True, kw_only=True)
class _Passes:
    """The passes of one bot, and when the next one is due by a clock that nobody sets."""

    every_s: float
    """Seconds between two beginnings."""
    health: _HealthFile
    """Told how it goes."""
    do: Callable[[], object]
    """One pass."""
    begun: float = field(default_factory=time.monotonic)
    """When the last one began."""
    error: HubbotError | None = None
    """What ended the last one early; None where it came to its end."""

    def begin(self) -> None:
        """Do one pass; what may be better the next time is kept and told, not raised.

        Raises:
            SettingsError: If something is set up wrongly, which no waiting sets right.
        """
        health = self.health
        self.begun = time.monotonic()
        health.write("running")
        try:
            self.do()
            self.error, health.failures, health.last_error = None, 0, ""
        except HubbotError as error:
            self._note(error)
            # A disk that is full now may have room again; nothing else is set right by waiting.
            if isinstance(error, SettingsError) and not isinstance(error, StorageError):
                raise
            logger.error("the pass ended early: %s", error)
        except Exception as error:
            # Nobody watches: the next pass may do better, and this one is told of in full.
            self._note(HubbotError(f"an error that hubbot does not know: {error!r}"))
            logger.exception("the pass ended with an error that hubbot does not know")
        finally:
            health.passes += 1

    def _note(self, error: HubbotError) -> None:
        self.error = error
        self.health.failures += 1
        self.health.last_error = str(error)

    def left_s(self) -> float:
        """Return the seconds until the next one is due; 0 where it is, or is overdue."""
        return max(0.0, self.begun + self.every_s - time.monotonic())

    def wait(self) -> None:
        """Sleep until the next one is due, or for a while where that is long."""
        pause = self.left_s()
        self.health.write("waiting", next_in_s=round(pause, 1))
        time.sleep(min(pause, _LONGEST_SLEEP_S))

    def due(self) -> datetime.datetime:
        """Return when the next one is due by the local clock as it is set now."""
        now = datetime.datetime.now()  # noqa: DTZ005 - as the schedule package compares it
        return now + datetime.timedelta(seconds=self.left_s())


def bot(
    every: str,
    *,
    architectures: Sequence[str] = (),
    budget: Budget | None = None,
    send: bool = False,
    health_file: Path | None = None,
    most_passes: int | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    on_pass: OnEnd = ignore_summary,
) -> None:
    """Run a pass now and then every so often, until told to stop.

    A pass that fails is logged, and the next one is begun when it is due. A pass that takes longer
    than the interval is followed by the next at once, never joined by it. Clocks that are set, and
    hours that summer time takes or gives, change nothing.

    Args:
        every: Time between two beginnings, such as ``6h``.
        architectures: As for ``run``, and so are those that are not named here.
        budget: Of each pass.
        send: Whether pull requests are opened.
        health_file: JSON that is written anew as things change; None: beside the ledger.
        most_passes: Passes after which it ends; None: never.
        settings: Read from flags, environment and file where None.
        report: Told a task's name, steps done and steps in all.
        on_pass: Told the summary of each pass, also of one that ended early.

    Raises:
        SettingsError: If something is set up wrongly, or another bot or pass is at work.
        HubbotError: What ended the last of ``most_passes`` early.
        KeyboardInterrupt: When it was told to stop (Ctrl-C, or ``Stopped`` after SIGTERM).
    """
    require_extra("bot", purpose="hubbot bot")
    import schedule

    settings = settings or load_settings()
    seconds = seconds_of(every)
    health = _HealthFile(path=health_file or settings.ledger_file.with_name("hubbot-health.json"))
    one_pass = partial(
        pass_under_lock,
        architectures=architectures,
        budget=budget,
        send=send,
        settings=settings,
        report=report,
        on_end=on_pass,
    )
    passes = _Passes(every_s=seconds, health=health, do=one_pass)
    scheduler = schedule.Scheduler()
    job = scheduler.every(round(seconds)).seconds.do(passes.begin)
    with ending_on_sigterm(), only_one(settings.ledger_file):
        try:
            scheduler.run_all()
            while most_passes is None or health.passes < most_passes:
                passes.wait()
                # The package goes by the local clock, which may have been set meanwhile.
                job.next_run = passes.due()
                scheduler.run_pending()
        finally:
            health.write("stopped")
    if passes.error is not None:
        raise passes.error
