"""When other people's repositories are left alone: values in, a reason out, no network."""

import re
from collections.abc import Collection, Iterable

from hubbot.schema import RemoteRepository

_STOP = re.compile(r"^[\s>*_`]*@?hubbot\s*[:,]?\s*(?:false|stop)\b", re.IGNORECASE | re.MULTILINE)
"""A line such as ``hubbot: false`` or ``@hubbot stop`` in a comment."""


def reason_to_leave_alone(
    remote: RemoteRepository, *, opt_out: Collection[str] = (), card_says_no: bool = False
) -> str | None:
    """Return why nothing is proposed to a repository; None where nothing speaks against it.

    Args:
        remote: What the Hub says of the repository.
        opt_out: Owners and ids that asked to be left alone, in any case.
        card_says_no: Whether its card says ``hubbot: false``.
    """
    if is_on_list(remote.repo_id, opt_out):
        return f"{remote.repo_id} or its owner asked to be left alone (bot.opt_out)"
    if card_says_no:
        return "its card says hubbot: false"
    if remote.is_disabled:
        return "the Hub has disabled the repository"
    if remote.is_private:
        return "the repository is private"
    if remote.is_gated:
        return "the repository is gated"
    return None


def is_on_list(model: str, opt_out: Collection[str]) -> bool:
    """Return whether a repository or its owner is on the list of those to leave alone.

    Args:
        model: Hub id, of a data set as well.
        opt_out: Owners and ids, in any case; ``@`` and slashes around them do not matter.

    >>> is_on_list("Me/model", ["@me"]), is_on_list("me/model", ["me/other"])
    (True, False)
    """
    listed = {entry.strip().lstrip("@").strip("/").casefold() for entry in opt_out} - {""}
    name = model.casefold()
    return name in listed or ("/" in name and name.partition("/")[0] in listed)


def asks_to_stop(comments: Iterable[str]) -> bool:
    r"""Return whether one of the comments on a pull request of ours asks us to stop.

    Anybody but ourselves may say so: being wrong about it costs nothing.

    Args:
        comments: What others wrote, untrusted.

    >>> asks_to_stop(["Thanks!", "No, thank you.\nhubbot: false"])
    True
    """
    return any(_STOP.search(comment) for comment in comments)
