"""GitHub's client: who we are there, time limits, and retries of calls that may be repeated."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import jwt
from github import Auth, Github, GithubIntegration
from github.Repository import Repository

from hubbot import __version__
from hubbot.errors import RemoteError, SettingsError
from hubbot.hub.client import PATIENT, Backoff, wait_for
from hubbot.hub.github_refusals import translated
from hubbot.settings import GithubSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S = 30
"""Seconds without an answer after which a call is given up."""

_WRITES_APART_S = 1.0
"""Seconds between two writes that GitHub's documentation asks for."""

_BOT = "[bot]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The repository of the scores, seen by one account."""

    client: Github
    """PyGithub's client, which repeats nothing by itself."""
    repository: Repository
    """The repository; nothing of it was asked for yet."""
    name: str
    """``owner/name``."""
    login: str
    """Our account; empty where the token does not tell, as that of a workflow."""
    granted: tuple[str, ...] | None
    """Permissions of an App's installation, such as ``contents: write``; None for a token."""
    backoff: Backoff
    """How often and how patiently a call is repeated."""

    def ask(self, what: str, call: Callable[[], T], *, needs: str = "contents: read") -> T:
        """Make a call that may be repeated, again where that may help.

        Never for a call whose second time would do something more.

        Args:
            what: What is asked for, for messages.
            call: Calls the client.
            needs: Permission that the call needs.

        Raises:
            RemoteError: If the last try failed too, or trying again cannot help.
        """
        return asking(f"{what} of {self.name}", call, needs=needs, backoff=self.backoff)

    def is_ours(self, login: str, kind: str) -> bool:
        """Tell whether an account is our own, as far as that is known.

        Args:
            login: Account.
            kind: ``User`` or ``Bot``.
        """
        return login.casefold() == self.login.casefold() if self.login else kind == "Bot"


def asking(item: str, call: Callable[[], T], *, needs: str, backoff: Backoff) -> T:
    """Make a call that may be repeated, again where that may help; see :meth:`Connection.ask`."""
    for turn in range(1, backoff.attempts + 1):
        try:
            with translated(item, needs):
                return call()
        except RemoteError as error:
            pause = wait_for(error, backoff)
            if pause is False or turn == backoff.attempts:
                raise
            seconds = backoff.pause_s(turn) if pause is True else float(pause)
            logger.warning("%s; trying again in %.1f s", error, seconds)
            time.sleep(seconds)
    raise ValueError(f"expected at least one attempt, found {backoff.attempts}")


def connect(settings: GithubSettings, *, backoff: Backoff = PATIENT) -> Connection:
    """Return the repository of the settings, seen by their account.

    Args:
        settings: Section ``github``.
        backoff: How often and how patiently to ask.

    Raises:
        SettingsError: If repository, token or App are not, or not rightly, set.
        RemoteError: If the token is wrong, or GitHub cannot be asked.
    """
    _check(settings)
    granted: tuple[str, ...] | None = None
    if settings.token is not None:
        auth: Auth.Auth = Auth.Token(settings.token.get_secret_value().strip())
        client = _client(settings, auth, backoff)
        login = _login(client, settings.repository, backoff)
    else:
        auth, login, granted = _app_auth(settings, backoff)
        client = _client(settings, auth, backoff)
    return Connection(
        client=client,
        repository=client.get_repo(settings.repository),
        name=settings.repository,
        login=login,
        granted=granted,
        backoff=backoff,
    )


def _check(settings: GithubSettings) -> None:
    if not settings.repository:
        raise SettingsError(
            "github.repository is not set; name the repository of the scores as owner/name"
        )
    if settings.token is not None and settings.app_id is not None:
        raise SettingsError("github.token and github.app_id are both set; keep one of them")
    if settings.token is not None and not settings.token.get_secret_value().strip():
        raise SettingsError("github.token is empty; set HUBBOT_GITHUB__TOKEN or leave it out")
    if settings.token is None and (settings.app_id is None or settings.private_key_file is None):
        raise SettingsError(
            f"{settings.repository}: no access; set HUBBOT_GITHUB__TOKEN, or github.app_id with "
            "github.private_key_file"
        )
    if not settings.base_url.startswith(("https://", "http://")):
        raise SettingsError(
            f"github.base_url: expected an http(s) address, found {settings.base_url!r}; "
            "leave it out for github.com"
        )


def _client(settings: GithubSettings, auth: Auth.Auth, backoff: Backoff) -> Github:
    """Return a client that asks for nothing before it must, and repeats nothing by itself."""
    return Github(
        auth=auth,
        base_url=settings.base_url.rstrip("/"),
        timeout=TIMEOUT_S,
        user_agent=f"hubbot/{__version__}",
        per_page=100,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=min(_WRITES_APART_S, backoff.first_s),
        lazy=True,
    )


def _login(client: Github, repository: str, backoff: Backoff) -> str:
    """Return the account of a token; empty for a workflow's, which may not ask for it."""
    try:
        return asking(
            f"the account for {repository}",
            lambda: _text(client.get_user().login, "login"),
            needs="metadata: read",
            backoff=backoff,
        )
    except RemoteError as error:
        if error.kind == "forbidden":
            return ""
        raise


def _app_auth(settings: GithubSettings, backoff: Backoff) -> tuple[Auth.Auth, str, tuple[str, ...]]:
    """Return an App's access to the repository, its account and what it was granted."""
    auth = _signing(settings)
    integration = GithubIntegration(
        auth=auth,
        base_url=settings.base_url.rstrip("/"),
        timeout=TIMEOUT_S,
        user_agent=f"hubbot/{__version__}",
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
    )
    owner, _, name = settings.repository.partition("/")
    number = settings.installation_id
    item = f"the App {settings.app_id} on {settings.repository}"
    found = asking(
        item,
        lambda: (
            integration.get_repo_installation(owner, name)
            if number is None
            else integration.get_app_installation(number)
        ),
        needs="the App installed on this repository",
        backoff=backoff,
    )
    slug = asking(
        item,
        lambda: _text(integration.get_app().slug, "slug"),
        needs="metadata: read",
        backoff=backoff,
    )
    with translated(item, "metadata: read"):
        granted = found.raw_data.get("permissions") or {}
        permissions = tuple(sorted(f"{key}: {value}" for key, value in granted.items()))
        return auth.get_installation_auth(found.id), f"{slug}{_BOT}", permissions


def _signing(settings: GithubSettings) -> Auth.AppAuth:
    """Return what signs an App's calls, the key tried once.

    Raises:
        SettingsError: If the key cannot be read or used.
    """
    file = settings.private_key_file
    assert file is not None  # noqa: S101 - checked with the other settings
    assert settings.app_id is not None  # noqa: S101 - the same
    try:
        auth = Auth.AppAuth(settings.app_id, file.read_text(encoding="utf-8"))
        auth.create_jwt()
    except OSError as error:
        raise SettingsError(
            f"github.private_key_file: cannot read {file} ({error.strerror}); "
            "name the App's PEM file"
        ) from error
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise SettingsError(
            f"github.private_key_file: {file} holds no RSA key in PEM; download the App's key again"
        ) from error
    return auth


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"no {what} in the answer")
    return value
