"""``discover``: what is new on the Hub, triaged from its list and kept in the ledger."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hubbot.bot.moments import past_moment_of
from hubbot.bot.triage import queries_of, triage, value_of
from hubbot.catalog.architectures import get_architecture, load_architectures
from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.manners import is_on_list
from hubbot.measurement import Report, hub_api, no_report
from hubbot.printable import printable
from hubbot.records.checkpoint_rows import OPEN_STATES, ListedRow
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
    unreadable: int = 0
    """Items that are not as the Hub describes them."""
    unchanged: int = 0
    """Items last modified before what is looked for: they were listed by an earlier look."""
    repeated: int = 0
    """Items of models that this look had met already, by this or another query."""
    new: int = 0
    """Models that the ledger did not know."""
    known: int = 0
    """Models that it knew. Every item listed is counted once as one of these five."""
    included: int = 0
    """Of the new and the known, those that the list gives no reason to leave out."""
    skipped: dict[str, int] = field(default_factory=dict)
    """The others of them, left out, by reason."""
    waiting: int = 0
    """Of those included, the ones that are to be measured; the others were, or were given up."""
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
            first. ``"all"`` for everything. What lies between the last look and a later moment is
            left to the next look without one.
        settings: Read from flags, environment and file where None.
        report: Told how many queries are done.
        page_size: Models of a page; None for the most that the Hub gives out.

    Returns:
        What was found; the models are in the ledger.

    Raises:
        SettingsError: If an architecture is unknown, ``since`` no moment of the past, or the ledger
            unwritable.
        RemoteError: If the Hub cannot be asked at all.
    """
    settings = settings or load_settings()
    chosen = chosen_architectures(architectures, settings)
    moment = None if since is None else past_moment_of(since)
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
    mark = look.ledger.newest_listed(name)
    begin = mark if since is None else since
    listing = Listing(rate=look.rate)
    models = list_new_checkpoints(
        query,
        api=hub_api(look.settings),
        since=begin,
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
        found.unchanged += listing.unchanged
        found.waited_s += listing.waited_s
        found.problems += listing.problems[: MOST_PROBLEMS - len(found.problems)]
        look.rate = listing.rate
        if listing.rate is not None:
            found.calls_left = listing.rate.calls
    # What was changed between the mark and a later moment was never looked at: the mark stays.
    if listing.newest and begin <= mark:
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
    new = look.ledger.note_listed(rows)
    found.new += new
    found.known += len(rows) - new
    found.waiting += sum(_is_waiting(row, look) for row in rows)


def _is_waiting(row: ListedRow, look: _Look) -> bool:
    known = look.ledger.find_checkpoint(row.model) if row.is_included else None
    return (
        known is not None
        and known.state in OPEN_STATES
        and known.attempts < look.settings.bot.max_attempts
    )


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
    try:
        found = {entry.name: entry for entry in map(get_architecture, wanted)}
    except SettingsError as error:
        if names:
            raise
        raise SettingsError(f"bot.architectures: {error}") from error
    return list(found.values())


def told(found: Discovery) -> Mapping[str, Any]:
    """Return a discovery as plain values, for summaries."""
    return {
        "pages": found.pages,
        "listed": found.listed,
        "new": found.new,
        "known": found.known,
        "repeated": found.repeated,
        "unchanged": found.unchanged,
        "unreadable": found.unreadable,
        "included": found.included,
        "waiting": found.waiting,
        "skipped": dict(sorted(found.skipped.items())),
        "waited_s": round(found.waited_s, 1),
        "calls_left": found.calls_left,
        "incomplete": dict(found.incomplete),
        "problems": list(found.problems),
    }
