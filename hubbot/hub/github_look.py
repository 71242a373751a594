"""What stands on GitHub: our open pull request, branches. Writes nothing."""

import logging
from dataclasses import dataclass

from github.GitRef import GitRef
from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_client import Connection
from hubbot.hub.github_files import Snapshot, take_snapshot

logger = logging.getLogger(__name__)

BRANCH = "hubbot/scores-"
"""How the branches of ours begin."""

_PULLS = "pull requests: read"

_MOST_NAMES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the questions below are asked about."""

    where: Connection
    """The repository."""
    base: str
    """Branch that is proposed to."""
    folder: str
    """Folder of the scores."""

    def reference(self, branch: str) -> GitRef | None:
        """Return a branch as GitHub has it now; None where there is no such branch."""

        def read() -> GitRef:
            # Completed, since only the answer names the address that takes changes.
            ref = self.where.repository.get_git_ref(f"heads/{branch}").complete()
            if not ref.object.sha:
                raise ValueError("no commit in the answer")
            return ref

        try:
            return self.where.ask(f"the branch {branch}", read)
        except RemoteError as error:
            if error.kind == "not_found":
                return None
            raise

    def head_of(self, branch: str) -> str | None:
        """Return the newest commit of a branch; None where there is no such branch."""
        ref = self.reference(branch)
        return None if ref is None else ref.object.sha

    def snapshot(self, sha: str) -> Snapshot:
        """Return what the repository holds at a commit."""
        return take_snapshot(self.where, sha, self.folder)

    def base_snapshot(self) -> Snapshot:
        """Return what the branch that is proposed to holds.

        Raises:
            RemoteError: If the repository or the branch is not there.
        """
        sha = self.head_of(self.base)
        if sha is None:
            # Told apart by a call of its own: a repository that is not there has no branch either.
            self.where.ask("the name", lambda: self.where.repository.complete())
            raise RemoteError(
                f"{self.where.name} has no branch {self.base}; name the branch in github.base",
                kind="revision_not_found",
            )
        return self.snapshot(sha)

    def our_pull(self) -> PullRequest | None:
        """Return our open pull request, the oldest if there are several."""
        pulls = self.where.ask(
            "the open pull requests",
            lambda: [
                pull
                for pull in self.where.repository.get_pulls(
                    state="open", base=self.base, sort="created", direction="asc"
                )
                if self.is_ours(pull)
            ],
            needs=_PULLS,
        )
        if len(pulls) > 1:
            numbers = ", ".join(f"#{pull.number}" for pull in pulls)
            logger.warning(
                "%s: %s are all open and ours; the first is updated", self.where.name, numbers
            )
        return pulls[0] if pulls else None

    def is_ours(self, pull: PullRequest) -> bool:
        """Tell whether we opened a pull request, from a branch of ours."""
        home = pull.head.repo
        return (
            pull.head.ref.startswith(BRANCH)
            and home is not None
            and home.full_name.casefold() == self.where.name.casefold()
            and pull.user is not None
            and self.where.is_ours(pull.user.login, pull.user.type)
        )

    def free_branch(self, wanted: str) -> tuple[str, Snapshot | None]:
        """Return a branch that no pull request was made from, and what it holds if it is there.

        A branch without a pull request was left behind when we were stopped, and is used.

        Args:
            wanted: Name; a number is put behind it where it is used up.

        Raises:
            RemoteError: If all names are used up, or a pull request from one of them is open.
        """
        for number in range(1, _MOST_NAMES + 1):
            name = wanted if number == 1 else f"{wanted}-{number}"
            sha = self.head_of(name)
            if sha is None:
                return name, None
            if not self._has_pulls(name):
                return name, self.snapshot(sha)
        raise RemoteError(
            f"{self.where.name}: the branches {wanted} to {wanted}-{_MOST_NAMES} are all used up; "
            "delete those that were merged",
            kind="conflict",
        )

    def _has_pulls(self, branch: str) -> bool:
        owner = self.where.name.partition("/")[0]
        pulls = self.where.ask(
            "the pull requests",
            lambda: [
                pull.state == "open" and pull.base.ref == self.base and self.is_ours(pull)
                for pull in self.where.repository.get_pulls(state="all", head=f"{owner}:{branch}")
            ],
            needs=_PULLS,
        )
        if any(pulls):
            # Opened a moment ago, and not in the list of open ones yet.
            raise RemoteError(
                f"{self.where.name}: a pull request from {branch} was opened meanwhile; look again",
                kind="conflict",
            )
        return bool(pulls)

    def parting(self, base: Snapshot, head: Snapshot) -> Snapshot:
        """Return what the repository held where our branch parted from the base."""

        def read() -> str:
            found = self.where.repository.compare(base.sha, head.sha)
            if not found.merge_base_commit.sha:
                raise ValueError("no comparison in the answer")
            return found.merge_base_commit.sha

        known = {snapshot.sha: snapshot for snapshot in (base, head)}
        sha = self.where.ask("the comparison", read)
        return known.get(sha) or self.snapshot(sha)
