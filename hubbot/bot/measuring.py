"""One checkpoint of a pass: looked at, probed, recorded. Whatever happens, it ends in one state."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hubbot.bot.reference import check_reference
from hubbot.bot.renaming import go_on_under
from hubbot.bot.screening import band_of, why_full
from hubbot.bot.workplace import Workplace
from hubbot.catalog.architectures import find_architecture, load_architectures
from hubbot.catalog.config_file import read_config
from hubbot.catalog.recognition import recognise
from hubbot.errors import (
    CheckpointError,
    HubbotError,
    IntegrityError,
    RemoteError,
    SettingsError,
)
from hubbot.hub.manners import is_on_list, reason_to_leave_alone
from hubbot.measurement import Checkpoint, hub_api, may_read_bin, obtain
from hubbot.records.checkpoint_rows import OPEN_STATES, CheckpointRow
from hubbot.records.pass_rows import BotLedger
from hubbot.records.store import record_file
from hubbot.schema import DEFAULT_HEAD, Architecture, ProbeResult, RemoteCheckpoint
from hubbot.settings import Settings

logger = logging.getLogger(__name__)

GONE = {"not_found", "revision_not_found", "gated", "disabled"}
"""Kinds of refusal that say the checkpoint is no longer there for us."""

_STOPPING = {"unauthorised"}
"""Kinds of refusal that every other checkpoint would meet as well."""

MOST_UNREACHABLE = 3
"""Checkpoints in a row at which the Hub cannot be reached, after which a pass gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A checkpoint on the Hub now."""

    remote: RemoteCheckpoint
    architecture: Architecture
    digest: str | None


class _Skipped(Exception):  # noqa: N818 - an outcome, not a failure
    """Ends the look at a checkpoint that is not what the list said."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def measure_checkpoints(work: Workplace, architectures: tuple[str, ...]) -> None:
    """Measure what the ledger holds, the most valuable first, until the budget is spent.

    Each checkpoint is tried once in a pass. Its failure is its own: the next one is begun. The
    pass ends early where every other checkpoint would fail as well.

    Args:
        work: Ledger, settings and budget.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If the disk is full, an extra is missing or the ledger is unwritable.
        RemoteError: If the token is refused, or the Hub cannot be reached several times in a row.
    """
    batch = _Batch(work)
    for row in waiting(work.ledger, work.settings, architectures):
        why = work.why_stop()
        if why is not None:
            logger.info("%s", why)
            work.events["stopped by the budget"] += 1
            break
        batch.take(row)
    draw_bands(work.ledger)


def waiting(
    ledger: BotLedger, settings: Settings, architectures: tuple[str, ...]
) -> list[CheckpointRow]:
    """Return the checkpoints that are to be measured, the most valuable first.

    Args:
        ledger: Open ledger.
        settings: Most attempts.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If the ledger cannot be read.
    """
    rows = ledger.checkpoints(states=OPEN_STATES, architectures=architectures)
    return [row for row in rows if row.attempts < settings.bot.max_attempts]


def draw_bands(ledger: BotLedger) -> None:
    """Draw the upper bands anew from everything that is known, for the next batch.

    Args:
        ledger: Open ledger.

    Raises:
        SettingsError: If the ledger cannot be written.
    """
    found = {key: band_of(gains) for key, gains in ledger.lp_gains().items()}
    ledger.keep_bands({key: band for key, band in found.items() if band is not None})


