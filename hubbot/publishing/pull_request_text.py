"""What a pull request says: one title for all, a description with the numbers."""

from hubbot.publishing.links import Links
from hubbot.publishing.wording import PULL_REQUEST_MARKER, render_pull_request
from hubbot.records.record import Record

__all__ = ["MARKER", "is_our_pull_request", "pull_request_body", "pull_request_title"]

MARKER = PULL_REQUEST_MARKER
"""Hidden comment by which a pull request of ours is found again."""

_TITLE = "Add linear-probe score to the model card"


def pull_request_title(record: Record) -> str:
    """Return the title: the same for every record, under the Hub's 200 characters.

    A title that changed with the score would make an updated pull request look like another.
    """
    return _TITLE


def pull_request_body(record: Record, *, links: Links | None = None) -> str:
    """Return the description in Markdown, ended by a line end.

    It says what changes and why, gives the numbers, says that a bot wrote it, who runs it
    where that is configured, and how to be left alone; the hidden marker is its first line.
    """
    return render_pull_request(record, links or Links()) + "\n"


def is_our_pull_request(description: str) -> bool:
    """Tell whether a description was written by hubbot; ask for the author as well."""
    return description.lstrip().startswith(MARKER)
