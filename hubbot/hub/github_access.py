"""What a token or an App may do on GitHub, for ``hubbot doctor``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_client import Connection, connect
from hubbot.settings import GithubSettings

_CONTENTS = "contents: write"
_PULLS = "pull_requests: write"
"""Covers labels as well."""

_SCOPES = {"repo", "public_repo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubAccess:
    """What the token or the App may do."""

    login: str
    """Account; empty where the token does not tell, as that of a workflow."""
    repository: str
    """``owner/name``."""
    permissions: tuple[str, ...]
    """What GitHub tells of them: an App's, such as ``contents: write``, else a classic token's
    scopes (``scope repo``) and what its account may (``push``); empty where it tells nothing."""
    is_told: bool
    """Whether GitHub tells them. Not of a fine-grained token or a workflow's: there the repository
    names what the account may, of which the token may have any part."""
    needed: tuple[str, ...]
    """Permissions that filing scores needs."""
    missing: tuple[str, ...]
    """Those of them that are known to be missing."""
    rate_left: int
    """Calls left in this hour."""
    rate_reset_s: float
    """Seconds until the next hour's calls."""


def check_access(settings: GithubSettings, *, backoff: Backoff = PATIENT) -> GithubAccess:
    """Ask GitHub what the token or the App may do, for ``hubbot doctor``.

    Args:
        settings: Section ``github``.
        backoff: How often and how patiently to ask.

    Raises:
        SettingsError: If repository, token or App are not rightly set.
        RemoteError: If GitHub refuses the token or the repository, or cannot be asked.
    """
    where = connect(settings, backoff=backoff)
    repository = where.ask("the name", where.repository.complete, needs="metadata: read")
    rate = where.ask(
        "the rate limit",
        lambda: where.client.get_rate_limit().rate,
        needs="metadata: read",
    )
    permissions = _permissions(where, repository.raw_data.get("permissions") or {})
    return GithubAccess(
        login=where.login,
        repository=where.name,
        permissions=permissions,
        is_told=where.granted is not None or where.client.oauth_scopes is not None,
        needed=(_CONTENTS, _PULLS),
        missing=_missing(where, repository.raw_data.get("permissions")),
        rate_left=rate.remaining,
        rate_reset_s=max(0.0, (rate.reset - datetime.now(UTC)).total_seconds()),
    )


def _permissions(where: Connection, roles: Mapping[str, bool]) -> tuple[str, ...]:
    """Return what is granted to the token itself, as far as GitHub tells."""
    if where.granted is not None:
        return where.granted
    scopes = where.client.oauth_scopes
    if scopes is None:
        return ()
    granted = [name for name, has in roles.items() if has]
    return (*granted, *(f"scope {scope}" for scope in scopes if scope))


def _missing(where: Connection, roles: Mapping[str, bool] | None) -> tuple[str, ...]:
    """Return what is known to be missing."""
    if where.granted is not None:
        return tuple(name for name in (_CONTENTS, _PULLS) if name not in where.granted)
    scopes = where.client.oauth_scopes
    # A person's token may no more than the person, and a classic one only what its scopes cover.
    # What is said of an App's or a workflow's account tells nothing of its token.
    lacks = bool(where.login) and roles is not None and not roles.get("push")
    lacks = lacks or (scopes is not None and not _SCOPES & {*scopes})
    return (_CONTENTS,) if lacks else ()