class _Batch:
    """The checkpoints of one pass, and what was found out about the machine on the way."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._trusted: dict[str, HubbotError | None] = {}
        self._unreachable = 0
        # As the last batch left them: who is measured first or on which machine changes nothing.
        self._bands = work.ledger.bands()

    def take(self, row: CheckpointRow) -> None:
        """Bring one checkpoint to its next state."""
        work = self._work
        if not work.ledger.claim_checkpoint(row.model):
            work.events["left to another process"] += 1
            return
        begun = time.monotonic()
        try:
            self._take(row)
        finally:
            seconds = time.monotonic() - begun
            work.seconds += seconds
            work.ledger.add_seconds(row.model, seconds)
            work.ledger.release_checkpoint(row.model)

    def _take(self, row: CheckpointRow) -> None:
        ledger = self._work.ledger
        try:
            with _unknown_errors(row.model):
                self._measure(row)
                self._unreachable = 0
        except _Skipped as skipped:
            ledger.note_checkpoint(
                row.model,
                "skipped",
                code=skipped.code,
                reason=skipped.reason,
                measured_revision=row.revision,
            )
        except _NotTrusted as error:
            # Nothing of the checkpoint's: it waits for a machine that can be trusted.
            logger.warning("%s waits: %s", row.model, error)
        except IntegrityError as error:
            self._work.n_measured += 1
            ledger.note_checkpoint(
                row.model,
                "refused",
                code=error.check,
                reason=str(error),
                measured_revision=row.revision,
            )
        except RemoteError as error:
            self._remote(row, error)
        except SettingsError:
            raise
        except HubbotError as error:
            self._work.n_measured += 1
            self._failed(row, error, is_final=isinstance(error, CheckpointError))

    def _remote(self, row: CheckpointRow, error: RemoteError) -> None:
        if error.kind in GONE:
            self._work.ledger.note_checkpoint(
                row.model,
                "skipped",
                code=error.kind.replace("_", "-"),
                reason=str(error),
                measured_revision=row.revision,
            )
            return
        self._failed(row, error, is_final=False)
        if error.kind in _STOPPING:
            raise error
        if error.kind == "unreachable":
            self._unreachable += 1
            if self._unreachable >= MOST_UNREACHABLE:
                raise error

    def _failed(self, row: CheckpointRow, error: HubbotError, *, is_final: bool) -> None:
        most = self._work.settings.bot.max_attempts
        attempts = most if is_final else row.attempts + 1
        logger.warning("%s: %s", row.model, error)
        self._work.ledger.note_checkpoint(
            row.model, "failed", code=_code_of(error), reason=str(error), attempts=attempts
        )

    def _measure(self, row: CheckpointRow) -> None:
        work = self._work
        found = _look(row, work)
        if self._is_measured(row, found):
            return
        self._trust(found.architecture)
        checkpoint = obtain(
            f"{found.remote.model}@{found.remote.revision}", work.settings, report=work.report
        )
        work.ledger.note_checkpoint(
            row.model,
            "downloaded",
            reason=row.reason,
            architecture=found.architecture.name,
            revision=found.remote.revision,
        )
        result = self._screen(row, checkpoint)
        why = self._why_full(result)
        if why is not None:
            logger.info("%s gets the full probe: %s", row.model, why)
            result = _probe(checkpoint, work.settings.bot.max_train, work)
        work.n_measured += 1
        self._record(row, result)

    def _is_measured(self, row: CheckpointRow, found: _Looked) -> bool:
        """Deal with weights that were measured already, under this name or another."""
        if found.digest is None:
            return False
        ledger = self._work.ledger
        is_known = found.digest == row.weights_digest and bool(row.measured_revision)
        if is_known and self._has_record(row.model, found.architecture):
            # Only the card or the like has changed since.
            logger.info("%s: the same weights as at %s", row.model, row.measured_revision[:10])
            ledger.note_checkpoint(
                row.model,
                "recorded",
                code="same-revision",
                reason=f"its weights were measured at {row.measured_revision[:10]}",
                architecture=found.architecture.name,
            )
            return True
        other = ledger.same_weights(found.digest, other_than=row.model)
        if other is not None:
            raise _Skipped("same-weights", f"it holds the very weights of {other}")
        return False

    def _has_record(self, model: str, architecture: Architecture) -> bool:
        work = self._work
        if work.has_records_elsewhere:
            return True
        return record_file(work.settings.records_dir, architecture.name, model).exists()

    def _trust(self, architecture: Architecture) -> None:
        if architecture.name not in self._trusted:
            try:
                check_reference(self._work, architecture)
                self._trusted[architecture.name] = None
            except SettingsError:
                raise
            except HubbotError as error:
                self._work.note_problem(f"{architecture.name} is not measured: {error}")
                self._trusted[architecture.name] = error
        why = self._trusted[architecture.name]
        if why is not None:
            raise _NotTrusted(str(why)) from why

    def _screen(self, row: CheckpointRow, checkpoint: Checkpoint) -> ProbeResult:
        bot = self._work.settings.bot
        n_train = min(bot.screen_train, bot.max_train or bot.screen_train)
        result = _probe(checkpoint, n_train, self._work)
        self._work.ledger.note_checkpoint(
            row.model,
            "probed",
            reason=row.reason,
            weights_digest=result.weights_digest,
            measured_revision=result.revision,
            protocol=result.protocol,
            lp_gain=None if result.lp_gain is None else result.lp_gain[DEFAULT_HEAD],
            lp_gain_interval=None
            if result.lp_gain_interval is None
            else result.lp_gain_interval[DEFAULT_HEAD],
        )
        return result

    def _why_full(self, result: ProbeResult) -> str | None:
        bot = self._work.settings.bot
        if bot.max_train is not None and bot.max_train <= bot.screen_train:
            return None
        intervals = result.lp_gain_interval
        return why_full(
            result.model,
            None if intervals is None else intervals[DEFAULT_HEAD],
            self._bands.get((result.architecture, result.protocol)),
            share=bot.full_share,
        )

    def _record(self, row: CheckpointRow, result: ProbeResult) -> None:
        from hubbot.gains.calibration_file import load_calibrations
        from hubbot.records.from_probe import make_record
        from hubbot.records.measured import write_probed

        settings = self._work.settings
        record = make_record(result, calibrations=load_calibrations(settings.calibrations_file))
        write_probed(settings.records_dir, record)
        self._work.ledger.note_checkpoint(
            row.model,
            "recorded",
            architecture=result.architecture,
            weights_digest=result.weights_digest,
            measured_revision=result.revision,
            revision=result.revision,
        )


class _NotTrusted(Exception):  # noqa: N818 - an outcome: the checkpoint is left as it is
    """The machine's reference probe does not agree."""


