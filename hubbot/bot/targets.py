"""Fine-tuning on the schedule: sensitivities kept up to date, gains for honest calibrations.

Both take hours at full size. Every finished fine-tuning stays in the ledger, so a pass whose budget
ends in the middle loses nothing, and the next one goes on from there. ``targets_due.py`` says what
is due, ``targets_sending.py`` brings sensitivities to cards.
"""

import dataclasses
import json
import logging
from itertools import islice
from typing import TYPE_CHECKING

from hubbot.bot.evaluations_due import (
    Evaluation,
    due_evaluations,
    evaluation_of,
    is_evaluated,
)
from hubbot.bot.target_errors import (
    BudgetSpent,
    attempts_after,
    known_errors,
    raise_for_all,
    state_after,
)
from hubbot.bot.targets_due import (
    Sensitivity,
    due_sensitivities,
    is_sensed,
    minutes_for_checkpoints,
    names_at_work,
    unusable_settings,
    watched,
)
from hubbot.bot.targets_sending import Sent, note_sent, publish_found, send_waiting
from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError, ProbeError
from hubbot.extras import missing_modules
from hubbot.measurement import Report
from hubbot.records.pass_rows import SensedRow

if TYPE_CHECKING:
    from hubbot.outcomes import Evaluation as Gains

__all__ = [
    "BudgetSpent",
    "Evaluation",
    "Sensitivity",
    "Sent",
    "counting",
    "due_evaluations",
    "due_sensitivities",
    "evaluate_one",
    "evaluation_of",
    "is_evaluated",
    "is_sensed",
    "measure_targets",
    "minutes_for_checkpoints",
    "names_at_work",
    "send_waiting",
    "sense",
]

logger = logging.getLogger(__name__)


def measure_targets(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Measure sensitivities and gains that are due, within the budget; then send what waits.

    Args:
        work: Ledger, settings and budget.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If something is set up wrongly for all, or a disk is full.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    bot = work.settings.bot
    if bot.sensitivities_per_pass or bot.evaluations_per_pass:
        tell_of_settings(work)
        _measure(work, architectures)
    send_waiting(work, architectures)


def tell_of_settings(work: Workplace) -> None:
    """Tell of targets in the settings that cannot be measured, in every pass: nobody else would.

    Args:
        work: Ledger and settings.
    """
    for setting, why in unusable_settings(work.settings).items():
        work.note_problem(f"{setting}: {why}")
    names = watched(work.settings)
    for row in work.ledger.sensed():
        if row.target in names and row.state == "failed":
            work.note_problem(f"bot.watch, {row.target} with {row.architecture}: {row.reason}")


def _measure(work: Workplace, architectures: tuple[str, ...]) -> None:
    names = names_at_work(work, architectures)
    if not names:
        return
    if missing_modules("finetune"):
        work.note_problem("no target is measured: the finetune extra is not installed")
        return
    steps = [_sensitivities, _evaluations]
    try:
        # By turns: one that takes longer than a pass would keep the other from ever beginning.
        for step in steps if work.number % 2 else reversed(steps):
            step(work, names)
    except BudgetSpent as spent:
        work.events["stopped by the budget"] += 1
        logger.info("%s", spent)


def _sensitivities(work: Workplace, names: list[str]) -> None:
    due = islice(due_sensitivities(work, names), work.settings.bot.sensitivities_per_pass)
    for one in list(due):
        _check_budget(work)
        sense(work, one)


def _evaluations(work: Workplace, names: list[str]) -> None:
    due = islice(due_evaluations(work, names), work.settings.bot.evaluations_per_pass)
    for one in list(due):
        _check_budget(work)
        evaluate_one(work, one)


def sense(work: Workplace, one: Sensitivity) -> None:
    """Measure one sensitivity, bring it to its card where that is allowed, and note it.

    Args:
        work: Ledger and settings.
        one: What is due.

    Raises:
        SettingsError: If a disk is full, or the ledger cannot be written.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    from hubbot.sensing import sensitivity

    bot = work.settings.bot
    row = SensedRow(
        target=one.target,
        architecture=one.architecture,
        weights_digest=one.weights_digest,
        model=one.model,
        protocol="",
        state="measured",
        reason="",
        note="{}",
        url="",
    )
    try:
        with known_errors(one.target):
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
    except HubbotError as error:
        work.note_problem(f"{one.target} with {one.architecture}: no sensitivity: {error}")
        if _is_missing_cell(work, error):
            return
        state, used = state_after(error), attempts_after(work, error)
        work.ledger.note_sensed(
            dataclasses.replace(row, state=state, reason=str(error), attempts=used)
        )
        work.events[f"sensitivities {state}"] += 1
        raise_for_all(work, error)
        return
    work.unreachable = 0
    note = json.dumps(dataclasses.asdict(found), default=str, allow_nan=False)
    row = dataclasses.replace(row, protocol=found.protocol, reason=found.verdict, note=note)
    work.ledger.note_sensed(row)  # Should sending end the pass, it is known all the same.
    note_sent(work, row, found, publish_found(work, found))


def _is_missing_cell(work: Workplace, error: HubbotError) -> bool:
    """Return whether a fine-tuning is merely not there yet, where none is begun."""
    return isinstance(error, ProbeError) and not work.settings.finetune.trains


def evaluate_one(work: Workplace, one: Evaluation) -> None:
    """Measure the gains of one checkpoint; they go into its score record.

    Where a target may be measured another time, the checkpoint stays due, until its attempts are
    used up.

    Args:
        work: Ledger and settings.
        one: What is due.

    Raises:
        SettingsError: If a disk is full, or the ledger cannot be written.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    from hubbot.evaluating import evaluate

    bot, ledger = work.settings.bot, work.ledger
    try:
        with known_errors(one.model):
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
        work.note_problem(f"{one.model}: no gains: {error}")
        if _is_missing_cell(work, error):
            return
        state, used = state_after(error), attempts_after(work, error)
        ledger.note_evaluated(
            one.model, one.weights_digest, state=state, reason=str(error), attempts=used
        )
        work.events["evaluations failed"] += 1
        raise_for_all(work, error)
        return
    work.unreachable = 0
    for target, why in found.failed.items():
        work.note_problem(f"{one.model} on {target}: {why}")
    is_done = bool(found.gains) and not found.unfinished
    ledger.note_evaluated(
        one.model,
        one.weights_digest,
        state="measured" if is_done else "failed",
        reason=f"{len(found.gains)} targets measured, {len(found.failed)} failed",
        attempts=_attempts_of(found, work),
    )
    work.events["evaluations" if is_done else "evaluations unfinished"] += 1


def _attempts_of(found: "Gains", work: Workplace) -> int:
    """Return how many attempts are used up where not every target was measured."""
    if not found.unfinished:
        return work.settings.bot.max_attempts  # it would end in the same way each time
    # What other machines have not trained yet is no failure.
    return 1 if work.settings.finetune.trains else 0


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
