"""Sensitivities on their way to data-set cards: at once, or later from what the ledger holds.

Nothing is fine-tuned here. What the Hub cannot take now, or a cap holds back, waits in the ledger
and is sent by a later pass.
"""

import logging
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from hubbot.bot.cards import MOST_REPLACED, account_of
from hubbot.bot.target_errors import is_gone, raise_for_all
from hubbot.bot.targets_due import watched
from hubbot.bot.workplace import Workplace
from hubbot.errors import CardError, HubbotError, IntegrityError, SettingsError
from hubbot.outcomes import Sensed
from hubbot.records.pass_rows import SensedRow

if TYPE_CHECKING:
    from hubbot.hub.accounts import Account

logger = logging.getLogger(__name__)

_NO_CARD = "the data were not read from the Hub, so that no card can name their revision"
_WAITING = ("measured", "capped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a note on its way to a card."""

    state: str
    """As of a ``SensedRow``; ``measured`` where it is to be sent later."""
    reason: str = ""
    """Why, in a sentence; empty where the state says it."""
    url: str = ""
    """Its pull request; empty where there is none."""


def read_found(row: SensedRow) -> Sensed | None:
    """Return what was measured, as the ledger holds it; None where that cannot be read.

    Args:
        row: Of the ledger.
    """
    try:
        return _reader().validate_json(row.note)
    except ValidationError:
        return None


@cache
def _reader() -> TypeAdapter[Sensed]:
    return TypeAdapter(Sensed)


def send_waiting(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Send the notes that were measured and wait, and those whose pull request conflicts by now.

    Without ``is_sending`` nothing is done: what would be sent was shown when it was measured.

    Args:
        work: Ledger, settings and caps.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If something is set up wrongly for all cards.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    if not work.is_sending:
        return
    conflicts = {
        one.url for one in work.ledger.pull_requests(kind="dataset") if one.state == "conflict"
    }
    rows = [
        row
        for row in work.ledger.sensed()
        if (not architectures or row.architecture in architectures)
        and _is_to_be_sent(row, work, conflicts)
    ]
    first = watched(work.settings)
    # What is on a card in part comes first, then as sensitivities are measured.
    rows.sort(key=lambda row: (row.state != "published", row.target not in first))
    for row in rows:
        found = read_found(row)
        if found is None:
            logger.warning("%s: what the ledger holds of it cannot be read", row.target)
            continue
        sent = publish_found(work, found)
        note_sent(work, row, found, sent)


def _is_to_be_sent(row: SensedRow, work: Workplace, conflicts: set[str]) -> bool:
    if row.state == "published":
        return row.url in conflicts
    return row.state in _WAITING or (row.state == "stranger" and work.settings.bot.strangers)


def note_sent(work: Workplace, row: SensedRow, found: Sensed, sent: Sent) -> None:
    """Write what became of a note.

    Args:
        work: Ledger.
        row: As the ledger has it.
        found: What was measured.
        sent: From ``publish_found``.
    """
    # A note that is on a card, in a pull request that conflicts, is not to be lost sight of.
    keeps = row.state == "published" and sent.state in _WAITING
    work.ledger.note_sensed(
        replace(
            row,
            state=row.state if keeps else sent.state,
            reason=f"{found.verdict}; {sent.reason}" if sent.reason else found.verdict,
            url=sent.url,
            attempts=0,
        )
    )
    work.events[f"sensitivities {sent.state}"] += 1


def publish_found(work: Workplace, found: Sensed) -> Sent:
    """Bring a sensitivity to the data-set card where that is allowed; without ``is_sending`` show.

    Args:
        work: Ledger, settings and caps.
        found: What was measured.

    Raises:
        SettingsError: If something is set up wrongly for all cards.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    from hubbot.annotating import links_of
    from hubbot.sensing import publish_sensed

    if not work.is_sending:
        card = publish_sensed(found, settings=work.settings, send=False)
        if card is None:
            return Sent(state="unpublished", reason=_NO_CARD)
        work.on_card(card)
        return Sent(state="measured", reason=card.action)
    if not (found.hub_id and found.data_revision):
        return Sent(state="unpublished", reason=_NO_CARD)
    links_of(work.settings)  # an address that cannot stand on a card is not this card's fault
    try:
        account = account_of(work)
    except HubbotError as error:
        if getattr(error, "kind", "") not in ("server", "unreachable", "rate_limited"):
            raise
        return _not_now(work, found, error)
    try:
        sent = _propose(work, found, account)
    except (CardError, IntegrityError, SettingsError) as error:
        raise_for_all(work, error)
        return Sent(state="unpublished", reason=str(error))
    except HubbotError as error:
        if is_gone(error):
            return Sent(state="unpublished", reason=str(error))
        return _not_now(work, found, error)
    work.unreachable = 0
    return sent


def _not_now(work: Workplace, found: Sensed, error: HubbotError) -> Sent:
    """Leave a note for a later pass: it is the Hub that cannot take it now."""
    work.note_problem(f"{found.hub_id}: the sensitivity is not on its card yet: {error}")
    raise_for_all(work, error)
    return Sent(state="measured", reason=str(error))


def _why_not_open(work: Workplace, hub_id: str, owner: str) -> str | None:
    """Return why nothing may be opened at a data set; None where it may, or ours is open there.

    Many targets share one repository, whose one pull request is updated.
    """
    pulls = work.ledger.pull_requests(kind="dataset")
    states = [one.state for one in pulls if one.repository == hub_id]
    if "open" in states:
        return None
    is_replaced = "conflict" in states
    if is_replaced and states.count("withdrawn") >= MOST_REPLACED:
        return (
            f"our pull request conflicts, and {MOST_REPLACED} were replaced before; its owner can "
            "still merge it by hand"
        )
    cap = work.why_not_open(owner, n_replaced=int(is_replaced))
    return None if cap is None else cap[1]


def _propose(work: Workplace, found: Sensed, account: "Account") -> Sent:
    from hubbot.annotating_datasets import check_dataset_card
    from hubbot.hub.accounts import is_stranger
    from hubbot.sensing import publish_sensed

    ledger = work.ledger
    owner = found.hub_id.rpartition("/")[0]
    if is_stranger(account, owner) and not work.settings.bot.strangers:
        return Sent(state="stranger", reason="the card is a stranger's (bot.strangers)")
    cap = _why_not_open(work, found.hub_id, owner)
    if cap is not None:
        return Sent(state="capped", reason=cap)
    settings = work.settings_with_opt_outs()
    alone = check_dataset_card(found.hub_id, settings=settings, send=True, confirm=lambda _: True)
    card = alone or publish_sensed(found, settings=settings, send=True)
    if card is None:
        return Sent(state="unpublished", reason=_NO_CARD)
    work.on_card(card)
    work.events[f"data-set cards {card.action}"] += 1
    work.n_opened += card.action == "opened"
    if card.action not in ("opened", "updated", "unchanged"):
        return Sent(state="unpublished", reason=card.reason, url=card.url or "")
    if card.url:
        ledger.note_pull_request("dataset", found.hub_id, card.url)
        ledger.note_replaced("dataset", found.hub_id, but=card.url)
    return Sent(state="published", reason=card.reason, url=card.url or "")
