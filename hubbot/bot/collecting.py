"""``collect``: results of shards checked, merged into the ledger and published.

A runner that opens strangers' weights may be taken over by one of them, so what a shard wrote is
not trusted for its word. Each file has to have the digest that its manifest names, lie in the
folder of its shard (``shard_gathering.py``), be of this plan and of this shard's list, and agree
with itself (``shard_checks.py``); its weights have to be those that the Hub announces for that
commit. Fine-tunings have to be those that the list asks for (``shard_judging.py``). Whatever
follows from its numbers (the predicted gain and all sentences of a card) is made anew here, so that
no text of a shard reaches a card. A shard that is lost leaves its checkpoints to the next plan; one
that ran twice is taken once; one that wrote what nobody foresaw loses that result alone.

What this cannot do: prove a number. Whoever holds a runner can invent an accuracy that fits all
checks, pass a checkpoint over as skipped or refused, or have a first reference probe lie, after
which sound machines of that kind seem wrong (which is told, and nothing is measured). Digests of
files tell accidents and careless changes, not a forger, who writes the manifest as well. It takes
another machine: ``hubbot probe MODEL`` anew on one's own, for a few models drawn at random, and
runners that are thrown away after one job.
"""

import datetime
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hubbot.bot.cards import publish_records
from hubbot.bot.collected import Collected
from hubbot.bot.corrections import find_moved
from hubbot.bot.following import follow_pull_requests
from hubbot.bot.locking import only_one
from hubbot.bot.measuring import GONE, draw_bands
from hubbot.bot.renaming import go_on_under
from hubbot.bot.scores import file_scores
from hubbot.bot.shard_checks import RejectedError, record_to_keep
from hubbot.bot.shard_files import (
    SAME_REVISION,
    KnownReference,
    ShardModel,
    ShardResult,
    WorkList,
    read_plan,
)
from hubbot.bot.shard_gathering import Gathered, gather
from hubbot.bot.shard_merging import merge_targets
from hubbot.bot.summary import spelt
from hubbot.bot.target_errors import raise_for_all
from hubbot.bot.targets import send_waiting
from hubbot.bot.workplace import Budget, OnCard, Workplace, ignore_card
from hubbot.catalog.architectures import find_architecture
from hubbot.errors import HubbotError, RemoteError, SettingsError
from hubbot.extras import require_extra
from hubbot.gains.calibration_file import load_calibrations
from hubbot.measurement import Report, hub_api, no_report
from hubbot.printable import printable
from hubbot.records.checkpoint_rows import OPEN_STATES, CheckpointRow, State
from hubbot.records.filed import take_over_filed
from hubbot.records.measured import write_probed
from hubbot.records.pass_rows import BotLedger, ReferenceKey
from hubbot.records.store import is_record_of
from hubbot.settings import Settings, load_settings

logger = logging.getLogger(__name__)

_KEPT = ("recorded", "skipped", "refused", "failed")
"""States that a shard may report; what it did not come to is left to the next plan."""
_MEASURED = ("recorded", "published", "unpublished")


def collect(
    results: Path,
    *,
    plan_file: Path,
    send: bool = False,
    settings: Settings | None = None,
    report: Report = no_report,
    on_card: OnCard = ignore_card,
) -> Collected:
    """Check, merge and publish what shards found.

    Args:
        results: Folder with a folder ``shard-N`` for each shard N, or such a folder.
        plan_file: ``plan.json``, with its work lists beside it.
        send: Whether pull requests are opened.
        settings: Read from flags, environment and file where None.
        report: Told how far it is.
        on_card: Told what was or would be done to each card.

    Raises:
        SettingsError: If the plan is none, or another pass is at work.
        RemoteError: If the Hub cannot be asked, or the token may not write.
    """
    require_extra("github", purpose="hubbot collect")
    settings = settings or load_settings()
    plan, lists = read_plan(plan_file)
    if not results.is_dir():
        raise SettingsError(f"{results}: no such folder; name the one with the shards' results")
    gathered = gather(results, plan, lists)
    found = Collected(
        plan=plan,
        is_sending=send,
        repeated=gathered.repeated,
        rejected=gathered.rejected,
        problems=gathered.problems,
    )
    with only_one(settings.ledger_file), BotLedger(settings.ledger_file) as ledger:
        take_over_filed(settings)
        work = Workplace(
            ledger=ledger,
            settings=settings,
            budget=Budget(),
            number=ledger.begin_pass(),
            is_sending=send,
            report=report,
            on_card=on_card,
        )
        known = set(ledger.opt_outs())
        _merge(work, lists, gathered, found)
        follow_pull_requests(work)
        find_moved(work)
        merge_targets(work, lists, gathered)
        send_waiting(work, ())
        publish_records(work, ())
        found.scores = file_scores(work)
        _sum_up(work, found)
        found.opt_outs = {name: why for name, why in ledger.opt_outs().items() if name not in known}
        ledger.end_pass(work.number, {"collected": found.taken, "stopped": ""})
    return found


