"""Filling the embedded GitHub and looking into it, without going through HTTP.

    hub.github.add_repository("me/scores", {"README.md": "# Scores"})
    hub.github.add_token("gh_bot", "bot", {"contents": "write", "pull_requests": "write"})
    hub.github.add_app(7, public_key_pem, repositories=["me/scores"], permissions={...})
    hub.github.url                                  # base_url of the client
    hub.github.merge("me/scores", 1, "me")          # also close, reopen, delete_branch, commit
    hub.faults.add("POST", "/github/.*/pulls$", secondary_limit(60))   # see github_answers

A token without permissions is a classic one, which may do all that its account may.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from pathlib import Path

from hubbot.localhub import github_changes
from hubbot.localhub.github_objects import Commit, Entry
from hubbot.localhub.github_state import (
    PERMISSIONS,
    App,
    GithubState,
    Installation,
    PullRequest,
    Repository,
    Role,
    Token,
)
from hubbot.localhub.github_storage import GithubStorage

PREFIX = "/github"
"""Path below which the routes are."""


class Github:
    """The embedded GitHub: its seeding, its owners' actions and its inspection."""

    def __init__(
        self,
        folder: Path,
        *,
        lock: threading.RLock,
        clock: Callable[[], datetime],
        address: Callable[[], str],
    ) -> None:
        """Read the state back from a folder.

        Args:
            folder: Where it is kept; need not exist.
            lock: Held while the state is read or changed.
            clock: Source of the time.
            address: Gives the address of the server.
        """
        self.lock = lock
        self.state = GithubState(folder, clock)
        self._storage = GithubStorage(folder)
        self._storage.load(self.state)
        self._address = address

    @property
    def url(self) -> str:
        """Base address of the interface, for the client."""
        return self._address() + PREFIX

    def save(self) -> None:
        """Write to disk what changed."""
        self._storage.save(self.state)

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self.state.clear()
            self._storage.clear()

    # Seeding

    def add_token(
        self, token: str, login: str, permissions: Mapping[str, str] | None = None
    ) -> None:
        """Add a token of a person.

        Args:
            token: Its text.
            login: Account.
            permissions: ``read`` or ``write`` by permission; None makes a classic token.

        Raises:
            ValueError: If a permission is unknown.
        """
        for name in permissions or {}:
            if name not in PERMISSIONS:
                raise ValueError(f"unknown permission {name!r}; known: {', '.join(PERMISSIONS)}")
        with self.lock:
            self.state.tokens[token] = Token(login=login, permissions=permissions)
            self.save()

    def add_app(
        self,
        app_id: int,
        public_key: str,
        *,
        repositories: Sequence[str],
        permissions: Mapping[str, str],
        slug: str = "hubbot",
        installation: int = 1,
    ) -> None:
        """Add an App, installed on some repositories.

        Args:
            app_id: Number.
            public_key: PEM of the key that its calls are signed with.
            repositories: Full names.
            permissions: ``read`` or ``write`` by permission.
            slug: Name in addresses.
            installation: Number of the installation.
        """
        made = Installation(
            id=installation, repositories=tuple(repositories), permissions=permissions
        )
        with self.lock:
            app = App(id=app_id, slug=slug, public_key=public_key, installations=(made,))
            self.state.apps[app_id] = app
            self.save()

    def add_repository(
        self,
        full_name: str,
        files: Mapping[str, str],
        *,
        private: bool = False,
        branch: str = "main",
        collaborators: Mapping[str, Role] | None = None,
    ) -> str:
        """Add a repository with one commit and return its name.

        Args:
            full_name: ``owner/name``.
            files: Texts by path; empty leaves the repository without any commit.
            private: Seen by owner and collaborators only.
            branch: Its default branch.
            collaborators: What accounts other than the owner may do.
        """
        with self.lock:
            repo = Repository(
                full_name=full_name,
                created=self.state.clock(),
                default_branch=branch,
                is_private=private,
                collaborators=dict(collaborators or {}),
            )
            self.state.repositories[full_name] = repo
            made = ""
            if files:
                made = self._commit(repo, branch, files, repo.owner, "Initial commit").oid
            self.save()
            return made

    # What owners do

    def commit(
        self,
        full_name: str,
        files: Mapping[str, str | None],
        author: str,
        *,
        branch: str = "main",
        message: str = "Update files",
    ) -> str:
        """Commit to a branch, made from the default one if need be; None deletes a file."""
        with self.lock:
            repo = self._repo(full_name)
            if branch not in repo.branches and repo.default_branch in repo.branches:
                repo.branches[branch] = repo.branches[repo.default_branch]
            made = self._commit(repo, branch, files, author, message)
            self.save()
            return made.oid

    def merge(self, full_name: str, number: int, user: str) -> None:
        """Merge a pull request.

        Raises:
            ValueError: If it is not open, or conflicts.
        """
        with self.lock:
            repo = self._repo(full_name)
            github_changes.merge(self.state, repo, repo.pulls[number], user)
            self.save()

    def close(self, full_name: str, number: int, user: str) -> None:
        """Close a pull request without merging it."""
        with self.lock:
            github_changes.close(self.state, self._repo(full_name).pulls[number], user)
            self.save()

    def reopen(self, full_name: str, number: int, user: str) -> None:
        """Open a closed pull request again."""
        with self.lock:
            repo = self._repo(full_name)
            github_changes.reopen(self.state, repo, repo.pulls[number], user)
            self.save()

    def delete_branch(self, full_name: str, branch: str, user: str) -> None:
        """Delete a branch; pull requests from it are closed."""
        with self.lock:
            github_changes.delete_branch(self.state, self._repo(full_name), branch, user)
            self.save()

    # Looking

    def pull_requests(self, full_name: str) -> tuple[PullRequest, ...]:
        """Return copies of all pull requests, oldest first."""
        with self.lock:
            return tuple(deepcopy(list(self._repo(full_name).pulls.values())))

    def branches(self, full_name: str) -> dict[str, str]:
        """Return the newest commit of each branch."""
        with self.lock:
            return dict(self._repo(full_name).branches)

    def files(self, full_name: str, branch: str = "main") -> dict[str, str]:
        """Return the texts of a branch by path.

        Raises:
            KeyError: If repository or branch do not exist.
        """
        with self.lock:
            repo = self._repo(full_name)
            store = self.state.objects(repo)
            entries = store.files(self.state.head(repo, branch).tree)
            contents = {path: store.read(entry.oid, "blob") for path, entry in entries.items()}
            return {path: (content or b"").decode() for path, content in contents.items()}

    def history(self, full_name: str, branch: str = "main") -> list[Commit]:
        """Return the commits of a branch, newest first."""
        with self.lock:
            repo = self._repo(full_name)
            store = self.state.objects(repo)
            found = [store.commit(oid) for oid in store.history(repo.branches[branch])]
            return [commit for commit in found if commit is not None]

    def conflicts(self, full_name: str, number: int) -> tuple[str, ...]:
        """Return the paths in which a pull request conflicts with its base."""
        with self.lock:
            repo = self._repo(full_name)
            pull = repo.pulls[number]
            store = self.state.objects(repo)
            return github_changes.merged_files(store, pull.base_oid, pull.head_oid)[1]

    def _commit(
        self,
        repo: Repository,
        branch: str,
        files: Mapping[str, str | None],
        author: str,
        message: str,
    ) -> Commit:
        store = self.state.objects(repo)
        known = branch in repo.branches
        entries = store.files(self.state.head(repo, branch).tree) if known else {}
        for path, text in files.items():
            if text is None:
                del entries[path]
            else:
                entries[path] = Entry("100644", store.add("blob", text.encode()))
        return self.state.commit(repo, branch, entries, author=author, message=message)

    def _repo(self, full_name: str) -> Repository:
        if full_name not in self.state.repositories:
            known = ", ".join(self.state.repositories) or "none"
            raise KeyError(f"no {full_name} on the embedded GitHub; known: {known}")
        return self.state.repositories[full_name]
