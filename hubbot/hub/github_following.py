"""What became of our pull requests on GitHub. Writes nothing."""

import re
from collections.abc import Iterable
from typing import Literal

from hubbot.errors import RemoteError
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_client import Connection, connect
from hubbot.settings import GithubSettings

PullState = Literal["open", "merged", "closed", "gone"]

_PAGE = re.compile(r".*/pull/([1-9][0-9]*)/?")


def number_of(url: str) -> int | None:
    """Return the number of a pull request; None where the address is of something else.

    Args:
        url: Its page.

    >>> number_of("https://github.com/me/scores/pull/12")
    12
    """
    found = _PAGE.fullmatch(url)
    return None if found is None else int(found[1])


def follow_pulls(
    urls: Iterable[str], *, settings: GithubSettings, backoff: Backoff = PATIENT
) -> dict[str, PullState]:
    """Return what became of pull requests in the repository of the settings, one call each.

    Args:
        urls: Their pages; an address of something else is left out.
        settings: Section ``github``.
        backoff: How often and how patiently to ask.

    Raises:
        SettingsError: If repository, token or App are not rightly set.
        RemoteError: If GitHub cannot be asked.
    """
    numbers = {url: number for url in urls if (number := number_of(url)) is not None}
    if not numbers:
        return {}
    where = connect(settings, backoff=backoff)
    return {url: _state(where, number) for url, number in numbers.items()}


def _state(where: Connection, number: int) -> PullState:
    def read() -> PullState:
        pull = where.repository.get_pull(number).complete()
        if pull.state not in ("open", "closed"):
            raise ValueError("no pull request in the answer")
        if pull.merged_at is not None:
            return "merged"
        return "open" if pull.state == "open" else "closed"

    try:
        return where.ask(f"#{number}", read, needs="pull requests: read")
    except RemoteError as error:
        # A repository that cannot be seen has none either, which is no news of the pull request.
        if error.kind != "not_found":
            raise
        where.ask("the name", where.repository.complete, needs="metadata: read")
        return "gone"
