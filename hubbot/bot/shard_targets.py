"""Fine-tuning in shards: what a list names, the fine-tunings that come back, what is made of them.

A shard hands back its finished fine-tunings, predictions included. ``collect`` puts them into the
ledger and runs the same commands as a pass, on a ledger that has everything: scores are compared,
checked and brought to cards there, and nothing is trained.
"""

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from hubbot.bot.shard_files import (
    CellResult,
    PlannedEvaluation,
    PlannedSensitivity,
    TargetOutcome,
    WorkList,
    write_result,
)
from hubbot.bot.targets import (
    BudgetSpent,
    Evaluation,
    Sensitivity,
    due_evaluations,
    due_sensitivities,
    evaluate_one,
    evaluation_of,
    names_at_work,
    sense,
)
from hubbot.bot.workplace import Budget, Workplace
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.errors import IntegrityError, SettingsError
from hubbot.extras import missing_modules
from hubbot.printable import printable
from hubbot.records.cells import Cell, CellKey
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import BotLedger, SensedRow
from hubbot.settings import Settings

logger = logging.getLogger(__name__)

_STORED = {"int64": "<i8", "float64": "<f8"}


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
    rows = [row for name in names for row in due_evaluations(work, name)]
    evaluations = map(evaluation_of, rows[: bot.evaluations_per_pass * shards])
    return (
        [PlannedSensitivity(**asdict(one)) for one in sensitivities],
        [PlannedEvaluation(**asdict(one)) for one in evaluations],
    )


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
    done = {(row.target, row.architecture) for row in work.ledger.sensed()}
    tried = work.ledger.evaluated()
    try:
        for one in work_list.sensitivities:
            if work.why_stop() is None and (one.target, one.architecture) not in done:
                sense(work, _sensitivity(one))
        for other in work_list.evaluations:
            if work.why_stop() is None and (other.model, other.weights_digest) not in tried:
                evaluate_one(work, _evaluation(other))
    except BudgetSpent as spent:
        # What is finished is handed back; the next plan has the rest.
        logger.info("%s", spent)


def outcomes_of(ledger: BotLedger) -> tuple[TargetOutcome, ...]:
    """Return what a shard could not measure, as its ledger has it.

    Args:
        ledger: Of the shard.
    """
    found = [
        TargetOutcome(
            name=row.target,
            architecture=row.architecture,
            weights_digest=row.weights_digest,
            state="refused" if row.state == "refused" else "failed",
            reason=printable(row.reason, limit=4000),
        )
        for row in ledger.sensed()
        if row.state in ("failed", "refused")
    ]
    found += [
        TargetOutcome(
            name=model,
            architecture="",
            weights_digest=digest,
            state="refused" if state == "refused" else "failed",
            reason="see the shard's log",
        )
        for (model, digest), state in ledger.evaluated().items()
        if state in ("failed", "refused")
    ]
    return tuple(found)


def write_cells(work_list: WorkList, results: Path) -> dict[str, str]:
    """Write the finished fine-tunings of a shard, and return the hex SHA-256 of each file.

    Args:
        work_list: Of the shard.
        results: Its folder, where its ledger is.

    Raises:
        SettingsError: If a file cannot be written.
    """
    names = {}
    with Ledger(results / "ledger.sqlite") as ledger:
        for number, cell in enumerate(ledger.cells()):
            name = f"cell-{number:04d}.json"
            names[name] = write_result(_told(cell, work_list), results / name)
    return names


def _told(cell: Cell, work_list: WorkList) -> CellResult:
    kind = str(cell.predictions.dtype)
    plain = np.ascontiguousarray(cell.predictions, dtype=_STORED[kind]).tobytes()
    return CellResult(
        plan=work_list.plan,
        shard=work_list.shard,
        weights_digest=cell.key.weights_digest,
        target_digest=cell.key.target_digest,
        protocol=cell.key.protocol,
        seed=cell.key.seed,
        files_digest=cell.key.files_digest,
        model=cell.model,
        revision=cell.revision,
        architecture=cell.architecture,
        target=cell.target,
        score=cell.score,
        validation_score=cell.validation_score,
        kind="int64" if kind == "int64" else "float64",
        predictions=base64.b64encode(plain).decode(),
        seconds=dict(cell.seconds),
        peak_memory_gb=cell.peak_memory_gb,
        device=cell.device,
        dtype=cell.dtype,
        versions=dict(cell.versions),
        date=cell.date,
        details=dict(cell.details),
    )


