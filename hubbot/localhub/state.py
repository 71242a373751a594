"""What the embedded Hub knows: accounts, repositories, commits, discussions."""

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from hubbot.localhub.blobs import BlobStore, FileEntry
from hubbot.localhub.listed import ListedModels
from hubbot.localhub.oddities import ListingOddities

RepoKind = Literal["models", "datasets"]
Role = Literal["read", "write"]
OrgRole = Literal["read", "contributor", "write", "admin"]
Gate = Literal[False, "auto", "manual"]
Status = Literal["open", "closed", "merged", "draft"]

Tree = Mapping[str, FileEntry]
"""Files of a commit by path."""

MAIN = "refs/heads/main"

# fmt: off
RESERVED_NAMES = frozenset(
    [
        "auth-check", "blob", "branch", "commit", "commits", "discussions", "info", "paths-info",
        "preupload", "refs", "resolve", "revision", "settings", "tag", "tree", "xet-read-token",
        "xet-write-token",
    ]
)
# fmt: on
"""Second parts of addresses that are actions on a bare name; no repository is called so here."""


def iso(moment: datetime) -> str:
    """Write a moment as the Hub does, such as ``2026-01-02T03:04:05.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token stands for."""

    name: str
    """Account."""
    role: Role
    """What the token may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit; histories are linear."""

    oid: str
    """40 hex digits."""
    parent: str | None
    """The commit before."""
    tree: Tree
    """All files."""
    title: str
    """First line of the message."""
    description: str
    """Rest of the message."""
    author: str
    """Account."""
    date: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line in the history of a discussion."""

    id: str
    """24 hex digits."""
    type: Literal["comment", "status-change", "commit", "title-change"]
    """What happened."""
    created: datetime
    """When, UTC."""
    author: str
    """Account."""
    data: dict[str, Any]
    """As the Hub words it."""


@dataclass(slots=True, kw_only=True)
class Discussion:
    """A discussion or pull request."""

    num: int
    """Counted over discussions and pull requests together."""
    title: str
    status: Status
    author: str
    created: datetime
    is_pull_request: bool
    events: list[Event] = field(default_factory=list)
    fork: str = ""
    """Commit of the main branch that the pull request starts from."""
    merge_commit: str | None = None
    """Commit of the main branch that merged it."""

    @property
    def ref(self) -> str:
        """Branch of a pull request."""
        return f"refs/pr/{self.num}"

    @property
    def description(self) -> str:
        """Text of the first comment."""
        first = self.events[0] if self.events else None
        return str(first.data["latest"]["raw"]) if first and first.type == "comment" else ""


@dataclass(slots=True, kw_only=True)
class Repository:
    """A model or data set."""

    kind: RepoKind
    id: str
    """``namespace/name``, or a bare name for the oldest ones."""
    created: datetime
    is_private: bool = False
    gated: Gate = False
    is_disabled: bool = False
    has_discussions_disabled: bool = False
    approved: list[str] = field(default_factory=list)
    """Accounts let through the gate."""
    downloads: int = 0
    likes: int = 0
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    """Commit of each full ref name."""
    discussions: dict[int, Discussion] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        """Owner; empty for a bare name."""
        return self.id.rpartition("/")[0]

    @property
    def url_path(self) -> str:
        """Path of the repository's page."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"

    def find_ref(self, revision: str) -> str | None:
        """Return the full name of an existing branch, pull request or tag."""
        names = (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
        return next((name for name in names if name in self.refs), None)

    def resolve(self, revision: str) -> Commit | None:
        """Return the commit of a branch, ref, tag or (at least 7 digits of a) hash."""
        ref = self.find_ref(revision)
        if ref is not None:
            return self.commits[self.refs[ref]]
        if len(revision) < 7:
            return None
        found = [oid for oid in self.commits if oid.startswith(revision)]
        return self.commits[found[0]] if len(found) == 1 else None

    def history(self, start: Commit) -> list[Commit]:
        """Return a commit and all before it, newest first."""
        chain, oid = [], start.oid or None
        while oid is not None:
            commit = self.commits[oid]
            chain.append(commit)
            oid = commit.parent
        return chain

    @property
    def head(self) -> Commit:
        """Newest commit of the main branch."""
        return self.commits[self.refs[MAIN]]


class HubState:
    """Everything, guarded by one lock: handlers and the seeding interface hold it."""

    def __init__(
        self,
        blobs: BlobStore,
        listed: ListedModels,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """Start empty.

        Args:
            blobs: Where contents go.
            listed: Models without files.
            clock: Source of the time; the computer's by default.
        """
        self.lock = threading.RLock()
        self.blobs = blobs
        self.listed = listed
        self.oddities = ListingOddities()
        self.clock = clock or (lambda: datetime.now(UTC))
        self.tokens: dict[str, Caller] = {}
        self.organisations: dict[str, dict[str, OrgRole]] = {}
        self.repositories: dict[tuple[RepoKind, str], Repository] = {}
        self.renames: dict[tuple[RepoKind, str], str] = {}
        self.unsaved: set[tuple[RepoKind, str]] = set()
        """Repositories changed or deleted since they were last written."""
        self.page_size = 1000
        self.discussion_page_size = 50
        self._nonce = 0
        self._salt = secrets.token_hex(8)

    def clear(self) -> None:
        """Forget everything but the contents."""
        for table in (self.tokens, self.organisations, self.repositories, self.renames):
            table.clear()
        self.unsaved.clear()
        self.listed.clear()
        self.oddities.clear()
        self.page_size, self.discussion_page_size = 1000, 50
        self.clock = lambda: datetime.now(UTC)

    def accounts(self) -> set[str]:
        """Return the names of all users."""
        return {caller.name for caller in self.tokens.values()}

    def may_write(self, repo: Repository, caller: Caller | None) -> bool:
        """Tell whether an account owns a repository, whatever its token's role."""
        return self.owns(repo.namespace, caller)

    def owns(self, namespace: str, caller: Caller | None) -> bool:
        """Tell whether a namespace is an account's own or its organisation's."""
        if caller is None:
            return False
        role = self.organisations.get(namespace, {}).get(caller.name)
        return caller.name == namespace or role in ("admin", "write")

    def is_taken(self, kind: RepoKind, repo_id: str) -> bool:
        """Tell whether an id is a repository's or a listed model's."""
        is_listed = kind == "models" and repo_id in self.listed
        return is_listed or (kind, repo_id) in self.repositories

    def touch(self, repo: Repository) -> None:
        """Note that a repository was, or may be about to be, changed, so that it is written."""
        self.unsaved.add((repo.kind, repo.id))

    def delete(self, repo: Repository) -> None:
        """Delete a repository with all that belongs to it."""
        self.touch(repo)
        del self.repositories[repo.kind, repo.id]

    def new_id(self, digits: int, *parts: str) -> str:
        """Return an identifier that no other Hub state gives out.

        Two states must not share commit hashes: the client's cache outlives a test's state.
        """
        self._nonce += 1
        text = "\0".join((self._salt, str(self._nonce), *parts))
        return hashlib.sha256(text.encode()).hexdigest()[:digits]

    def add_commit(
        self,
        repo: Repository,
        ref: str,
        tree: Tree,
        *,
        title: str,
        author: str,
        description: str = "",
        parent: str | None = None,
        date: datetime | None = None,
    ) -> Commit:
        """Put a commit on a ref, which is made where it does not exist.

        Args:
            repo: Repository.
            ref: Full name of the branch or pull request.
            tree: All files after the commit.
            title: First line of the message.
            author: Account.
            description: Rest of the message.
            parent: Commit to start from; None takes the ref's newest.
            date: When; None means now.
        """
        parent = parent if parent is not None else repo.refs.get(ref)
        commit = Commit(
            oid=self.new_id(40, repo.id, title, author, str(parent)),
            parent=parent,
            tree=dict(sorted(tree.items())),
            title=title,
            description=description,
            author=author,
            date=date or self.clock(),
        )
        repo.commits[commit.oid] = commit
        repo.refs[ref] = commit.oid
        self.touch(repo)
        return commit

    def rename(self, repo: Repository, new: str) -> None:
        """Give a repository another id; the old one redirects to it."""
        old = repo.id
        self.delete(repo)
        repo.id = new
        self.touch(repo)
        self.repositories[repo.kind, new] = repo
        self.renames.pop((repo.kind, new), None)
        for key, target in list(self.renames.items()):
            if key[0] == repo.kind and target == old:
                self.renames[key] = new
        self.renames[repo.kind, old] = new

    def read(self, commit: Commit, path: str) -> bytes | None:
        """Return a file's content, None where there is no such file."""
        entry = commit.tree.get(path)
        return None if entry is None else self.blobs.read(entry.sha256)

    def read_json(self, commit: Commit, path: str) -> dict[str, Any]:
        """Return a JSON file's mapping; empty where it is missing or something else."""
        entry = commit.tree.get(path)
        if entry is None or entry.size > 1_000_000:
            return {}
        try:
            value = json.loads(self.blobs.read(entry.sha256))
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}
