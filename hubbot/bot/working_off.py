"""A shard worked off, without any secret, by the very code of a pass on a ledger of its own.

The ledger lies beside the results, so that a shard which was killed goes on where it was. What it
found is written as one file a checkpoint and one a fine-tuning, and at the end a manifest with the
digest of each.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubbot import __version__
from hubbot.bot.locking import only_one
from hubbot.bot.measuring import measure_checkpoints
from hubbot.bot.shard_cells import known_file, read_known, write_cells
from hubbot.bot.shard_files import (
    MANIFEST,
    MOST_PROBLEMS,
    VERSION,
    Manifest,
    ShardModel,
    WorkList,
    read_work_list,
    result_of,
    write_result,
)
from hubbot.bot.shard_targets import outcomes_of, work_targets
from hubbot.bot.shards import FOR_ALL, references_of
from hubbot.bot.targets import minutes_for_checkpoints
from hubbot.bot.workplace import Budget, Workplace
from hubbot.errors import SettingsError
from hubbot.extras import require_extra
from hubbot.measurement import Report, no_report
from hubbot.printable import printable
from hubbot.records.cells import CellKey
from hubbot.records.checkpoint_rows import STATES, ListedRow
from hubbot.records.ledger import Ledger
from hubbot.records.pass_rows import BotLedger, ReferenceKey
from hubbot.records.store import write_text
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_SECRETS = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUBBOT_READ_TOKEN", "HUBBOT_WRITE_TOKEN"),
    *("HUBBOT_GITHUB__TOKEN", "HUBBOT_GITHUB__PRIVATE_KEY_FILE"),
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
        known = _fill_known(ledger, known_file(list_file, work_list.shard), work_list)
        work = Workplace(
            ledger=ledger,
            settings=settings,
            budget=Budget(minutes=settings.bot.budget_minutes),
            number=ledger.begin_pass(),
            has_records_elsewhere=True,
            report=report,
        )
        try:
            is_due = bool(work_list.sensitivities or work_list.evaluations)
            minutes = minutes_for_checkpoints(work, (), is_due=is_due)
            measure_checkpoints(work, (), minutes=minutes)
            work_targets(work, work_list)
        finally:
            # Also when it is stopped: what is finished can be collected.
            states = _write_results(work, work_list, results, known)
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
    given = {name: getattr(work_list, name) for name in FOR_ALL}
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


def _fill_known(ledger: BotLedger, path: Path, work_list: WorkList) -> frozenset[CellKey]:
    """Take over the fine-tunings that are finished, and return which they are."""
    keys = set()
    with Ledger(ledger.path) as cells:
        for cell in read_known(path, work_list):
            keys.add(cell.key)
            if cells.find(cell.key) is None:
                cells.keep(cell)
    return frozenset(keys)


def _write_results(
    work: Workplace, work_list: WorkList, results: Path, known: frozenset[CellKey]
) -> dict[str, int]:
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
        problems=tuple(printable(problem, limit=4000) for problem in work.problems[:MOST_PROBLEMS]),
        references=references_of(work.ledger),
        cells=write_cells(work_list, results, work.settings.ledger_file, but=known),
        outcomes=outcomes_of(work),
    )
    write_text(results / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return dict(sorted(states.items(), key=lambda item: STATES.index(item[0])))
