"""Filling the embedded Hub and looking into it, without going through HTTP."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hubbot.localhub import changes
from hubbot.localhub.blobs import FileEntry
from hubbot.localhub.state import (
    MAIN,
    RESERVED_NAMES,
    Caller,
    Discussion,
    Gate,
    HubState,
    RepoKind,
    Repository,
    Role,
)
from hubbot.localhub.storage import Storage
from hubbot.localhub.views import PullRequest, view

Files = Mapping[str, bytes | Path]
"""Contents by path inside the repository; a ``Path`` is copied from disk."""


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

    # Accounts

    def add_user(self, name: str, token: str, role: Role = "write") -> None:
        """Add an account, or another token of it."""
        with self.state.lock:
            self.state.tokens[token] = Caller(name, role)
            self._save()

    def add_org(self, name: str, members: Sequence[str]) -> None:
        """Add an organisation, whose members own its repositories."""
        with self.state.lock:
            self.state.organisations[name] = list(members)
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
            if (kind, repo_id) in self.state.repositories:
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
            self._save()
            return commit.oid

    def rename(self, old: str, new: str, *, kind: RepoKind = "models") -> None:
        """Give a repository another id; the old one answers 307."""
        with self.state.lock:
            self.state.rename(self._repo(old, kind), new)
            self._save()

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

    # What owners do to pull requests

    def close_pull_request(
        self, repo_id: str, num: int, user: str, *, kind: RepoKind = "models"
    ) -> None:
        """Close a pull request."""
        self._change(
            repo_id,
            num,
            kind,
            lambda repo, value: changes.set_status(self.state, value, "closed", user),
        )

    def merge_pull_request(
        self, repo_id: str, num: int, user: str, *, kind: RepoKind = "models"
    ) -> None:
        """Merge a pull request.

        Raises:
            ValueError: If it is not open, or conflicts.
        """
        self._change(
            repo_id, num, kind, lambda repo, value: changes.merge(self.state, repo, value, user)
        )

    def comment(
        self, repo_id: str, num: int, user: str, text: str, *, kind: RepoKind = "models"
    ) -> None:
        """Comment on a discussion or pull request."""
        self._change(
            repo_id, num, kind, lambda repo, value: changes.comment(self.state, value, user, text)
        )

    def _change(
        self,
        repo_id: str,
        num: int,
        kind: RepoKind,
        change: Callable[[Repository, Discussion], object],
    ) -> None:
        with self.state.lock:
            repo = self._repo(repo_id, kind)
            if num not in repo.discussions:
                raise KeyError(f"{repo_id} has no discussion {num}")
            change(repo, repo.discussions[num])
            self._save()

    # Helpers

    def _repo(self, repo_id: str, kind: RepoKind) -> Repository:
        repo = self.state.repositories.get((kind, repo_id))
        if repo is None:
            known = ", ".join(name for its, name in self.state.repositories if its == kind)
            raise KeyError(f"no {repo_id} among the {kind}: {known or 'none'}")
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
        self._storage.save(self.state)
