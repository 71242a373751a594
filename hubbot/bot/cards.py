"""Cards in a pass: what was recorded is proposed, within the caps; what was proposed is followed.

Every step may be killed and run again: the Hub is asked what is there before anything is written.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.annotating import links_of
from hubbot.bot.workplace import Workplace
from hubbot.errors import CardError, HubbotError, IntegrityError, RemoteError, SettingsError
from hubbot.measurement import hub_api
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.pass_rows import PullRequestRow
from hubbot.schema import Annotation, RepoType

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account
    from hubbot.records.record import Record

logger = logging.getLogger(__name__)

FORGOTTEN = {"measured_revision": "", "weights_digest": ""}
"""Columns of a checkpoint that has to be measured again."""

_WRITTEN = {"opened", "updated", "unchanged"}


def publish_records(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Bring every recorded checkpoint to its card, the most valuable first.

    Own repositories get a pull request; strangers' only where ``bot.strangers`` is on. Without
    ``is_sending`` the change is worked out and nothing is written.

    Args:
        work: Ledger, settings and caps.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If nobody is named who runs the bot, though strangers would be asked.
        RemoteError: If there is no token that may write.
    """
    rows = _to_publish(work, architectures)
    if not rows:
        return
    account = account_of(work)
    links_of(work.settings)  # refuses addresses that cannot stand on a card, before any is asked
    for row in rows:
        if not work.ledger.claim_checkpoint(row.model):
            work.events["left to another process"] += 1
            continue
        try:
            _publish(row, work, account)
        finally:
            work.ledger.release_checkpoint(row.model)


def _to_publish(work: Workplace, architectures: tuple[str, ...]) -> list[CheckpointRow]:
    rows = work.ledger.checkpoints(states=("recorded", "unpublished"), architectures=architectures)
    # Strangers who were left alone are asked once the maintainer allows it.
    codes = ("stranger",) if work.settings.bot.strangers else ()
    return [row for row in rows if row.state == "recorded" or row.code in codes]


def account_of(work: Workplace) -> "Account":
    """Return the account that writes.

    Raises:
        SettingsError: If nobody is named who runs the bot, though strangers would be asked.
        RemoteError: If there is no token that may write.
    """
    from hubbot.hub.accounts import check_may_write, who_am_i

    account = who_am_i(hub_api(work.settings, is_writing=True))
    if work.is_sending:
        check_may_write(account, "cards")
        bot = work.settings.bot
        if bot.strangers and not (bot.operator and bot.contact):
            raise SettingsError(
                "bot.strangers is on: pull requests to strangers say who runs the bot and where "
                "to complain; set operator and contact under [bot] in hubbot.toml"
            )
    return account


def _publish(row: CheckpointRow, work: Workplace, account: "Account") -> None:
    from hubbot.hub.accounts import is_stranger

    owner = row.model.rpartition("/")[0]
    if not path_of(row, work).exists():
        work.ledger.note_checkpoint(
            row.model,
            "seen",
            code="record-gone",
            reason="its score record is gone, so it is measured again",
            **FORGOTTEN,
        )
        return
    # A dry run is one for all; a stranger who was not to be asked gets one, too.
    is_sending = work.is_sending
    if is_sending and is_stranger(account, owner) and not work.settings.bot.strangers:
        work.ledger.note_checkpoint(
            row.model,
            "unpublished",
            code="stranger",
            reason=f"it is not {account.name}'s own, and strangers are left alone (bot.strangers)",
        )
        return
    if is_sending and not work.ledger.has_open_pull_request(row.model):
        cap = work.why_not_open(owner)
        if cap is not None:
            work.ledger.note_checkpoint(row.model, "recorded", code=cap[0], reason=cap[1])
            return
    done = _annotate(row, work, is_sending=is_sending)
    if done is not None:
        work.on_card(done)
        _note_done(work, row, done.action, done.reason, done.url or "")


def _annotate(row: CheckpointRow, work: Workplace, *, is_sending: bool) -> Annotation | None:
    """Propose a record to its card; None where that cannot be done, which is noted."""
    from hubbot.pipeline import annotate

    try:
        return annotate(
            row.model,
            record=path_of(row, work),
            send=is_sending,
            confirm=lambda question: True,
            settings=work.settings_with_opt_outs(),
        )
    except IntegrityError as error:
        # It moved on since it was measured: the next pass measures it as it is now.
        work.ledger.note_checkpoint(
            row.model, "seen", code=error.check, reason=str(error), **FORGOTTEN
        )
    except CardError as error:
        _leave(work, row, "card", str(error))
    except SettingsError as error:
        # Settings that are wrong for all were found out before: this is about the one record, such
        # as one whose model has another name by now, under which its weights are to be measured.
        _leave(work, row, "record", str(error), **FORGOTTEN)
    except RemoteError as error:
        if error.kind in ("not_found", "gated", "disabled"):
            _leave(work, row, error.kind.replace("_", "-"), str(error))
        else:
            _keep_for_later(work, row, error)
    except HubbotError as error:
        _keep_for_later(work, row, error)
    return None


