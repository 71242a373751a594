"""A pull request as tests and the demo see it, without going through HTTP."""

from dataclasses import dataclass

from hubbot.localhub import changes
from hubbot.localhub.state import Discussion, HubState, Repository, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A pull request as it stands now."""

    num: int
    """Number, counted together with discussions."""
    title: str
    """Title."""
    status: Status
    """open, closed, merged or draft."""
    author: str
    """Account."""
    description: str
    """First comment."""
    diff: str
    """Unified diff against the commit it starts from."""
    conflicts: tuple[str, ...]
    """Paths that cannot be merged."""
    head: str
    """Newest commit."""
    commits: tuple[str, ...]
    """Titles of its own commits, oldest first."""
    comments: tuple[tuple[str, str], ...]
    """Author and text of the later comments."""


def view(state: HubState, repo: Repository, value: Discussion) -> PullRequest:
    """Return a pull request with its diff and conflicts as of now."""
    events = value.events
    comments = [event for event in events if event.type == "comment"][1:]
    return PullRequest(
        num=value.num,
        title=value.title,
        status=value.status,
        author=value.author,
        description=value.description,
        diff=changes.diff(state, repo, value),
        conflicts=tuple(changes.conflicts(state, repo, value)),
        head=repo.refs[value.ref],
        commits=tuple(event.data["subject"] for event in events if event.type == "commit"),
        comments=tuple((event.author, event.data["latest"]["raw"]) for event in comments),
    )
