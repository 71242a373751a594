"""The files that a plan and its shards hand to each other: work lists, results, manifests.

What is read here was written on another machine, so each file is checked against its shape where it
enters. What it says is judged in ``shard_checks.py``; fine-tunings have theirs in
``shard_cells.py``.
"""

import datetime
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from hubbot import __version__
from hubbot.bot.shard_values import (
    CellName,
    Commit,
    Count,
    Digest,
    Hex,
    PlainName,
    ResultName,
    Seconds,
    ShardFile,
    Text,
)
from hubbot.errors import SettingsError
from hubbot.printable import printable
from hubbot.records.checkpoint_rows import CheckpointRow, State
from hubbot.records.store import read_record, record_file, write_text
from hubbot.settings import Settings

VERSION = 1
MANIFEST = "manifest.json"
PLAN = "plan.json"
SAME_REVISION = "same-revision"
"""Code of a checkpoint whose weights are those that were measured before: it has no new record."""

MAX_BYTES = 1 << 16
"""Largest result of a checkpoint that is read; one has some four thousand bytes."""
MAX_MANIFEST_BYTES = 1 << 22
"""Largest manifest that is read: one of forty thousand results."""
MOST_PROBLEMS = 200
"""Problems that a manifest tells of."""

_NOT_OF_A_CODE = re.compile(r"[^\w -]")


class ShardModel(ShardFile):
    """A checkpoint of a work list."""

    order: int
    """Place in the whole plan, the most valuable first."""
    model: str
    """Hub id."""
    revision: str
    """Commit hash that it was listed with."""
    architecture: str
    """Name in the catalog; empty where config.json has to tell."""
    reason: str
    """Why it is measured."""
    attempts: Count
    """Times it failed before."""
    weights_digest: str
    """Of weights that were measured before; empty for none."""
    measured_revision: str
    """Commit hash that was measured before; empty for none."""


class KnownReference(ShardFile):
    """The first probe of a base model on a kind of device."""

    architecture: PlainName
    protocol: PlainName
    device: PlainName
    weights_digest: PlainName
    dataset_revision: PlainName
    lp_accuracy: Annotated[float, Field(ge=0, le=100)]


class PlannedSensitivity(ShardFile):
    """A sensitivity of a work list."""

    target: Text
    """Name in the catalog, or Hub id."""
    architecture: Text
    """Name in the catalog."""
    model: Text
    """The strong intermediate model."""
    revision: Commit
    """Its commit hash."""
    weights_digest: Text
    """Of its weights."""
    attempts: Count = 0
    """Times it failed before."""


class PlannedEvaluation(ShardFile):
    """A checkpoint of a work list whose gains are measured by fine-tuning."""

    architecture: Text
    """Name in the catalog."""
    model: Text
    """Hub id."""
    revision: Commit
    """Its commit hash."""
    weights_digest: Text
    """Of its weights."""
    attempts: Count = 0
    """Times it failed before."""


class TargetOutcome(ShardFile):
    """What became of a sensitivity or an evaluation that a shard is done with."""

    name: Text
    """The target of a sensitivity, the model of an evaluation."""
    architecture: Text
    """Name in the catalog; empty for an evaluation."""
    weights_digest: Text
    """Of the model's weights."""
    state: Literal["failed", "refused", "measured"]
    """In one word; ``measured`` also where it has gains on some targets alone."""
    reason: Text
    """Why, in a sentence; empty where it was measured."""
    attempts: Count = 0
    """Times it failed on the shard."""


class WorkList(ShardFile):
    """What one shard is to do, with all that it has to know; holds no secret."""

    version: Literal[1]
    plan: str
    """Digest by which all lists of one plan are known."""
    shard: int
    """Number of the shard, from 0."""
    made: datetime.date = datetime.date.min
    """Day of the plan, UTC; nothing of it was measured before."""
    models: tuple[ShardModel, ...]
    """What it measures, the most valuable first."""
    screen_train: int
    max_train: int | None
    full_share: float
    max_attempts: int
    tolerance_points: float
    gain_seeds: int
    gain_train: int | None
    gain_epochs: int | None
    evaluate_targets: str
    """Settings of the planning machine, which hold for every shard."""
    bands: tuple[tuple[str, str, float], ...]
    """Architecture, protocol, and where its upper band begins, points."""
    references: tuple[KnownReference, ...]
    """What reference probes have to agree with."""
    measured: tuple[tuple[str, str], ...]
    """Digest of the weights and model of what was measured before."""
    sensitivities: tuple[PlannedSensitivity, ...] = ()
    """Data sets that it fine-tunes on, after the models."""
    evaluations: tuple[PlannedEvaluation, ...] = ()
    """Checkpoints whose gains it measures, last."""
    known_cells: str = ""
    """Hex SHA-256 of the file beside the list with fine-tunings that are finished; empty for none.
    """

    @property
    def small_train(self) -> int:
        """Training rows of the small probe."""
        return min(self.screen_train, self.max_train or self.screen_train)


