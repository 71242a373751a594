"""What is to be done about one card: looks at the Hub, writes nothing."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Literal

from huggingface_hub import (
    DiscussionComment,
    DiscussionTitleChange,
    DiscussionWithDetails,
    HfApi,
)

from hubbot.errors import RemoteError
from hubbot.hub.accounts import Account
from hubbot.hub.cards import head_of, read_card
from hubbot.hub.checkpoints import resolve_checkpoint
from hubbot.hub.client import PATIENT, Backoff, retrying
from hubbot.hub.datasets import resolve_dataset_repository
from hubbot.hub.manners import asks_to_stop, reason_to_leave_alone
from hubbot.schema import Proposal, RemoteRepository, RepoType

Rebuild = Callable[[bytes, str], Proposal | None]
"""Makes the proposal anew from a card and the commit it stands at; None: leave it alone."""

CarryOver = Callable[[Proposal, bytes], Proposal]
"""Adds to a proposal what the card in our open pull request says beside it."""

SECTION = b"<!-- hubbot:begin"
"""How our section of a card begins."""

WITHDRAWN = "<!-- hubbot:withdrawn -->"
"""Hidden in the comment with which we close a pull request that another takes the place of."""

_FOLLOWS: dict[RepoType, str] = {
    "model": "corrects an annotation that was merged",
    "dataset": "adds to or corrects an annotation that was merged",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OurPullRequest:
    """A pull request that this account opened for hubbot."""

    number: int
    """N of ``refs/pr/N``."""
    status: str
    """``open``, ``draft``, ``closed`` or ``merged``."""
    url: str
    """Its page."""
    is_conflicting: bool
    """The Hub could not merge it into the main branch now."""
    is_unwanted: bool
    """Somebody asked in a comment to be left alone."""
    is_withdrawn: bool = False
    """We closed it ourselves, to open another that can be merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, and why."""

    action: Literal["open", "update", "replace", "unchanged", "skipped"]
    """In one word; ``replace``: close ours, which cannot be merged any more, and open another."""
    reason: str = ""
    """Why, in a sentence; empty where the action says it."""
    url: str | None = None
    """The pull request that is concerned."""
    number: int = 0
    """N of ``refs/pr/N`` for ``update`` and ``replace``."""
    is_anew: bool = False
    """The update makes it anew from the main branch, since it conflicts."""
    proposal: Proposal
    """What to commit, with the parent to commit it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that looking needs, beside the proposal."""

    api: HfApi
    """The Hub's client."""
    account: Account
    """Ours; without a token no earlier pull request can be found."""
    marker: str
    """Text in the description of each of our pull requests."""
    rebuild: Rebuild
    """Makes the proposal anew from another card."""
    opt_out: Collection[str] = ()
    """Owners and models that asked to be left alone."""
    backoff: Backoff = PATIENT
    """How patiently to ask."""
    carry_over: CarryOver | None = None
    """Where a card holds several notes: keeps those of our pull request that main lacks."""


def make_plan(proposal: Proposal, look: Look, *, known: Collection[int] = ()) -> Plan:
    """Decide what to do about a card, from how things stand on the Hub now.

    Args:
        proposal: What was proposed when the card was read.
        look: How to look.
        known: Numbers of pull requests that we know to be ours, listed by the Hub or not yet.

    Raises:
        RemoteError: If the Hub cannot be asked, or the repository is gone.
        CardError: If the card cannot be edited as it stands now.
    """
    try:
        remote = _resolve(proposal, look)
        reason = reason_to_leave_alone(remote, opt_out=look.opt_out)
        if reason is not None:
            return Plan(action="skipped", reason=reason, proposal=proposal)
        current = _at_head(replace(proposal, model=remote.repo_id), remote.revision, look)
        if current is None:
            return Plan(
                action="skipped", reason="its card asks to be left alone", proposal=proposal
            )
        if current.new == current.old:
            return Plan(action="unchanged", reason="the card says so already", proposal=current)
        return _plan_change(current, find_ours(current, look, known=known), look)
    except RemoteError as error:
        if error.kind in {"gated", "disabled"}:
            return Plan(action="skipped", reason=str(error), proposal=proposal)
        raise


