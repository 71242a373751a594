"""What stands on GitHub: our open pull request, branches, what was declined. Writes nothing."""

import itertools
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from github.GitRef import GitRef
from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_client import Connection
from hubbot.hub.github_files import Changes, Snapshot, blob_name, take_snapshot

logger = logging.getLogger(__name__)

BRANCH = "hubbot/scores-"
"""How the branches of ours begin."""

_PULLS = "pull requests: read"
_REMEMBERED = 5
"""Closed pull requests of ours that are looked into, newest first."""

_LISTED = 50
"""Closed pull requests that are listed to find them."""

_SAME_MOMENT = timedelta(seconds=5)
"""A pull request that was closed within this of its branch's end was closed by that."""

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
                if self._is_ours(pull)
            ],
            needs=_PULLS,
        )
        if len(pulls) > 1:
            numbers = ", ".join(f"#{pull.number}" for pull in pulls)
            logger.warning(
                "%s: %s are all open and ours; the first is updated", self.where.name, numbers
            )
        return pulls[0] if pulls else None

    def _is_ours(self, pull: PullRequest) -> bool:
        home = pull.head.repo
        return (
            pull.head.ref.startswith(BRANCH)
            and home is not None
            and home.full_name.casefold() == self.where.name.casefold()
            and self.where.is_ours(pull.user.login, pull.user.type)
        )

    def declined(self, texts: Mapping[str, str], *, known: Collection[int]) -> dict[str, str]:
        """Return which files were proposed as they are now and closed without merging.

        Closed because its branch was deleted does not count.

        Args:
            texts: Contents that would be proposed, by path.
            known: Pull requests that were open a moment ago, which do not count.

        Returns:
            Address of the closed pull request by path.
        """
        found: dict[str, str] = {}
        for pull in self._closed(known):
            if not self._was_refused(pull):
                continue
            try:
                files = self.snapshot(pull.head.sha).files
            except RemoteError as error:
                if error.kind != "not_found":
                    raise
                continue
            for path, text in texts.items():
                if files.get(path) == blob_name(text):
                    found.setdefault(path, pull.html_url)
        return found

    def _closed(self, known: Collection[int]) -> list[PullRequest]:
        def read() -> list[PullRequest]:
            pulls = self.where.repository.get_pulls(
                state="closed", base=self.base, sort="updated", direction="desc"
            )
            ours = [
                pull
                for pull in itertools.islice(pulls, _LISTED)
                if self._is_ours(pull) and pull.merged_at is None and pull.number not in known
            ]
            return ours[:_REMEMBERED]

        return self.where.ask("the closed pull requests", read, needs=_PULLS)

    def _was_refused(self, pull: PullRequest) -> bool:
        """Tell whether somebody closed it, rather than deleting its branch."""
        if self.head_of(pull.head.ref) is not None:
            return True
        events = self.where.ask(
            f"what happened to #{pull.number}",
            lambda: [(event.event, event.created_at) for event in pull.get_issue_events()],
            needs=_PULLS,
        )
        closed = [moment for kind, moment in events if kind == "closed"]
        deleted = [moment for kind, moment in events if kind == "head_ref_deleted"]
        return not any(abs(gone - closed[-1]) <= _SAME_MOMENT for gone in deleted if closed)

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
                pull.state == "open" and pull.base.ref == self.base and self._is_ours(pull)
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

    def ours_on_conflict(
        self, base: Snapshot, head: Snapshot, texts: Mapping[str, str]
    ) -> Changes | None:
        """Return what our branch changed, where that conflicts with the base.

        Args:
            base: The branch that is proposed to.
            head: Our branch.
            texts: New contents by path.

        Returns:
            Changes by which the base becomes our branch; None where nothing conflicts, or where
            somebody changed other files on our branch, which we do not merge.
        """
        sha, behind = self._parting(base.sha, head.sha)
        if behind == 0:
            return None
        old = self.snapshot(sha)
        ours = {**head.files, **{path: blob_name(text) for path, text in texts.items()}}
        conflicts = [
            path
            for path, name in ours.items()
            if name != old.files.get(path)
            and base.files.get(path) not in (old.files.get(path), name)
        ]
        if not conflicts:
            return None
        if head.around != old.around:
            logger.warning(
                "%s: %s conflicts with %s, and other files were changed beside it; merge by hand",
                self.where.name,
                conflicts[0],
                self.base,
            )
            return None
        changed: dict[str, str | None] = {
            path: name for path, name in head.files.items() if name != old.files.get(path)
        }
        gone = [path for path in base.files if path in old.files and path not in head.files]
        return changed | dict.fromkeys(gone)

    def _parting(self, base: str, head: str) -> tuple[str, int]:
        """Return the last common commit, and how many the base has after it."""

        def read() -> tuple[str, int]:
            found = self.where.repository.compare(base, head)
            sha, behind = found.merge_base_commit.sha, found.behind_by
            if not sha or behind is None:
                raise ValueError("no comparison in the answer")
            return sha, behind

        return self.where.ask("the comparison", read)
