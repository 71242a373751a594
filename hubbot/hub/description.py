"""The description of our pull request, kept in step with the card it proposes."""

import logging

from huggingface_hub import DiscussionComment

from hubbot.errors import RemoteError
from hubbot.hub.plan import Look, read_discussion
from hubbot.hub.refusals import translate_errors
from hubbot.schema import Proposal

logger = logging.getLogger(__name__)


def refresh_description(proposal: Proposal, number: int, look: Look) -> None:
    """Replace the numbers in an updated pull request's description.

    The card is committed by then, so a failure here is a warning and not an error. A description
    that somebody hid or rewrote without our marker is left as it is.

    Args:
        proposal: What was committed; its ``body`` is the new description.
        number: N of ``refs/pr/N``.
        look: The Hub's client, our account and the marker.
    """
    try:
        details = read_discussion(proposal.model, number, look, repo_type=proposal.repo_type)
        first = next((one for one in details.events if isinstance(one, DiscussionComment)), None)
        if first is None or first.hidden or first.author != look.account.name:
            return
        if look.marker not in first.content or first.content == proposal.body:
            return
        with translate_errors(f"description of pull request {number} of {proposal.item}"):
            look.api.edit_discussion_comment(
                proposal.model,
                number,
                comment_id=first.id,
                new_content=proposal.body,
                repo_type=proposal.repo_type,
            )
    except RemoteError as error:
        logger.warning("the card was updated, the description was not: %s", error)
