"""Fine-tunings of shards judged: those that a list asks for go into the ledger, and no others.

Which fine-tunings a shard may hand back follows from its list alone: the weights of its models and
of their base models as the Hub announces them, its targets' rows, its protocol and seeds. Scores
are made anew from the predictions, names are those known here. No weights are fetched.
"""

import datetime
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from hubbot.bot.shard_cells import cell_of
from hubbot.bot.shard_checks import RejectedError
from hubbot.bot.shard_files import (
    PlannedEvaluation,
    PlannedSensitivity,
    TargetOutcome,
    WorkList,
)
from hubbot.bot.shard_gathering import CellFile, Gathered, own_fault, read_cell
from hubbot.bot.target_errors import known_errors, raise_for_all
from hubbot.bot.workplace import Workplace
from hubbot.catalog.dataset_groups import targets_of
from hubbot.catalog.gain_protocols import gain_protocol_of
from hubbot.cells import key_of
from hubbot.errors import CheckpointError, DatasetError, HubbotError, RemoteError
from hubbot.measurement import Checkpoint, obtain, obtain_base
from hubbot.printable import printable
from hubbot.records.cells import Cell, CellKey
from hubbot.records.ledger import Ledger
from hubbot.schema import GainProtocol, SplitRule, Target
from hubbot.targets import possible_sizes, read_labels, read_target, score_of

logger = logging.getLogger(__name__)

_ROUNDING = 1e-3
"""Points by which a score may differ where another version made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A fine-tuning that a list asks for."""

    checkpoint: Checkpoint
    """What it started from, as the Hub has it."""
    target: Target
    """What it was trained on, as it is here."""


@dataclass(slots=True, kw_only=True)
class Item:
    """A sensitivity or an evaluation of a list, and what came of it."""

    shard: int
    one: PlannedSensitivity | PlannedEvaluation
    work_list: WorkList
    outcome: TargetOutcome | None
    """What the shard says became of it; None where it did not come to its end."""
    keys: dict[CellKey, Expected] = field(default_factory=dict)
    """Fine-tunings that it takes."""
    error: HubbotError | None = None
    """Why it cannot be judged here."""

    @property
    def name(self) -> str:
        """The item as messages name it."""
        if isinstance(self.one, PlannedSensitivity):
            return f"{self.one.target} with {self.one.architecture}"
        return self.one.model


def items_of(work: Workplace, lists: Mapping[int, WorkList], gathered: Gathered) -> Iterator[Item]:
    """Yield what shards were at, with the keys of the fine-tunings that it takes.

    Args:
        work: Settings by which it is measured; nothing is trained.
        lists: Work lists by shard.
        gathered: What the shards handed back.

    Raises:
        RemoteError: If the Hub refuses everything.
    """
    data = _Data(work)
    handed_back = {file.shard for file in gathered.cells}
    for shard, work_list in lists.items():
        told = {(one.name, one.weights_digest): one for one in gathered.outcomes.get(shard, ())}
        both: list[PlannedSensitivity | PlannedEvaluation] = [*work_list.sensitivities]
        for one in [*both, *work_list.evaluations]:
            name = one.target if isinstance(one, PlannedSensitivity) else one.model
            outcome = told.get((name, one.weights_digest))
            if outcome is None and shard not in handed_back:
                continue
            item = Item(shard=shard, one=one, work_list=work_list, outcome=outcome)
            try:
                with known_errors(item.name):
                    item.keys = _keys_of(work, item, data)
            except HubbotError as error:
                raise_for_all(work, error)
                item.error = error
            yield item


class _Data:
    """Reads each data set once."""

    def __init__(self, work: Workplace) -> None:
        self._settings = work.settings
        self._known: dict[tuple[str, SplitRule], Target | HubbotError] = {}

    def read(self, name: str, rule: SplitRule) -> Target:
        """Return a data set.

        Raises:
            HubbotError: If it cannot be had; the same each time.
        """
        if (name, rule) not in self._known:
            try:
                self._known[name, rule] = read_target(name, rule, self._settings)
            except (DatasetError, RemoteError) as error:
                self._known[name, rule] = error
        found = self._known[name, rule]
        if isinstance(found, HubbotError):
            raise found
        return found


def _keys_of(work: Workplace, item: Item, data: _Data) -> dict[CellKey, Expected]:
    one, settings = item.one, work.settings
    checkpoint = obtain(f"{one.model}@{one.revision}", settings, needs_weights=False)
    found = (checkpoint.local.weights_digest, checkpoint.architecture.name)
    if found != (one.weights_digest, one.architecture):
        raise CheckpointError(
            f"{one.model} at {one.revision[:10]} is a {found[1]} with weights {found[0][:19]}..., "
            f"planned was a {one.architecture} with {one.weights_digest[:19]}..."
        )
    base = obtain_base(checkpoint.architecture, settings, needs_weights=False)
    return {
        key_of(side, target, protocol, seed): Expected(checkpoint=side, target=target)
        for target, protocol in _pairs(item, data)
        for side in (checkpoint, base)
        for seed in range(item.work_list.gain_seeds)
    }


