"""Publishing score files: rounds of looking at GitHub and writing what is still missing."""

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_declined import Declined
from hubbot.hub.github_files import Snapshot
from hubbot.hub.github_look import Look
from hubbot.hub.github_refusals import translated
from hubbot.hub.github_round import Round, deleted
from hubbot.hub.github_words import Wording, describe, marked, put_labels, tells_of

logger = logging.getLogger(__name__)

ScoresAction = Literal["opened", "updated", "unchanged", "skipped", "would-file"]

_PULLS = "pull requests: write"

_MAYBE = {"server", "unreachable"}
"""After these a write may have happened although the answer is an error."""

_AGAIN = _MAYBE | {"conflict", "rate_limited"}
"""After these the whole is looked at and tried once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedScores:
    """What became of the scores."""

    action: ScoresAction
    """What was, or would be, done to the pull request."""
    reason: str
    """Why, in a few words."""
    url: str | None = None
    """Address of the pull request, where there is one."""
    branch: str | None = None
    """Branch of the pull request, where it is open."""
    n_files: int = 0
    """Score files that the pull request changes, or would change, in all."""
    declined: tuple[str, ...] = ()
    """Addresses of those that were closed without merging and hold some of these scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be proposed, and how."""

    texts: Mapping[str, str]
    """Contents by path in the repository."""
    names: Mapping[str, str]
    """Names of their blobs, by path in the repository."""
    wording: Wording
    """Makes title and description."""
    branch: str
    """Branch for a new pull request."""
    labels: tuple[str, ...]
    """Labels of a new pull request."""
    is_sending: bool
    """Whether anything is written."""


class Publishing:
    """Rounds of looking and writing what is still missing, until nothing is."""

    def __init__(self, wanted: Wanted, look: Look, declined: Declined) -> None:
        self._wanted = wanted
        self._look = look
        self._where = look.where
        self._declined = declined
        self._read: dict[str, str] = {}
        """Texts by the name of their blob, so that no round reads them again."""
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
        fresh = self._fresh(base)
        if not fresh:
            return PublishedScores(
                action="unchanged", reason=f"{self._where.name} holds these scores already"
            )
        declined = self._declined.among(fresh, seen=self._seen)
        urls = _addresses(declined)
        if len(declined) == len(fresh):
            reason = "closed without merging, and these are the same scores; reopen it to file them"
            return PublishedScores(action="skipped", reason=reason, url=urls[0], declined=urls)
        if not self._wanted.is_sending:
            n = len(fresh) - len(declined)
            return PublishedScores(action="would-file", reason=_amount(n), n_files=n, declined=urls)
        branch, head = self._look.free_branch(self._wanted.branch)
        this = self._look_round(branch, base, head, declined)
        sha = this.bring()
        words = this.words()
        self._has_opened = True
        with translated(f"a pull request of {self._where.name}", _PULLS):
            pull = self._where.repository.create_pull(
                self._look.base, branch, title=words.title, body=marked(words.body, sha)
            )
            if not pull.number:
                raise ValueError("no pull request in the answer")
        put_labels(self._where, pull, self._wanted.labels)
        return _done("opened", this, pull, urls)

    def _update(self, base: Snapshot, pull: PullRequest) -> PublishedScores:
        branch = pull.head.ref
        sha = self._look.head_of(branch)
        if sha is None:
            raise deleted(f"the branch {branch} of {self._where.name}")
        head = self._look.snapshot(sha)
        declined = self._declined.among(self._fresh(base, head), seen=self._seen)
        urls = _addresses(declined)
        this = self._look_round(branch, base, head, declined)
        if not self._wanted.is_sending:
            return _done("would-file" if this.plan.is_needed else "unchanged", this, pull, urls)
        self._has_written |= this.plan.is_needed
        sha = this.bring()
        is_changed = self._has_written or not tells_of(pull, sha)
        if is_changed:
            describe(self._where, pull, this.words(), sha, is_title=self._wanted.wording.is_title)
        if self._has_opened:
            put_labels(self._where, pull, self._wanted.labels)
            return _done("opened", this, pull, urls)
        return _done("updated" if is_changed else "unchanged", this, pull, urls)

    def _fresh(self, *there: Snapshot) -> dict[str, str]:
        """Return the given files that stand in none of these snapshots."""
        return {
            path: name
            for path, name in self._wanted.names.items()
            if all(snapshot.files.get(path) != name for snapshot in there)
        }

    def _look_round(
        self, branch: str, base: Snapshot, head: Snapshot | None, left_out: Collection[str]
    ) -> Round:
        return Round(
            look=self._look,
            branch=branch,
            base=base,
            head=head,
            texts=self._wanted.texts,
            left_out=left_out,
            wording=self._wanted.wording,
            read=self._read,
        )

    def _pause(self, error: RemoteError, turn: int) -> None:
        backoff = self._where.backoff
        seconds = backoff.pause_s(turn)
        if error.retry_after_s is not None:
            if error.retry_after_s > backoff.longest_s:
                raise error
            seconds = error.retry_after_s + backoff.first_s
        logger.warning("%s; looking again in %.1f s", error, seconds)
        time.sleep(seconds)


def _addresses(declined: Mapping[str, str]) -> tuple[str, ...]:
    """Return the pull requests of these files, each once."""
    return tuple(dict.fromkeys(declined.values()))


def _done(
    action: ScoresAction, this: Round, pull: PullRequest, declined: tuple[str, ...]
) -> PublishedScores:
    n = len(this.plan.proposed)
    held = "the open pull request holds these scores already"
    return PublishedScores(
        action=action,
        reason=held if action == "unchanged" else _amount(n),
        url=pull.html_url,
        branch=this.branch,
        n_files=n,
        declined=declined,
    )


def _amount(n: int) -> str:
    return f"{n} score file{'' if n == 1 else 's'}"
