"""What the ledger holds, for ``hubbot status``; one that is not there is begun, empty."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubbot.bot.summary import spelt
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.pass_rows import BotLedger
from hubbot.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The ledger in numbers."""

    ledger: str
    """Its file."""
    checkpoints: Mapping[str, int]
    """By state, or ``state: reason``; each is counted once."""
    claimed: tuple[str, ...]
    """Those that a living process is at."""
    pull_requests: Mapping[str, int]
    """By last known state."""
    opened_within_a_day: int
    """Pull requests on cards opened in the last 24 hours."""
    sensitivities: Mapping[str, int]
    """Targets measured on the schedule, by state."""
    opt_outs: Mapping[str, str]
    """Who asked to be left alone, and how we know."""
    last_pass: Mapping[str, Any]
    """``number``, ``begun``, ``ended`` (None: killed, or at work), ``summary``; empty before it."""


def read_status(settings: Settings) -> Status:
    """Return what the ledger holds.

    Args:
        settings: Names the ledger.

    Raises:
        SettingsError: If it cannot be opened or read.
    """
    with BotLedger(Path(settings.ledger_file)) as ledger:
        last = ledger.last_pass()
        return Status(
            ledger=str(ledger.path),
            checkpoints=spelt(ledger.count_checkpoints()),
            claimed=ledger.claimed_checkpoints(),
            pull_requests=dict(
                sorted(Counter(one.state for one in ledger.pull_requests()).items())
            ),
            opened_within_a_day=ledger.opened_within_a_day(),
            sensitivities=dict(sorted(Counter(row.state for row in ledger.sensed()).items())),
            opt_outs=ledger.opt_outs(),
            last_pass={}
            if last is None
            else dict(zip(("number", "begun", "ended", "summary"), last, strict=True)),
        )


def rows_of(settings: Settings) -> Iterator[CheckpointRow]:
    """Yield every checkpoint of the ledger, the most valuable first.

    Raises:
        SettingsError: If it cannot be opened or read.
    """
    with BotLedger(settings.ledger_file) as ledger:
        yield from ledger.checkpoints()
