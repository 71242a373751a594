"""What became of a pull request of ours: looks at the Hub, writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import DiscussionComment, HfApi

from hubbot.errors import RemoteError
from hubbot.hub.accounts import Account
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.manners import asks_to_stop
from hubbot.hub.plan import is_withdrawn
from hubbot.schema import RepoType

Standing = Literal["open", "conflict", "merged", "closed", "withdrawn", "gone"]
"""``conflict``: open, but the main branch moved; ``withdrawn``: closed by us, as another took its
place; ``gone``: repository or pull request deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestNow:
    """How a pull request stands."""

    standing: Standing
    """In one word."""
    stopped_by: str = ""
    """Who asked in a comment to be left alone: the owner if it was the owner as well, else the
    first; empty where nobody did."""


def look_at_pull_request(
    repository: str,
    url: str,
    *,
    api: HfApi,
    account: Account,
    repo_type: RepoType = "model",
    backoff: Backoff = PATIENT,
) -> PullRequestNow:
    """Return how a pull request stands.

    Args:
        repository: Hub id.
        url: Page of the pull request; ends in its number.
        api: The Hub's client.
        account: Ours: what we said ourselves asks for nothing.
        repo_type: What ``repository`` is the id of.
        backoff: How patiently to ask.

    Raises:
        RemoteError: If the Hub cannot be asked.
        ValueError: If ``url`` ends in no number.
    """
    number = int(url.rstrip("/").rpartition("/")[2])
    try:
        details = retrying(
            f"pull request {number} of {repository}",
            lambda: api.get_discussion_details(repository, number, repo_type=repo_type),
            backoff=backoff,
        )
    except RemoteError as error:
        if error.kind in ("not_found", "disabled", "gated"):
            return PullRequestNow(standing="gone")
        raise
    others = [
        event
        for event in details.events
        if isinstance(event, DiscussionComment)
        and not event.hidden
        and event.author != account.name
    ]
    stopped = [event.author for event in others if asks_to_stop([event.content])]
    standing: Standing = "open"
    if is_withdrawn(details, account):
        standing = "withdrawn"
    elif details.status in ("merged", "closed"):
        standing = "merged" if details.status == "merged" else "closed"
    elif details.conflicting_files:
        standing = "conflict"
    return PullRequestNow(standing=standing, stopped_by=_foremost(stopped, repository))


def _foremost(names: Sequence[str], repository: str) -> str:
    owner = repository.rpartition("/")[0].casefold()
    return next((name for name in names if name.casefold() == owner), next(iter(names), ""))
