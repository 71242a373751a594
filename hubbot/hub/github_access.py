"""What a token or an App may do on GitHub, for ``hubbot doctor``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_client import Connection, connect
from hubbot.settings import GithubSettings

_SCOPES = {"repo", "public_repo"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubAccess:
    """What the token or the App may do."""

    login: str
    """Account; empty where the token does not tell, as that of a workflow."""
    repository: str
    """``owner/name``."""
    permissions: tuple[str, ...]
    """What GitHub tells of them: an App's, such as ``contents: write``, else what the account may
    (``push``) and a classic token's scopes (``scope repo``); empty where it tells nothing."""
    missing: tuple[str, ...]
    """Permissions that filing scores needs and that are known to be missing."""
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
    permissions, missing = _permissions(where, repository.raw_data.get("permissions"))
    return GithubAccess(
        login=where.login,
        repository=where.name,
        permissions=permissions,
        missing=missing,
        rate_left=rate.remaining,
        rate_reset_s=max(0.0, (rate.reset - datetime.now(UTC)).total_seconds()),
    )


def _permissions(
    where: Connection, roles: Mapping[str, bool] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is granted, and what is known to be missing."""
    if where.granted is not None:
        # The second one covers labels as well.
        needed = ("contents: write", "pull_requests: write")
        return where.granted, tuple(name for name in needed if name not in where.granted)
    scopes = [scope for scope in where.client.oauth_scopes or () if scope]
    granted = [name for name, has in (roles or {}).items() if has]
    granted += [f"scope {scope}" for scope in scopes]
    lacks = roles is not None and not roles.get("push")
    lacks = lacks or (bool(scopes) and not _SCOPES & {*scopes})
    return tuple(granted), ("contents: write",) if lacks else ()
