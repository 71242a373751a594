"""What the Hub's client raises, turned into ``RemoteError`` at the edge of this room."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]  # lazy export

from hubbot.errors import RemoteError, RemoteKind
from hubbot.printable import printable

TOKENS_PAGE = "https://huggingface.co/settings/tokens"

_OF_THE_CLIENT = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    EntryNotFoundError,
    FileMetadataError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RevisionResolutionError,
    # An answer of a shape the client does not know ends in one of these inside it.
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)

_STATUS: dict[int, tuple[RemoteKind, str]] = {
    400: ("invalid", "the Hub did not accept the request"),
    401: (
        "unauthorised",
        "the token is missing, wrong or expired; log in with `hf auth login`, set HF_TOKEN, or "
        f"make a new one at {TOKENS_PAGE}",
    ),
    403: (
        "forbidden",
        "this account or token may not do that; a token with write access is needed, see "
        f"{TOKENS_PAGE}",
    ),
    404: ("not_found", "the Hub does not have it; check the spelling"),
    408: ("unreachable", "the Hub gave up waiting; try again later"),
    409: ("conflict", "it changed meanwhile; read it again and repeat"),
    410: ("not_found", "the Hub does not have it any more"),
    412: ("conflict", "it changed meanwhile; read it again and repeat"),
    413: ("invalid", "too large for the Hub"),
    416: ("server", "the Hub could not go on with a broken-off download; try again"),
    422: ("invalid", "the Hub did not accept the request"),
}
"""HTTP status: kind, and what was found with the next step."""


@contextmanager
def translate_errors(item: str) -> Iterator[None]:
    """Turn every error of the Hub's client inside the block into one of ours.

    Keep the block to calls of the client: ValueError, KeyError, TypeError and AttributeError are
    taken for an answer that the client could not read.

    Args:
        item: What was asked for, as it should stand in front of the message.

    Raises:
        RemoteError: For everything that the client or its HTTP library raises.
    """
    try:
        yield
    except _OF_THE_CLIENT as error:
        raise explain(error, item) from error


def explain(error: BaseException, item: str) -> RemoteError:
    """Return our error for one of the client's.

    Args:
        error: As raised by huggingface_hub or httpx2.
        item: What was asked for.
    """
    subject = printable(item)
    if isinstance(error, HfHubHTTPError):
        return _explain_answer(error, subject)
    if isinstance(error, LocalTokenNotFoundError):
        return RemoteError(f"{subject}: {_STATUS[401][1]}", kind="unauthorised")
    if isinstance(error, HFValidationError):
        return RemoteError(
            f"{subject}: not an id of the Hub, expected owner/name; {printable(error)}",
            kind="invalid",
        )
    if isinstance(error, OfflineModeIsEnabled):
        return RemoteError(
            f"{subject}: HF_HUB_OFFLINE keeps this machine off the Hub; unset it to go on",
            kind="unreachable",
        )
    if isinstance(error, LocalEntryNotFoundError | FileMetadataError | RevisionResolutionError):
        return _explain_wrapped(error, subject)
    return _explain_transport(error, subject)


def _explain_wrapped(error: BaseException, subject: str) -> RemoteError:
    """Look below the client's "cannot find it in the cache either" for what really happened."""
    if error.__cause__ is not None:
        return explain(error.__cause__, subject)
    return RemoteError(
        f"{subject}: the Hub's answer could not be used ({printable(error)}); "
        f"check HF_ENDPOINT ({constants.ENDPOINT}) and try again",
        kind="unreachable",
    )


def _explain_transport(error: BaseException, subject: str) -> RemoteError:
    where = constants.ENDPOINT
    if isinstance(error, httpx2.TimeoutException):
        text, kind = f"no answer from {where} in time; try again later", "unreachable"
    elif isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
        text, kind = f"HF_ENDPOINT ({where}) is not a web address", "invalid"
    elif isinstance(error, httpx2.TransportError | httpx2.StreamError):
        text = f"{where} could not be reached or broke off ({printable(error)}); check the network"
        kind = "unreachable"
    elif isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        text = f"{where} answered with something else than JSON; is a proxy or login page between?"
        kind = "server"
    else:
        text = (
            f"{where} answered in a way that huggingface_hub does not know "
            f"({type(error).__name__}: {printable(error)}); try again, or update huggingface_hub"
        )
        kind = "server"
    return RemoteError(f"{subject}: {text}", kind=kind)  # type: ignore[arg-type]


def _explain_answer(error: HfHubHTTPError, subject: str) -> RemoteError:
    status = error.response.status_code
    said = f" (the Hub says: {printable(error.server_message)})" if error.server_message else ""
    if status == 429:
        return _explain_rate_limit(error, subject)
    kind, text = _classify(error, status)
    return RemoteError(f"{subject}: {text}{said}", kind=kind)


def _classify(error: HfHubHTTPError, status: int) -> tuple[RemoteKind, str]:
    if isinstance(error, GatedRepoError):
        return "gated", (
            "the repository asks for consent first, and this token has none; "
            "accept its conditions on its page if you may"
        )
    if isinstance(error, DisabledRepoError):
        return "disabled", "the Hub has disabled this repository"
    if isinstance(error, RevisionNotFoundError):
        return "revision_not_found", "the repository is there, this revision of it is not"
    if isinstance(error, EntryNotFoundError):
        return "not_found", "there is no such file at this revision"
    if isinstance(error, RepositoryNotFoundError):
        return "not_found", (
            "no such repository, or a private one that this token does not open; "
            "check the spelling and the token"
        )
    if status == 403 and _says_discussions_are_off(error.server_message or ""):
        return "disabled", "discussions and pull requests are switched off there"
    if status in _STATUS:
        return _STATUS[status]
    return "server", f"the Hub failed with status {status}; try again later"


def _says_discussions_are_off(message: str) -> bool:
    """The Hub has no error code for this; the words are all there is to go by."""
    words = message.lower()
    subject = "discussion" in words or "pull request" in words
    return subject and ("disabled" in words or "turned off" in words or "deactivated" in words)


def _explain_rate_limit(error: HfHubHTTPError, subject: str) -> RemoteError:
    seconds = seconds_to_wait(error.response)
    when = "later" if seconds is None else f"in {seconds:.0f} s"
    return RemoteError(
        f"{subject}: too many calls for this account; try again {when}",
        kind="rate_limited",
        retry_after_s=seconds,
    )


def seconds_to_wait(response: httpx2.Response) -> float | None:
    """Return for how many seconds the Hub asks to be left alone; None where it does not say.

    Args:
        response: An answer with status 429.

    Source:
        The Hub's ``RateLimit`` header (IETF draft httpapi-ratelimit-headers), else
        ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date).
    """
    limit = parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