@contextmanager
def _unknown_errors(model: str) -> Iterator[None]:
    """Turn what nobody foresaw into a failure of this one checkpoint, its traceback logged."""
    try:
        yield
    except (HubbotError, _Skipped, _NotTrusted):
        raise
    except OSError as error:
        raise SettingsError(
            f"{model}: {error.strerror or error}; look at disk and folders, then run again"
        ) from error
    except Exception as error:
        logger.exception("%s met an error that hubbot does not know", model)
        raise HubbotError(f"an error that hubbot does not know: {error!r}") from error


def _probe(checkpoint: Checkpoint, max_train: int | None, work: Workplace) -> ProbeResult:
    from hubbot.pipeline import probe_checkpoint

    return probe_checkpoint(
        checkpoint, max_train=max_train, settings=work.settings, report=work.report
    )


def _look(row: CheckpointRow, work: Workplace) -> _Looked:
    """Ask the Hub what the checkpoint is now, weights apart.

    Raises:
        _Skipped: If it is not to be measured after all.
        RemoteError: If the Hub cannot be asked, or does not have it.
    """
    from hubbot.hub.cards import read_card, read_file
    from hubbot.hub.checkpoints import resolve_checkpoint
    from hubbot.hub.download import announced_digest
    from hubbot.publishing.card import is_opted_out

    api = hub_api(work.settings)
    remote = resolve_checkpoint(row.model, api=api)
    if find_architecture(remote.model) is not None:
        raise _Skipped("base-model", "it is the base model itself")
    if remote.model != row.model:
        go_on_under(work.ledger, row, model=remote.model, revision=remote.revision)
        raise _Skipped("renamed", f"it is called {remote.model} now and goes on under that name")
    card = read_card(remote.model, remote.revision, api=api) or b""
    reason = reason_to_leave_alone(remote, opt_out=work.opt_out, card_says_no=is_opted_out(card))
    if reason is not None:
        is_asked = is_opted_out(card) or is_on_list(remote.model, work.opt_out)
        raise _Skipped("opt-out" if is_asked else "left-alone", reason)
    content = read_file(remote.model, remote.revision, "config.json", api=api)
    if content is None:
        raise _Skipped("no-config", "it has no config.json")
    try:
        config = read_config(content, model=remote.model)
        architecture = recognise(config, remote.base_models, model=remote.model)
        allow_bin = may_read_bin(architecture, remote.model, work.settings)
        digest = announced_digest(remote, allow_bin=allow_bin)
    except CheckpointError as error:
        raise _Skipped("not-recognised", str(error)) from error
    if digest is not None and digest in _base_digests(work):
        raise _Skipped("same-weights", "it holds the very weights of its base model")
    return _Looked(remote=remote, architecture=architecture, digest=digest)


def _base_digests(work: Workplace) -> set[str]:
    """Return the weights' digests of the base models that were fetched before."""
    from hubbot.measurement import kept_base

    kept = (kept_base(entry, work.settings) for entry in load_architectures())
    return {local.weights_digest for local in kept if local is not None}


def _code_of(error: HubbotError) -> str:
    if isinstance(error, RemoteError):
        return error.kind.replace("_", "-")
    return {"CheckpointError": "not-loadable", "ProbeError": "probe"}.get(
        type(error).__name__, "unknown"
    )
