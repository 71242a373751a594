"""Which fine-tunings are due, in which order: read from the ledger, so that a killed pass goes on.

What was never tried comes first, by turns over the architectures; what failed comes after all
else, until its attempts are used up.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from hubbot.bot.evaluations_due import (
    by_turns,
    due_evaluations,
    is_measured,
    measured_rows,
)
from hubbot.bot.workplace import Workplace
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.datasets import find_dataset, load_datasets
from hubbot.catalog.gain_protocols import MIN_TRAIN, gain_protocol_of
from hubbot.errors import SettingsError
from hubbot.extras import missing_modules
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.pass_rows import SensedRow
from hubbot.settings import Settings

logger = logging.getLogger(__name__)


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


def names_at_work(work: Workplace, architectures: tuple[str, ...]) -> list[str]:
    """Return the architectures of which a checkpoint is recorded and that can be fine-tuned.

    Args:
        work: Ledger, and how fine-tunings are done.
        architectures: Names that are wanted; none named: all.
    """
    found = sorted({row.architecture for row in measured_rows(work) if row.architecture})
    wanted = [name for name in found if not architectures or name in architectures]
    return [name for name in wanted if _has_protocol(work.settings, name)]


def _has_protocol(settings: Settings, architecture: str) -> bool:
    bot = settings.bot
    try:
        gain_protocol_of(architecture, max_train=bot.gain_train, epochs=bot.gain_epochs)
    except SettingsError as error:
        logger.info("%s is not fine-tuned: %s", architecture, error)
        return False
    return True


def unusable_settings(settings: Settings) -> dict[str, str]:
    """Return what is wrong with the settings that say what is fine-tuned, by setting.

    A data set that neither the catalog nor the Hub has is found out when it is asked for.

    Args:
        settings: Section ``bot``.
    """
    found: dict[str, str] = {}
    for name in settings.bot.watch:
        try:
            find_dataset(name)
        except SettingsError as error:
            found[f"bot.watch, {name}"] = str(error)
    try:
        targets_of(settings.bot.evaluate_targets)
    except SettingsError as error:
        found["bot.evaluate_targets"] = str(error)
    rows = settings.bot.gain_train
    if rows is not None and rows < MIN_TRAIN:
        found["bot.gain_train"] = f"{rows}: expected {MIN_TRAIN} training rows or more, or none"
    return found


def watched(settings: Settings) -> tuple[str, ...]:
    """Return the data sets whose sensitivity is kept up to date, as the catalog calls them.

    Args:
        settings: Section ``bot``; a name that stands for several data sets is left out.
    """
    names = []
    for name in settings.bot.watch:
        try:
            spec = find_dataset(name)
        except SettingsError:
            continue  # ``unusable_settings`` tells of it.
        names.append(name if spec is None else spec.name)
    return tuple(dict.fromkeys(names))


def due_sensitivities(work: Workplace, names: list[str]) -> Iterator[Sensitivity]:
    """Yield what is to be measured: watched data sets, then the quick ones, then the catalog.

    Due is what was never measured, or with another model than the one that is ranked first now.
    Within each group the architecture with the fewest comes first. What failed with these weights
    comes last of all. What only waits for its card is not due: nothing is trained for it.

    Args:
        work: Ledger and settings.
        names: Architectures.
    """
    known = {(row.target, row.architecture): row for row in work.ledger.sensed()}
    tops = {name: top for name in names if (top := _top(work, name)) is not None}
    groups = _groups(work.settings)
    for targets in groups:
        queues, counts = {}, {}
        for name, top in tops.items():
            rows = {target: known.get((target, name)) for target in targets}
            fresh = [target for target, row in rows.items() if row is None]
            anew = [
                target
                for target, row in rows.items()
                if row is not None and row.weights_digest != top.weights_digest
            ]
            counts[name] = len(rows) - len(fresh) - len(anew)
            queues[name] = iter([*fresh, *anew])
        for name, target in by_turns(queues, counts):
            yield _sensitivity(target, tops[name])
    again = [
        (row.attempts, place, name, target)
        for place, target in enumerate(target for targets in groups for target in targets)
        for name, top in tops.items()
        if (row := known.get((target, name))) is not None
        and row.weights_digest == top.weights_digest
        and _is_to_repeat(work, row)
    ]
    for _, _, name, target in sorted(again):
        yield _sensitivity(target, tops[name])


def _groups(settings: Settings) -> list[list[str]]:
    """Return all targets in the order of their groups, each in the first that has it."""
    try:
        quick = [spec.name for spec in targets_of(settings.bot.evaluate_targets)]
    except SettingsError:
        quick = []  # ``unusable_settings`` tells of it.
    catalog = [spec.name for spec in load_datasets() if spec.name != "mnli"]
    seen: set[str] = set()
    groups = []
    for targets in (watched(settings), quick, catalog):
        groups.append([target for target in targets if target not in seen])
        seen.update(targets)
    return groups


def _sensitivity(target: str, top: CheckpointRow) -> Sensitivity:
    return Sensitivity(
        target=target,
        architecture=top.architecture,
        model=top.model,
        revision=top.measured_revision,
        weights_digest=top.weights_digest,
    )


def _is_to_repeat(work: Workplace, row: SensedRow) -> bool:
    return row.state == "failed" and row.attempts < work.settings.bot.max_attempts


def is_sensed(work: Workplace, one: Sensitivity) -> bool:
    """Return whether nothing is left to be measured of a sensitivity with these weights.

    Args:
        work: Ledger and settings.
        one: With the weights in question.
    """
    found = (
        row
        for row in work.ledger.sensed()
        if (row.target, row.architecture, row.weights_digest)
        == (one.target, one.architecture, one.weights_digest)
    )
    return any(not _is_to_repeat(work, row) for row in found)


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
    of_these = (row for row in known if row is not None and row.architecture == architecture)
    top = next(filter(is_measured, of_these), None)
    if top is not None:
        return top
    gaining = [row for row in measured_rows(work, architecture) if (row.lp_gain or 0.0) > 0]
    return max(gaining, key=lambda row: (row.lp_gain or 0.0, row.model), default=None)


def minutes_for_checkpoints(
    work: Workplace, architectures: tuple[str, ...], *, is_due: bool | None = None
) -> float | None:
    """Return the minutes of a pass after which no checkpoint is begun; None for no limit.

    ``bot.target_share`` of the budget is kept for fine-tuning while some is due: where there are
    always more checkpoints than minutes, it would never be its turn.

    Args:
        work: Ledger, settings and budget.
        architectures: Names that are wanted; none named: all.
        is_due: Whether any is, where the caller knows: a shard's list says it. None: as the
            ledger says.
    """
    minutes = work.budget.minutes
    if minutes is None or missing_modules("finetune"):
        return minutes
    if is_due is None:
        is_due = _is_any_due(work, architectures)
    return minutes * (1 - work.settings.bot.target_share) if is_due else minutes


def _is_any_due(work: Workplace, architectures: tuple[str, ...]) -> bool:
    bot = work.settings.bot
    names = names_at_work(work, architectures)
    if bot.sensitivities_per_pass and next(due_sensitivities(work, names), None) is not None:
        return True
    return bool(bot.evaluations_per_pass) and (next(due_evaluations(work, names), None) is not None)
