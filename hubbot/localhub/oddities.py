"""What a list of models sometimes gives besides its models, ordered page by page."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MAINTENANCE_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Hub</title></head>\n"
    "<body><h1>We will be back soon</h1></body></html>\n"
)
"""A page for people where a program expects JSON."""

_MODELS = "/api/models"


@dataclass(slots=True, kw_only=True)
class Oddity:
    """One thing to go wrong on a page."""

    kind: Literal["repeat", "empty", "html", "insert"]
    """Which."""
    page: int
    """Page of the list, from 1."""
    path: str
    """Regular expression, found in the decoded path with its query."""
    times: int | None
    """How often it is still to happen; None: always."""
    count: int = 0
    """Models repeated."""
    status: int = 200
    """Status of the HTML page."""
    items: tuple[Mapping[str, Any], ...] = ()
    """Items put into the page as they are."""


@dataclass(slots=True)
class ListingOddities:
    """Oddities of lists; each is ordered for the k-th page, and used up after ``times``.

    ``path`` is a regular expression searched in the decoded path with its query, such as
    ``filter=bert``, for tests with several lists.
    """

    follow_changes: bool = False
    """Whether a page begins behind the last model of the one before as things are now, so that a
    model modified meanwhile may be missed or come twice, as on the real Hub. Otherwise all pages
    of a list show the models in the order of the first."""
    _orders: list[Oddity] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def repeat(
        self, page: int, count: int = 1, *, times: int | None = 1, path: str = _MODELS
    ) -> None:
        """Begin a page with the last models of the page before.

        Raises:
            ValueError: If there is no page before.
        """
        if page < 2:
            raise ValueError(f"expected a page from 2 on, found {page}; the first repeats nothing")
        self._order(Oddity(kind="repeat", page=page, path=path, times=times, count=count))

    def empty(self, page: int, *, times: int | None = 1, path: str = _MODELS) -> None:
        """Answer an empty page that links to the page it should have been."""
        self._order(Oddity(kind="empty", page=page, path=path, times=times))

    def html(
        self, page: int, *, status: int = 200, times: int | None = 1, path: str = _MODELS
    ) -> None:
        """Answer a page with HTML, by default as if all were well."""
        self._order(Oddity(kind="html", page=page, path=path, times=times, status=status))

    def insert(
        self, page: int, *items: Mapping[str, Any], times: int | None = 1, path: str = _MODELS
    ) -> None:
        """Put items into the middle of a page, such as one without ``id`` or of wrong types."""
        self._order(Oddity(kind="insert", page=page, path=path, times=times, items=items))

    def _order(self, oddity: Oddity) -> None:
        with self._lock:
            self._orders.append(oddity)

    def take(self, page: int, target: str) -> list[Oddity]:
        """Return the oddities of a page, and count them."""
        with self._lock:
            found = [
                oddity
                for oddity in self._orders
                if oddity.page == page and re.search(oddity.path, target)
            ]
            for oddity in found:
                if oddity.times is not None:
                    oddity.times -= 1
            self._orders = [oddity for oddity in self._orders if oddity.times != 0]
        return found

    def pending(self) -> int:
        """Return how many have not been used up, so that a test can see none is left."""
        with self._lock:
            return len(self._orders)

    def clear(self) -> None:
        """Forget all orders."""
        with self._lock:
            self._orders.clear()
            self.follow_changes = False
