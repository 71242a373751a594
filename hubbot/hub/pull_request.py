"""One pull request per repository: opened, found again, updated, never repeated."""

import logging
import time
import warnings
from collections.abc import Collection
from typing import Literal

from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi

from hubbot.errors import RemoteError
from hubbot.hub.accounts import Account, check_may_write
from hubbot.hub.cards import CARD, validate_card
from hubbot.hub.client import PATIENT, Backoff
from hubbot.hub.description import refresh_description
from hubbot.hub.plan import (
    WITHDRAWN,
    CarryOver,
    Look,
    Plan,
    Rebuild,
    make_plan,
    read_discussion,
)
from hubbot.hub.refusals import translate_errors
from hubbot.schema import Action, Proposal, Published

logger = logging.getLogger(__name__)

Written = Literal["opened", "updated"]

_MAYBE = {"server", "unreachable"}
"""After these the write may have happened although the answer is an error."""

_AGAIN = _MAYBE | {"conflict", "rate_limited"}
"""After these the whole is looked at and tried once more."""


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
    """Propose a card to its repository: open our pull request, update it, or leave it alone.

    A write is never repeated before looking whether it happened. Also on one's own repository it
    is a pull request.

    Args:
        proposal: The change, and the commit of the main branch it was made from.
        api: The Hub's client, with a token that may write.
        account: The account behind that token.
        marker: Text in ``proposal.body`` by which our pull request is found again.
        rebuild: Makes the proposal anew from another card.
        opt_out: Owners and models that asked to be left alone.
        backoff: How often and how patiently to try.
        carry_over: Keeps, where our pull request is made anew, what only its card says.

    Returns:
        ``opened``, ``updated``, ``unchanged``, or ``skipped`` with the reason.

    Raises:
        RemoteError: If the token may not write, or the Hub cannot be brought to take it.
        CardError: If the card cannot be edited as it stands, or the Hub refuses its header.
    """
    _check_may_write(account, proposal, marker)
    look = Look(
        api=api,
        account=account,
        marker=marker,
        rebuild=rebuild,
        opt_out=opt_out,
        backoff=backoff,
        carry_over=carry_over,
    )
    return _Publishing(proposal, look).run()


def _check_may_write(account: Account, proposal: Proposal, marker: str) -> None:
    if not marker or marker not in proposal.body:
        raise ValueError(f"the description must hold the marker {marker!r} to be found again")
    check_may_write(account, proposal.item)