def _resolve(proposal: Proposal, look: Look) -> RemoteRepository:
    if proposal.repo_type == "dataset":
        return resolve_dataset_repository(proposal.model, api=look.api, backoff=look.backoff)
    return resolve_checkpoint(proposal.model, api=look.api, backoff=look.backoff)


def _at_head(proposal: Proposal, head: str, look: Look) -> Proposal | None:
    """Return the proposal for the main branch as it is now; None: leave it alone."""
    if proposal.parent == head:
        return proposal
    card = _card_at(proposal, head, look)
    rebuilt = look.rebuild(card, head)
    return None if rebuilt is None else replace(rebuilt, model=proposal.model, parent=head)


def _card_at(proposal: Proposal, revision: str, look: Look) -> bytes:
    card = read_card(
        proposal.model,
        revision,
        api=look.api,
        backoff=look.backoff,
        repo_type=proposal.repo_type,
    )
    return card or b""


def _plan_change(current: Proposal, ours: Collection[OurPullRequest], look: Look) -> Plan:
    """Decide with our pull requests at hand, newest first."""
    newest = next(iter(ours), None)
    if newest is not None and newest.is_withdrawn:
        current = _anew(current, _card_in(newest, current, look), look)
    ours = [one for one in ours if not one.is_withdrawn]
    for one in ours:
        if one.status == "closed":
            reason = "our pull request was closed without being merged, so it is not repeated"
            return Plan(action="skipped", reason=reason, url=one.url, proposal=current)
        if one.is_unwanted:
            reason = "a comment on our pull request asks to be left alone"
            return Plan(action="skipped", reason=reason, url=one.url, proposal=current)
    for one in ours:
        if one.status != "merged":
            return _plan_update(current, one, look)
    if ours and SECTION not in current.old:
        reason = "our annotation was merged and taken out again since"
        return Plan(action="skipped", reason=reason, url=next(iter(ours)).url, proposal=current)
    reason = _FOLLOWS[current.repo_type] if ours else ""
    if look.account.is_anonymous:
        reason = "without a token an earlier pull request cannot be looked for"
    return Plan(action="open", reason=reason, proposal=current)


def _plan_update(current: Proposal, one: OurPullRequest, look: Look) -> Plan:
    """Compare the card in our open pull request with what it should be.

    It is rebuilt from itself, so that edits of the owner and an older main branch do not count
    as a change, unless the two no longer merge: then it is made from the main branch.
    """
    head = _head_in(one, current, look)
    card = _card_at(current, head, look)
    wanted = _anew(current, card, look) if one.is_conflicting else look.rebuild(card, head)
    if wanted is None:
        reason = "the card in our pull request asks to be left alone"
        return Plan(action="skipped", reason=reason, url=one.url, proposal=current)
    change = replace(wanted, model=current.model, parent=head, old=card)
    if change.new == card and not one.is_conflicting:
        return Plan(action="unchanged", url=one.url, proposal=change)
    if change.new == card:
        # It says what it should and still cannot be merged: its branch began too long ago.
        reason = "ours could not be merged any more and is replaced"
        return Plan(
            action="replace", reason=reason, url=one.url, number=one.number, proposal=current
        )
    reason = "made anew from the main branch, which had moved" if one.is_conflicting else ""
    return Plan(
        action="update",
        reason=reason,
        url=one.url,
        number=one.number,
        is_anew=one.is_conflicting,
        proposal=change,
    )


def _head_in(one: OurPullRequest, current: Proposal, look: Look) -> str:
    return head_of(
        current.model,
        api=look.api,
        ref=f"refs/pr/{one.number}",
        backoff=look.backoff,
        repo_type=current.repo_type,
    )


def _card_in(one: OurPullRequest, current: Proposal, look: Look) -> bytes:
    return _card_at(current, _head_in(one, current, look), look)


