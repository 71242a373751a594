"""Fine-tuning on the schedule: sensitivities kept up to date, gains for honest calibrations.

Both take hours at full size. Every finished fine-tuning stays in the ledger, so a pass whose budget
ends in the middle loses nothing, and the next one goes on from there.
"""

import dataclasses
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from hubbot.bot.measuring import GONE
from hubbot.bot.screening import UPPER_SHARE, draw
from hubbot.bot.workplace import Workplace
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.datasets import load_datasets
from hubbot.errors import (
    HubbotError,
    IntegrityError,
    ProbeError,
    RemoteError,
    SettingsError,
)
from hubbot.extras import missing_modules
from hubbot.measurement import Report
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.pass_rows import SensedRow

if TYPE_CHECKING:
    from hubbot.outcomes import Sensed

logger = logging.getLogger(__name__)

_NO_CARD = "the data were not read from the Hub, so that no card can name their revision"
_RECORDED = ("recorded", "published", "unpublished")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """A sensitivity that is to be measured."""

    target: str
    """Name in the catalog, or Hub id."""
    architecture: str
    """Name in the catalog."""
    model: str
    """The strong intermediate model."""
    revision: str
    """Its commit hash."""
    weights_digest: str
    """Of its weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A checkpoint whose gains are to be measured."""

    model: str
    """Hub id."""
    revision: str
    """Commit hash that was probed."""
    weights_digest: str
    """Of its weights."""


class BudgetSpent(Exception):  # noqa: N818 - an outcome
    """The budget ended between two fine-tunings."""


