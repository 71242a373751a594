"""Fine-tuning on the schedule: sensitivities kept up to date, gains for honest calibrations.

Both take hours at full size. Every finished fine-tuning stays in the ledger, so a pass whose budget
ends in the middle loses nothing, and the next one goes on from there.
"""

import dataclasses
import json
import logging
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hubbot.bot.measuring import GONE
from hubbot.bot.screening import UPPER_SHARE
from hubbot.bot.workplace import Workplace
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.datasets import load_datasets
from hubbot.errors import HubbotError, IntegrityError, RemoteError, SettingsError
from hubbot.extras import missing_modules
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.pass_rows import SensedRow

if TYPE_CHECKING:
    from hubbot.outcomes import Sensed

logger = logging.getLogger(__name__)

_RECORDED = ("recorded", "published", "unpublished")


class _Spent(Exception):  # noqa: N818 - an outcome
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
    names = [name for name in _at_work(work) if not architectures or name in architectures]
    if not names:
        return
    if missing_modules("finetune"):
        work.note_problem("no target is measured: the finetune extra is not installed")
        return
    try:
        _sensitivities(work, names)
        _evaluations(work, names)
    except _Spent as spent:
        work.events["stopped by the budget"] += 1
        logger.info("%s", spent)


def _at_work(work: Workplace) -> list[str]:
    """Return the architectures of which a checkpoint is recorded."""
    rows = work.ledger.checkpoints(states=_RECORDED)
    return sorted({row.architecture for row in rows if row.architecture})


def _sensitivities(work: Workplace, names: list[str]) -> None:
    left = work.settings.bot.sensitivities_per_pass
    for target, architecture, model in _due(work, names):
        if left <= 0:
            return
        _check_budget(work)
        left -= 1
        _sense(work, target, architecture, model)


def _due(work: Workplace, names: list[str]) -> Iterator[tuple[str, str, CheckpointRow]]:
    """Yield what is due: watched data sets first, then the quick ones, then the whole catalog."""
    quick = [spec.name for spec in targets_of(work.settings.bot.evaluate_targets)]
    catalog = [spec.name for spec in load_datasets() if spec.name != "mnli"]
    targets = list(dict.fromkeys((*work.settings.bot.watch, *quick, *catalog)))
    known = {(row.target, row.architecture): row for row in work.ledger.sensed()}
    tops = {name: _top(work, name) for name in names}
    for target in targets:
        for name in names:
            top = tops[name]
            found = known.get((target, name))
            if top is None or (found is not None and found.weights_digest == top.weights_digest):
                continue
            yield target, name, top


def _top(work: Workplace, architecture: str) -> CheckpointRow | None:
    """Return the top-ranked checkpoint of an architecture among those that were measured here."""
    from hubbot.candidates import candidates_of

    try:
        ranked = candidates_of(architecture, work.settings)
    except SettingsError as error:
        logger.info("%s", error)
        return None
    rows = (work.ledger.find_checkpoint(one.model) for one in ranked)
    return next((row for row in rows if row is not None and row.state in _RECORDED), None)


