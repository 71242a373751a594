"""The Hub and GitHub: reached, in time, with calls left and the right tokens."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hubbot.doctoring.finding import Finding, fine, isolated, problem, warning
from hubbot.errors import RemoteError
from hubbot.extras import require_extra
from hubbot.measurement import hub_api
from hubbot.settings import Settings

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account
    from hubbot.hub.client import Backoff
    from hubbot.hub.github import GithubAccess
    from hubbot.hub.limits import HubLook, RateLimitLeft

_CLOCK_S = 300.0
"""Seconds by which the clock may be wrong before it is told."""

_FEW = 0.1
"""Share of the window's calls below which they are few."""

_FEW_AT_GITHUB = 100
"""Calls below which they are few, of the thousands of an hour."""

_CONNECTION = "check HF_ENDPOINT, the connection and the token"

GITHUB_ADVICE = (
    "check github.repository, HUBBOT_GITHUB__TOKEN (or the App's key) and the connection"
)
"""What to do where GitHub refuses."""

_TOKENS_PAGE = "https://huggingface.co/settings/tokens"


def hub(settings: Settings) -> Iterator[Finding]:
    """Look at the Hub; where it cannot be reached, that is said once.

    Args:
        settings: Tokens and time limit.
    """
    look: HubLook | None = None
    is_refused = False

    def reach() -> Finding:
        nonlocal look, is_refused
        from hubbot.hub.limits import look_at_hub

        try:
            look = look_at_hub(hub_api(settings), backoff=_patience())
        except RemoteError as error:
            is_refused = error.kind in {"unauthorised", "forbidden", "rate_limited"}
            raise
        return fine("hub", f"{look.endpoint} answers")

    yield isolated("hub", reach, advice=_CONNECTION)
    if look is not None:
        yield isolated("rate limit", functools.partial(rate_limit, look.rate_limit))
        yield isolated("clock", functools.partial(clock, look.clock_ahead_s))
    if look is not None or is_refused:
        yield isolated(
            "token for reading",
            lambda: reading(_account(settings, is_writing=False)),
            advice=_CONNECTION,
        )
        yield isolated(
            "token for writing",
            lambda: writing(_account(settings, is_writing=True), settings),
            advice=_CONNECTION,
        )


def _patience() -> "Backoff":
    """Return that of somebody who waits for the answer: one more try, no window waited for."""
    from hubbot.hub.client import Backoff

    return Backoff(attempts=2, first_s=0.5, longest_s=3.0)


def _account(settings: Settings, *, is_writing: bool) -> "Account":
    from hubbot.hub.accounts import who_am_i

    return who_am_i(hub_api(settings, is_writing=is_writing), backoff=_patience())


def rate_limit(limit: "RateLimitLeft | None") -> Finding:
    """Tell how many calls are left.

    Args:
        limit: What the Hub said; None where it did not.
    """
    if limit is None:
        return fine("rate limit", "the Hub does not say how many calls are left")
    of = f" of {limit.quota}" if limit.quota else ""
    found = f"{limit.calls}{of} calls left, anew in {limit.reset_s} s"
    if limit.quota and limit.calls < _FEW * limit.quota:
        return warning(
            "rate limit",
            found,
            "wait for the next window, look for what else calls with this account or from this "
            "address, or set HUBBOT_READ_TOKEN: an account has more calls than an address",
        )
    return fine("rate limit", found)


def clock(ahead_s: float | None) -> Finding:
    """Compare this machine's clock with the Hub's.

    Args:
        ahead_s: Seconds by which it is ahead; None where the Hub told no time.
    """
    if ahead_s is None:
        return fine("clock", "the Hub told no time to compare with")
    if abs(ahead_s) <= _CLOCK_S:
        return fine("clock", f"within {max(2, round(abs(ahead_s)))} s of the Hub's")
    direction = "ahead of" if ahead_s > 0 else "behind"
    return warning(
        "clock",
        f"{abs(ahead_s) / 60:.0f} minutes {direction} the Hub's",
        "set it (timedatectl set-ntp true): the pull requests of a day, the dates of records and "
        "the tokens of a GitHub App go by it",
    )


