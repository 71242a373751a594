"""What is made of the fine-tunings that shards handed back: compared, recorded, published.

Once they are in the ledger (``shard_judging.py``), the same commands run as in a pass: nothing is
trained here.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hubbot.bot.shard_files import PlannedEvaluation, PlannedSensitivity, TargetOutcome, WorkList
from hubbot.bot.shard_gathering import Gathered
from hubbot.bot.shard_judging import Item, items_of, keep_cells
from hubbot.bot.shard_targets import evaluation_of, has_probed, sensitivity_of
from hubbot.bot.target_errors import known_errors, raise_for_all
from hubbot.bot.targets import evaluate_one, is_evaluated, is_sensed, sense
from hubbot.bot.workplace import Workplace
from hubbot.errors import HubbotError, SettingsError
from hubbot.extras import missing_modules
from hubbot.printable import printable
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import SensedRow

logger = logging.getLogger(__name__)


def merge_targets(work: Workplace, lists: Mapping[int, WorkList], gathered: Gathered) -> None:
    """Put fine-tunings into the ledger, and make of them what a pass would.

    Args:
        work: Of the collecting machine.
        lists: Work lists by shard.
        gathered: What the shards handed back; told what is not taken.

    Raises:
        SettingsError: If the ledger cannot be written.
        RemoteError: If the Hub refuses everything.
    """
    if not (gathered.cells or any(gathered.outcomes.values())):
        return  # What no runner came to is left to the next plan.
    planned = [one for each in lists.values() for one in (*each.sensitivities, *each.evaluations)]
    if planned and missing_modules("finetune"):
        raise SettingsError(
            "the plan has fine-tunings, whose comparison needs the finetune extra: install "
            "hubbot[bot] where results are collected"
        )
    with _on_what_is_kept(work, next(iter(lists.values()))):
        items = list(items_of(work, lists, gathered))
        keep_cells(work, items, lists, gathered)
        for item in items:
            try:
                with known_errors(item.name):
                    _merge(work, item)
            except HubbotError as error:
                raise_for_all(work, error)
                work.note_problem(f"{item.name}: {printable(error, limit=1000)}")


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


def _merge(work: Workplace, item: Item) -> None:
    if isinstance(item.one, PlannedSensitivity):
        _merge_sensitivity(work, item, item.one)
    else:
        _merge_evaluation(work, item, item.one)


def _missing(work: Workplace, item: Item) -> int:
    with Ledger(work.settings.ledger_file) as ledger:
        return sum(ledger.find(key) is None for key in item.keys)


def _tell_begun(work: Workplace, item: Item, n_missing: int) -> None:
    work.events["targets begun"] += 1
    logger.info(
        "%s: %d of %d fine-tunings are there; the next plan goes on from them",
        *(item.name, len(item.keys) - n_missing, len(item.keys)),
    )


def _merge_sensitivity(work: Workplace, item: Item, one: PlannedSensitivity) -> None:
    planned, outcome = sensitivity_of(one), item.outcome
    had = {(row.target, row.architecture, row.weights_digest): row for row in work.ledger.sensed()}
    before = had.get((one.target, one.architecture, one.weights_digest))
    if is_sensed(work, planned) or (before is not None and before.attempts > one.attempts):
        return  # Taken over before.
    if outcome is not None and outcome.state != "measured":
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
                attempts=max(1, outcome.attempts) if outcome.state == "failed" else 0,
            )
        )
        work.events[f"sensitivities {outcome.state}"] += 1
        return
    n_missing = _missing(work, item)
    if item.error is not None or not n_missing:
        sense(work, planned)  # Where it cannot be judged, this notes why.
    else:
        _tell_begun(work, item, n_missing)


def _merge_evaluation(work: Workplace, item: Item, one: PlannedEvaluation) -> None:
    planned, outcome = evaluation_of(one), item.outcome
    key, most = (one.model, one.weights_digest), work.settings.bot.max_attempts
    attempts = work.ledger.evaluations_to_repeat(most).get(key, 0)
    if is_evaluated(work, planned) or attempts > one.attempts:
        return
    if outcome is not None and outcome.state == "refused":
        _note_evaluated(work, one, outcome)
        return
    if not has_probed(work.settings, one.architecture, planned):
        work.note_problem(
            f"{one.model}: the score record of its probe is gone, and gains alone make none; its "
            "fine-tunings are kept, and it is measured again"
        )
        return
    n_missing = _missing(work, item)
    # Where a shard came to the end, what is missing could not be measured; else it goes on.
    if n_missing and item.error is None and outcome is None:
        _tell_begun(work, item, n_missing)
        return
    if item.error is not None or n_missing < len(item.keys):
        evaluate_one(work, planned)
    if outcome is not None and outcome.state == "failed" and not is_evaluated(work, planned):
        _note_evaluated(work, one, outcome)


def _note_evaluated(work: Workplace, one: PlannedEvaluation, outcome: TargetOutcome) -> None:
    work.ledger.note_evaluated(
        one.model,
        one.weights_digest,
        state=outcome.state,
        reason=printable(outcome.reason, limit=4000),
        attempts=max(1, outcome.attempts),
    )
    work.events[f"evaluations {outcome.state}"] += 1