def _sense(work: Workplace, target: str, architecture: str, top: CheckpointRow) -> None:
    from hubbot.sensing import sensitivity

    bot = work.settings.bot
    state, reason, url, note = "measured", "", "", "{}"
    protocol = ""
    try:
        found = sensitivity(
            target,
            architecture=architecture,
            model=f"{top.model}@{top.measured_revision}",
            seeds=bot.gain_seeds,
            sizes=(bot.gain_train,),
            epochs=bot.gain_epochs,
            settings=work.settings,
            report=_counting(work),
        )
        protocol, reason = found.protocol, found.verdict
        note = json.dumps(dataclasses.asdict(found), default=str, allow_nan=False)
        state, said, url = _publish(work, found)
        reason = f"{reason}; {said}" if said else reason
        work.events[f"sensitivities {state}"] += 1
    except HubbotError as error:
        state = _state_of(error)
        reason = str(error)
        work.events[f"sensitivities {state}"] += 1
        logger.warning("%s: %s", target, error)
    work.ledger.note_sensed(
        SensedRow(
            target=target,
            architecture=architecture,
            weights_digest=top.weights_digest,
            model=top.model,
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

    if not found.hub_id or not work.is_sending:
        card = publish_sensed(found, settings=work.settings, send=False)
        return "measured", "" if card is None else card.action, ""
    owner = found.hub_id.rpartition("/")[0]
    if is_stranger(account_of(work), owner) and not work.settings.bot.strangers:
        return "unpublished", "the card is a stranger's (bot.strangers)", ""
    cap = work.why_not_open(owner)
    if cap is not None:
        return "unpublished", cap[1], ""
    settings = work.settings_with_opt_outs()
    try:
        alone = check_can_send(
            found.hub_id, model=None, columns=None, settings=settings, confirm=lambda _: True
        )
        card = alone or publish_sensed(found, settings=settings, send=True)
    except HubbotError as error:
        return "unpublished", str(error), ""
    if card is None:
        return "unpublished", "the data were not read from the Hub", ""
    work.events[f"data-set cards {card.action}"] += 1
    work.n_opened += card.action == "opened"
    if card.action in ("opened", "updated", "unchanged"):
        if card.url:
            work.ledger.note_pull_request("dataset", found.hub_id, card.url)
        return "published", card.reason, card.url or ""
    return "unpublished", card.reason, card.url or ""


def _evaluations(work: Workplace, names: list[str]) -> None:
    left = work.settings.bot.evaluations_per_pass
    for name in names:
        for row in _to_evaluate(work, name):
            if left <= 0:
                return
            _check_budget(work)
            left -= 1
            _evaluate(work, row)


def _to_evaluate(work: Workplace, architecture: str) -> list[CheckpointRow]:
    """Return checkpoints without measured gains: the upper band and random others by turns.

    Calibrations would otherwise see the top alone. The draw hangs on the pass's number, so that a
    pass which was killed and the next draw from the same rest.
    """
    rows = [
        row
        for row in work.ledger.checkpoints(states=_RECORDED, architectures=(architecture,))
        if row.lp_gain is not None and not _has_gains(work, row)
    ]
    rows.sort(key=lambda row: (-(row.lp_gain or 0.0), row.model))
    n_upper = max(1, round(UPPER_SHARE * len(rows)))
    upper, lower = rows[:n_upper], rows[n_upper:]
    random.Random(architecture).shuffle(lower)  # noqa: S311 - a sample, no secret
    turns = [upper, lower] if work.number % 2 else [lower, upper]
    return [row for part in turns for row in part]


def _has_gains(work: Workplace, row: CheckpointRow) -> bool:
    from hubbot.bot.cards import path_of
    from hubbot.records.store import read_record

    try:
        return bool(read_record(path_of(row, work)).measured)
    except HubbotError:
        return False  # Measured anew, its record is written anew.


def _evaluate(work: Workplace, row: CheckpointRow) -> None:
    from hubbot.evaluating import evaluate

    bot = work.settings.bot
    try:
        found = evaluate(
            f"{row.model}@{row.measured_revision}",
            targets=bot.evaluate_targets,
            seeds=bot.gain_seeds,
            max_train=bot.gain_train,
            epochs=bot.gain_epochs,
            settings=work.settings,
            report=_counting(work),
        )
    except HubbotError as error:
        _state_of(error)
        work.events["evaluations failed"] += 1
        work.note_problem(f"{row.model}: no gains: {error}")
        return
    work.events["evaluations"] += 1
    for target, reason in found.failed.items():
        work.note_problem(f"{row.model} on {target}: {reason}")


def _check_budget(work: Workplace) -> None:
    if work.budget.minutes is not None and work.minutes_spent() >= work.budget.minutes:
        raise _Spent(f"the budget of {work.budget.minutes:g} minutes is spent")


def _counting(work: Workplace) -> Any:
    """Return a report that ends the work between two fine-tunings once the budget is spent."""
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
