"""The Hub's client with what it leaves out: time limits, and retries of calls that only read."""

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import stamina
from huggingface_hub import HfApi, constants, get_session, set_client_factory
from huggingface_hub.errors import OfflineModeIsEnabled

from hubbot import __version__
from hubbot.errors import RemoteError
from hubbot.hub.refusals import translate_errors

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How often and how patiently a call is repeated."""

    attempts: int = 5
    """Calls in all, the first one included."""
    first_s: float = 1.0
    """Pause after the first failure, seconds; doubled after each further one."""
    most_s: float = 30.0
    """Longest such pause, seconds."""
    longest_s: float = 330.0
    """Longest pause asked for by the Hub that is waited out, seconds (its windows are 300 s)."""

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures, in seconds.

        Args:
            failures: Calls that have failed so far, from 1.
        """
        return float(min(self.most_s, self.first_s * 2 ** (failures - 1)))


PATIENT = Backoff()
"""The default: half a minute in all, or as long as the Hub asks for within its own window."""


class _TimeLimit:
    """Request hook that gives every call without a time limit the one set here.

    The client passes ``timeout=None`` in places, which switches a default of httpx2 off again;
    a hook sees the request as it goes out.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._limits = httpx2.Timeout(seconds).as_dict()

    def __call__(self, request: httpx2.Request) -> None:
        chosen = request.extensions.get("timeout") or {}
        given = {name: limit for name, limit in chosen.items() if limit is not None}
        request.extensions = {**request.extensions, "timeout": {**self._limits, **given}}


def make_api(token: str | None, *, timeout_s: float) -> HfApi:
    """Return the Hub's client; every call it makes in this process has a time limit from now on.

    Args:
        token: Access token; None for the one of ``hf auth login`` or HF_TOKEN, if any.
        timeout_s: Seconds without an answer after which a call is given up.
    """
    _limit_time(timeout_s)
    return HfApi(token=token, library_name="hubbot", library_version=__version__)


@contextmanager
def anonymously() -> Iterator[None]:
    """Send no token that was not passed, whatever the environment or ``hf auth login`` holds.

    For the whole process, while the block runs: the client asks this switch at each call.
    """
    before = constants.HF_HUB_DISABLE_IMPLICIT_TOKEN
    constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_IMPLICIT_TOKEN = before


def _limit_time(timeout_s: float) -> None:
    """Install the limit once: replacing the client closes connections that are in use."""
    hooks = get_session().event_hooks["request"]
    if any(isinstance(hook, _TimeLimit) and hook.seconds == timeout_s for hook in hooks):
        return
    others = [hook for hook in hooks if not isinstance(hook, _TimeLimit)]

    def factory() -> httpx2.Client:
        return httpx2.Client(
            event_hooks={"request": [*others, _TimeLimit(timeout_s)]},
            follow_redirects=True,
            timeout=httpx2.Timeout(timeout_s),
        )

    set_client_factory(factory)


def retrying(item: str, call: Callable[[], T], *, backoff: Backoff = PATIENT) -> T:
    """Make a call that only reads, again where that may help.

    Again after 429 (when the Hub says so, within bounds), 5xx, and lost connections. Never use it
    for a call that changes something: it may have happened although the answer is an error.

    Args:
        item: What is asked for, for messages.
        call: Calls the Hub's client.
        backoff: How often and how patiently.

    Raises:
        RemoteError: If the last try failed too, or trying again cannot help.
    """

    def translated() -> T:
        with translate_errors(item):
            return call()

    failures = itertools.count(1)

    def wait(error: Exception) -> bool | float:
        answer = wait_for(error, backoff)
        if answer is not False and next(failures) < backoff.attempts:
            # A person who waits wants to know what for.
            pause = "" if answer is True else f" in {answer:.0f} s"
            logger.warning("%s; trying again%s", error, pause)
        return answer

    caller = stamina.RetryingCaller(
        attempts=backoff.attempts,
        timeout=None,
        wait_initial=backoff.first_s,
        wait_max=backoff.most_s,
        wait_jitter=backoff.first_s / 2,
    )
    return caller(wait, translated)


def wait_for(error: Exception, backoff: Backoff) -> bool | float:
    """Return whether to try again, or the seconds to wait before it.

    Args:
        error: What the call ended with.
        backoff: The longest pause that is waited out.
    """
    if not isinstance(error, RemoteError) or isinstance(error.__cause__, OfflineModeIsEnabled):
        return False
    if error.kind == "rate_limited" and error.retry_after_s is not None:
        if error.retry_after_s > backoff.longest_s:
            return False
        return error.retry_after_s + backoff.first_s
    return error.kind in {"rate_limited", "server", "unreachable"}
