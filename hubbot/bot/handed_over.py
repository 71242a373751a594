"""One score record that another machine measured, which is not trusted: its numbers, if they hold.

The workflow *annotate* measures on a runner that opens strangers' weights and proposes on one that
holds a token. The record in between is judged as a shard's is by ``collect``.
"""

import datetime
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from hubbot.bot.shard_checks import RejectedError, check_result, record_to_keep
from hubbot.bot.shard_files import ShardResult, WorkList, first_problem
from hubbot.errors import IntegrityError, RemoteError
from hubbot.gains.calibration_file import load_calibrations
from hubbot.measurement import hub_api
from hubbot.pipeline import PROTOCOL
from hubbot.printable import printable
from hubbot.records.record import Record
from hubbot.schema import DEFAULT_HEAD
from hubbot.settings import Settings

MAX_AGE_DAYS = 31
"""Days after which a record is measured again; a job may wait for its reviewer for thirty."""


def take_numbers(
    record: Record, path: Path, settings: Settings, *, max_train: int | None
) -> Record:
    """Return a record with everything that follows from its numbers made here.

    Args:
        record: As read; of the model that is spoken of.
        path: Where it is from, for messages.
        settings: Calibrations, and how the Hub is asked.
        max_train: Training rows that the probe was asked to use; None for all.

    Raises:
        IntegrityError: If it does not hold: it contradicts itself, the catalog, the calendar or the
            Hub, was made by another protocol, or says what no probe says.
        RemoteError: If the Hub cannot be asked.
    """
    protocol = PROTOCOL if max_train is None else f"{PROTOCOL}@{max_train}"
    if record.protocol != protocol:
        _refuse(path, f"it was measured by {printable(record.protocol)}, asked was {protocol}")
    _check_date(record, path)
    try:
        work_list = _as_list(max_train)
        result = _as_result(record, work_list)
        check_result(result, work_list)
        kept = record_to_keep(result, load_calibrations(settings.calibrations_file))
    except ValidationError as error:
        _refuse(path, first_problem(error))
    except RejectedError as error:
        _refuse(path, str(error))
    _check_weights(kept, path, settings)
    return kept


def _check_date(record: Record, path: Path) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    days = (today - record.date).days
    if not -1 <= days <= MAX_AGE_DAYS:
        _refuse(path, f"it is of {record.date}, today is {today}")


def _check_weights(record: Record, path: Path, settings: Settings) -> None:
    """Ask the Hub whether the commit that is named holds the weights that are named."""
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.download import announced_digest

    try:
        at = resolve_checkpoint(f"{record.model}@{record.revision}", api=hub_api(settings))
    except RemoteError as error:
        if error.kind == "revision_not_found":
            _refuse(path, f"the Hub does not have its commit: {error}")
        raise
    announced = announced_digest(at, allow_bin=True)
    if announced is not None and announced != record.weights_digest:
        _refuse(
            path,
            f"it was measured on weights {printable(record.weights_digest[:19])}..., the Hub has "
            f"{announced[:19]}... at {record.revision[:10]}",
        )


def _refuse(path: Path, why: str) -> NoReturn:
    raise IntegrityError(
        f"{path} is not taken: {why}; measure {path.stem.replace('--', '/')} again, and look at "
        "the machine that wrote it",
        check="not-trusted",
    )


def _as_result(record: Record, work_list: WorkList) -> ShardResult:
    """Return the record as the result of a shard that measured nothing else."""
    gains, intervals = record.lp_gain or {}, record.lp_gain_interval or {}
    return ShardResult(
        plan="",
        shard=0,
        model=record.model,
        revision=record.revision,
        state="recorded",
        code="",
        reason="",
        attempts=0,
        architecture=record.architecture,
        weights_digest=record.weights_digest,
        measured_revision=record.revision,
        protocol=f"{PROTOCOL}@{work_list.small_train}",
        lp_gain=gains.get(DEFAULT_HEAD),
        lp_gain_interval=intervals.get(DEFAULT_HEAD),
        seconds=0.0,
        record=record.plain(),
    )


def _as_list(max_train: int | None) -> WorkList:
    """Return a work list that asks for nothing but a probe with so many rows."""
    return WorkList(
        version=1,
        plan="",
        shard=0,
        models=(),
        # No fewer than MNLI has where all are asked for: there is no small probe beside it.
        screen_train=max_train or 10**6,
        max_train=max_train,
        full_share=0.0,
        max_attempts=1,
        tolerance_points=1.0,
        gain_seeds=1,
        gain_train=None,
        gain_epochs=None,
        evaluate_targets="",
        bands=(),
        references=(),
        measured=(),
    )