def reading(account: "Account") -> Finding:
    """Judge the token for reading, which needs no more than to read.

    Args:
        account: Behind it.
    """
    from hubbot.hub.accounts import can_write

    if account.is_anonymous:
        return fine(
            "token for reading",
            "no token: public models can be read, with fewer calls",
            f"a token of role read has more: {_TOKENS_PAGE}, then HUBBOT_READ_TOKEN",
        )
    if can_write(account):
        return warning(
            "token for reading",
            _describe(account),
            f"reading needs no more than role read: make such a token at {_TOKENS_PAGE} and set "
            "HUBBOT_READ_TOKEN; keep this one for sending, in HUBBOT_WRITE_TOKEN",
        )
    return fine("token for reading", _describe(account))


def writing(account: "Account", settings: Settings) -> Finding:
    """Judge the token for sending.

    Args:
        account: Behind it.
        settings: Whether strangers' repositories are written to.
    """
    from hubbot.hub.accounts import can_write

    if account.is_anonymous:
        return warning(
            "token for writing",
            "no token: nothing can be sent",
            f"for --send, make one that may write at {_TOKENS_PAGE} and set HUBBOT_WRITE_TOKEN",
        )
    if not can_write(account):
        return warning(
            "token for writing",
            f"{_describe(account)}: nothing can be sent",
            f"for --send, make one that may write at {_TOKENS_PAGE} and set HUBBOT_WRITE_TOKEN",
        )
    if settings.bot.strangers and not account.may_discuss_everywhere:
        return warning(
            "token for writing",
            f"{_describe(account)}; bot.strangers is on",
            "pull requests to other people's repositories need the permission to open discussions "
            f"and pull requests on all of them: add it at {_TOKENS_PAGE}",
        )
    return fine("token for writing", _describe(account))


def _describe(account: "Account") -> str:
    from hubbot.hub.accounts import can_write

    may = "may write" if can_write(account) else "may only read"
    text = f"{account.name}, {may} (token role: {account.role or 'unknown'}"
    for grant in account.grants or ():
        text += f"; {grant.where}: {', '.join(grant.permissions)}"
    text += ")"
    if account.orgs and account.grants is None:
        text += f", also for {', '.join(account.orgs)}"
    return text


def github(settings: Settings) -> Finding:
    """Look whether the repository of the scores can be written to.

    Args:
        settings: Repository and token.
    """
    if not settings.github.repository:
        return fine(
            "github",
            f"github.repository is not set: records stay in {settings.records_dir}",
        )
    require_extra("bot", purpose="filing scores on GitHub")
    from hubbot.hub.github import check_access

    return access_to_github(check_access(settings.github, backoff=_patience()))


def access_to_github(access: "GithubAccess") -> Finding:
    """Judge what the token or the App may do, and the calls left.

    Args:
        access: As GitHub tells it.
    """
    may = ", ".join(access.permissions) or "it may nothing"
    if not access.is_told:
        may = "what this token may do cannot be read beforehand"
    found = f"{access.repository} as {access.login or 'a workflow or App'}: {may}"
    needed = ", ".join(access.needed)
    if access.missing:
        return problem(
            "github",
            f"{found}; missing: {', '.join(access.missing)}",
            f"give the token (or the App) these permissions for this repository: {needed}",
        )
    found += f"; {access.rate_left} calls left, anew in {access.rate_reset_s:.0f} s"
    if access.rate_left < _FEW_AT_GITHUB:
        return warning("github", found, "wait, or look for what else calls with this token")
    if not access.is_told:
        return warning(
            "github",
            found,
            f"see that it has {needed} for this repository: on the page of a fine-grained token, "
            "or under permissions in a workflow",
        )
    return fine("github", found)
