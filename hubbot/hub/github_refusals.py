"""What GitHub's client raises, turned into ``RemoteError`` at the edge of this room."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from github import GithubException

from hubbot.errors import RemoteError, RemoteKind, SettingsError
from hubbot.printable import printable

SECONDARY_WAIT_S = 60.0
"""Seconds to wait after writing too fast, where GitHub names none (its documentation: a minute)."""

_LIMITED = ("rate limit", "abuse detection")
_MOVED = (
    "not a fast forward",
    "reference already exists",
    "reference does not exist",
    "reference update failed",
    "pull request already exists",
    "no commits between",
)
"""Words of a 422 that tell of somebody else's change: looking again helps."""

_OF_THE_CLIENT = (
    GithubException,
    requests.RequestException,
    # An answer of a shape the client does not know ends in one of these inside it.
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
)


@contextmanager
def translated(item: str, needs: str) -> Iterator[None]:
    """Turn what the client raises inside into ``RemoteError``.

    Args:
        item: What is asked for or written, with the repository's name.
        needs: Permission that the call needs, such as ``contents: write``.

    Raises:
        RemoteError: In the place of the client's error.
    """
    try:
        yield
    except (RemoteError, SettingsError):
        raise
    except _OF_THE_CLIENT as error:
        raise explain(error, item, needs) from error


def explain(error: Exception, item: str, needs: str) -> RemoteError:
    """Return our error for one of the client's.

    Args:
        error: As raised by PyGithub or requests.
        item: What was asked for.
        needs: Permission that the call needs.
    """
    subject = printable(item)
    if isinstance(error, GithubException) and error.status >= 400:
        return _explain_answer(error, subject, needs)
    if isinstance(error, requests.Timeout):
        text, kind = "no answer from GitHub in time; try again later", "unreachable"
    elif isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        text, kind = "github.base_url is not a web address; correct it", "invalid"
    elif isinstance(error, requests.JSONDecodeError) or not isinstance(
        error, requests.RequestException
    ):
        text = (
            f"GitHub's answer could not be used ({type(error).__name__}: {printable(error)}); "
            "check github.base_url, and whether a proxy or login page is between"
        )
        kind = "server"
    else:
        text = f"GitHub could not be reached or broke off ({printable(error)}); check the network"
        kind = "unreachable"
    return RemoteError(f"{subject}: {text}", kind=kind)  # type: ignore[arg-type]


def _explain_answer(error: GithubException, subject: str, needs: str) -> RemoteError:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    said = _words(error.data)
    if _is_limited(error.status, headers, said):
        seconds = seconds_to_wait(headers)
        return RemoteError(
            f"{subject}: too many calls for this account; try again in {seconds:.0f} s",
            kind="rate_limited",
            retry_after_s=seconds,
        )
    needed = headers.get("x-accepted-github-permissions", "").replace("=", ": ") or needs
    kind, text = _classify(error.status, said, needed)
    shown = f" (GitHub says: {printable(said)})" if said else ""
    return RemoteError(f"{subject}: {text}{shown}", kind=kind)


def _words(data: Any) -> str:
    """Return the message of an answer with those of its parts."""
    if not isinstance(data, Mapping):
        return ""
    parts = [data.get("message")]
    errors = data.get("errors")
    for item in errors if isinstance(errors, list) else ():
        parts.append(item.get("message") or _field(item) if isinstance(item, Mapping) else item)
    return "; ".join(part for part in parts if isinstance(part, str) and part)


def _field(item: Mapping[str, Any]) -> str:
    return f"{item.get('resource')}.{item.get('field')} {item.get('code')}"


def _is_limited(status: int, headers: Mapping[str, str], said: str) -> bool:
    if status == 429:
        return True
    words = any(word in said.lower() for word in _LIMITED)
    spent = headers.get("x-ratelimit-remaining") == "0"
    return status == 403 and (words or spent or "retry-after" in headers)


def _classify(status: int, said: str, needs: str) -> tuple[RemoteKind, str]:
    if status == 422 and any(words in said.lower() for words in _MOVED):
        return "conflict", "something changed there meanwhile; look again"
    if status == 409 and "is empty" in said:
        return "invalid", "the repository has no commit yet; push a first one"
    known: dict[int, tuple[RemoteKind, str]] = {
        401: (
            "unauthorised",
            "the token or the App's key is missing, wrong or expired; set HUBBOT_GITHUB__TOKEN",
        ),
        403: ("forbidden", f"the token may not do that; it needs the permission {needs}"),
        404: (
            "not_found",
            "GitHub does not have it, or the token may not see it or write there; check "
            f"github.repository, and that the token has the permission {needs}",
        ),
        409: ("conflict", "something changed there meanwhile; look again"),
        410: ("disabled", "GitHub has switched it off there"),
        422: ("invalid", "GitHub did not accept the request"),
        451: ("disabled", "GitHub may not show it for legal reasons"),
    }
    if status in known:
        return known[status]
    if status >= 500:
        return "server", f"GitHub failed with status {status}; try again later"
    return "invalid", f"GitHub answered with status {status}"


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """Return for how many seconds GitHub asks to be left alone.

    Args:
        headers: Of an answer with status 403 or 429, names in lower case.

    Source:
        GitHub's documentation of rate limits: ``retry-after``, else ``x-ratelimit-reset`` where
        nothing is left, else a minute. The answer's own ``date`` is the clock.
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - _server_time(headers))
    return SECONDARY_WAIT_S


def _server_time(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return time.time()
