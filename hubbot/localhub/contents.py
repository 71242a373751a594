"""Filling the embedded Hub and looking into it, without going through HTTP."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from hubbot.localhub import changes, list_items, metadata
from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.oddities import ListingOddities
from hubbot.localhub.state import (
    MAIN,
    RESERVED_NAMES,
    Caller,
    Gate,
    HubState,
    OrgRole,
    RepoKind,
    Repository,
    Role,
)
from hubbot.localhub.storage import Storage
from hubbot.localhub.views import PullRequest, view

Files = Mapping[str, bytes | Path]
"""Contents by path inside the repository; a ``Path`` is copied from disk."""

_MAX_NAMED = 10
"""Repositories that a message lists."""


class HubContents:
    """What demo and tests do to the state directly; every change is written to disk."""

    def __init__(self, state: HubState, storage: Storage) -> None:
        """Work on a state.

        Args:
            state: State.
            storage: Where it is kept.
        """
        self.state = state
        self._storage = storage
        self._bulks = 0

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """Write what is done inside once, at the end, as for thousands of repositories."""
        with self.state.lock:
            self._bulks += 1
        try:
            yield
        finally:
            with self.state.lock:
                self._bulks -= 1
                self._save()

    # Accounts

    def add_user(self, name: str, token: str, role: Role = "write") -> None:
        """Add an account, or another token of it."""
        with self.state.lock:
            self.state.tokens[token] = Caller(name, role)
            self._save()

    def add_org(self, name: str, members: Sequence[str] | Mapping[str, OrgRole]) -> None:
        """Add an organisation; members own its repositories, unless they have a lesser role."""
        with self.state.lock:
            roles: dict[str, OrgRole] = dict.fromkeys(members, "write")
            self.state.organisations[name] = roles | (
                dict(members) if isinstance(members, Mapping) else {}
            )
            self._save()

    # Repositories

    def add_model(self, repo_id: str, files: Files, **settings: Any) -> str:
        """Add a model with one commit; settings as in :meth:`add_repository`."""
        return self.add_repository("models", repo_id, files, **settings)

    def add_dataset(self, repo_id: str, files: Files, **settings: Any) -> str:
        """Add a data set with one commit; settings as in :meth:`add_repository`."""
        return self.add_repository("datasets", repo_id, files, **settings)

    def add_repository(
        self,
        kind: RepoKind,
        repo_id: str,
        files: Files,
        *,
        private: bool = False,
        gated: Gate = False,
        disabled: bool = False,
        discussions_disabled: bool = False,
        created: datetime | None = None,
        downloads: int = 0,
        likes: int = 0,
        approved: Sequence[str] = (),
    ) -> str:
        """Add a repository; nothing is checked, as old repositories were not.

        Args:
            kind: Models or data sets.
            repo_id: ``namespace/name`` or a bare name.
            files: Contents.
            private: Seen by its owners only.
            gated: Files only for those in ``approved``.
            disabled: Switched off by the Hub.
            discussions_disabled: No discussions and pull requests.
            created: When it and its commit were made, UTC; None means now.
            downloads: Number shown.
            likes: Number shown.
            approved: Accounts let through the gate.

        Returns:
            Hash of the commit.

        Raises:
            ValueError: If the id is taken, or its name is an action's.
        """
        if repo_id.rpartition("/")[2] in RESERVED_NAMES:
            raise ValueError(f"{repo_id} would read like an action's address; choose another name")
        with self.state.lock:
            if self.state.is_taken(kind, repo_id):
                raise ValueError(
                    f"{kind} already hold {repo_id}; choose another id or commit to it"
                )
            repo = Repository(
                kind=kind,
                id=repo_id,
                created=created or self.state.clock(),
                is_private=private,
                gated=gated,
                is_disabled=disabled,
                has_discussions_disabled=discussions_disabled,
                approved=list(approved),
                downloads=downloads,
                likes=likes,
            )
            tree = self._tree({}, files)
            author = repo.namespace or "hub"
            commit = self.state.add_commit(
                repo, MAIN, tree, title="initial commit", author=author, date=repo.created
            )
            self.state.repositories[kind, repo_id] = repo
            self.state.renames.pop((kind, repo_id), None)
            # Read now, lest the first list of thousands takes seconds; it is remembered.
            metadata.card_data(self.state, commit)
            self._save()
            return commit.oid

    def add_listed(self, items: Iterable[Mapping[str, Any]]) -> int:
        """Add models that have a list item and no files, such as 100,000 to page through.

        They are found by lists and model_info; files and discussions are not found, and an item
        with ``"deleted": True`` only by lists. The Hub shows no disabled models; these it lists.

        Args:
            items: In the shape of the Hub's own; only ``id`` is needed, see
                :func:`hubbot.localhub.list_items.complete`. A listed id is replaced.

        Returns:
            How many were added.

        Raises:
            ValueError: If an item has no id, a repository's, or unusable values.
        """
        with self.state.lock:
            now = self.state.clock()
            return self.state.listed.add(self._listable(item, now) for item in items)

    def change_listed(self, repo_id: str, **facts: Any) -> None:
        """Change keys of a listed model, such as ``lastModified`` or ``deleted``.

        Raises:
            KeyError: If it is not listed.
        """
        with self.state.lock:
            item = self.state.listed.find(repo_id)
            if item is None:
                raise KeyError(f"no {repo_id} among the listed models; add it with add_listed")
            self.state.listed.add([list_items.complete(item | facts, self.state.clock())])

    def _listable(self, item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        full = list_items.complete(item, now)
        if ("models", full["id"]) in self.state.repositories:
            raise ValueError(f"models already hold {full['id']} as a repository; choose another id")
        return full

    @property
    def listing_oddities(self) -> ListingOddities:
        """What lists of models are to give besides their models."""
        return self.state.oddities

    def configure(self, repo_id: str, *, kind: RepoKind = "models", **settings: Any) -> None:
        """Change ``private``, ``gated``, ``disabled`` or ``discussions_disabled``.

        Raises:
            ValueError: If a name is none of these.
        """
        fields = {
            "private": "is_private",
            "gated": "gated",
            "disabled": "is_disabled",
            "discussions_disabled": "has_discussions_disabled",
        }
        with self.state.lock:
            repo = self._repo(repo_id, kind)
            for name, value in settings.items():
                if name not in fields:
                    raise ValueError(f"unknown setting {name!r}; known are {', '.join(fields)}")
                setattr(repo, fields[name], value)
            self.state.touch(repo)
            self._save()

    def commit(
        self,
        repo_id: str,
        files: Mapping[str, bytes | Path | None],
        author: str,
        *,
        title: str = "Update files",
        revision: str = "main",
        kind: RepoKind = "models",
    ) -> str:
        """Commit as an owner would; None deletes a file. Returns the commit's hash.

        A revision that does not exist yet, such as ``refs/convert/parquet``, starts from main.
        """
        with self.state.lock:
            repo = self._repo(repo_id, kind)
            ref = repo.find_ref(revision)
            if ref is None:
                ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
                repo.refs[ref] = repo.head.oid
            tree = self._tree(repo.commits[repo.refs[ref]].tree, files)
            made = changes.commit_to(self.state, repo, ref, tree, title=title, author=author)
            self._save()
            return made.oid

    # Looking

    def read_file(
        self, repo_id: str, path: str, revision: str = "main", *, kind: RepoKind = "models"
    ) -> bytes:
        """Return a file's content.

        Raises:
            KeyError: If repository, revision or file do not exist.
        """
        with self.state.lock:
            commit = self._repo(repo_id, kind).resolve(revision)
            content = None if commit is None else self.state.read(commit, path)
            if content is None:
                raise KeyError(f"{repo_id} has no {path} at {revision}")
            return content

    def files(
        self, repo_id: str, revision: str = "main", *, kind: RepoKind = "models"
    ) -> tuple[str, ...]:
        """Return the paths at a revision.

        Raises:
            KeyError: If repository or revision do not exist.
        """
        with self.state.lock:
            commit = self._repo(repo_id, kind).resolve(revision)
            if commit is None:
                raise KeyError(f"{repo_id} has no revision {revision}")
            return tuple(commit.tree)

    def head(self, repo_id: str, *, kind: RepoKind = "models") -> str:
        """Return the newest commit of main."""
        with self.state.lock:
            return self._repo(repo_id, kind).head.oid

    def pull_requests(self, repo_id: str, *, kind: RepoKind = "models") -> tuple[PullRequest, ...]:
        """Return the pull requests, oldest first, whatever their status."""
        with self.state.lock:
            repo = self._repo(repo_id, kind)
            values = repo.discussions.values()
            return tuple(view(self.state, repo, value) for value in values if value.is_pull_request)

    # Helpers

    def _repo(self, repo_id: str, kind: RepoKind) -> Repository:
        repo = self.state.repositories.get((kind, repo_id))
        if repo is None:
            known = [name for its, name in self.state.repositories if its == kind]
            more = [f"and {len(known) - _MAX_NAMED} more"] if len(known) > _MAX_NAMED else []
            names = ", ".join([*known[:_MAX_NAMED], *more])
            raise KeyError(f"no {repo_id} among the {kind}: {names or 'none'}")
        return repo

    def _tree(
        self, start: Mapping[str, FileEntry], files: Mapping[str, bytes | Path | None]
    ) -> dict[str, FileEntry]:
        tree = dict(start)
        for path, content in files.items():
            if content is None:
                tree.pop(path, None)
            else:
                tree[path] = self.state.blobs.entry(path, self.state.blobs.add(content))
        return tree

    def _save(self) -> None:
        if not self._bulks:
            self._storage.save(self.state)
