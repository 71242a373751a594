"""``discover``: what is new on the Hub, triaged from its list and kept in the ledger."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hubbot.bot.triage import queries_of, triage, value_of
from hubbot.catalog.architectures import get_architecture, load_architectures
from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.manners import is_on_list
from hubbot.measurement import Report, hub_api, no_report
from hubbot.printable import printable
from hubbot.records.checkpoint_rows import ListedRow
from hubbot.records.listed_once import ListedOnce
from hubbot.records.pass_rows import BotLedger
from hubbot.schema import Architecture, ListedModel
from hubbot.settings import Settings, load_settings

if TYPE_CHECKING:
    from hubbot.hub.limits import RateLimitLeft

logger = logging.getLogger(__name__)

_BATCH = 1000
"""Models written to the ledger in one step."""

_STOPPING = {"unauthorised", "unreachable", "rate_limited"}
"""Kinds of refusal that every other query would meet as well."""

_MOST_FAILURES = 3
"""Queries that fail in a row before the others are not asked either."""


@dataclass(slots=True, kw_only=True)
class Discovery:
    """What a look at the Hub's list found; changed while it runs."""

    pages: int = 0
    """Calls to the Hub, but for those repeated after a failure."""
    listed: int = 0
    """Items on the pages."""
    repeated: int = 0
    """Items that had been listed before, by this or another query."""
    unreadable: int = 0
    """Items that are not as the Hub describes them."""
    new: int = 0
    """Models that the ledger did not know."""
    included: int = 0
    """Models that are to be measured, or were."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Models left out, by reason."""
    waited_s: float = 0.0
    """Seconds waited for a new window of the Hub's limit."""
    calls_left: int | None = None
    """Calls left in the window; None where the Hub says nothing of a limit."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """Queries that did not come to their end, and why; they begin anew the next time."""
    problems: list[str] = field(default_factory=list)
    """What was odd about the list."""


def discover(
    *,
    architectures: Sequence[str] = (),
    since: str | None = None,
    settings: Settings | None = None,
    report: Report = no_report,
    page_size: int | None = None,
) -> Discovery:
    """Look through the Hub's list and write what is new into the ledger.

    Nothing is downloaded, and no call is made for a single model.

    Args:
        architectures: Names; none named: those of the settings, else all of the catalog.
        since: ISO 8601; None: what was changed since the last complete look, everything before the
            first. ``"all"`` for everything.
        settings: Read from flags, environment and file where None.
        report: Told how many queries are done.
        page_size: Models of a page; None for the most that the Hub gives out.

    Returns:
        What was found; the models are in the ledger.

    Raises:
        SettingsError: If an architecture is unknown, ``since`` no moment, or the ledger unwritable.
        RemoteError: If the Hub cannot be asked at all.
    """
    settings = settings or load_settings()
    chosen = chosen_architectures(architectures, settings)
    moment = None if since is None else moment_of(since)
    with BotLedger(settings.ledger_file) as ledger:
        return discover_into(
            ledger, chosen, since=moment, settings=settings, report=report, page_size=page_size
        )


def discover_into(
    ledger: BotLedger,
    architectures: Sequence[Architecture],
    *,
    since: str | None,
    settings: Settings,
    report: Report = no_report,
    page_size: int | None = None,
) -> Discovery:
    """As ``discover``, into an open ledger.

    Args:
        ledger: Gets the models.
        architectures: Entries of the catalog.
        since: Moment as the Hub writes it, empty for everything; None: since the last look.
        settings: Token, limits and opt-out list.
        report: Told how many queries are done.
        page_size: Models of a page; None for the most that the Hub gives out.

    Raises:
        RemoteError: If not one query could be answered.
    """
    found = Discovery()
    queries = queries_of(architectures)
    failures: list[RemoteError] = []
    with ListedOnce() as once:
        look = _Look(
            ledger=ledger,
            settings=settings,
            opt_out=(*settings.bot.opt_out, *ledger.opt_outs()),
            once=once,
        )
        for number, query in enumerate(queries):
            # A list does not say how long it is, so that queries are the steps.
            step = partial(report, "queries of the Hub's list", number, len(queries))
            try:
                _run_query(query, look, found, since=since, step=step, page_size=page_size)
                failures.clear()
            except RemoteError as error:
                # What was listed stays; the query begins where it did, the next time.
                logger.warning("%s", error)
                found.incomplete[" ".join(query)] = str(error)
                failures.append(error)
            if failures and _is_hopeless(failures):
                others = [" ".join(query) for query in queries[number + 1 :]]
                found.incomplete |= dict.fromkeys(others, "not asked for, after the one before")
                break
        else:
            report("queries of the Hub's list", len(queries), len(queries))
    if failures and not found.pages:
        raise failures[-1]
    return found


def _is_hopeless(failures: Sequence[RemoteError]) -> bool:
    return failures[-1].kind in _STOPPING or len(failures) >= _MOST_FAILURES


@dataclass(slots=True, kw_only=True)
class _Look:
    ledger: BotLedger
    settings: Settings
    opt_out: Collection[str]
    once: ListedOnce
    rate: "RateLimitLeft | None" = None
    """After the last query: the next one begins in the same window."""


def _run_query(
    query: tuple[str, ...],
    look: _Look,
    found: Discovery,
    *,
    since: str | None,
    step: Callable[[], None],
    page_size: int | None,
) -> None:
    from hubbot.hub.discover import MOST_PROBLEMS, PAGE_SIZE, Listing, list_new_checkpoints

    name = " ".join(query)
    listing = Listing(rate=look.rate)
    models = list_new_checkpoints(
        query,
        api=hub_api(look.settings),
        since=look.ledger.newest_listed(name) if since is None else since,
        page_size=page_size or PAGE_SIZE,
        listing=listing,
    )
    before = found.listed
    try:
        for batch in _batches(models):
            _take(batch, look, found)
            found.listed = before + listing.items
            step()
    finally:
        found.listed = before + listing.items
        found.pages += listing.pages
        found.unreadable += listing.unreadable
        found.waited_s += listing.waited_s
        found.problems += listing.problems[: MOST_PROBLEMS - len(found.problems)]
        look.rate = listing.rate
        if listing.rate is not None:
            found.calls_left = listing.rate.calls
    if listing.newest:
        look.ledger.finish_listing(name, listing.newest)


def _batches(models: Iterator[ListedModel]) -> Iterator[list[ListedModel]]:
    batch: list[ListedModel] = []
    try:
        for listed in models:
            batch.append(listed)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    except RemoteError:
        # What came before the page that failed is kept.
        yield batch
        raise
    yield batch


def _take(batch: Sequence[ListedModel], look: _Look, found: Discovery) -> None:
    rows = []
    firsts = look.once.add(listed.model for listed in batch)
    for listed, is_first in zip(batch, firsts, strict=True):
        if not is_first:
            found.repeated += 1
            continue
        row = _row(listed, look)
        if row.is_included:
            found.included += 1
        else:
            found.skipped[row.code] = found.skipped.get(row.code, 0) + 1
        rows.append(row)
    found.new += look.ledger.note_listed(rows)


def _row(listed: ListedModel, look: _Look) -> ListedRow:
    settings = look.settings
    decided = triage(
        listed,
        max_gb=settings.download.max_gb,
        reads_bin=settings.probe.bin == "sandboxed",
        is_left_alone=is_on_list(listed.model, look.opt_out),
    )
    return ListedRow(
        model=listed.model,
        revision=listed.revision,
        architecture=decided.architecture,
        is_included=decided.is_included,
        code=decided.reason or "",
        reason=printable(decided.text),
        value=value_of(listed),
        created=listed.created,
        modified=listed.modified,
        downloads=listed.downloads,
        likes=listed.likes,
        parameters=listed.parameters,
    )


def chosen_architectures(names: Sequence[str], settings: Settings) -> list[Architecture]:
    """Return the architectures that are meant: named ones, those of the settings, or all.

    Raises:
        SettingsError: If one is unknown; the nearest names are offered.
    """
    wanted = names or settings.bot.architectures
    if not wanted:
        return list(load_architectures())
    found = {entry.name: entry for entry in map(get_architecture, wanted)}
    return list(found.values())


def moment_of(text: str) -> str:
    """Return a moment as the Hub writes it; empty for ``all``.

    Args:
        text: A day (``2026-11-01``) or a moment, ISO 8601; without a zone it is UTC.

    Raises:
        SettingsError: If it is none.

    >>> moment_of("2026-11-01")
    '2026-11-01T00:00:00.000Z'
    """
    from datetime import UTC, datetime

    if text.strip().lower() == "all":
        return ""
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        utc = zoned.astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"--since {printable(text)!r} is no moment; expected a day such as 2026-11-01, ISO "
            "8601, or all"
        ) from error
    return utc.replace("+00:00", "Z")


def told(found: Discovery) -> Mapping[str, Any]:
    """Return a discovery as plain values, for summaries."""
    return {
        "pages": found.pages,
        "listed": found.listed,
        "repeated": found.repeated,
        "unreadable": found.unreadable,
        "new": found.new,
        "included": found.included,
        "skipped": dict(sorted(found.skipped.items())),
        "waited_s": round(found.waited_s, 1),
        "calls_left": found.calls_left,
        "incomplete": dict(found.incomplete),
        "problems": list(found.problems),
    }
