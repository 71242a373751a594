"""Whose gains are due to be measured, and the turns in which anything is taken."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hubbot.bot.screening import UPPER_SHARE, draw
from hubbot.bot.workplace import Workplace
from hubbot.catalog.dataset_groups import targets_of
from hubbot.errors import HubbotError, SettingsError
from hubbot.records.checkpoint_rows import CheckpointRow

logger = logging.getLogger(__name__)

T = TypeVar("T")

_RECORDED = ("recorded", "published", "unpublished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A checkpoint whose gains are to be measured."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash that was probed."""
    weights_digest: str
    """Of its weights."""


def measured_rows(work: Workplace, architecture: str = "") -> Iterator[CheckpointRow]:
    """Yield the recorded checkpoints whose commit and weights are known.

    One that has another name by now, say, is to be measured under that name first.

    Args:
        work: Ledger.
        architecture: Name in the catalog; empty for all.
    """
    names = (architecture,) if architecture else ()
    for row in work.ledger.checkpoints(states=_RECORDED, architectures=names):
        if is_measured(row) and (not names or row.architecture == architecture):
            yield row


def is_measured(row: CheckpointRow) -> bool:
    """Return whether a checkpoint is recorded, and at which commit with which weights is known."""
    return row.state in _RECORDED and bool(row.measured_revision and row.weights_digest)


def by_turns(
    queues: Mapping[str, Iterator[T]], counts: Mapping[str, int]
) -> Iterator[tuple[str, T]]:
    """Yield from the queue that has had the fewest turns, the earlier ones counted; by name else.

    Args:
        queues: By name.
        counts: Turns that each has had before.
    """
    had, rest = dict(counts), dict(queues)
    while rest:
        name = min(rest, key=lambda one: (had[one], one))
        try:
            item = next(rest[name])
        except StopIteration:
            del rest[name]
            continue
        had[name] += 1
        yield name, item


def due_evaluations(work: Workplace, names: list[str]) -> Iterator[Evaluation]:
    """Yield checkpoints without measured gains, by turns over the architectures.

    The architecture with the fewest evaluated comes first; what failed comes after all others.

    Args:
        work: Ledger and settings.
        names: Architectures.
    """
    try:
        targets_of(work.settings.bot.evaluate_targets)
    except SettingsError as error:
        logger.info("%s", error)  # A pass tells of it as a problem.
        return
    tried = work.ledger.evaluated()
    rows = {name: list(measured_rows(work, name)) for name in names}
    counts = {
        name: sum((row.model, row.weights_digest) in tried for row in rows[name]) for name in names
    }
    queues = {name: _never_evaluated(work, rows[name], tried) for name in names}
    for _, row in by_turns(queues, counts):
        yield evaluation_of(row)
    attempts = work.ledger.evaluations_to_repeat(work.settings.bot.max_attempts)
    again = [
        (attempts[row.model, row.weights_digest], row.model, row)
        for name in names
        for row in rows[name]
        if (row.model, row.weights_digest) in attempts
    ]
    for *_, row in sorted(again, key=lambda item: item[:2]):
        yield evaluation_of(row)


def _never_evaluated(
    work: Workplace, rows: list[CheckpointRow], tried: Mapping[tuple[str, str], str]
) -> Iterator[CheckpointRow]:
    """Yield the upper band and random others by turns: calibrations would see the top alone.

    Whose turn it is hangs on how many were tried, and the draw on names, so that a pass which was
    killed goes on with the same one.
    """
    rows = [row for row in rows if row.lp_gain is not None]
    rows.sort(key=lambda row: (-(row.lp_gain or 0.0), row.model))
    n_upper = max(1, round(UPPER_SHARE * len(rows)))
    upper = rows[:n_upper]
    lower = sorted(rows[n_upper:], key=lambda row: draw(row.model))
    parts = {"1 upper": upper, "2 lower": lower}
    counts = {
        name: sum((row.model, row.weights_digest) in tried for row in part)
        for name, part in parts.items()
    }
    queues = {
        name: (
            row
            for row in part
            if (row.model, row.weights_digest) not in tried and not _has_gains(work, row)
        )
        for name, part in parts.items()
    }
    for _, row in by_turns(queues, counts):
        yield row


def _has_gains(work: Workplace, row: CheckpointRow) -> bool:
    from hubbot.bot.cards import path_of
    from hubbot.records.store import read_record

    try:
        return bool(read_record(path_of(row, work)).measured)
    except HubbotError:
        return False  # Measured anew, its record is written anew.


def evaluation_of(row: CheckpointRow) -> Evaluation:
    """Return the evaluation of a recorded checkpoint.

    Args:
        row: Of the ledger.
    """
    return Evaluation(
        model=row.model, revision=row.measured_revision, weights_digest=row.weights_digest
    )


def is_evaluated(work: Workplace, one: Evaluation) -> bool:
    """Return whether nothing is left to be measured of a checkpoint's gains with these weights.

    Args:
        work: Ledger and settings.
        one: With the weights in question.
    """
    key = (one.model, one.weights_digest)
    most = work.settings.bot.max_attempts
    return key in work.ledger.evaluated() and key not in work.ledger.evaluations_to_repeat(most)
