"""Scores filed on GitHub: one pull request of ours at a time, opened or brought up to date.

One commit a run, always on a branch of our own and always forward: nothing is force-pushed. Where
the base changed the same score files meanwhile, the commit on our branch is a merge whose second
parent is the base and which holds our files, so that the pull request can be merged again.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.github_access import GithubAccess, check_access
from hubbot.hub.github_client import connect
from hubbot.hub.github_files import Snapshot, blob_name, checked_path, write_commit
from hubbot.hub.github_look import BRANCH, Look
from hubbot.hub.github_reading import ScoresOnGithub, read_scores
from hubbot.hub.github_refusals import translated
from hubbot.hub.github_words import describe, put_labels
from hubbot.settings import GithubSettings

__all__ = [
    "GithubAccess",
    "PublishedScores",
    "ScoresAction",
    "ScoresOnGithub",
    "check_access",
    "publish_scores",
    "read_scores",
]

logger = logging.getLogger(__name__)

ScoresAction = Literal["opened", "updated", "unchanged", "skipped"]

_WRITE = "contents: write"
_PULLS = "pull requests: write"

_MAYBE = {"server", "unreachable"}
"""After these a write may have happened although the answer is an error."""

_AGAIN = _MAYBE | {"conflict", "rate_limited"}
"""After these the whole is looked at and tried once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScores:
    """What became of the scores."""

    action: ScoresAction
    """What was done to the pull request."""
    reason: str
    """Why, in a few words."""
    url: str | None = None
    """Address of the pull request, where there is one."""
    branch: str | None = None
    """Branch of the pull request, where it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be proposed."""

    texts: Mapping[str, str]
    """Contents by path in the repository."""
    title: str
    body: str
    branch: str
    labels: tuple[str, ...]


def publish_scores(
    files: Mapping[str, str],
    *,
    settings: GithubSettings,
    title: str,
    body: str,
    branch: str,
    labels: Sequence[str] | None = None,
    backoff: Backoff = PATIENT,
) -> PublishedScores:
    """Propose score files to the repository of the settings.

    Our open pull request is found again by its branch and author and gets a further commit; only
    where there is none, one is opened. A write is never repeated before looking whether it
    happened. What somebody closed without merging is not proposed again as it was.

    Args:
        files: Texts by path inside ``settings.folder``; nothing else is ever written.
        settings: Section ``github``.
        title: Title of the pull request, and of the commit.
        body: Its description, Markdown.
        branch: Branch for a new pull request, beginning with ``hubbot/scores-``.
        labels: Labels, made where the repository has none of the name; None takes those of the
            settings. A repository that refuses them is only warned about.
        backoff: How often and how patiently to try.

    Raises:
        ValueError: If a path leads out of the folder, or the branch has another name.
        SettingsError: If repository, token or App are not rightly set.
        RemoteError: If GitHub refuses, or cannot be brought to take it.
    """
    wanted = _Wanted(
        texts={f"{settings.folder}/{checked_path(path)}": text for path, text in files.items()},
        title=title,
        body=body,
        branch=_checked_branch(branch),
        labels=tuple(settings.labels if labels is None else labels),
    )
    if not files:
        return PublishedScores(action="unchanged", reason="there are no scores to file")
    where = connect(settings, backoff=backoff)
    look = Look(where=where, base=settings.base, folder=settings.folder)
    return _Publishing(wanted, look).run()


def _checked_branch(branch: str) -> str:
    if not branch.startswith(BRANCH) or branch == BRANCH:
        raise ValueError(f"expected a branch that begins with {BRANCH}, found {branch!r}")
    return branch


