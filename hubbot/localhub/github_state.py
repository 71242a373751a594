"""What the embedded GitHub knows: tokens, Apps, repositories, pull requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hubbot.localhub.github_objects import Commit, Entry, ObjectStore

Role = Literal["pull", "push", "admin"]
EventKind = Literal["closed", "reopened", "merged", "head_ref_deleted", "labeled"]

PERMISSIONS = ("contents", "issues", "metadata", "pull_requests")
"""Permissions of a fine-grained token or an App that the routes here ask for."""


def stamp(moment: datetime) -> str:
    """Write a moment as GitHub does, such as ``2026-01-02T03:04:05Z``."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who a token stands for and what it may do."""

    login: str
    """Account; an App's ends with ``[bot]``."""
    permissions: Mapping[str, str] | None = None
    """``read`` or ``write`` by permission; None for a classic token, which may all its account
    may."""
    installation: int | None = None
    """Number of the App's installation; None for a person's token."""
    expires: datetime | None = None
    """When it stops working, UTC; None for never."""

    @property
    def noun(self) -> str:
        """What GitHub calls it where it refuses."""
        return "personal access token" if self.installation is None else "integration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An App on some repositories."""

    id: int
    repositories: tuple[str, ...]
    """Full names."""
    permissions: Mapping[str, str]
    """``read`` or ``write`` by permission."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A GitHub App."""

    id: int
    slug: str
    """Name in addresses; its account is ``slug[bot]``."""
    public_key: str
    """PEM."""
    installations: tuple[Installation, ...]

    @property
    def login(self) -> str:
        """Account it acts as."""
        return f"{self.slug}[bot]"


@dataclass(slots=True, kw_only=True)
class PullRequest:
    """One pull request, from a branch of the same repository."""

    number: int
    title: str
    body: str
    author: str
    head: str
    """Branch that is proposed."""
    base: str
    """Branch it is proposed for."""
    created: datetime
    updated: datetime
    head_oid: str
    """Newest commit of the branch; the last one known where the branch is gone."""
    base_oid: str
    state: Literal["open", "closed"] = "open"
    merged: datetime | None = None
    closed: datetime | None = None
    merge_commit: str | None = None
    labels: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    """``event``, ``actor``, ``created``; oldest first."""


@dataclass(slots=True, kw_only=True)
class Label:
    """A label of a repository."""

    name: str
    color: str
    """Six hex digits."""
    description: str = ""


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository."""

    full_name: str
    """``owner/name``."""
    created: datetime
    default_branch: str = "main"
    is_private: bool = False
    collaborators: dict[str, Role] = field(default_factory=dict)
    """What accounts other than the owner may do."""
    branches: dict[str, str] = field(default_factory=dict)
    """Newest commit of each branch."""
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    """By name in lower case."""

    @property
    def owner(self) -> str:
        """Account before the slash."""
        return self.full_name.partition("/")[0]

    def open_pull(self, head: str, base: str) -> PullRequest | None:
        """Return the open pull request from one branch to another."""
        return next(
            (
                pull
                for pull in self.pulls.values()
                if (pull.head, pull.base, pull.state) == (head, base, "open")
            ),
            None,
        )


class GithubState:
    """Everything, guarded by the lock of the Hub beside it."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        """Start empty.

        Args:
            folder: Where objects go, one folder a repository.
            clock: Source of the time.
        """
        self.folder = folder
        self.clock = clock
        self.tokens: dict[str, Token] = {}
        self.apps: dict[int, App] = {}
        self.repositories: dict[str, Repository] = {}
        self.hourly_limit = 5000
        """Calls an account may make in an hour."""
        self.tree_limit = 100_000
        """Entries of a tree above which a listing is cut off, as GitHub's is."""
        self.lagging_lists = 0
        """Lists of open pull requests that will not hold the newest one yet."""
        self.used: dict[tuple[str, int], int] = {}
        """Calls so far by account and hour."""
        self.issued = 0
        """Tokens of installations given out so far."""

    def clear(self) -> None:
        """Forget everything but the objects on disk."""
        for table in (self.tokens, self.apps, self.repositories, self.used):
            table.clear()
        self.hourly_limit, self.tree_limit, self.lagging_lists = 5000, 100_000, 0

    def objects(self, repo: Repository) -> ObjectStore:
        """Return the objects of a repository."""
        return ObjectStore(self.folder / repo.full_name.replace("/", "--") / "objects")

    def role(self, repo: Repository, login: str) -> Role | None:
        """Return what an account may do with a repository; None where it may not see it."""
        if login == repo.owner:
            return "admin"
        return repo.collaborators.get(login) or (None if repo.is_private else "pull")

    def head(self, repo: Repository, branch: str) -> Commit:
        """Return the newest commit of a branch.

        Raises:
            KeyError: If there is no such branch.
        """
        commit = self.objects(repo).commit(repo.branches[branch])
        if commit is None:
            raise KeyError(f"{repo.full_name}: the commit of {branch} is not on disk")
        return commit

    def commit(
        self,
        repo: Repository,
        branch: str,
        files: Mapping[str, Entry],
        *,
        author: str,
        message: str,
        parents: tuple[str, ...] | None = None,
    ) -> Commit:
        """Put a commit with these files, all of them, on a branch, which is made if need be."""
        store = self.objects(repo)
        known = repo.branches.get(branch)
        if parents is None:
            parents = () if known is None else (known,)
        made = store.add_commit(
            store.add_files(files), parents, author=author, message=message, date=self.clock()
        )
        self.move(repo, branch, made.oid)
        return made

    def move(self, repo: Repository, branch: str, oid: str) -> None:
        """Point a branch to a commit; open pull requests follow."""
        repo.branches[branch] = oid
        for pull in repo.pulls.values():
            if pull.state == "open" and pull.head == branch:
                pull.head_oid, pull.updated = oid, self.clock()
            if pull.state == "open" and pull.base == branch:
                pull.base_oid = oid
