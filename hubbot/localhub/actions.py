"""What owners do to repositories and pull requests, without going through HTTP."""

from collections.abc import Callable

from hubbot.localhub import changes
from hubbot.localhub.contents import HubContents
from hubbot.localhub.state import MAIN, Discussion, RepoKind, Repository


class HubActions(HubContents):
    """Owners' actions; who may do what is not asked."""

    def rename(self, old: str, new: str, *, kind: RepoKind = "models") -> None:
        """Give a repository another id; the old one answers 307."""
        with self.state.lock:
            self.state.rename(self._repo(old, kind), new)
            self._save()

    def delete_repository(self, repo_id: str, *, kind: RepoKind = "models") -> None:
        """Delete a repository with its pull requests."""
        with self.state.lock:
            self.state.delete(self._repo(repo_id, kind))
            self._save()

    def delete_branch(self, repo_id: str, branch: str, *, kind: RepoKind = "models") -> None:
        """Delete a branch; its commits can still be named.

        Raises:
            KeyError: If there is none.
            ValueError: If it is main.
        """
        with self.state.lock:
            repo = self._repo(repo_id, kind)
            ref = f"refs/heads/{branch.removeprefix('refs/heads/')}"
            if ref == MAIN:
                raise ValueError(f"main of {repo_id} cannot be deleted; delete_repository can")
            if ref not in repo.refs:
                raise KeyError(f"{repo_id} has no branch {branch}")
            del repo.refs[ref]
            self.state.touch(repo)
            self._save()

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

    def reopen_pull_request(
        self, repo_id: str, num: int, user: str, *, kind: RepoKind = "models"
    ) -> None:
        """Open a closed pull request again."""
        self._change(
            repo_id,
            num,
            kind,
            lambda repo, value: changes.set_status(self.state, value, "open", user),
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
            self.state.touch(repo)
            self._save()
