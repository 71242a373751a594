"""One round of publishing: what our branch is to hold, one commit that does it, words for it."""

import logging
from collections.abc import Collection, Mapping

from hubbot.errors import RemoteError
from hubbot.hub.github_files import Snapshot, blob_name, read_text, write_commit
from hubbot.hub.github_look import Look
from hubbot.hub.github_plan import Plan, plan
from hubbot.hub.github_refusals import translated
from hubbot.hub.github_words import Description, ProposedScores, ScoreFile, Wording

logger = logging.getLogger(__name__)

_WRITE = "contents: write"


class Round:
    """What was seen at one look, and what follows from it."""

    def __init__(
        self,
        *,
        look: Look,
        branch: str,
        base: Snapshot,
        head: Snapshot | None,
        texts: Mapping[str, str],
        left_out: Collection[str],
        wording: Wording,
        read: dict[str, str],
    ) -> None:
        """Work out what is to be done; writes nothing.

        Args:
            look: Repository, base and folder.
            branch: Our branch.
            base: What the base holds.
            head: What our branch holds; None where it has to be made.
            texts: Given files by path in the repository.
            left_out: Those that are not to be proposed.
            wording: Makes title and description.
            read: Texts that were read in earlier rounds, by the name of their blob; added to.

        Raises:
            RemoteError: If GitHub cannot be asked where the two branches parted.
        """
        self.branch = branch
        self._look, self._where = look, look.where
        self._base, self._head = base, head
        self._texts, self._names = texts, {path: blob_name(t) for path, t in texts.items()}
        self._wording = wording
        self._read = read
        self._words: Description | None = None
        old = base if head is None else look.parting(base, head)
        self.plan: Plan = plan(
            base=base.files,
            head=None if head is None else head.files,
            old=old.files,
            given=self._names,
            left_out=left_out,
            # What was changed beside our files on our branch would be lost by our merge.
            may_merge=head is not None and head.around == old.around,
        )

    def bring(self) -> str:
        """Put one commit on our branch, where one is needed; always forward.

        Returns:
            The newest commit of our branch, 40 hex digits.

        Raises:
            RemoteError: If GitHub refuses, or the branch moved or was deleted meanwhile.
        """
        if self.plan.conflicts and not self.plan.is_merge:
            logger.warning(
                "%s: %s conflicts with %s, and other files were changed beside it; merge by hand",
                self._where.name,
                self.plan.conflicts[0],
                self._look.base,
            )
        head, base = self._head, self._base
        if not self.plan.is_needed:
            return (head or base).sha
        parents = [base] if head is None else [head, base] if self.plan.is_merge else [head]
        texts, names = self._contents()
        commit = write_commit(
            self._where,
            base=(base if self.plan.is_merge else parents[0]).commit,
            parents=[parent.commit for parent in parents],
            texts=texts,
            names=names,
            message=self.words().title,
        )
        self._move(commit.sha)
        return commit.sha

    def _contents(self) -> tuple[dict[str, str], dict[str, str | None]]:
        """Return the commit's changes: those to be sent, and those that GitHub has the text of."""
        texts: dict[str, str] = {}
        names: dict[str, str | None] = {}
        for path, name in self.plan.commit.items():
            there = [self._base.files.get(path), self._head and self._head.files.get(path)]
            if name is None or name in there:
                names[path] = name
            else:
                texts[path] = self._texts[path]
        return texts, names

    def _move(self, sha: str) -> None:
        """Point our branch to a commit; it is made if need be."""
        item = f"the branch {self.branch} of {self._where.name}"
        if self._head is None:
            with translated(item, _WRITE):
                self._where.repository.create_git_ref(f"refs/heads/{self.branch}", sha)
            return
        ref = self._look.reference(self.branch)
        if ref is None:
            raise deleted(item)
        with translated(item, _WRITE):
            ref.edit(sha, force=False)

    def words(self) -> Description:
        """Return title and description for what the branch is to change.

        Raises:
            RemoteError: If a file that is told of cannot be read.
        """
        if self._words is None:
            paths = sorted(self.plan.proposed)
            prefix = f"{self._look.folder}/"
            files = {
                path.removeprefix(prefix): ScoreFile(
                    new=self._text(path, self.plan.proposed[path]),
                    old=self._text(path, self._base.files.get(path)),
                )
                for path in paths[: self._wording.most_files]
            }
            names = tuple(path.removeprefix(prefix) for path in paths)
            self._words = self._wording.describe(ProposedScores(paths=names, files=files))
        return self._words

    def _text(self, path: str, name: str | None) -> str | None:
        """Return the content of a blob, asked for only where it is not at hand."""
        if name is None:
            return None
        if name == self._names.get(path):
            return self._texts[path]
        if name not in self._read:
            self._read[name] = read_text(self._where, name)
        return self._read[name]


def deleted(item: str) -> RemoteError:
    """Return the error for a branch that is gone; looking again helps.

    Args:
        item: The branch.
    """
    return RemoteError(f"{item} was deleted meanwhile; run again to make it anew", kind="conflict")
