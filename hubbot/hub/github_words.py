"""Title, description and labels of our pull request on GitHub.

What we write into the description stands between two hidden comments. All outside them is the
maintainers', and so is a title that is not of our making.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import github
from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_client import Connection

logger = logging.getLogger(__name__)

_PULLS = "pull requests: write"
_LABELS = "issues: write"
_LABEL_COLOR = "5319e7"

_BEGIN, _END = "<!-- hubbot:scores:begin {sha} -->", "<!-- hubbot:scores:end -->"
_OURS = re.compile(
    r"<!-- hubbot:scores:begin ([0-9a-f]{40}) -->.*?<!-- hubbot:scores:end -->", re.DOTALL
)
"""The part of a description that is ours, with the commit that it tells of."""

_LONGEST_BODY = 65_536
"""Characters of a description that GitHub takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFile:
    """The texts of one file that the pull request changes."""

    new: str | None
    """As proposed; None where it is taken out."""
    old: str | None
    """As filed now; None where it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedScores:
    """What the pull request changes; paths are relative to the folder of the scores."""

    paths: tuple[str, ...]
    """All files that it changes, in order."""
    files: Mapping[str, ScoreFile]
    """The first of them by path, read; reading takes a call each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the pull request says."""

    title: str
    """Its title, and the message of the commit."""
    body: str
    """Our part of its description, Markdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How our pull request is told of."""

    describe: Callable[[ProposedScores], Description]
    """Makes title and description from what is changed."""
    is_title: Callable[[str], bool]
    """Tells whether a title is one that ``describe`` makes; another one is left as it is."""
    most_files: int
    """Files whose texts ``describe`` needs."""


def marked(body: str, sha: str) -> str:
    """Return our part of a description with its marks.

    Args:
        body: Markdown.
        sha: Newest commit of the branch, 40 hex digits.
    """
    return f"{_BEGIN.format(sha=sha)}\n{body.strip()}\n{_END}\n"


def tells_of(pull: PullRequest, sha: str) -> bool:
    """Return whether the description is of this commit, or not ours to write any more.

    Args:
        pull: Our pull request.
        sha: Newest commit of its branch.
    """
    found = _OURS.search(pull.body or "")
    return found is None or found[1] == sha


def describe(
    where: Connection,
    pull: PullRequest,
    words: Description,
    sha: str,
    *,
    is_title: Callable[[str], bool],
) -> None:
    """Bring our part of title and description up to date.

    Args:
        where: The repository.
        pull: Our pull request.
        words: What it is to say.
        sha: Newest commit of its branch.
        is_title: Tells whether a title is of our making.

    Raises:
        RemoteError: If GitHub does not take them.
    """
    there = body = pull.body or ""
    found = _OURS.search(there)
    if found is not None:
        ours = marked(words.body, sha).strip()
        body = there[: found.start()] + ours + there[found.end() :]
    if len(body) > _LONGEST_BODY:
        logger.warning("#%d: no room left in its description; it stays as it is", pull.number)
        body = there
    title = words.title if is_title(pull.title) else pull.title
    if (title, body) != (pull.title, there):
        where.ask(
            f"the text of #{pull.number}",
            lambda: pull.edit(title=title, body=body),
            needs=_PULLS,
        )


def put_labels(where: Connection, pull: PullRequest, labels: Sequence[str]) -> None:
    """Put labels on a pull request that we opened.

    A repository that refuses them is only warned about: the scores matter more.

    Args:
        where: The repository.
        pull: Our pull request.
        labels: Names; one that the repository does not have is made.
    """
    known = {label.name.casefold() for label in pull.labels}
    missing = [name for name in labels if name.casefold() not in known]
    if not missing:
        return
    try:
        for name in missing:
            _make_label(where, name)
        where.ask(
            f"the labels of #{pull.number}",
            lambda: pull.add_to_labels(*missing),
            needs=_LABELS,
        )
    except RemoteError as error:
        logger.warning("%s; the pull request stays without labels", error)


def _make_label(where: Connection, name: str) -> None:
    """Make a label in the repository, unless it is there."""

    def make() -> None:
        try:
            where.repository.create_label(name, _LABEL_COLOR, description="Scores filed by hubbot")
        except github.GithubException as error:
            if error.status != 422 or "already_exists" not in str(error.data):
                raise

    where.ask(f"the label {name}", make, needs=_LABELS)