class ShardResult(ShardFile):
    """What a shard found out about one checkpoint."""

    plan: str
    """Digest of the plan."""
    shard: int
    """Number of the shard."""
    model: str
    """Hub id."""
    revision: Commit
    """Commit hash that was listed, or measured where it moved on meanwhile."""
    state: State
    """Where it stands."""
    code: Annotated[str, Field(pattern=r"^[\w -]{0,60}$")]
    """Why, in a word or two."""
    reason: Text
    """Why, in a sentence."""
    attempts: Count
    """Times it failed in all, those before the plan included."""
    architecture: PlainName
    """Name in the catalog; empty where not known."""
    weights_digest: Digest
    """Of the weights that were measured; empty for none."""
    measured_revision: Commit
    """Commit hash that was measured; empty for none."""
    protocol: PlainName
    """Of the small probe."""
    lp_gain: float | None
    """LP gain of the default head by that protocol, points."""
    lp_gain_interval: tuple[float, float] | None
    """Its 95 % interval."""
    seconds: Seconds
    """Spent on it in all."""
    record: dict[str, Any] | None
    """The score record as plain values; None where there is none."""


class Manifest(ShardFile):
    """What a shard wrote, file by file."""

    version: Literal[1]
    plan: str
    """Digest of the plan."""
    shard: int
    """Number of the shard."""
    hubbot_version: PlainName
    """Version that worked it off."""
    files: dict[ResultName, Hex]
    """Hex SHA-256 of each result's file, by name."""
    problems: Annotated[tuple[Text, ...], Field(max_length=MOST_PROBLEMS)]
    """What went wrong that belongs to no checkpoint."""
    references: Annotated[tuple[KnownReference, ...], Field(max_length=1000)]
    """Reference probes that its ledger holds, its own included."""
    cells: dict[CellName, Hex] = Field(default_factory=dict)
    """Hex SHA-256 of each fine-tuning's file, by name; those that the plan knew are left out."""
    outcomes: tuple[TargetOutcome, ...] = ()
    """Sensitivities and evaluations that it is done with."""


def result_of(row: CheckpointRow, work_list: WorkList, settings: Settings) -> ShardResult:
    """Return what a shard's ledger and records say of one checkpoint.

    Args:
        row: Of the shard's ledger.
        work_list: Of the shard.
        settings: Names the shard's records.

    Raises:
        SettingsError: If its record cannot be read.
    """
    record = None
    if row.state == "recorded" and row.code != SAME_REVISION:
        path = record_file(settings.records_dir, row.architecture, row.model)
        record = read_record(path).plain()
    return ShardResult(
        plan=work_list.plan,
        shard=work_list.shard,
        model=row.model,
        revision=row.revision,
        state=row.state,
        # A check's name comes from the child that opened the checkpoint.
        code=_NOT_OF_A_CODE.sub("-", row.code)[:60],
        reason=printable(row.reason, limit=4000),
        attempts=row.attempts,
        architecture=row.architecture,
        weights_digest=row.weights_digest,
        measured_revision=row.measured_revision,
        protocol=row.protocol,
        lp_gain=row.lp_gain,
        lp_gain_interval=row.lp_gain_interval,
        seconds=round(row.seconds, 2),
        record=record,
    )


def write_result(result: ShardFile, path: Path) -> str:
    """Write a result whole or not at all, and return the hex SHA-256 of the file.

    Raises:
        SettingsError: If it cannot be written.
    """
    text = result.model_dump_json(indent=1) + "\n"
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_work_list(path: Path) -> WorkList:
    """Return a work list.

    Raises:
        SettingsError: If the file cannot be read or is none.
    """
    try:
        return WorkList.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise SettingsError(
            f"{path} is no work list of hubbot {__version__}: {first_problem(error)}; make one "
            "with `hubbot plan`"
        ) from error


def read_plan(plan_file: Path) -> tuple[str, dict[int, WorkList]]:
    """Return the digest of a plan and its work lists by shard.

    Args:
        plan_file: ``plan.json``, its lists beside it.

    Raises:
        SettingsError: If it cannot be read, is none, or a list is of another plan.
    """
    try:
        values = json.loads(plan_file.read_text(encoding="utf-8"))
        plan, names = str(values["plan"]), [str(one["list"]) for one in values["include"]]
    except OSError as error:
        raise SettingsError(
            f"{plan_file} cannot be read: {error.strerror or error}; name the {PLAN} that "
            "`hubbot plan` wrote with --plan"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{plan_file} is no plan; name the {PLAN} that `hubbot plan` wrote"
        ) from error
    lists = [read_work_list(plan_file.parent / Path(name).name) for name in names]
    wrong = [one.shard for one in lists if one.plan != plan]
    if wrong:
        raise SettingsError(
            f"{plan_file.parent}: the list of shard {wrong[0]} is of another plan than {PLAN}; "
            "plan anew"
        )
    return plan, {one.shard: one for one in lists}


def first_problem(error: ValidationError) -> str:
    """Return where and why a file has not the shape it should have; nothing of what it holds."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return printable(f"{where}: {first['msg']}")
