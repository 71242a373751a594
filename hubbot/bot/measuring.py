"""One checkpoint of a pass: looked at, probed, recorded. Whatever happens, it ends in one state."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest

from hubbot.bot.ahead import Ahead
from hubbot.bot.looking import Looked, Skipped
from hubbot.bot.reference import check_reference
from hubbot.bot.room import keep_to_size
from hubbot.bot.screening import band_of, why_full
from hubbot.bot.workplace import Workplace
from hubbot.errors import (
    CheckpointError,
    HubbotError,
    IntegrityError,
    RemoteError,
    SettingsError,
    StorageError,
)
from hubbot.measurement import Checkpoint
from hubbot.records.checkpoint_rows import OPEN_STATES, CheckpointRow
from hubbot.records.pass_rows import BotLedger
from hubbot.records.store import is_record_of
from hubbot.schema import DEFAULT_HEAD, Architecture, ProbeResult
from hubbot.settings import Settings

logger = logging.getLogger(__name__)

GONE = {"not_found", "revision_not_found", "gated", "disabled"}
"""Kinds of refusal that say the checkpoint is no longer there for us."""

_OUTAGE = {"server", "rate_limited", "unreachable"}
"""Kinds of refusal that are the Hub's own trouble more often than a checkpoint's."""

MOST_UNREACHABLE = 3
"""Checkpoints in a row that an outage hits, after which a pass gives up."""

REDRAW_EVERY = 50
"""Checkpoints after which the upper bands are drawn anew within a pass."""


def measure_checkpoints(
    work: Workplace, architectures: tuple[str, ...], *, minutes: float | None = None
) -> None:
    """Measure what the ledger holds, the most valuable first, until the budget is spent.

    Each checkpoint is tried once in a pass. Its failure is its own: the next one is begun. The
    pass ends early where every other checkpoint would fail as well.

    Args:
        work: Ledger, settings and budget.
        architectures: Names that are wanted; none named: all.
        minutes: After which no checkpoint is begun, where that is less than the budget's.

    Raises:
        SettingsError: If the disk is full, an extra is missing or the ledger is unwritable.
        RemoteError: If the token is refused, or the Hub cannot be reached several times in a row.
    """
    batch = _Batch(work)
    rows = waiting(work.ledger, work.settings, architectures)
    for row, following in zip_longest(rows, rows[1:]):
        why = work.why_stop()
        if minutes is not None and work.minutes_spent() >= minutes:
            why = why or f"the {minutes:g} minutes for checkpoints are spent"
        if why is not None:
            logger.info("%s", why)
            work.events["stopped by the budget"] += 1
            break
        batch.take(row, following)
    draw_bands(work.ledger)


def waiting(
    ledger: BotLedger, settings: Settings, architectures: tuple[str, ...]
) -> list[CheckpointRow]:
    """Return the checkpoints that are to be measured, the most valuable first.

    Those that failed before come last, so that they never keep the others from their turn.

    Args:
        ledger: Open ledger.
        settings: Most attempts.
        architectures: Names that are wanted; none named: all.

    Raises:
        SettingsError: If the ledger cannot be read.
    """
    rows = ledger.checkpoints(states=OPEN_STATES, architectures=architectures)
    open_rows = [row for row in rows if row.attempts < settings.bot.max_attempts]
    return sorted(open_rows, key=lambda row: row.state == "failed")


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
        self._has_answered = False
        self._ahead = Ahead(work)
        # As the last batch left them: who is measured first or on which machine changes nothing.
        self._bands = work.ledger.bands()

    def take(self, row: CheckpointRow, following: CheckpointRow | None) -> None:
        """Bring one checkpoint to its next state; fetch the following one meanwhile."""
        work = self._work
        if not work.ledger.claim_checkpoint(row.model):
            work.events["left to another process"] += 1
            return
        self._redraw()
        begun = time.monotonic()
        try:
            self._take(row, following)
        finally:
            seconds = time.monotonic() - begun
            work.seconds += seconds
            work.ledger.add_seconds(row.model, seconds)
            work.ledger.release_checkpoint(row.model)
        keep_to_size(work, spared=() if following is None else (following.model,))

    def _redraw(self) -> None:
        """Draw the bands anew every so often; a shard has those of its plan."""
        ledger = self._work.ledger
        if self._work.has_records_elsewhere or ledger.count_screened() % REDRAW_EVERY:
            return
        # It hangs on what the ledger holds alone: a pass that was killed draws the same.
        draw_bands(ledger)
        self._bands = ledger.bands()

    def _take(self, row: CheckpointRow, following: CheckpointRow | None) -> None:
        ledger = self._work.ledger
        try:
            with _unknown_errors(row.model):
                self._measure(row, following)
        except Skipped as skipped:
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
            most = self._work.settings.bot.max_attempts
            is_final = isinstance(error, CheckpointError)
            self._failed(row, error, attempts=most if is_final else row.attempts + 1)

    def _remote(self, row: CheckpointRow, error: RemoteError) -> None:
        if error.kind in GONE:
            self._answered()
            self._work.ledger.note_checkpoint(
                row.model,
                "skipped",
                code=error.kind.replace("_", "-"),
                reason=str(error),
                measured_revision=row.revision,
            )
            return
        # Where the Hub answered for others, it is rather this checkpoint; else it costs no attempt.
        is_excused = error.kind == "unauthorised" or (
            error.kind in _OUTAGE and not self._has_answered
        )
        self._failed(row, error, attempts=row.attempts + (not is_excused))
        self._unreachable += error.kind in _OUTAGE
        if error.kind == "unauthorised" or self._unreachable >= MOST_UNREACHABLE:
            raise error

    def _failed(self, row: CheckpointRow, error: HubbotError, *, attempts: int) -> None:
        logger.warning("%s: %s", row.model, error)
        self._work.ledger.note_checkpoint(
            row.model, "failed", code=_code_of(error), reason=str(error), attempts=attempts
        )

    def _answered(self) -> None:
        self._has_answered, self._unreachable = True, 0

    def _measure(self, row: CheckpointRow, following: CheckpointRow | None) -> None:
        work = self._work
        found = self._ahead.look(row)
        if self._is_measured(row, found):
            self._answered()
            return
        self._trust(found.architecture)
        checkpoint = self._ahead.fetch(found)
        self._answered()
        if following is not None and not work.is_last():
            self._ahead.begin(following, lambda seen: self._needs_weights(seen, following, found))
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

    def _needs_weights(self, seen: Looked, row: CheckpointRow, current: Looked) -> bool:
        """Return whether what was seen ahead will be probed, as far as can be told now."""
        if self._trusted.get(seen.architecture.name) is not None:
            return False
        digest = seen.digest
        if digest is None:
            return True
        is_known = digest in (row.weights_digest, current.digest)
        return not is_known and self._work.ledger.same_weights(digest, other_than=row.model) is None

    def _is_measured(self, row: CheckpointRow, found: Looked) -> bool:
        """Deal with weights that were measured already, under this name or another."""
        if found.digest is None:
            return False
        ledger = self._work.ledger
        is_known = found.digest == row.weights_digest and bool(row.measured_revision)
        if is_known and self._has_record(row, found.architecture):
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
            raise Skipped("same-weights", f"it holds the very weights of {other}")
        return False

    def _has_record(self, row: CheckpointRow, architecture: Architecture) -> bool:
        work = self._work
        if work.has_records_elsewhere:
            return True
        folder = work.settings.records_dir
        return is_record_of(folder, architecture.name, row.model, weights_digest=row.weights_digest)

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
            attempts=0,
        )


class _NotTrusted(Exception):  # noqa: N818 - an outcome: the checkpoint is left as it is
    """The machine's reference probe does not agree."""


@contextmanager
def _unknown_errors(model: str) -> Iterator[None]:
    """Turn what nobody foresaw into a failure of this one checkpoint, its traceback logged."""
    try:
        yield
    except (HubbotError, Skipped, _NotTrusted):
        raise
    except OSError as error:
        raise StorageError(
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


def _code_of(error: HubbotError) -> str:
    if isinstance(error, RemoteError):
        return error.kind.replace("_", "-")
    return {"CheckpointError": "not-loadable", "ProbeError": "probe"}.get(
        type(error).__name__, "unknown"
    )