def _sum_up(work: Workplace, found: Collected) -> None:
    found.n_opened = work.n_opened
    found.problems += work.problems
    found.touched = spelt(work.ledger.count_checkpoints(pass_number=work.number))
    found.events = dict(work.events)
    price, measured = work.settings.bot.price_per_hour, work.n_measured
    found.seconds = round(found.seconds, 1)
    found.seconds_per_model = round(found.seconds / measured, 2) if measured else None
    if price is not None:
        found.cost = round(price * found.seconds / 3600, 4)
        found.cost_per_model = round(found.cost / measured, 4) if measured else None


def _merge(
    work: Workplace, lists: Mapping[int, WorkList], gathered: Gathered, found: Collected
) -> None:
    """Take over result by result in the order of the plan, as one machine would have come to it."""
    planned = [one for work_list in lists.values() for one in work_list.models]
    for number, one in enumerate(sorted(planned, key=lambda one: one.order), start=1):
        result = gathered.results.get(one.model)
        if result is None:
            if one.model not in gathered.rejected:
                found.missing.append(one.model)
            continue
        _take_safely(work, one, result, found)
        work.report("results", number, len(planned))
    _keep_references(work, gathered.references)
    draw_bands(work.ledger)


def _take_safely(work: Workplace, one: ShardModel, result: ShardResult, found: Collected) -> None:
    """Take a result over; whatever is wrong with it is its own fault, the others are taken.

    Raises:
        SettingsError: If the ledger or a record cannot be written.
        RemoteError: If the token is refused, or the Hub could not be reached several times in a
            row.
    """
    try:
        _take(work, one, result, found)
    except SettingsError:
        raise
    except (RejectedError, HubbotError) as error:
        found.rejected[one.model] = printable(error, limit=1000)
        if isinstance(error, HubbotError):
            raise_for_all(work, error)
    except Exception as error:
        logger.exception("%s is not taken: an error that hubbot does not know", one.model)
        why = f"an error that hubbot does not know: {error!r}"
        found.rejected[one.model] = printable(why, limit=1000)


def _take(work: Workplace, one: ShardModel, result: ShardResult, found: Collected) -> None:
    row = work.ledger.find_checkpoint(one.model)
    if row is None:
        raise RejectedError("the ledger does not know it; was the plan made from another ledger?")
    if row.state not in OPEN_STATES:
        # Taken over before, or settled by a pass meanwhile.
        found.repeated += 1
        return
    if row.revision not in (one.revision, result.revision):
        raise RejectedError(
            f"it was listed anew since the plan, at {row.revision[:10]}; the next plan has it again"
        )
    if result.state not in _KEPT:
        found.missing.append(one.model)
        return
    values = _judged(work, row, result)
    state: State = values.pop("state")
    work.ledger.note_checkpoint(one.model, state, **values)
    work.ledger.add_seconds(one.model, result.seconds)
    found.seconds += result.seconds
    work.n_measured += state in ("recorded", "refused", "failed")
    found.taken += 1
    found.states[state] = found.states.get(state, 0) + 1