def cell_of(result: CellResult, work_list: WorkList) -> Cell:
    """Return a fine-tuning that a shard handed back.

    Args:
        result: Checked for its shape.
        work_list: Of that shard.

    Raises:
        ValueError: If it is not one that the list asks for, or its predictions are none.
    """
    digests = {one.weights_digest for one in work_list.sensitivities}
    digests |= {one.weights_digest for one in work_list.evaluations}
    if not digests:
        raise ValueError("its list asks for no fine-tuning")
    expected = gain_protocol_of(
        result.architecture, max_train=work_list.gain_train, epochs=work_list.gain_epochs
    ).identifier
    if result.protocol != expected or result.seed >= work_list.gain_seeds:
        raise ValueError(
            f"it is by {printable(result.protocol)}, seed {result.seed}; expected {expected} and "
            f"a seed below {work_list.gain_seeds}"
        )
    plain = base64.b64decode(result.predictions, validate=True)
    predictions = np.frombuffer(plain, dtype=_STORED[result.kind]).astype(result.kind)
    names = ("model", "revision", "architecture", "target", "score", "validation_score")
    more = ("seconds", "peak_memory_gb", "device", "dtype", "versions", "date", "details")
    return Cell(
        key=CellKey(
            weights_digest=result.weights_digest,
            target_digest=result.target_digest,
            protocol=result.protocol,
            seed=result.seed,
            files_digest=result.files_digest,
        ),
        predictions=predictions,
        **{name: getattr(result, name) for name in (*names, *more)},
    )


def merge_targets(
    work: Workplace,
    lists: Mapping[int, WorkList],
    cells: Sequence[Cell],
    outcomes: Sequence[TargetOutcome],
) -> None:
    """Put fine-tunings into the ledger, and make of them what a pass would.

    Args:
        work: Of the collecting machine.
        lists: Work lists by shard.
        cells: What the shards handed back.
        outcomes: What they could not measure.

    Raises:
        SettingsError: If the ledger cannot be written.
        RemoteError: If the Hub refuses everything.
    """
    planned = [one for each in lists.values() for one in each.sensitivities]
    others = [one for each in lists.values() for one in each.evaluations]
    if not (planned or others):
        return
    if (cells or outcomes) and missing_modules("finetune"):
        raise SettingsError(
            "the plan has fine-tunings, whose comparison needs the finetune extra: install "
            "hubbot[bot] where results are collected"
        )
    came = set()
    with Ledger(work.settings.ledger_file) as ledger:
        for cell in cells:
            came.add(cell.key.weights_digest)
            try:
                ledger.keep(cell)
            except IntegrityError as error:
                work.note_problem(str(error))
    failed = {(one.name, one.weights_digest): one for one in outcomes}
    with _on_what_is_kept(work, next(iter(lists.values()))):
        # What no runner came to is left to the next plan.
        for one in planned:
            outcome = failed.get((one.target, one.weights_digest))
            if outcome is not None or one.weights_digest in came:
                _merge_sensitivity(work, one, outcome)
        for other in others:
            outcome = failed.get((other.model, other.weights_digest))
            if outcome is not None or other.weights_digest in came:
                _merge_evaluation(work, other, outcome)


@contextmanager
def _on_what_is_kept(work: Workplace, work_list: WorkList) -> Iterator[None]:
    """Have the block measure by the plan's settings, from the ledger alone."""
    before = work.settings
    names = ("gain_seeds", "gain_train", "gain_epochs", "evaluate_targets")
    bot = before.bot.model_copy(update={name: getattr(work_list, name) for name in names})
    finetune = before.finetune.model_copy(update={"trains": False})
    work.settings = before.model_copy(update={"bot": bot, "finetune": finetune})
    try:
        yield
    finally:
        work.settings = before


def _merge_sensitivity(
    work: Workplace, one: PlannedSensitivity, outcome: TargetOutcome | None
) -> None:
    known = {(row.target, row.architecture): row.weights_digest for row in work.ledger.sensed()}
    if known.get((one.target, one.architecture)) == one.weights_digest:
        return  # Taken over before.
    if outcome is None:
        sense(work, _sensitivity(one))
        return
    work.ledger.note_sensed(
        SensedRow(
            target=one.target,
            architecture=one.architecture,
            weights_digest=one.weights_digest,
            model=one.model,
            protocol="",
            state=outcome.state,
            reason=printable(outcome.reason, limit=4000),
            note="{}",
            url="",
        )
    )
    work.events[f"sensitivities {outcome.state}"] += 1


def _merge_evaluation(
    work: Workplace, one: PlannedEvaluation, outcome: TargetOutcome | None
) -> None:
    if (one.model, one.weights_digest) in work.ledger.evaluated():
        return
    if outcome is None:
        evaluate_one(work, _evaluation(one))
        return
    work.ledger.note_evaluated(
        one.model,
        one.weights_digest,
        state=outcome.state,
        reason=printable(outcome.reason, limit=4000),
    )
    work.events["evaluations failed"] += 1


def _sensitivity(one: PlannedSensitivity) -> Sensitivity:
    return Sensitivity(**one.model_dump())


def _evaluation(one: PlannedEvaluation) -> Evaluation:
    return Evaluation(**one.model_dump())
