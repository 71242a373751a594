"""Several runners: a plan with disjoint work lists, and a shard worked off without any secret.

A shard is measured by the very code of a pass, on a ledger of its own beside the results, so that
one that was killed goes on where it was. What it found is written as one file a checkpoint, and at
the end a manifest with the digest of each. ``collecting.py`` brings the results together.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubbot import __version__
from hubbot.bot.discovering import chosen_architectures
from hubbot.bot.locking import only_one
from hubbot.bot.measuring import measure_checkpoints, waiting
from hubbot.bot.shard_files import (
    MANIFEST,
    PLAN,
    VERSION,
    KnownReference,
    Manifest,
    ShardModel,
    WorkList,
    read_work_list,
    result_of,
    write_result,
)
from hubbot.bot.shard_targets import outcomes_of, plan_targets, work_targets, write_cells
from hubbot.bot.workplace import Budget, Workplace
from hubbot.catalog.architectures import load_architectures
from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.measurement import Report, no_report
from hubbot.printable import printable
from hubbot.records.checkpoint_rows import STATES, CheckpointRow, ListedRow
from hubbot.records.pass_rows import BotLedger, ReferenceKey
from hubbot.records.store import record_file, write_text
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_SECRETS = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUBBOT_READ_TOKEN", "HUBBOT_WRITE_TOKEN"),
    *("HUBBOT_GITHUB__TOKEN", "HUBBOT_GITHUB__PRIVATE_KEY_FILE"),
)
_FOR_ALL = (
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
    everything = len(chosen) == len(load_architectures())
    names = () if everything else tuple(entry.name for entry in chosen)
    most = settings.bot.max_models if max_models is None else max_models
    with BotLedger(settings.ledger_file) as ledger:
        rows = waiting(ledger, settings, names)[:most]
        sensitivities, evaluations = plan_targets(ledger, settings, names, shards)
        common = _common(ledger, settings)
    order = {row.model: place for place, row in enumerate(rows)}
    models = [
        tuple(_shard_model(row, order[row.model], settings) for row in part)
        for part in _deal(rows, shards)
    ]
    # Fine-tunings go to the runners from the last one on: the first has the most valuable models.
    parts = [
        {
            "models": part,
            "sensitivities": tuple(sensitivities[shards - 1 - number :: shards]),
            "evaluations": tuple(evaluations[shards - 1 - number :: shards]),
        }
        for number, part in enumerate(models)
    ]
    parts = [part for part in parts if any(part.values())]
    planned, digest = _write_lists(parts, common, out)
    found = Plan(
        include=planned,
        plan=digest if planned else "",
        models=len(rows),
        targets=len(sensitivities) + len(evaluations),
    )
    write_text(out / PLAN, json.dumps(asdict(found), indent=1) + "\n")
    return found


def _write_lists(
    parts: Sequence[Mapping[str, tuple[Any, ...]]], common: Mapping[str, Any], out: Path
) -> tuple[tuple[PlannedShard, ...], str]:
    """Write a work list for each part; returns them and the digest of all."""
    plain = [{name: [one.model_dump() for one in part[name]] for name in part} for part in parts]
    digest = _digest_of([common, plain])
    planned = []
    for number, part in enumerate(parts):
        work = WorkList.model_validate({"plan": digest, "shard": number, **part, **common})
        name = f"shard-{number}.json"
        write_text(out / name, work.model_dump_json(indent=1) + "\n")
        n_targets = len(work.sensitivities) + len(work.evaluations)
        planned.append(
            PlannedShard(shard=number, list=name, models=len(work.models), targets=n_targets)
        )
    return tuple(planned), digest


def _common(ledger: BotLedger, settings: Settings) -> dict[str, Any]:
    bot = settings.bot
    return {
        "version": VERSION,
        **{name: getattr(bot, name) for name in _FOR_ALL},
        "bands": tuple((*key, begins) for key, begins in ledger.bands().items()),
        "references": _references(ledger),
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
    return any(record_file(settings.records_dir, name, row.model).exists() for name in names)


def _listed(one: ShardModel) -> ListedRow:
    return ListedRow(
        model=one.model,
        revision=one.revision,
        architecture=one.architecture,
        is_included=True,
        code="",
        reason=one.reason,
        # Measured in the order of the plan: of two copies it is the first that gets the record.
        value=-float(one.order),
        created="",
        modified="",
        downloads=0,
        likes=0,
        parameters=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """What ``hubbot probe --from`` did."""

    plan: str
    """Digest of the plan."""
    shard: int
    """Number of the shard."""
    results: str
    """Folder of the results."""
    states: Mapping[str, int]
    """Checkpoints by state."""
    problems: Sequence[str]
    """What went wrong that belongs to no checkpoint."""


def work_off(
    list_file: Path,
    results: Path,
    *,
    settings: Settings | None = None,
    report: Report = no_report,
) -> Worked:
    """Measure what a work list names, with nothing that could be written to the Hub.

    Run again with the same folder, it goes on where it was; what is finished is kept. What is
    finished when it is stopped, or its minutes are over, is written down as well.

    Args:
        list_file: From ``plan``.
        results: Folder for the results, of this shard alone.
        settings: Read from flags, environment and file where None; the list's own take their place.
            ``bot.budget_minutes`` holds for the shard.
        report: Told a task's name, steps done and steps in all.

    Raises:
        SettingsError: If the list is none, the folder holds another shard's results, or a disk is
            full.
        RemoteError: If the Hub cannot be reached several times in a row.
    """
    require_extra("probe", purpose="hubbot probe --from")
    work_list = read_work_list(list_file)
    settings = _with_list(settings or load_settings(), work_list, results)
    _refuse_other_shard(results, work_list)
    with (
        _without_token(),
        only_one(settings.ledger_file),
        BotLedger(settings.ledger_file) as ledger,
    ):
        _fill(ledger, work_list)
        work = Workplace(
            ledger=ledger,
            settings=settings,
            budget=Budget(minutes=settings.bot.budget_minutes),
            number=ledger.begin_pass(),
            has_records_elsewhere=True,
            report=report,
        )
        try:
            measure_checkpoints(work, ())
            work_targets(work, work_list)
        finally:
            # Also when it is stopped: what is finished can be collected.
            states = _write_results(work, work_list, results)
    return Worked(
        plan=work_list.plan,
        shard=work_list.shard,
        results=str(results),
        states=states,
        problems=tuple(work.problems),
    )


@contextmanager
def _without_token() -> Iterator[None]:
    """Keep a token that somebody left on the machine where it is, and tell of it."""
    from hubbot.hub.client import anonymously

    held = [name for name in _SECRETS if os.environ.get(name)]
    if held:
        logger.warning(
            "%s is set: a shard needs no token and does not use it; leave it out where strangers' "
            "checkpoints are opened",
            " and ".join(held),
        )
    with anonymously():
        yield


def _with_list(settings: Settings, work_list: WorkList, results: Path) -> Settings:
    given = {name: getattr(work_list, name) for name in _FOR_ALL}
    secrets = dict.fromkeys(("token", "app_id", "private_key_file", "installation_id"))
    return settings.model_copy(
        update={
            "bot": settings.bot.model_copy(update=given),
            "github": settings.github.model_copy(update=secrets),
            "ledger_file": results / "ledger.sqlite",
            "records_dir": results / "scores",
            "write_token": None,
            "read_token": None,
        }
    )


def _refuse_other_shard(results: Path, work_list: WorkList) -> None:
    mark = results / "shard.json"
    own = {"plan": work_list.plan, "shard": work_list.shard}
    if mark.exists():
        try:
            found = json.loads(mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if found != own:
            raise SettingsError(
                f"{results} holds the results of another shard or plan; name another folder "
                "with --results, or empty it"
            )
    write_text(mark, json.dumps(own) + "\n")


def _fill(ledger: BotLedger, work_list: WorkList) -> None:
    ledger.note_listed([_listed(one) for one in work_list.models])
    for one in work_list.models:
        row = ledger.find_checkpoint(one.model)
        if row is not None and row.state == "seen":
            ledger.note_checkpoint(
                one.model,
                "seen",
                reason=one.reason,
                attempts=one.attempts,
                weights_digest=one.weights_digest,
                measured_revision=one.measured_revision,
            )
    ledger.keep_bands({(name, protocol): begins for name, protocol, begins in work_list.bands})
    for known in work_list.references:
        values = known.model_dump()
        accuracy = values.pop("lp_accuracy")
        ledger.keep_reference(ReferenceKey(**values), accuracy, date="")
    ledger.note_measured_elsewhere(work_list.measured)


def _write_results(work: Workplace, work_list: WorkList, results: Path) -> dict[str, int]:
    # Without a manifest for a moment: a kill in between is a lost shard, not a changed one.
    (results / MANIFEST).unlink(missing_ok=True)
    names, states = {}, dict[str, int]()
    for number, one in enumerate(work_list.models):
        row = work.ledger.find_checkpoint(one.model)
        if row is None:
            continue
        name = f"{number:04d}.json"
        names[name] = write_result(result_of(row, work_list, work.settings), results / name)
        states[row.state] = states.get(row.state, 0) + 1
    manifest = Manifest(
        version=VERSION,
        plan=work_list.plan,
        shard=work_list.shard,
        hubbot_version=__version__,
        files=names,
        problems=tuple(printable(problem, limit=4000) for problem in work.problems),
        references=_references(work.ledger),
        cells=write_cells(work_list, results),
        outcomes=outcomes_of(work.ledger),
    )
    write_text(results / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return dict(sorted(states.items(), key=lambda item: STATES.index(item[0])))


def _references(ledger: BotLedger) -> tuple[KnownReference, ...]:
    return tuple(
        KnownReference(**asdict(key), lp_accuracy=value)
        for key, value in ledger.references().items()
    )


def _digest_of(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=dict)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
