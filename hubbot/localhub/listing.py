"""Lists of repositories: found, sorted and cut into pages without describing each every time."""

import base64
import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Any, Self

from hubbot.localhub import list_items, shapes
from hubbot.localhub.answers import Refusal
from hubbot.localhub.listed import Entry, entry_of
from hubbot.localhub.state import Caller, HubState, RepoKind, Repository

SORTS: dict[str, Callable[[Entry], float]] = {
    "lastModified": attrgetter("modified"),
    "createdAt": attrgetter("created"),
    "downloads": attrgetter("downloads"),
    "likes": attrgetter("likes"),
    "trendingScore": attrgetter("trending"),
}
_MAX_VIEWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for."""

    kind: RepoKind
    """Models or data sets."""
    tags: tuple[str, ...] = ()
    """All wanted."""
    author: str | None = None
    """Namespace; None for all."""
    search: str = ""
    """Part of the id, in any case."""
    is_gated: bool | None = None
    """None for all."""
    sort: str = "trendingScore"
    """One of :data:`SORTS`; the highest comes first, then the alphabet."""
    caller: Caller | None = None
    """Who asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page begins; carried by the link to it."""

    page: int = 1
    """Number of the page."""
    value: float | None = None
    """Sort value of the last model before; None on the first page."""
    id: str = ""
    """Id of that model."""
    view: str = ""
    """The order kept for this list; empty for none."""
    start: int = 0
    """Place of the page's first model in that order."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the cursor of a link; an empty text is the first page's.

        Raises:
            Refusal: 400 if it is not one of ours.
        """
        if not text:
            return cls()
        try:
            cursor = cls(**json.loads(base64.urlsafe_b64decode(text)))
            is_valid = cursor.page > 0 and cursor.start >= 0 and cursor.value is not None
        except (ValueError, TypeError) as error:
            raise Refusal(400, "Invalid cursor") from error
        if not is_valid:
            raise Refusal(400, "Invalid cursor")
        return cursor

    def write(self) -> str:
        """Return the text for a link."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    items: list[dict[str, Any]]
    """Repositories with every key there is."""
    before: list[dict[str, Any]]
    """The same of the models just before it, as many as asked for."""
    next: Cursor | None
    """Where the next page begins; None on the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """A repository as it was when it was last described."""

    signature: Hashable
    shape: dict[str, Any]
    entry: Entry


class Listing:
    """Answers lists; what it keeps is brought up to date before each."""

    def __init__(self, state: HubState) -> None:
        """List what is in ``state``, whose lock the callers hold."""
        self._state = state
        self._described: dict[tuple[RepoKind, str], _Described] = {}
        self._generation = -1
        self._orders: dict[tuple[RepoKind, str], list[Entry]] = {}
        self._views: OrderedDict[str, list[str]] = OrderedDict()
        # What was loaded from disk is described before the first client waits for it.
        self._refresh()

    def page(self, query: Query, cursor: Cursor, size: int, *, before: int = 0) -> Page:
        """Return a page.

        Args:
            query: What is asked for.
            cursor: Where the page begins.
            size: Most items.
            before: How many items before the page are wanted, too.
        """
        self._refresh()
        ids, start, view = self._locate(query, cursor)
        end = start + size
        after = None
        if end < len(ids):
            last = self._entry(query.kind, ids[end - 1])
            # A model deleted meanwhile has no value any more; the view's place says enough.
            value = 0.0 if last is None else SORTS[query.sort](last)
            after = Cursor(
                page=cursor.page + 1,
                value=value,
                id=ids[end - 1],
                view=view or self._keep(ids),
                start=end,
            )
        return Page(
            items=self._describe(query, ids[start:end]),
            before=self._describe(query, ids[max(0, start - before) : start]),
            next=after,
        )

    def again(self, cursor: Cursor, query: Query) -> Cursor:
        """Return the cursor of the same place, one page later."""
        if cursor.value is None:
            # Before everything, whatever it is sorted by.
            self._refresh()
            ids, _, _ = self._locate(query, cursor)
            return Cursor(page=2, value=float("inf"), view=self._keep(ids))
        return replace(cursor, page=cursor.page + 1)

    def _locate(self, query: Query, cursor: Cursor) -> tuple[list[str], int, str]:
        """Return ids in order, the place of a cursor among them, and the view they are from."""
        kept = None if self._state.oddities.follow_changes else self._views.get(cursor.view)
        if kept is not None:
            self._views.move_to_end(cursor.view)
            return kept, cursor.start, cursor.view
        found = self._find(query)
        start = 0
        if cursor.value is not None:
            key = SORTS[query.sort]
            start = bisect_right(
                found, (-cursor.value, cursor.id), key=lambda entry: (-key(entry), entry.id)
            )
        return [entry.id for entry in found], start, ""

    def _keep(self, ids: list[str]) -> str:
        name = self._state.new_id(16, "view")
        self._views[name] = ids
        while len(self._views) > _MAX_VIEWS:
            self._views.popitem(last=False)
        return name

    def _refresh(self) -> None:
        """Describe repositories that changed; forget orders that are no longer right."""
        state, is_changed = self._state, self._generation != self._state.listed.generation
        for key, repo in state.repositories.items():
            known, signature = self._described.get(key), _signature(repo)
            if known is None or known.signature != signature:
                self._described[key] = _describe(state, repo, signature)
                is_changed = True
        for key in [key for key in self._described if key not in state.repositories]:
            del self._described[key]
            is_changed = True
        if is_changed:
            self._generation = state.listed.generation
            self._orders.clear()

    def _order(self, kind: RepoKind, sort: str) -> list[Entry]:
        """Return all entries sorted."""
        order = self._orders.get((kind, sort))
        if order is None:
            order = [known.entry for (its, _), known in self._described.items() if its == kind]
            if kind == "models":
                order += self._state.listed.entries()
            order.sort(key=attrgetter("id"))
            order.sort(key=SORTS[sort], reverse=True)
            self._orders[kind, sort] = order
        return order

    def _find(self, query: Query) -> list[Entry]:
        wanted, search = query.tags, query.search.lower()
        return [
            entry
            for entry in self._order(query.kind, query.sort)
            if all(tag in entry.tags for tag in wanted)
            and (query.author is None or entry.namespace == query.author)
            and (not search or search in entry.id.lower())
            and (query.is_gated is None or entry.is_gated == query.is_gated)
            and self._is_visible(entry, query.caller)
        ]

    def _is_visible(self, entry: Entry, caller: Caller | None) -> bool:
        if entry.is_hidden:
            return False
        return not entry.is_private or self._state.owns(entry.namespace, caller)

    def _entry(self, kind: RepoKind, repo_id: str) -> Entry | None:
        known = self._described.get((kind, repo_id))
        if known is not None:
            return known.entry
        return self._state.listed.entry(repo_id) if kind == "models" else None

    def _describe(self, query: Query, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Describe those that are still there and still to be seen."""
        entries = [self._entry(query.kind, repo_id) for repo_id in ids]
        seen = [item for item in entries if item and self._is_visible(item, query.caller)]
        items = iter(self._state.listed.read([entry for entry in seen if entry.offset >= 0]))
        return [
            list_items.shape(next(items))
            if entry.offset >= 0
            else self._described[query.kind, entry.id].shape
            for entry in seen
        ]


def _signature(repo: Repository) -> Hashable:
    return (
        *(repo.head.oid, repo.created, repo.is_private, repo.gated, repo.is_disabled),
        *(repo.downloads, repo.likes),
    )


def _describe(state: HubState, repo: Repository, signature: Hashable) -> _Described:
    shape = shapes.repository(state, repo, repo.head)
    entry = replace(entry_of(shape), is_hidden=repo.is_disabled)
    return _Described(signature=signature, shape=shape, entry=entry)