def _pairs(item: Item, data: _Data) -> Iterator[tuple[Target, GainProtocol]]:
    """Yield the targets that an item is measured on, and how."""
    one, work_list = item.one, item.work_list
    if isinstance(one, PlannedSensitivity):
        target = data.read(one.target, "as-run")
        for size in possible_sizes((work_list.gain_train,), target):
            yield (
                target,
                gain_protocol_of(one.architecture, max_train=size, epochs=work_list.gain_epochs),
            )
        return
    protocol = gain_protocol_of(
        one.architecture, max_train=work_list.gain_train, epochs=work_list.gain_epochs
    )
    for spec in targets_of(work_list.evaluate_targets):
        try:
            yield data.read(spec.name, protocol.split_rule), protocol
        except (DatasetError, RemoteError) as error:
            logger.warning("%s is not read: %s", spec.name, printable(error))


# Fine-tunings into the ledger


def keep_cells(
    work: Workplace, items: list[Item], lists: Mapping[int, WorkList], gathered: Gathered
) -> None:
    """Keep what a list asked for; of what two shards did, all or nothing.

    Args:
        work: Its ledger takes them.
        items: What the lists ask for.
        lists: Work lists by shard.
        gathered: What the shards handed back; told what is not taken.
    """
    judge = _Judge(items, lists)
    told: dict[CellKey, list[CellFile]] = {}
    for file in gathered.cells:
        with own_fault(file.name, gathered):
            told.setdefault(judge.read(file).key, []).append(file)
    with Ledger(work.settings.ledger_file) as ledger:
        for key, files in told.items():
            with own_fault(files[0].name, gathered):
                first = judge.read(files[0])
                tolerance = lists[files[0].shard].tolerance_points
                if all(_agree(first, judge.read(file), tolerance) for file in files[1:]):
                    if ledger.find(key) is None:
                        work.events["fine-tunings kept"] += 1
                    ledger.keep(first)
                    continue
                work.note_problem(
                    f"{first.title}: {' and '.join(file.name for file in files)} do not agree; "
                    "none is kept, the next plan has it again: find out which machine is not sound"
                )


def _agree(one: Cell, other: Cell, tolerance: float) -> bool:
    """Return whether two machines may have found both: devices differ in the last bits."""
    scores = ((one.score, other.score), (one.validation_score, other.validation_score))
    return all(abs(here - there) <= tolerance for here, there in scores)


class _Judge:
    """Reads fine-tunings, and refuses what no list asked for or what cannot be."""

    def __init__(self, items: list[Item], lists: Mapping[int, WorkList]) -> None:
        self._lists = lists
        self._expected: dict[int, dict[CellKey, Expected]] = {}
        self._errors: dict[int, list[str]] = {}
        for item in items:
            self._expected.setdefault(item.shard, {}).update(item.keys)
            if item.error is not None:
                self._errors.setdefault(item.shard, []).append(f"{item.name}: {item.error}")

    def read(self, file: CellFile) -> Cell:
        """Return a fine-tuning with the names that are known here.

        Raises:
            RejectedError: If it is not to be taken.
        """
        work_list = self._lists[file.shard]
        result = read_cell(file, work_list)
        try:
            cell = cell_of(result)
        except ValueError as error:
            raise RejectedError(str(error)) from error
        known = self._expected.get(file.shard, {}).get(cell.key)
        if known is None:
            why = "; ".join(self._errors.get(file.shard, ()))
            raise RejectedError(
                f"the list of shard {file.shard} asks for no fine-tuning with {cell.key}"
                + (f" ({why})" if why else "")
            )
        _check_cell(cell, known.target, work_list)
        local = known.checkpoint.local
        return replace(
            cell,
            model=local.model,
            revision=local.revision,
            architecture=known.checkpoint.architecture.name,
            target=known.target.name,
        )


def _check_cell(cell: Cell, target: Target, work_list: WorkList) -> None:
    """Refuse a fine-tuning whose numbers do not follow from its predictions, or lie in no time."""
    n_test, found = target.splits["test"].n_rows, cell.predictions
    kind = "float64" if target.is_regression else "int64"
    if len(found) != n_test or str(found.dtype) != kind:
        raise RejectedError(
            f"it has {len(found)} predictions of type {found.dtype}, {target.name} has {n_test} "
            f"test rows, expected {kind}"
        )
    classes = len(target.label_names)
    if classes and not np.isin(found, np.arange(classes)).all():
        raise RejectedError(f"it predicts classes that {target.name} does not have")
    score = score_of(target, found, read_labels(target))
    if not abs(score - cell.score) <= _ROUNDING:
        raise RejectedError(f"its score is {cell.score}, its predictions give {score}")
    if cell.details["n_train"] > target.splits["train"].n_rows:
        raise RejectedError(f"it was trained on more rows than {target.name} has")
    today = datetime.datetime.now(tz=datetime.UTC).date()
    latest = today + datetime.timedelta(days=1)
    if not work_list.made <= datetime.date.fromisoformat(cell.date) <= latest:
        raise RejectedError(
            f"it was finished on {cell.date}, the plan is of {work_list.made} and today is {today}"
        )
