"""Long work as a bar on a terminal and as plain lines elsewhere, always on standard error."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hubbot.cli.output import note

_LINE_EVERY_S = 10.0

_MOST_FINISHED = 4
"""Finished bars that stay: a run over many targets has hundreds."""

_SPEED_OVER_S = 24 * 3600.0
"""Stretch, seconds, over which a bar's speed is taken: one fine-tuning may take hours."""


class Reporter:
    """Shows steps of named tasks; called with a task's name, steps done and steps in all."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._bars = _bars() if sys.stderr.isatty() and not is_quiet else None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._said: dict[str, int] = {}
        self._finished: list[str] = []
        self._last_line_s = 0.0

    def __enter__(self) -> "Reporter":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, task: str, done: int, total: int) -> None:
        """Show how far a task is.

        Args:
            task: Its name, such as ``me/model: encode train``.
            done: Steps done.
            total: Steps in all.
        """
        if self._is_quiet:
            return
        if self._bars is not None:
            self._draw(self._bars, task, done, total)
        else:
            self._write(task, done, total)

    def _draw(self, bars: Progress, task: str, done: int, total: int) -> None:
        if task in self._finished and done < total:  # begun anew
            self._remove(bars, task)
        if task not in self._tasks:
            self._tasks[task] = bars.add_task(task, total=total)
        bars.update(self._tasks[task], completed=done, total=total)
        if done >= total and task not in self._finished:
            self._finished.append(task)
        while len(self._finished) > _MOST_FINISHED:
            self._remove(bars, self._finished[0])

    def _remove(self, bars: Progress, task: str) -> None:
        self._finished.remove(task)
        bars.remove_task(self._tasks.pop(task))

    def _write(self, task: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._begun.get(task, (now, done))[1]:  # begun anew
            del self._begun[task]
        is_new = task not in self._begun
        begun_s, begun_at = self._begun.setdefault(task, (now, done))
        is_over = done >= total
        is_said = self._said.get(task) == done
        if is_said or not (is_new or is_over or now - self._last_line_s >= _LINE_EVERY_S):
            return
        self._said[task] = done
        self._last_line_s = now
        line = f"{task}: {done} of {total}" if total else task
        if not is_over and done > begun_at:
            left_s = (now - begun_s) * (total - done) / (done - begun_at)
            line += f", about {time_words(left_s)} left"
        note(line)


def time_words(seconds: float) -> str:
    """Write a length of time as a person says it.

    >>> time_words(48), time_words(720), time_words(8400)
    ('48 s', '12 min', '2 h 20 min')
    """
    if seconds < 600:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=_SPEED_OVER_S,
    )
