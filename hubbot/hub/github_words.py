"""Title, description and labels of our pull request on GitHub."""

import logging
import re
from collections.abc import Sequence

import github
from github.PullRequest import PullRequest

from hubbot.errors import RemoteError
from hubbot.hub.github_client import Connection

logger = logging.getLogger(__name__)

_PULLS = "pull requests: write"
_LABELS = "issues: write"
_LABEL_COLOR = "5319e7"
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def describe(where: Connection, pull: PullRequest, *, title: str, body: str, is_new: bool) -> bool:
    """Bring title and description up to date; return whether they were not.

    Args:
        where: The repository.
        pull: Our pull request.
        title: Title.
        body: Description, Markdown.
        is_new: There are new scores; without, another date is no reason to write.

    Raises:
        RemoteError: If GitHub does not take them.
    """
    wanted = (_plain(title), _plain(body))
    found = (_plain(pull.title), _plain(pull.body or ""))
    if found == wanted and not (is_new and pull.title != title):
        return False
    where.ask(
        f"the text of #{pull.number}",
        lambda: pull.edit(title=title, body=body),
        needs=_PULLS,
    )
    return True


def put_labels(where: Connection, pull: PullRequest, labels: Sequence[str]) -> bool:
    """Put on the labels that are missing; return whether there were any to put on.

    A repository that refuses them is only warned about: the scores matter more.

    Args:
        where: The repository.
        pull: Our pull request.
        labels: Names; one that the repository does not have is made.
    """
    known = {label.name.casefold() for label in pull.labels}
    missing = [name for name in labels if name.casefold() not in known]
    if not missing:
        return False
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
        return False
    return True


def _make_label(where: Connection, name: str) -> None:
    """Make a label in the repository, unless it is there."""

    def make() -> None:
        try:
            where.repository.create_label(name, _LABEL_COLOR, description="Scores filed by hubbot")
        except github.GithubException as error:
            if error.status != 422 or "already_exists" not in str(error.data):
                raise

    where.ask(f"the label {name}", make, needs=_LABELS)


def _plain(text: str) -> str:
    """Return a text without its dates, and with one kind of line end."""
    return _DATE.sub("", text).replace("\r\n", "\n").strip()
