"""What ``hubbot discover`` tells of the models that the ledger knows: reads, asks no Hub."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from hubbot.bot.discovering import chosen_architectures
from hubbot.catalog.architectures import load_architectures
from hubbot.records.checkpoint_rows import STATES, CheckpointRow
from hubbot.records.pass_rows import BotLedger
from hubbot.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """One checkpoint of ``hubbot discover``."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash."""
    architecture: str
    """Name in the catalog; empty where config.json has to tell, or what is left out names none."""
    created: str
    """ISO 8601 with ``Z``."""
    modified: str
    """The same."""
    downloads: int
    """Downloads of the last 30 days."""
    likes: int
    """Likes."""
    parameters: int | None
    """Parameters; None where the Hub counted none."""
    value: float
    """How soon it is measured; higher is sooner."""
    state: str
    """Where it stands in the ledger."""
    why_included: str | None
    """Why it is measured; None where it is not."""
    why_skipped: str | None
    """Why it is left out, as ``reason: sentence``; None where it is not."""


def found_models(
    *,
    settings: Settings | None = None,
    architectures: Sequence[str] = (),
    since: str = "",
    limit: int | None = None,
    only_new: bool = False,
) -> Iterator[Discovered]:
    """Yield the models that the ledger knows, the most valuable first.

    Args:
        settings: Read from flags, environment and file where None.
        architectures: Names; none named: those of the settings, else all. Where not all are
            meant, what is left out without naming one of them is not told of.
        since: Only those modified since then, ISO 8601 with ``Z``; empty for all.
        limit: Most models; None for all.
        only_new: Only those that are not measured yet.

    Raises:
        SettingsError: If an architecture is unknown, or the ledger cannot be read.
    """
    settings = settings or load_settings()
    names = tuple(entry.name for entry in chosen_architectures(architectures, settings))
    every = {entry.name for entry in load_architectures()}
    states = ("seen", "failed") if only_new else STATES
    with BotLedger(settings.ledger_file) as ledger:
        is_all = set(names) == every
        rows = ledger.checkpoints(states=states, architectures=() if is_all else names)
        meant = (row for row in rows if is_all or row.architecture or not _is_left_out(row))
        recent = (row for row in meant if row.modified >= since)
        for row in islice(recent, limit):
            yield _discovered(row)


def _is_left_out(row: CheckpointRow) -> bool:
    return row.state in ("skipped", "refused")


def _discovered(row: CheckpointRow) -> Discovered:
    is_left_out = _is_left_out(row)
    why = f"{row.code}: {row.reason}" if row.code else row.reason
    return Discovered(
        model=row.model,
        revision=row.revision,
        architecture=row.architecture,
        created=row.created,
        modified=row.modified,
        downloads=row.downloads,
        likes=row.likes,
        parameters=row.parameters,
        value=round(row.value, 3),
        state=row.state,
        why_included=None if is_left_out else row.reason,
        why_skipped=why if is_left_out else None,
    )
