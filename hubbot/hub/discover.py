"""The Hub's list of models, page by page: everything about a model that costs no call of its own.

Pages are fetched here rather than by ``HfApi.list_models``, whose generator cannot go on after a
page that failed, nor past an item that is not as it should be; the requests are the same.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import HfApi, get_session
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # lazy exports
    build_hf_headers,
    hf_raise_for_status,
)

from hubbot import __version__
from hubbot.errors import RemoteError
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.limits import RateLimitLeft, hub_time, read_rate_limit
from hubbot.hub.listed_item import iso, read_listed
from hubbot.printable import printable
from hubbot.schema import ListedModel

logger = logging.getLogger(__name__)

PAGE_SIZE = 1000
"""Models of one page: the most that the Hub gives out."""

RESERVE = 0.05
"""Share of the window's calls that is left to others who use the same account."""

_EXPAND = (
    *("sha", "createdAt", "lastModified", "tags", "cardData", "config", "safetensors", "gated"),
    *("private", "disabled", "downloads", "likes", "library_name", "pipeline_tag"),
)
MOST_PROBLEMS = 10
"""Oddities of a list that are told in words; the others are counted."""

_AHEAD_S = 86_400
"""Seconds by which a model may be newer than the Hub's own time."""


@dataclass(slots=True, kw_only=True)
class Listing:
    """What a listing did so far; changed while it runs."""

    pages: int = 0
    """Pages that were answered: calls, but for those repeated after a failure."""
    items: int = 0
    """Items on them, those included that could not be read."""
    unreadable: int = 0
    """Items that are not as the Hub describes them."""
    unchanged: int = 0
    """Items that were last modified before ``since``, and are not yielded."""
    rate: RateLimitLeft | None = None
    """Limit after the last page; None where the Hub says nothing of one."""
    waited_s: float = 0.0
    """Seconds waited for a new window."""
    newest: str = ""
    """Latest ``modified`` seen, what lies in the Hub's future left aside."""
    is_complete: bool = False
    """Whether it came to its end, or to what was modified before ``since``."""
    problems: list[str] = field(default_factory=list)
    """What was odd, a sentence each, the first of them."""
    latest_credible: str = ""
    """A day after the last page was made, by the Hub's clock; empty where it does not say."""


def list_new_checkpoints(
    filters: Sequence[str],
    *,
    api: HfApi,
    since: str = "",
    page_size: int = PAGE_SIZE,
    backoff: Backoff = PATIENT,
    listing: Listing | None = None,
) -> Iterator[ListedModel]:
    """Yield the models that carry all tags of a filter, the last modified first.

    Only one page is held at a time. An item that cannot be read is counted and passed over. A model
    that is changed meanwhile may come twice.

    Args:
        filters: Tags, such as ``roberta`` or ``base_model:finetune:FacebookAI/roberta-base``.
        api: The Hub's client, for its token.
        since: ISO 8601 with ``Z``; what was last modified before is left out. Empty for all.
        page_size: Models of a page, 1 to 1,000.
        backoff: How patiently to ask, for each page.
        listing: Gets the counts; its ``rate`` is heeded from the first call on.

    Raises:
        RemoteError: If a page cannot be had; what came before stays with the caller.
    """
    state = listing if listing is not None else Listing()
    asked = set[str]()
    item = f"the list of models with {printable(' and '.join(filters))}"
    url: str | None = f"{api.endpoint}/api/models"
    params: dict[str, Any] | None = {
        "filter": list(filters),
        "sort": "lastModified",
        "limit": page_size,
        "expand": list(_EXPAND),
    }
    while url is not None:
        if url in asked:
            raise RemoteError(
                f"{item}: page {state.pages} leads back to one before it; try again later"
            )
        asked.add(url)
        _wait_for_window(state, backoff)
        items, url = _page(item, url, params, api=api, backoff=backoff, state=state)
        params = None  # The next address has them all.
        last = ""
        for found in _readable(items, item, state):
            last = found.modified or last
            if not since or not found.modified or found.modified >= since:
                yield found
            else:
                state.unchanged += 1
        if since and last and last < since:
            break  # By the page's end: one model out of order ends nothing.
    state.is_complete = True


def _readable(items: Sequence[object], item: str, state: Listing) -> Iterator[ListedModel]:
    for one in items:
        state.items += 1
        try:
            found = read_listed(one)
        except ValueError as error:
            state.unreadable += 1
            _note(state, f"{item}: an item is passed over: {error}")
            continue
        # One wrong date would hide all that is changed until then from the next looks.
        if not state.latest_credible or found.modified <= state.latest_credible:
            state.newest = max(state.newest, found.modified)
        yield found


def _page(
    item: str,
    url: str,
    params: Mapping[str, Any] | None,
    *,
    api: HfApi,
    backoff: Backoff,
    state: Listing,
) -> tuple[list[object], str | None]:
    def ask() -> tuple[httpx2.Response, list[object]]:
        answer = get_session().get(url, params=params, headers=_headers(api))
        hf_raise_for_status(answer)
        try:
            found = answer.json()
        except RecursionError as error:  # A stranger's header is in there.
            raise ValueError("nested too deeply") from error
        if not isinstance(found, list):
            raise ValueError(f"expected a list of models, found {type(found).__name__}")
        return answer, found

    answer, found = retrying(item, ask, backoff=backoff)
    state.pages += 1
    state.rate = read_rate_limit(answer.headers)
    state.latest_credible = _latest_credible(answer)
    following = _following(item, answer, url)
    if following is not None and not found:
        _note(state, f"{item}: page {state.pages} is empty, though others follow")
    return found, following


def _following(item: str, answer: httpx2.Response, url: str) -> str | None:
    """Return the address of the next page, None where there is none.

    Raises:
        RemoteError: If it lies on another server.
    """
    named = answer.links.get("next", {}).get("url")
    if named is None:
        return None
    try:
        following = urljoin(url, named)
        is_ours = urlsplit(following)[:2] == urlsplit(url)[:2]
    except ValueError:  # no address at all
        is_ours = False
    if not is_ours:
        raise RemoteError(
            f"{item}: the next page lies on another server ({printable(named)}), which is not "
            "asked: the token would go there; is HF_ENDPOINT right?"
        )
    return following


def _latest_credible(answer: httpx2.Response) -> str:
    """Return the latest moment that a model of this page can have been changed at."""
    there = hub_time(answer.headers)
    if there is None:
        return ""
    return iso(datetime.fromtimestamp(there.timestamp() + _AHEAD_S, UTC))


def _headers(api: HfApi) -> dict[str, str]:
    return dict(
        build_hf_headers(token=api.token, library_name="hubbot", library_version=__version__)
    )


def _wait_for_window(state: Listing, backoff: Backoff) -> None:
    """Sleep until the Hub counts anew rather than run into its limit."""
    rate = state.rate
    if rate is None or rate.calls > RESERVE * (rate.quota or 0):
        return
    if rate.reset_s > backoff.longest_s:
        return  # That is no window of the Hub's; let it refuse.
    logger.info("%d calls left; waiting %d s for the Hub's next window", rate.calls, rate.reset_s)
    time.sleep(rate.reset_s + 1)
    state.waited_s += rate.reset_s + 1
    state.rate = None


def _note(state: Listing, problem: str) -> None:
    logger.warning("%s", problem)
    if len(state.problems) < MOST_PROBLEMS:
        state.problems.append(problem)