def _note_done(work: Workplace, row: CheckpointRow, action: str, reason: str, url: str) -> None:
    ledger = work.ledger
    if action in ("would-open", "would-update"):
        work.events[action] += 1
        ledger.note_card(row.model, action=action, url=url)
        return
    if action in _WRITTEN:
        ledger.note_checkpoint(
            row.model, "published", code=row.code if row.code == "moved" else "", reason=reason
        )
        if url:
            ledger.note_pull_request("model", row.model, url)
            ledger.note_replaced("model", row.model, but=url)
    else:
        ledger.note_checkpoint(row.model, "unpublished", code="left-alone", reason=reason)
    ledger.note_card(row.model, action=action, url=url)
    work.events[action] += 1
    work.n_opened += action == "opened"


def _leave(work: Workplace, row: CheckpointRow, code: str, reason: str, **changes: str) -> None:
    work.ledger.note_checkpoint(row.model, "unpublished", code=code, reason=reason, **changes)
    logger.warning("%s: %s", row.model, reason)


def _keep_for_later(work: Workplace, row: CheckpointRow, error: HubbotError) -> None:
    """Leave a record for the next pass: it is the Hub that cannot take it now."""
    work.ledger.note_checkpoint(row.model, "recorded", code="not-sent", reason=str(error))
    work.note_problem(f"{row.model} is not on its card yet: {error}")


def path_of(row: CheckpointRow, work: Workplace) -> Path:
    """Return the file of a checkpoint's score record."""
    from hubbot.records.store import record_file

    return record_file(work.settings.records_dir, row.architecture, row.model)


def follow_pull_requests(work: Workplace) -> None:
    """Find out what became of our open pull requests, and note it.

    One call each. A conflict has the change made anew by ``publish_records``; a comment that asks
    to stop puts the repository (or, said by the owner, all that is theirs) on the opt-out list.

    Args:
        work: Ledger and settings.

    Raises:
        SettingsError: If the ledger cannot be written.
    """
    waiting = [
        one
        for one in work.ledger.pull_requests()
        if one.kind != "github" and one.state in ("open", "conflict")
    ]
    if not waiting:
        return
    try:
        account = account_of(work)
        for one in waiting:
            _follow(one, work, account)
    except RemoteError as error:
        work.note_problem(f"pull requests are not followed any further: {error}")


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
        name = one.owner if now.stopped_by == one.owner else one.repository
        work.ledger.add_opt_out(name, f"{now.stopped_by} said so on {one.url}")
        work.events["opt-outs"] += 1
    state = "unwanted" if now.stopped_by and now.standing != "merged" else now.standing
    if state != one.state:
        work.events[f"pull requests found {state}"] += 1
    work.ledger.note_pull_request(one.kind, one.repository, one.url, state=state)
    if one.kind == "model":
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


def find_moved(work: Workplace) -> None:
    """Find published checkpoints whose predicted gain moved since, and have them corrected once.

    A new calibration moves predictions without a new probe. Each is corrected once at a revision:
    what moves to and fro is no news.

    Args:
        work: Ledger, settings and tolerance.

    Raises:
        SettingsError: If a record cannot be written.
    """
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.from_probe import predicted_anew
    from hubbot.records.store import read_record, write_record

    calibrations = load_calibrations(work.settings.calibrations_file)
    tolerance = work.settings.bot.tolerance_points
    for row in list(work.ledger.checkpoints(states=("published",))):
        if row.code == "moved":
            continue
        try:
            record = read_record(path_of(row, work))
        except HubbotError as error:
            work.note_problem(f"{row.model}: {error}")
            continue
        anew = predicted_anew(record, calibrations)
        if _is_same(record, anew, tolerance):
            continue
        write_record(anew, work.settings.records_dir)
        work.ledger.note_checkpoint(
            row.model, "recorded", code="moved", reason="its predicted gain moved"
        )
        work.events["corrections"] += 1


def _is_same(record: "Record", anew: "Record", tolerance: float) -> bool:
    old, new = record.predicted_gain, anew.predicted_gain
    if old is None or new is None:
        return (old is None) == (new is None)
    return abs(old - new) <= tolerance