def measure_targets(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Measure sensitivities and gains that are due, within the budget.

    Args:
        work: Ledger, settings and budget.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If something is set up wrongly.
        RemoteError: If the token is refused.
    """
    bot = work.settings.bot
    if not bot.sensitivities_per_pass and not bot.evaluations_per_pass:
        return
    names = names_at_work(work, architectures)
    if not names:
        return
    if missing_modules("finetune"):
        work.note_problem("no target is measured: the finetune extra is not installed")
        return
    try:
        _sensitivities(work, names)
        _evaluations(work, names)
    except BudgetSpent as spent:
        work.events["stopped by the budget"] += 1
        logger.info("%s", spent)


def names_at_work(work: Workplace, architectures: tuple[str, ...]) -> list[str]:
    """Return the architectures of which a checkpoint is recorded.

    Args:
        work: Ledger.
        architectures: Names that are wanted; none named: all.
    """
    rows = work.ledger.checkpoints(states=_RECORDED)
    found = sorted({row.architecture for row in rows if row.architecture})
    return [name for name in found if not architectures or name in architectures]


def _sensitivities(work: Workplace, names: list[str]) -> None:
    for one in islice(due_sensitivities(work, names), work.settings.bot.sensitivities_per_pass):
        _check_budget(work)
        sense(work, one)


def due_sensitivities(work: Workplace, names: list[str]) -> Iterator[Sensitivity]:
    """Yield what is due: watched data sets first, then the quick ones, then the whole catalog.

    Due is what was never measured, was measured with another model than the one that is ranked
    first now, or could not be brought to its card yet.

    Args:
        work: Ledger and settings.
        names: Architectures.
    """
    quick = [spec.name for spec in targets_of(work.settings.bot.evaluate_targets)]
    catalog = [spec.name for spec in load_datasets() if spec.name != "mnli"]
    targets = list(dict.fromkeys((*work.settings.bot.watch, *quick, *catalog)))
    known = {(row.target, row.architecture): row for row in work.ledger.sensed()}
    tops = {name: _top(work, name) for name in names}
    for target in targets:
        for name in names:
            top = tops[name]
            found = known.get((target, name))
            if top is None or not _is_due(found, top, is_sending=work.is_sending):
                continue
            yield Sensitivity(
                target=target,
                architecture=name,
                model=top.model,
                revision=top.measured_revision,
                weights_digest=top.weights_digest,
            )


def _is_due(found: SensedRow | None, top: CheckpointRow, *, is_sending: bool) -> bool:
    if found is None or found.weights_digest != top.weights_digest:
        return True
    return is_sending and found.state in ("measured", "capped")


def _top(work: Workplace, architecture: str) -> CheckpointRow | None:
    """Return the top-ranked checkpoint of an architecture among those that were measured here.

    Where no gain is predicted at all, that is the one with the highest LP gain above 0.
    """
    from hubbot.candidates import candidates_of

    try:
        ranked = candidates_of(architecture, work.settings)
    except SettingsError as error:
        logger.info("%s", error)
        ranked = ()
    known = (work.ledger.find_checkpoint(one.model) for one in ranked)
    top = next((row for row in known if row is not None and row.state in _RECORDED), None)
    if top is not None:
        return top
    rows = work.ledger.checkpoints(states=_RECORDED, architectures=(architecture,))
    gaining = [row for row in rows if (row.lp_gain or 0.0) > 0]
    return max(gaining, key=lambda row: (row.lp_gain or 0.0, row.model), default=None)


def sense(work: Workplace, one: Sensitivity) -> None:
    """Measure one sensitivity, bring it to its card where that is allowed, and note it.

    Args:
        work: Ledger and settings.
        one: What is due.

    Raises:
        SettingsError: If something is set up wrongly.
        RemoteError: If the Hub refuses everything.
    """
    from hubbot.sensing import sensitivity

    bot = work.settings.bot
    state, reason, url, note = "measured", "", "", "{}"
    protocol = ""
    try:
        found = sensitivity(
            one.target,
            architecture=one.architecture,
            model=f"{one.model}@{one.revision}",
            seeds=bot.gain_seeds,
            sizes=(bot.gain_train,),
            epochs=bot.gain_epochs,
            settings=work.settings,
            report=counting(work),
        )
        protocol, reason = found.protocol, found.verdict
        note = json.dumps(dataclasses.asdict(found), default=str, allow_nan=False)
        state, said, url = _publish(work, found)
        reason = f"{reason}; {said}" if said else reason
        work.events[f"sensitivities {state}"] += 1
    except HubbotError as error:
        if isinstance(error, ProbeError) and not work.settings.finetune.trains:
            work.note_problem(f"{one.target}: {error}")
            return
        state = _state_of(error)
        reason = str(error)
        work.events[f"sensitivities {state}"] += 1
        logger.warning("%s: %s", one.target, error)
    work.ledger.note_sensed(
        SensedRow(
            target=one.target,
            architecture=one.architecture,
            weights_digest=one.weights_digest,
            model=one.model,
            protocol=protocol,
            state=state,
            reason=reason,
            note=note,
            url=url,
        )
    )


def _state_of(error: HubbotError) -> str:
    """Return what becomes of a target; what would fail everywhere is raised on.

    Raises:
        HubbotError: If it is no fault of the target or the checkpoint.
    """
    if isinstance(error, SettingsError):
        raise error
    if isinstance(error, RemoteError) and error.kind not in GONE:
        raise error
    return "refused" if isinstance(error, IntegrityError) else "failed"


def _publish(work: Workplace, found: "Sensed") -> tuple[str, str, str]:
    """Bring a sensitivity to the data-set card where that is allowed: state, reason and address."""
    from hubbot.bot.cards import account_of
    from hubbot.hub.accounts import is_stranger
    from hubbot.sensing import check_can_send, publish_sensed

    if not work.is_sending:
        card = publish_sensed(found, settings=work.settings, send=False)
        if card is None:
            return "unpublished", _NO_CARD, ""
        work.on_card(card)
        return "measured", card.action, ""
    if not (found.hub_id and found.data_revision):
        return "unpublished", _NO_CARD, ""
    owner = found.hub_id.rpartition("/")[0]
    if is_stranger(account_of(work), owner) and not work.settings.bot.strangers:
        return "unpublished", "the card is a stranger's (bot.strangers)", ""
    cap = work.why_not_open(owner)
    if cap is not None:
        return "capped", cap[1], ""
    settings = work.settings_with_opt_outs()
    try:
        alone = check_can_send(
            found.hub_id, model=None, columns=None, settings=settings, confirm=lambda _: True
        )
        card = alone or publish_sensed(found, settings=settings, send=True)
    except HubbotError as error:
        return "unpublished", str(error), ""
    if card is None:
        return "unpublished", _NO_CARD, ""
    work.on_card(card)
    work.events[f"data-set cards {card.action}"] += 1
    work.n_opened += card.action == "opened"
    if card.action in ("opened", "updated", "unchanged"):
        if card.url:
            work.ledger.note_pull_request("dataset", found.hub_id, card.url)
        return "published", card.reason, card.url or ""
    return "unpublished", card.reason, card.url or ""


def _evaluations(work: Workplace, names: list[str]) -> None:
    rows = [row for name in names for row in due_evaluations(work, name)]
    for row in rows[: work.settings.bot.evaluations_per_pass]:
        _check_budget(work)
        evaluate_one(work, evaluation_of(row))


def due_evaluations(work: Workplace, architecture: str) -> list[CheckpointRow]:
    """Return checkpoints without measured gains: the upper band and random others by turns.

    Calibrations would otherwise see the top alone. Whose turn it is hangs on how many were
    evaluated, and the draw on names, so that a pass which was killed goes on with the same one.

    Args:
        work: Ledger and settings.
        architecture: Name in the catalog.
    """
    rows = [
        row
        for row in work.ledger.checkpoints(states=_RECORDED, architectures=(architecture,))
        if row.lp_gain is not None and row.architecture == architecture
    ]
    rows.sort(key=lambda row: (-(row.lp_gain or 0.0), row.model))
    n_upper = max(1, round(UPPER_SHARE * len(rows)))
    tried = work.ledger.evaluated()
    done = {
        row.model
        for row in rows
        if (row.model, row.weights_digest) in tried or _has_gains(work, row)
    }
    upper = [row for row in rows[:n_upper] if row.model not in done]
    lower = [row for row in rows[n_upper:] if row.model not in done]
    lower.sort(key=lambda row: draw(row.model))
    parts = [lower, upper] if len(done) % 2 else [upper, lower]
    return [row for part in parts for row in part]


def _has_gains(work: Workplace, row: CheckpointRow) -> bool:
    from hubbot.bot.cards import path_of
    from hubbot.records.store import read_record

    try:
        return bool(read_record(path_of(row, work)).measured)
    except HubbotError:
        return False  # Measured anew, its record is written anew.


def evaluation_of(row: CheckpointRow) -> Evaluation:
    """Return the evaluation of a recorded checkpoint.

    Args:
        row: Of the ledger.
    """
    return Evaluation(
        model=row.model, revision=row.measured_revision, weights_digest=row.weights_digest
    )


def evaluate_one(work: Workplace, one: Evaluation) -> None:
    """Measure the gains of one checkpoint; they go into its score record.

    Args:
        work: Ledger and settings.
        one: What is due.

    Raises:
        SettingsError: If something is set up wrongly.
        RemoteError: If the Hub refuses everything.
    """
    from hubbot.evaluating import evaluate

    bot = work.settings.bot
    try:
        found = evaluate(
            f"{one.model}@{one.revision}",
            targets=bot.evaluate_targets,
            seeds=bot.gain_seeds,
            max_train=bot.gain_train,
            epochs=bot.gain_epochs,
            settings=work.settings,
            report=counting(work),
        )
    except HubbotError as error:
        if not (isinstance(error, ProbeError) and not work.settings.finetune.trains):
            work.ledger.note_evaluated(
                one.model, one.weights_digest, state=_state_of(error), reason=str(error)
            )
            work.events["evaluations failed"] += 1
        work.note_problem(f"{one.model}: no gains: {error}")
        return
    work.events["evaluations"] += 1
    for target, reason in found.failed.items():
        work.note_problem(f"{one.model} on {target}: {reason}")
    work.ledger.note_evaluated(
        one.model,
        one.weights_digest,
        state="measured",
        reason=f"{len(found.gains)} targets measured, {len(found.failed)} failed",
    )


def _check_budget(work: Workplace) -> None:
    if work.budget.minutes is not None and work.minutes_spent() >= work.budget.minutes:
        raise BudgetSpent(f"the budget of {work.budget.minutes:g} minutes is spent")


def counting(work: Workplace) -> Report:
    """Return a report that ends the work between two fine-tunings once the budget is spent.

    Args:
        work: Budget, and who is told.
    """
    last = ""

    def report(task: str, done: int, total: int) -> None:
        nonlocal last
        work.report(task, done, total)
        cell = task.partition(": ")[0]
        if cell != last and ", seed " in cell:
            if last:
                _check_budget(work)
            last = cell

    return report