def _anew(current: Proposal, card: bytes, look: Look) -> Proposal:
    """Return the proposal for the main branch, with what only our pull request's card says."""
    return current if look.carry_over is None else look.carry_over(current, card)


def find_ours(
    proposal: Proposal, look: Look, *, known: Collection[int] = ()
) -> list[OurPullRequest]:
    """Return the pull requests on a repository that this account opened for hubbot, newest first.

    All statuses are asked for: what the Hub counts as closed is not known for certain.

    Args:
        proposal: Names the repository, and the title ours would have.
        look: How to look.
        known: Numbers that are looked at whether the Hub lists them or not.

    Raises:
        RemoteError: If the Hub cannot be asked; of kind ``disabled`` where discussions are off.
    """
    if look.account.is_anonymous:
        return []
    model, item = proposal.model, f"pull requests of {proposal.item}"
    listed = retrying(
        item,
        lambda: list(
            look.api.get_repo_discussions(
                model,
                author=look.account.name,
                discussion_type="pull_request",
                discussion_status="all",
                repo_type=proposal.repo_type,
            )
        ),
        backoff=look.backoff,
    )
    mine = {one.num for one in listed if one.is_pull_request and one.author == look.account.name}
    found = []
    for number in sorted(mine | set(known), reverse=True):
        details = read_discussion(model, number, look, repo_type=proposal.repo_type)
        if number in known or is_ours(details, look=look, title=proposal.title):
            found.append(_describe(details, look.account))
    return found


def read_discussion(
    model: str, number: int, look: Look, *, repo_type: RepoType = "model"
) -> DiscussionWithDetails:
    """Return a pull request with its comments.

    Args:
        model: Hub id.
        number: N of ``refs/pr/N``.
        look: How to look.
        repo_type: What ``model`` is the id of.

    Raises:
        RemoteError: If the Hub cannot be asked.
    """
    return retrying(
        f"pull request {number} of {model}",
        lambda: look.api.get_discussion_details(model, number, repo_type=repo_type),
        backoff=look.backoff,
    )


def is_ours(details: DiscussionWithDetails, *, look: Look, title: str) -> bool:
    """Return whether hubbot opened this pull request: the account may be a person's.

    The description carries the marker, now or before it was edited. Where a moderator hid it, the
    title decides.

    Args:
        details: A pull request, as the Hub describes it.
        look: Holds the marker.
        title: What hubbot calls its pull request on this repository.
    """
    if details.author != look.account.name:
        return False
    own = [
        event
        for event in details.events
        if isinstance(event, DiscussionComment) and event.author == look.account.name
    ]
    if own and any(look.marker in text for text in _versions(own[0])):
        return True
    titles = {details.title} | {
        event.old_title for event in details.events if isinstance(event, DiscussionTitleChange)
    }
    return (not own or own[0].hidden) and title in titles


def _versions(comment: DiscussionComment) -> list[str]:
    """Return the text of a comment now and before each edit."""
    history = comment._event.get("data", {}).get("history") or []
    return [
        comment.content,
        *(str(version.get("raw", "")) for version in history if isinstance(version, dict)),
    ]


def _describe(details: DiscussionWithDetails, account: Account) -> OurPullRequest:
    others = [
        event.content
        for event in details.events
        if isinstance(event, DiscussionComment)
        and not event.hidden
        and event.author != account.name
    ]
    return OurPullRequest(
        number=details.num,
        status=details.status,
        url=details.url,
        is_conflicting=bool(details.conflicting_files),
        is_unwanted=asks_to_stop(others),
        is_withdrawn=is_withdrawn(details, account),
    )


def is_withdrawn(details: DiscussionWithDetails, account: Account) -> bool:
    """Return whether we closed a pull request ourselves, to open another in its place.

    Args:
        details: A pull request, as the Hub describes it.
        account: Ours.
    """
    return details.status == "closed" and any(
        isinstance(event, DiscussionComment)
        and event.author == account.name
        and WITHDRAWN in event.content
        for event in details.events
    )
