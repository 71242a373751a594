"""``publish`` that reads, says what it would do, and does nothing."""

from collections.abc import Collection
from typing import Literal

from huggingface_hub import HfApi

from hubbot.hub.accounts import Account
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.plan import CarryOver, Look, Rebuild, make_plan
from hubbot.schema import Action, Proposal, Published

_WOULD: dict[Literal["open", "update", "replace", "unchanged", "skipped"], Action] = {
    "open": "would-open",
    "update": "would-update",
    "replace": "would-open",
    "unchanged": "unchanged",
    "skipped": "skipped",
}


def publish(
    proposal: Proposal,
    *,
    api: HfApi,
    account: Account,
    marker: str,
    rebuild: Rebuild,
    opt_out: Collection[str] = (),
    backoff: Backoff = PATIENT,
    carry_over: CarryOver | None = None,
) -> Published:
    """Say what ``hubbot.hub.pull_request.publish`` would do with the same arguments.

    Args:
        proposal: The change, and the commit of the main branch it was made from.
        api: The Hub's client; a token is not needed.
        account: Ours; without a token an earlier pull request cannot be found.
        marker: Text by which our pull request is found again.
        rebuild: Makes the proposal anew from another card.
        opt_out: Owners and models that asked to be left alone.
        backoff: How often and how patiently to ask.
        carry_over: Keeps, where our pull request is made anew, what only its card says.

    Returns:
        ``would-open``, ``would-update``, ``unchanged``, or ``skipped`` with the reason.

    Raises:
        RemoteError: If the Hub cannot be asked.
        CardError: If the card cannot be edited as it stands now.
    """
    look = Look(
        api=api,
        account=account,
        marker=marker,
        rebuild=rebuild,
        opt_out=opt_out,
        backoff=backoff,
        carry_over=carry_over,
    )
    plan = make_plan(proposal, look)
    return Published(
        action=_WOULD[plan.action],
        reason=plan.reason,
        url=plan.url,
        change=plan.proposal if plan.action in {"open", "update", "replace"} else None,
    )
