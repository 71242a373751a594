"""Several runners: what is to be measured is dealt out as disjoint work lists.

A shard works its list off by itself (``working_off.py``), and what it found is checked and merged
where the ledger is (``collecting.py``).
"""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubbot.bot.discovering import chosen_architectures
from hubbot.bot.measuring import waiting
from hubbot.bot.shard_cells import known_cells, known_file, write_known
from hubbot.bot.shard_files import PLAN, VERSION, KnownReference, ShardModel, WorkList
from hubbot.bot.shard_targets import plan_targets
from hubbot.catalog.architectures import load_architectures
from hubbot.errors import SettingsError
from hubbot.records.checkpoint_rows import CheckpointRow
from hubbot.records.filed import take_over_filed
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import BotLedger
from hubbot.records.store import is_record_of, write_text
from hubbot.settings import Settings, load_settings

FOR_ALL = (
    *("screen_train", "max_train", "full_share", "max_attempts", "tolerance_points"),
    *("gain_seeds", "gain_train", "gain_epochs", "evaluate_targets"),
)
"""Settings of the planning machine that hold for every shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShard:
    """One line of the matrix."""

    shard: int
    """Number, from 0."""
    list: str
    """File of its work list, beside the plan."""
    models: int
    """How many checkpoints are on it."""
    targets: int
    """How many sensitivities and evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What ``hubbot plan`` made: ``include`` is the matrix of a workflow."""

    include: tuple[PlannedShard, ...]
    """Shards that have something to do."""
    plan: str
    """Digest of the plan; empty where there is nothing to do."""
    models: int
    """Checkpoints on all lists."""
    targets: int
    """Sensitivities and evaluations on all lists."""


def plan(
    shards: int,
    out: Path,
    *,
    architectures: Sequence[str] = (),
    max_models: int | None = None,
    settings: Settings | None = None,
) -> Plan:
    """Deal what is to be measured out to so many shards, evenly by the size of the checkpoints.

    The ledger is only read: a plan whose shards are lost leaves everything as it was.

    Args:
        shards: At most so many; one that would have nothing to do is left out.
        out: Folder for the work lists and ``plan.json``; made where it is missing.
        architectures: Names; none named: those of the settings, else all.
        max_models: Most checkpoints in all; None: as the settings say.
        settings: Read from flags, environment and file where None.

    Raises:
        SettingsError: If ``shards`` is below 1, an architecture unknown or the folder unwritable.
    """
    settings = settings or load_settings()
    if shards < 1:
        raise SettingsError(f"--shards {shards}: expected 1 or more")
    chosen = chosen_architectures(architectures, settings)
    take_over_filed(settings)
    everything = len(chosen) == len(load_architectures())
    names = () if everything else tuple(entry.name for entry in chosen)
    most = settings.bot.max_models if max_models is None else max_models
    with BotLedger(settings.ledger_file) as ledger:
        rows = waiting(ledger, settings, names)[:most]
        sensitivities, evaluations = plan_targets(ledger, settings, names, shards)
        common = _common(ledger, settings)
    order = {row.model: place for place, row in enumerate(rows)}
    # Fine-tunings go to the runners from the last one on: the first has the most valuable models.
    parts = [
        {
            "models": tuple(_shard_model(row, order[row.model], settings) for row in part),
            "sensitivities": tuple(sensitivities[shards - 1 - number :: shards]),
            "evaluations": tuple(evaluations[shards - 1 - number :: shards]),
        }
        for number, part in enumerate(_deal(rows, shards))
    ]
    parts = [part for part in parts if any(part.values())]
    planned, digest = _write_lists(parts, common, out, settings.ledger_file)
    found = Plan(
        include=planned,
        plan=digest if planned else "",
        models=len(rows),
        targets=len(sensitivities) + len(evaluations),
    )
    write_text(out / PLAN, json.dumps(asdict(found), indent=1) + "\n")
    return found


def _write_lists(
    parts: Sequence[Mapping[str, Any]], common: Mapping[str, Any], out: Path, ledger_file: Path
) -> tuple[tuple[PlannedShard, ...], str]:
    """Write a work list for each part, and what is known already; returns them and a digest."""
    lists = []
    with Ledger(ledger_file) as ledger:
        for number, part in enumerate(parts):
            one = WorkList.model_validate({"plan": "", "shard": number, **part, **common})
            known = write_known(known_cells(ledger, one), known_file(out / PLAN, number))
            lists.append(one.model_copy(update={"known_cells": known}))
    digest = _digest_of([one.model_dump(mode="json") for one in lists])
    planned = []
    for one in lists:
        name = f"shard-{one.shard}.json"
        whole = one.model_copy(update={"plan": digest})
        write_text(out / name, whole.model_dump_json(indent=1) + "\n")
        n_targets = len(one.sensitivities) + len(one.evaluations)
        planned.append(
            PlannedShard(shard=one.shard, list=name, models=len(one.models), targets=n_targets)
        )
    return tuple(planned), digest


def _common(ledger: BotLedger, settings: Settings) -> dict[str, Any]:
    bot = settings.bot
    return {
        "version": VERSION,
        "made": datetime.datetime.now(tz=datetime.UTC).date(),
        **{name: getattr(bot, name) for name in FOR_ALL},
        "bands": tuple((*key, begins) for key, begins in ledger.bands().items()),
        "references": references_of(ledger),
        "measured": tuple(ledger.measured_weights()),
    }


def _deal(rows: Sequence[CheckpointRow], shards: int) -> list[list[CheckpointRow]]:
    """Give each row to the shard with the least to do; some may be left without any."""
    parts: list[list[CheckpointRow]] = [[] for _ in range(shards)]
    loads = [0] * shards
    for row in rows:
        least = min(range(shards), key=lambda number: (loads[number], number))
        parts[least].append(row)
        loads[least] += row.parameters or 100_000_000
    return parts


def _shard_model(row: CheckpointRow, order: int, settings: Settings) -> ShardModel:
    # Without its record a checkpoint is measured anew, the same weights or not.
    is_known = bool(row.weights_digest) and _has_record(row, settings)
    return ShardModel(
        order=order,
        model=row.model,
        revision=row.revision,
        architecture=row.architecture,
        reason=row.reason,
        attempts=row.attempts,
        weights_digest=row.weights_digest if is_known else "",
        measured_revision=row.measured_revision if is_known else "",
    )


def _has_record(row: CheckpointRow, settings: Settings) -> bool:
    names = [row.architecture] if row.architecture else [one.name for one in load_architectures()]
    folder, digest = settings.records_dir, row.weights_digest
    return any(is_record_of(folder, name, row.model, weights_digest=digest) for name in names)


def _digest_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def references_of(ledger: BotLedger) -> tuple[KnownReference, ...]:
    """Return the first probes of base models that a ledger holds."""
    return tuple(
        KnownReference(**asdict(key), lp_accuracy=value)
        for key, value in ledger.references().items()
    )