class _Publishing:
    """Rounds of looking and writing, until both agree."""

    def __init__(self, proposal: Proposal, look: Look) -> None:
        self._proposal = proposal
        self._look = look
        self._known: set[int] = set()
        self._written: Written | None = None
        """What we wrote for certain."""
        self._maybe: Written | None = None
        """What we may have written."""
        self._change = proposal
        """What we last tried to commit."""

    def run(self) -> Published:
        """Look and write, as often as allowed.

        Raises:
            RemoteError: If the last round failed.
        """
        attempts = self._look.backoff.attempts
        for turn in range(1, attempts + 1):
            plan = self._plan(turn)
            if plan.action in {"unchanged", "skipped"}:
                return self._nothing_more(plan)
            try:
                published = self._write(plan)
            except RemoteError as error:
                if error.kind == "disabled":
                    return Published(action="skipped", reason=str(error), url=plan.url)
                if error.kind not in _AGAIN or turn == attempts:
                    raise
                if error.kind in _MAYBE:
                    self._maybe = "opened" if plan.action == "open" else "updated"
                self._pause(error, turn)
            else:
                if published is not None:
                    return published
        raise RemoteError(
            f"{self._proposal.item}: the card kept changing over {attempts} rounds; try later",
            kind="conflict",
        )

    def _plan(self, turn: int) -> Plan:
        """Look twice where a pull request may just have been opened: a listing may lag behind."""
        plan = make_plan(self._proposal, self._look, known=self._known)
        if plan.action == "open" and self._maybe == "opened":
            time.sleep(self._look.backoff.pause_s(turn))
            plan = make_plan(self._proposal, self._look, known=self._known)
        if plan.action == "open":
            self._maybe = None
        return plan

    def _nothing_more(self, plan: Plan) -> Published:
        """Name what was done in earlier rounds, where there were any."""
        written = self._written
        if written is None and plan.action == "unchanged":
            written = self._maybe
        if written is not None:
            return self._done(written, plan.reason, plan.url)
        action: Action = "skipped" if plan.action == "skipped" else "unchanged"
        return Published(action=action, reason=plan.reason, url=plan.url)

    def _done(self, action: Written, reason: str, url: str | None) -> Published:
        return Published(action=action, reason=reason, url=url, change=self._change)

    def _write(self, plan: Plan) -> Published | None:
        """Commit what is planned; None where another round has to settle a conflict."""
        if plan.action == "replace":
            self._withdraw(plan)
            return None
        self._change = plan.proposal
        validate_card(
            plan.proposal.new,
            api=self._look.api,
            backoff=self._look.backoff,
            repo_type=plan.proposal.repo_type,
        )
        if plan.action == "update":
            self._commit(plan.proposal, revision=f"refs/pr/{plan.number}")
            refresh_description(plan.proposal, plan.number, self._look)
            self._written = self._written or self._maybe or "updated"
            if plan.is_anew and self._conflicts(plan.proposal, plan.number):
                return None
            return self._done(self._written, plan.reason, plan.url)
        commit = self._commit(plan.proposal, revision=None)
        if commit.pr_url is None or commit.pr_num is None:
            raise RemoteError(
                f"{plan.proposal.item}: the card on the main branch changed meanwhile",
                kind="conflict",
            )
        self._known.add(commit.pr_num)
        self._written = "opened"
        if self._conflicts(plan.proposal, commit.pr_num):
            return None
        return self._done("opened", plan.reason, commit.pr_url)

    def _commit(self, proposal: Proposal, *, revision: str | None) -> CommitInfo:
        """Commit the card, on a pull request of its own without ``revision``; never retried."""
        with translate_errors(f"card of {proposal.item}"), warnings.catch_warnings():
            # The client repeats the check of the card, and prints what was logged before.
            warnings.simplefilter("ignore", UserWarning)
            return self._look.api.create_commit(
                proposal.model,
                [CommitOperationAdd(CARD, proposal.new)],
                commit_message=proposal.title,
                commit_description=proposal.body if revision is None else "",
                revision=revision,
                create_pr=revision is None,
                parent_commit=proposal.parent,
                repo_type=proposal.repo_type,
            )

    def _withdraw(self, plan: Plan) -> None:
        """Close ours with a word of why; the next round opens another."""
        comment = (
            f"{WITHDRAWN}\nThe card on the main branch has changed, so that this can no longer be "
            "merged. It is replaced by a new pull request."
        )
        with translate_errors(f"pull request {plan.number} of {plan.proposal.item}"):
            self._look.api.change_discussion_status(
                plan.proposal.model,
                plan.number,
                "closed",
                comment=comment,
                repo_type=plan.proposal.repo_type,
            )

    def _conflicts(self, proposal: Proposal, number: int) -> bool:
        """Return whether the main branch moved under a pull request.

        With ``create_pr`` the Hub takes a parent that is no longer the head; it shows only here.
        A branch that began before the main branch moved may stay in conflict whatever is on it.
        """
        try:
            details = read_discussion(
                proposal.model, number, self._look, repo_type=proposal.repo_type
            )
            return bool(details.conflicting_files)
        except RemoteError as error:
            logger.warning("opened, but could not look at it again: %s", error)
            return False

    def _pause(self, error: RemoteError, turn: int) -> None:
        backoff = self._look.backoff
        seconds = backoff.pause_s(turn)
        if error.retry_after_s is not None:
            if error.retry_after_s > backoff.longest_s:
                raise error
            seconds = error.retry_after_s + backoff.first_s
        logger.warning("%s; looking again in %.1f s", error, seconds)
        time.sleep(seconds)
