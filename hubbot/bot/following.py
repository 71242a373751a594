"""What became of our pull requests, and who asked in a comment to be left alone."""

import logging
from typing import TYPE_CHECKING

from hubbot.bot.cards import account_of
from hubbot.bot.workplace import Workplace
from hubbot.errors import RemoteError
from hubbot.measurement import hub_api
from hubbot.records.pass_rows import DAY_S, PullRequestRow
from hubbot.schema import RepoType

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account

logger = logging.getLogger(__name__)

LISTENING_DAYS = 14
"""Days for which the comments of a pull request that was closed or merged are still read."""

_SETTLED = ("closed", "merged", "unwanted")
_HOPELESS = {"unauthorised", "rate_limited", "unreachable"}


def follow_pull_requests(work: Workplace) -> None:
    """Find out what became of our pull requests on cards, and note it.

    One call each. A conflict has the change made anew by ``publish_records``; a comment that asks
    to stop puts the repository (or, said by the owner, all that is theirs) on the opt-out list,
    also for two weeks after the pull request was closed or merged. One that cannot be read keeps
    nobody else from being heard.

    Args:
        work: Ledger and settings.

    Raises:
        SettingsError: If the ledger cannot be written.
    """
    to_read = _to_read(work)
    if not to_read:
        return
    try:
        account = account_of(work)
    except RemoteError as error:
        work.note_problem(f"pull requests are not followed: {error}")
        return
    for one in to_read:
        try:
            _follow(one, work, account)
        except RemoteError as error:
            if error.kind in _HOPELESS:
                work.note_problem(f"pull requests are not followed any further: {error}")
                return
            work.note_problem(f"{one.url} cannot be followed now: {error}")


def _to_read(work: Workplace) -> list[PullRequestRow]:
    rows = [one for one in work.ledger.pull_requests() if one.kind != "github"]
    heard_since = work.ledger.now() - LISTENING_DAYS * DAY_S
    settled = [one for one in rows if one.state in _SETTLED and one.changed > heard_since]
    return [one for one in rows if one.state in ("open", "conflict")] + settled


def _follow(one: PullRequestRow, work: Workplace, account: "Account") -> None:
    from hubbot.hub.life_cycle import look_at_pull_request

    repo_type: RepoType = "dataset" if one.kind == "dataset" else "model"
    now = look_at_pull_request(
        one.repository,
        one.url,
        api=hub_api(work.settings),
        account=account,
        repo_type=repo_type,
    )
    if now.stopped_by:
        is_owner = now.stopped_by.casefold() == one.owner.casefold()
        name = one.owner if is_owner else one.repository
        if name not in work.ledger.opt_outs():
            work.ledger.add_opt_out(name, f"{now.stopped_by} said so on {one.url}")
            work.events["opt-outs"] += 1
    state = "unwanted" if now.stopped_by and now.standing != "merged" else now.standing
    if state != one.state:
        work.events[f"pull requests found {state}"] += 1
    work.ledger.note_pull_request(one.kind, one.repository, one.url, state=state)
    if one.kind == "model" and one.state not in _SETTLED:
        _after(one, state, work)


def _after(one: PullRequestRow, state: str, work: Workplace) -> None:
    row = work.ledger.find_checkpoint(one.repository)
    if row is None or row.state not in ("published", "recorded"):
        return
    if state == "conflict" and row.state == "published":
        work.ledger.note_checkpoint(
            row.model, "recorded", code="conflict", reason="its pull request conflicts"
        )
    elif state in ("closed", "unwanted", "gone"):
        reasons = {
            "closed": "its pull request was closed, so it is not repeated",
            "unwanted": "a comment on its pull request asks to be left alone",
            "gone": "its pull request or repository is gone",
        }
        work.ledger.note_checkpoint(row.model, "unpublished", code=state, reason=reasons[state])