def _judged(work: Workplace, row: CheckpointRow, result: ShardResult) -> dict[str, Any]:
    """Return what the ledger is to say of a checkpoint; its record is written first."""
    said = {
        "state": result.state,
        "code": result.code,
        "reason": printable(result.reason, limit=4000),
    }
    if result.state == "failed":
        return said | {"attempts": max(result.attempts, row.attempts)}
    if result.code == "renamed":
        _follow_name(work, row)
    if result.state != "recorded":
        return said | {"measured_revision": result.measured_revision, "revision": result.revision}
    try:
        _check_weights(work.settings, result)
    except RemoteError as error:
        if error.kind not in GONE - {"revision_not_found"}:
            raise
        # As a pass finds it that comes too late: it was deleted or closed since it was measured.
        return {
            "state": "skipped",
            "code": error.kind.replace("_", "-"),
            "reason": str(error),
            "measured_revision": row.revision,
        }
    if result.code == SAME_REVISION:
        return _unchanged(work, row, result, said)
    other = work.ledger.same_weights(result.weights_digest, other_than=row.model)
    if other is not None:
        return {
            "state": "skipped",
            "code": "same-weights",
            "reason": f"it holds the very weights of {other}",
            "measured_revision": row.revision,
        }
    calibrations = load_calibrations(work.settings.calibrations_file)
    write_probed(work.settings.records_dir, record_to_keep(result, calibrations))
    names = ("revision", "measured_revision", "architecture", "weights_digest", "protocol")
    more = ("lp_gain", "lp_gain_interval")
    return said | {name: getattr(result, name) for name in (*names, *more)}


def _follow_name(work: Workplace, row: CheckpointRow) -> None:
    from hubbot.hub.checkpoints import resolve_checkpoint

    try:
        remote = resolve_checkpoint(row.model, api=hub_api(work.settings))
    except RemoteError as error:
        if error.kind not in GONE:
            raise
        return
    if remote.model == row.model:
        raise RejectedError("it is said to have another name, yet the Hub knows it by this one")
    go_on_under(work.ledger, row, model=remote.model, revision=remote.revision)


def _unchanged(
    work: Workplace, row: CheckpointRow, result: ShardResult, said: dict[str, Any]
) -> dict[str, Any]:
    is_known = find_architecture(result.architecture) is not None and bool(result.weights_digest)
    is_known = is_known and row.weights_digest == result.weights_digest
    folder = work.settings.records_dir
    if not is_known or not is_record_of(
        folder, result.architecture, row.model, weights_digest=row.weights_digest
    ):
        raise RejectedError(
            "it is said to have the weights that were measured before, yet there is no record of "
            "them here"
        )
    return said | {"architecture": result.architecture}


def _check_weights(settings: Settings, result: ShardResult) -> None:
    """Ask the Hub whether the weights of that commit are those that were measured.

    Raises:
        RejectedError: If they are others, or the repository has no such commit.
        RemoteError: If the repository is gone, or the Hub cannot be asked.
    """
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.download import announced_digest

    revision = result.revision if result.code == SAME_REVISION else result.measured_revision
    try:
        remote = resolve_checkpoint(f"{result.model}@{revision}", api=hub_api(settings))
        announced = announced_digest(remote, allow_bin=True)
    except RemoteError as error:
        if error.kind == "revision_not_found":
            raise RejectedError(f"the Hub does not have that commit (any more): {error}") from error
        raise
    except HubbotError as error:
        raise RejectedError(str(error)) from error
    if announced is not None and announced != result.weights_digest:
        raise RejectedError(
            f"it was measured on weights {printable(result.weights_digest[:19])}..., the Hub has "
            f"{announced[:19]}... at {revision[:10]}"
        )


def _keep_references(work: Workplace, references: Sequence[KnownReference]) -> None:
    """Keep the first reference probes of the shards, unless two machines of a kind disagree."""
    told: dict[ReferenceKey, list[float]] = {}
    for known in references:
        values = known.model_dump()
        accuracy = values.pop("lp_accuracy")
        if find_architecture(known.architecture) is not None:
            told.setdefault(ReferenceKey(**values), []).append(accuracy)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    for key, found in told.items():
        if max(found) - min(found) <= work.settings.bot.tolerance_points:
            work.ledger.keep_reference(key, found[0], date=today)
            continue
        low, high = min(found), max(found)
        work.note_problem(
            f"reference probes of {key.architecture} on {printable(key.device)} by "
            f"{printable(key.protocol)} range from {low:.2f} to {high:.2f}; none is kept: find "
            "out which machine is not sound"
        )
