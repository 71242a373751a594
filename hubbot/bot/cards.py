"""Cards in a pass: what was recorded is proposed, within the caps.

Every step may be killed and run again: the Hub is asked what is there before anything is written.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubbot.annotating import links_of
from hubbot.bot.workplace import Workplace
from hubbot.errors import CardError, HubbotError, IntegrityError, RemoteError, SettingsError
from hubbot.measurement import hub_api
from hubbot.records.checkpoint_rows import CheckpointRow, State
from hubbot.schema import Annotation

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account

logger = logging.getLogger(__name__)

FORGOTTEN = {"measured_revision": "", "weights_digest": ""}
"""Columns of a checkpoint that has to be measured again."""

MOST_REPLACED = 2
"""Pull requests at one repository that are closed in favour of another because its card moved."""

MOST_SERVER_ERRORS = 3
"""Cards in a row at which the Hub answers with an error of its own, after which the rest waits."""

_WRITTEN = {"opened", "updated", "unchanged"}


def publish_records(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Bring every recorded checkpoint to its card, the most valuable first.

    Own repositories get a pull request; strangers' only where ``bot.strangers`` is on. Without
    ``is_sending`` the change is worked out, what would keep it back is told, and nothing is
    written. It ends early where the Hub would refuse every other card as well; the rest waits.

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
    publishing = _Publishing(work, account)
    for row in rows:
        if publishing.is_waiting_still(row):
            continue
        if not work.ledger.claim_checkpoint(row.model):
            work.events["left to another process"] += 1
            continue
        try:
            publishing.take(row)
        except _HubIsDownError as error:
            work.note_problem(f"the other cards wait for the next pass: {error}")
            return
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


class _HubIsDownError(Exception):
    """The Hub refused in a way that every other card would meet as well."""


class _Publishing:
    """The cards of one pass, and what was found out about the caps on the way."""

    def __init__(self, work: Workplace, account: "Account") -> None:
        self._work, self._account = work, account
        self._pulls: dict[str, list[str]] = {}
        for one in work.ledger.pull_requests(kind="model"):
            self._pulls.setdefault(one.repository, []).append(one.state)
        self._is_full = ""
        self._full_owners: set[str] = set()
        self._n_down = 0

    def is_waiting_still(self, row: CheckpointRow) -> bool:
        """Return whether a cap that was met in this pass keeps back what it kept back before."""
        if not self._work.is_sending or not row.code or self._has_open(row.model):
            return False
        is_full = row.code == self._is_full
        return is_full or (row.code == "cap-owner" and owner_of(row.model) in self._full_owners)

    def take(self, row: CheckpointRow) -> None:
        """Bring one checkpoint to its card, or note why not.

        Raises:
            _HubIsDownError: If the others would not fare better.
        """
        work = self._work
        if not path_of(row, work).exists():
            _measure_again(
                work, row, "record-gone", "its score record is gone, so it is measured again"
            )
            return
        why = self._why_not(row)
        if why is not None and work.is_sending:
            state: State = "recorded" if why[0].startswith("cap-") else "unpublished"
            work.ledger.note_checkpoint(row.model, state, code=why[0], reason=why[1])
            return
        done = self._annotate(row)
        if done is None:
            return
        if why is not None and done.action in ("would-open", "would-update"):
            done = replace(done, action="skipped", reason=f"would be kept back: {why[1]}")
            work.events[f"would be kept back: {why[0]}"] += 1
            work.on_card(done)
            return
        work.on_card(done)
        self._note_done(row, done)

    def _why_not(self, row: CheckpointRow) -> tuple[str, str] | None:
        """Return why a card is not to be touched now, as (code, sentence)."""
        from hubbot.hub.accounts import is_stranger

        work, owner = self._work, owner_of(row.model)
        if is_stranger(self._account, owner) and not work.settings.bot.strangers:
            who = f"{self._account.name}'s own" if self._account.name else "known to be one's own"
            return "stranger", f"it is not {who}, and strangers are left alone (bot.strangers)"
        states = self._pulls.get(row.model, [])
        if "open" in states:
            return None
        is_replaced = "conflict" in states
        if is_replaced and states.count("withdrawn") >= MOST_REPLACED:
            return (
                "conflict",
                f"its pull request conflicts, and {MOST_REPLACED} were replaced before; its owner "
                "can still merge it by hand",
            )
        cap = work.why_not_open(owner, n_replaced=int(is_replaced))
        if cap is not None and cap[0] == "cap-owner":
            self._full_owners.add(owner)
        elif cap is not None:
            self._is_full = cap[0]
        return cap

    def _has_open(self, model: str) -> bool:
        return not {"open", "conflict"}.isdisjoint(self._pulls.get(model, []))

    def _annotate(self, row: CheckpointRow) -> Annotation | None:
        """Propose a record to its card; None where that cannot be done, which is noted."""
        from hubbot.pipeline import annotate

        work = self._work
        try:
            done = annotate(
                row.model,
                record=path_of(row, work),
                send=work.is_sending,
                confirm=lambda question: True,
                settings=work.settings_with_opt_outs(),
            )
        except IntegrityError as error:
            # It moved on since it was measured: the next pass measures it as it is now.
            _measure_again(work, row, error.check, str(error))
        except CardError as error:
            _leave(work, row, "card", str(error))
        except SettingsError as error:
            # Settings that are wrong for all were found out before: this is about the one record,
            # such as one whose model has another name, under which its weights are to be measured.
            _leave(work, row, "record", str(error), **FORGOTTEN)
        except RemoteError as error:
            self._refused(row, error)
        except HubbotError as error:
            _keep_for_later(work, row, error)
        else:
            self._n_down = 0
            return done
        return None

    def _refused(self, row: CheckpointRow, error: RemoteError) -> None:
        """Tell what is about this repository from what is about all.

        Raises:
            _HubIsDownError: If it is about all.
        """
        work = self._work
        if error.kind in ("not_found", "gated", "disabled"):
            _leave(work, row, error.kind.replace("_", "-"), str(error))
            return
        if error.kind == "forbidden" and row.attempts + 1 >= work.settings.bot.max_attempts:
            # An owner who blocked us said no in the clearest way there is.
            _leave(work, row, "forbidden", str(error))
            return
        _keep_for_later(work, row, error, attempts=row.attempts + (error.kind == "forbidden"))
        self._n_down += error.kind == "server"
        is_down = error.kind in ("unauthorised", "rate_limited", "unreachable")
        if is_down or self._n_down >= MOST_SERVER_ERRORS:
            raise _HubIsDownError(str(error)) from error

    def _note_done(self, row: CheckpointRow, done: Annotation) -> None:
        work, url = self._work, done.url or ""
        ledger = work.ledger
        work.events[done.action] += 1
        ledger.note_card(row.model, action=done.action, url=url)
        if done.action in ("would-open", "would-update"):
            work.would_open[owner_of(row.model)] += done.action == "would-open"
            return
        if done.action not in _WRITTEN:
            ledger.note_checkpoint(
                row.model, "unpublished", code="left-alone", reason=done.reason, attempts=0
            )
            return
        code = row.code if row.code == "moved" else ""
        ledger.note_checkpoint(row.model, "published", code=code, reason=done.reason, attempts=0)
        if url:
            ledger.note_pull_request("model", row.model, url)
            ledger.note_replaced("model", row.model, but=url)
        work.n_opened += done.action == "opened"


def _measure_again(work: Workplace, row: CheckpointRow, code: str, reason: str) -> None:
    work.ledger.note_checkpoint(
        row.model, "seen", code=code, reason=reason, attempts=0, **FORGOTTEN
    )


def _leave(work: Workplace, row: CheckpointRow, code: str, reason: str, **changes: str) -> None:
    work.ledger.note_checkpoint(row.model, "unpublished", code=code, reason=reason, **changes)
    logger.warning("%s: %s", row.model, reason)


def _keep_for_later(
    work: Workplace, row: CheckpointRow, error: HubbotError, *, attempts: int | None = None
) -> None:
    """Leave a record for the next pass: it is the Hub that cannot take it now."""
    tried = row.attempts if attempts is None else attempts
    work.ledger.note_checkpoint(
        row.model, "recorded", code="not-sent", reason=str(error), attempts=tried
    )
    work.note_problem(f"{row.model} is not on its card yet: {error}")


def owner_of(model: str) -> str:
    """Return the namespace of a repository; empty for the oldest ones, which have none."""
    return model.rpartition("/")[0]


def path_of(row: CheckpointRow, work: Workplace) -> Path:
    """Return the file of a checkpoint's score record."""
    from hubbot.records.store import record_file

    return record_file(work.settings.records_dir, row.architecture, row.model)
