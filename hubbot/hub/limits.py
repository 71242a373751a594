"""What the Hub says beside its answers: calls left in its window, and its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2
from huggingface_hub import HfApi, get_session
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # lazy exports
    build_hf_headers,
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from hubbot import __version__
from hubbot.hub.client import PATIENT, Backoff, retrying


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitLeft:
    """What the Hub said of its limit with an answer."""

    calls: int
    """Calls left in this window."""
    quota: int | None
    """Calls of a window; None where it was not said."""
    reset_s: int
    """Seconds until the next window begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLook:
    """What one cheap call told of the Hub itself."""

    endpoint: str
    """Address that answered."""
    rate_limit: RateLimitLeft | None
    """Calls left for this account, or for this address without a token; None where unsaid."""
    clock_ahead_s: float | None
    """Seconds by which this machine's clock is ahead of the Hub's, to about a second and half
    the time of the call; None where the Hub told no time."""


def look_at_hub(api: HfApi, *, backoff: Backoff = PATIENT) -> HubLook:
    """Make one cheap call (a list of one model) and return what its headers say.

    Args:
        api: The Hub's client.
        backoff: How patiently to ask.

    Raises:
        RemoteError: If the Hub cannot be reached, refuses, or something else answers in its place.
    """
    asked = datetime.now(UTC)

    def call() -> httpx2.Response:
        nonlocal asked
        asked = datetime.now(UTC)
        headers = build_hf_headers(
            token=api.token, library_name="hubbot", library_version=__version__
        )
        url = f"{api.endpoint}/api/models"
        answer: httpx2.Response = get_session().get(url, params={"limit": 1}, headers=headers)
        hf_raise_for_status(answer)
        # A login page is an answer, too.
        found = answer.json()
        if not isinstance(found, list):
            raise ValueError(f"expected a list of models, found {type(found).__name__}")
        return answer

    answer = retrying("the list of models", call, backoff=backoff)
    here = asked + (datetime.now(UTC) - asked) / 2
    there = hub_time(answer.headers)
    return HubLook(
        endpoint=api.endpoint,
        rate_limit=read_rate_limit(answer.headers),
        clock_ahead_s=None if there is None else (here - there).total_seconds(),
    )


def rate_limit_left(api: HfApi, *, backoff: Backoff = PATIENT) -> RateLimitLeft | None:
    """Return the calls that are left, by one cheap call; None where the Hub does not say.

    Args:
        api: The Hub's client.
        backoff: How patiently to ask.

    Raises:
        RemoteError: If the Hub cannot be reached, or refuses.
    """
    return look_at_hub(api, backoff=backoff).rate_limit


def read_rate_limit(headers: Mapping[str, str]) -> RateLimitLeft | None:
    """Return the limit that an answer's headers tell of; None where they do not.

    Args:
        headers: Of any answer of the Hub.

    Source:
        IETF draft httpapi-ratelimit-headers, ``RateLimit`` and ``RateLimit-Policy``.
    """
    found = parse_ratelimit_headers(headers)
    if found is None:
        return None
    return RateLimitLeft(calls=found.remaining, quota=found.limit, reset_s=found.reset_in_seconds)


def hub_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the time at which an answer was made; None where its headers do not say.

    Args:
        headers: Of any answer of the Hub.

    Source:
        RFC 9110, section 6.6.1 (``Date``); RFC 9111, section 5.1 (``Age``, of a kept answer).
    """
    try:
        made = parsedate_to_datetime(headers.get("Date", ""))
    except ValueError:
        return None
    age = headers.get("Age", "").strip()
    kept_s = int(age) if age.isdecimal() and len(age) < 10 else 0
    return made.astimezone(UTC) + timedelta(seconds=kept_s)