class _Publishing:
    """Rounds of looking and writing what is still missing, until nothing is."""

    def __init__(self, wanted: _Wanted, look: Look) -> None:
        self._wanted = wanted
        self._look = look
        self._where = look.where
        self._has_written = False
        """We wrote, or may have written, to a pull request that was there."""
        self._has_opened = False
        """We opened, or may have opened, a pull request."""
        self._seen: set[int] = set()
        """Pull requests of ours that were open in an earlier round."""

    def run(self) -> PublishedScores:
        """Look and write, as often as allowed.

        Raises:
            RemoteError: If the last round failed.
        """
        attempts = self._where.backoff.attempts
        for turn in range(1, attempts + 1):
            try:
                return self._round()
            except RemoteError as error:
                if error.kind not in _AGAIN or turn == attempts:
                    raise
                self._pause(error, turn)
        raise ValueError(f"expected at least one attempt, found {attempts}")

    def _round(self) -> PublishedScores:
        base = self._look.base_snapshot()
        pull = self._look.our_pull()
        if pull is None:
            return self._open(base)
        self._seen.add(pull.number)
        return self._update(base, pull)

    def _open(self, base: Snapshot) -> PublishedScores:
        texts = _different(self._wanted.texts, base)
        if not texts:
            return PublishedScores(
                action="unchanged", reason=f"{self._where.name} holds these scores already"
            )
        declined = self._look.declined(texts, known=self._seen)
        texts = {path: text for path, text in texts.items() if path not in declined}
        if not texts:
            url = next(iter(declined.values()))
            reason = "closed without merging, and these are the same scores; reopen it to file them"
            return PublishedScores(action="skipped", reason=reason, url=url)
        branch, head = self._look.free_branch(self._wanted.branch)
        self._bring(branch, base, head, texts)
        self._has_opened = True
        with translated(f"a pull request of {self._where.name}", _PULLS):
            pull = self._where.repository.create_pull(
                self._look.base, branch, title=self._wanted.title, body=self._wanted.body
            )
            if not pull.number:
                raise ValueError("no pull request in the answer")
        put_labels(self._where, pull, self._wanted.labels)
        return PublishedScores(
            action="opened", reason=_amount(texts), url=pull.html_url, branch=branch
        )

    def _update(self, base: Snapshot, pull: PullRequest) -> PublishedScores:
        branch = pull.head.ref
        sha = self._look.head_of(branch)
        if sha is None:
            raise _deleted(f"the branch {branch} of {self._where.name}")
        head = self._look.snapshot(sha)
        texts = _different(self._wanted.texts, head)
        changes = [
            self._bring(branch, base, head, texts),
            describe(
                self._where,
                pull,
                title=self._wanted.title,
                body=self._wanted.body,
                is_new=bool(texts),
            ),
            put_labels(self._where, pull, self._wanted.labels),
        ]
        url = pull.html_url
        if self._has_opened:
            reason = _amount(_different(self._wanted.texts, base))
            return PublishedScores(action="opened", reason=reason, url=url, branch=branch)
        if self._has_written or any(changes):
            reason = _amount(texts) if texts else "its commit, text or labels were brought up"
            return PublishedScores(action="updated", reason=reason, url=url, branch=branch)
        reason = "the open pull request holds these scores already"
        return PublishedScores(action="unchanged", reason=reason, url=url, branch=branch)

    def _bring(
        self, branch: str, base: Snapshot, head: Snapshot | None, texts: Mapping[str, str]
    ) -> bool:
        """Put one commit on our branch, where one is needed; always forward.

        Args:
            branch: Our branch.
            base: The branch that is proposed to.
            head: What our branch holds; None where it has to be made.
            texts: Contents that are proposed, by path.

        Returns:
            Whether there was something to commit.
        """
        merged = None if head is None else self._look.ours_on_conflict(base, head, texts)
        start = base if head is None or merged is not None else head
        texts = _different(texts, start)
        names = {path: name for path, name in (merged or {}).items() if path not in texts}
        if not texts and merged is None:
            return False
        commit = write_commit(
            self._where,
            base=start.commit,
            parents=[start.commit]
            if head is None or merged is None
            else [head.commit, base.commit],
            texts=texts,
            names=names,
            message=self._wanted.title,
        )
        self._has_written = True
        item = f"the branch {branch} of {self._where.name}"
        if head is None:
            with translated(item, _WRITE):
                self._where.repository.create_git_ref(f"refs/heads/{branch}", commit.sha)
        else:
            ref = self._look.reference(branch)
            if ref is None:
                raise _deleted(item)
            with translated(item, _WRITE):
                ref.edit(commit.sha, force=False)
        return True

    def _pause(self, error: RemoteError, turn: int) -> None:
        backoff = self._where.backoff
        seconds = backoff.pause_s(turn)
        if error.retry_after_s is not None:
            if error.retry_after_s > backoff.longest_s:
                raise error
            seconds = error.retry_after_s + backoff.first_s
        logger.warning("%s; looking again in %.1f s", error, seconds)
        time.sleep(seconds)


def _different(texts: Mapping[str, str], there: Snapshot) -> dict[str, str]:
    return {path: text for path, text in texts.items() if there.files.get(path) != blob_name(text)}


def _deleted(item: str) -> RemoteError:
    return RemoteError(f"{item} was deleted meanwhile; run again to make it anew", kind="conflict")


def _amount(texts: Mapping[str, str]) -> str:
    return f"{len(texts)} score file{'' if len(texts) == 1 else 's'}"
