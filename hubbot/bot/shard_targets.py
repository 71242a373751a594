"""Fine-tuning in shards: what a list names, and what a shard does of it.

A shard hands back its finished fine-tunings (``shard_cells.py``); ``shard_merging.py`` makes scores
and gains of them where results are collected.
"""

import logging
from collections.abc import Iterator
from itertools import islice

from hubbot.bot.shard_files import (
    PlannedEvaluation,
    PlannedSensitivity,
    TargetOutcome,
    WorkList,
)
from hubbot.bot.targets import (
    BudgetSpent,
    Evaluation,
    Sensitivity,
    due_evaluations,
    due_sensitivities,
    evaluate_one,
    is_evaluated,
    is_sensed,
    names_at_work,
    sense,
)
from hubbot.bot.workplace import Budget, Workplace
from hubbot.errors import HubbotError
from hubbot.extras import missing_modules
from hubbot.printable import printable
from hubbot.records.pass_rows import BotLedger
from hubbot.records.store import read_record, record_file
from hubbot.settings import Settings

logger = logging.getLogger(__name__)


def plan_targets(
    ledger: BotLedger, settings: Settings, architectures: tuple[str, ...], shards: int
) -> tuple[list[PlannedSensitivity], list[PlannedEvaluation]]:
    """Return what is due, as much as so many runners do in one pass.

    Args:
        ledger: Open ledger.
        settings: How many of each a runner does.
        architectures: Names that are wanted; none named: all.
        shards: Runners.
    """
    bot = settings.bot
    work = Workplace(ledger=ledger, settings=settings, budget=Budget(), number=0)
    names = names_at_work(work, architectures)
    sensitivities = islice(due_sensitivities(work, names), bot.sensitivities_per_pass * shards)
    evaluations = islice(_evaluations(work, names), bot.evaluations_per_pass * shards)
    failed = {(row.target, row.architecture, row.weights_digest): row for row in ledger.sensed()}
    planned = [
        PlannedSensitivity(
            target=one.target,
            architecture=one.architecture,
            model=one.model,
            revision=one.revision,
            weights_digest=one.weights_digest,
            attempts=0 if found is None else found.attempts,
        )
        for one in sensitivities
        for found in (failed.get((one.target, one.architecture, one.weights_digest)),)
    ]
    return planned, list(evaluations)


def _evaluations(work: Workplace, names: list[str]) -> Iterator[PlannedEvaluation]:
    attempts = work.ledger.evaluations_to_repeat(work.settings.bot.max_attempts)
    for one in due_evaluations(work, names):
        row = work.ledger.find_checkpoint(one.model)
        # Gains belong into the record of the probe; without it the probe is to be made first.
        if row is None or not has_probed(work.settings, row.architecture, one):
            continue
        yield PlannedEvaluation(
            architecture=row.architecture,
            model=one.model,
            revision=one.revision,
            weights_digest=one.weights_digest,
            attempts=attempts.get((one.model, one.weights_digest), 0),
        )


def has_probed(settings: Settings, architecture: str, one: Evaluation) -> bool:
    """Return whether the score record of a checkpoint's probe is there, to which gains are added.

    Args:
        settings: Folder of the records.
        architecture: Name in the catalog.
        one: The checkpoint, its revision and weights.
    """
    try:
        record = read_record(record_file(settings.records_dir, architecture, one.model))
    except HubbotError:
        return False
    found = (record.model, record.revision, record.weights_digest)
    return record.has_probe and found == (one.model, one.revision, one.weights_digest)


def work_targets(work: Workplace, work_list: WorkList) -> None:
    """Fine-tune for what a list names; what cannot be measured is noted in the shard's ledger.

    Args:
        work: Of the shard.
        work_list: Of the shard.

    Raises:
        SettingsError: If something is set up wrongly.
        RemoteError: If the Hub refuses everything.
    """
    if not (work_list.sensitivities or work_list.evaluations):
        return
    if missing_modules("finetune"):
        work.note_problem("no target is measured: the finetune extra is not installed")
        return
    try:
        for one in map(sensitivity_of, work_list.sensitivities):
            if work.why_stop() is None and not is_sensed(work, one):
                sense(work, one)
        for other in map(evaluation_of, work_list.evaluations):
            if work.why_stop() is None and not is_evaluated(work, other):
                evaluate_one(work, other)
    except BudgetSpent as spent:
        # What is finished is handed back; the next plan hands it out and has the rest.
        logger.info("%s", spent)


def outcomes_of(work: Workplace) -> tuple[TargetOutcome, ...]:
    """Return what a shard is done with, as its ledger has it.

    Args:
        work: Of the shard.
    """
    most = work.settings.bot.max_attempts
    found = [
        TargetOutcome(
            name=row.target,
            architecture=row.architecture,
            weights_digest=row.weights_digest,
            state=_OUTCOMES.get(row.state, "measured"),
            reason=printable(row.reason, limit=4000) if row.state in _OUTCOMES else "",
            attempts=min(row.attempts, most),
        )
        for row in work.ledger.sensed()
    ]
    repeated = work.ledger.evaluations_to_repeat(most)
    found += [
        TargetOutcome(
            name=model,
            architecture="",
            weights_digest=digest,
            state=_OUTCOMES.get(state, "measured"),
            reason="see the shard's log" if state in _OUTCOMES else "",
            attempts=repeated.get((model, digest), most if state == "failed" else 0),
        )
        for (model, digest), state in work.ledger.evaluated().items()
    ]
    return tuple(found)


_OUTCOMES = {"failed": "failed", "refused": "refused"}


def sensitivity_of(one: PlannedSensitivity) -> Sensitivity:
    """Return a sensitivity of a list as a pass has it."""
    return Sensitivity(**one.model_dump(exclude={"attempts"}))


def evaluation_of(one: PlannedEvaluation) -> Evaluation:
    """Return an evaluation of a list as a pass has it."""
    return Evaluation(model=one.model, revision=one.revision, weights_digest=one.weights_digest)
