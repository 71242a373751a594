"""Which checkpoints to try on a target, in which order, and how one of them is had."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubbot.catalog.architectures import get_architecture
from hubbot.errors import CheckpointError, RemoteError, SettingsError
from hubbot.measurement import Checkpoint, Report, no_report, obtain
from hubbot.schema import Interval
from hubbot.settings import Settings

if TYPE_CHECKING:
    from hubbot.gains.ranking import RankedModel

logger = logging.getLogger(__name__)

MOST_TRIED = 5
"""Checkpoints in a row that may be out of reach before the search is given up."""

_NOT_ITS_FAULT = {"unreachable", "rate_limited", "server"}
"""Kinds of refusal that say nothing of the checkpoint: what would be found later hangs on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint that might be a good start."""

    model: str
    """Hub id or folder."""
    rank: int | None
    """In the ranking; None where named by hand, or where there is no estimate."""
    gain: float | None
    """Best known average gain, points; None where nothing is known."""
    interval: Interval | None
    """90 % interval of ``gain``, points."""
    licence: str
    """As the ranking knows it; empty where it does not."""


def candidates_of(
    architecture: str, settings: Settings, *, named: Sequence[str] = ()
) -> tuple[Candidate, ...]:
    """Return what to try, best first: of the ranking only what is known to gain on average.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        settings: Where score records and calibrations are.
        named: Models to try instead of the ranking, in this order.

    Raises:
        SettingsError: If no model of the architecture is known to gain.
    """
    if named:
        return tuple(_by_hand(name) for name in dict.fromkeys(named))
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.ranked import rank_models

    entry = get_architecture(architecture)
    ranking, _ = rank_models(
        entry.name,
        records_dir=settings.records_dir,
        calibrations=load_calibrations(settings.calibrations_file),
    )
    found = tuple(
        Candidate(
            model=line.model,
            rank=line.rank,
            gain=line.gain,
            interval=line.interval,
            licence=line.licence,
        )
        for line in ranking.lines()
        if line.knowledge != "base" and (line.gain or 0) > 0
    )
    if not found:
        raise SettingsError(
            f"no model of {entry.name} is known to gain on average; name one (sensitivity: --with "
            "MODEL, recommend: --candidate MODEL), or measure some first (hubbot annotate "
            "OWNER/NAME or hubbot evaluate OWNER/NAME keeps a record)"
        )
    return found


def low_candidates(
    architecture: str, n: int, settings: Settings, *, but: str = "", seed: int = 0
) -> tuple[Candidate, ...]:
    """Return models from the lower half of LP in random order, without those of published gains.

    Calibrations would otherwise see the top alone, and be blind where most models are. The order
    hangs on the names alone: measuring some, or probing more, does not change that of the others,
    so that a run which was stopped draws the same again.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        n: How many are wanted.
        settings: Where score records and calibrations are.
        but: A model that is not to be drawn.
        seed: Of the draw.

    Returns:
        All there are, at least ``n``; none where none are wanted.

    Raises:
        SettingsError: If there are fewer.
    """
    from hubbot.gains.calibration import PUBLISHED
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.ranked import rank_models

    if n == 0:
        return ()
    ranking, _ = rank_models(
        get_architecture(architecture).name,
        records_dir=settings.records_dir,
        calibrations=load_calibrations(settings.calibrations_file),
    )
    by_protocol: dict[str, list[tuple[float, RankedModel]]] = {}
    for line in ranking.lines():
        if line.lp_accuracy is not None and line.knowledge != "base":
            by_protocol.setdefault(line.protocol, []).append((line.lp_accuracy, line))
    low = []
    for lines in by_protocol.values():  # LP of two protocols is not compared
        lines.sort(key=lambda item: item[0])
        low += [line for _, line in lines[: len(lines) // 2]]
    names = [
        line.model
        for line in low
        if line.model != but and not (line.knowledge == "measured" and line.source == PUBLISHED)
    ]
    if len(names) < n:
        raise SettingsError(
            f"--sample-low {n}: only {len(names)} models of {architecture} with a low LP and "
            "without published gains are known; ask for fewer, or probe more first (hubbot "
            "annotate OWNER/NAME keeps a record)"
        )
    return tuple(_by_hand(model) for model in sorted(names, key=lambda name: _draw(name, seed)))


def _draw(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()


def _by_hand(name: str) -> Candidate:
    return Candidate(model=name, rank=None, gain=None, interval=None, licence="")


def within_reach(
    candidates: Sequence[Candidate],
    architecture: str,
    settings: Settings,
    *,
    report: Report = no_report,
) -> Iterator[tuple[Candidate, Checkpoint]]:
    """Yield candidates that can be had, downloaded when they are asked for.

    One that is gone, gated, of another architecture or not safe to load is told of and passed over;
    after several in a row the search is given up.

    Args:
        candidates: Best first; at least one.
        architecture: Name in the catalog that they must be of.
        settings: Caps, token and folders.
        report: Told how far a download is.

    Raises:
        RemoteError: If the Hub cannot be asked now (a later run goes on from here), or none of
            them can be had; then it is the last one's reason.
        CheckpointError: If none of them can be had.
        SettingsError: If a name is neither a Hub id nor a folder.
    """
    wanted = get_architecture(architecture).name
    has_any, out_of_reach = False, 0
    error: RemoteError | CheckpointError | None = None
    for candidate in candidates:
        try:
            # Where nothing is trained, cells are found by the weights' digest alone.
            trains = settings.finetune.trains
            checkpoint = obtain(candidate.model, settings, report=report, needs_weights=trains)
            _check_kind(checkpoint, wanted)
        except (RemoteError, CheckpointError) as found:
            if isinstance(found, RemoteError) and found.kind in _NOT_ITS_FAULT:
                raise
            error, out_of_reach = found, out_of_reach + 1
            if len(candidates) > 1:  # else the same is told as the error
                logger.warning("passed over: %s", found)
            if out_of_reach == MOST_TRIED:
                logger.warning("%d in a row cannot be had: the search ends here", out_of_reach)
                break
            continue
        has_any, out_of_reach = True, 0
        yield candidate, checkpoint
    if error is not None and not has_any:
        raise error


def _check_kind(checkpoint: Checkpoint, wanted: str) -> None:
    found = checkpoint.architecture.name
    if found != wanted:
        raise CheckpointError(
            f"{checkpoint.local.model} is a {found}, expected a {wanted}; name that architecture, "
            "or another checkpoint"
        )


def licence_of(candidate: Candidate, checkpoint: Checkpoint) -> str:
    """Return a candidate's licence, from the ranking or its repository's tags; empty if unknown."""
    tags = (
        tag.removeprefix("license:") for tag in checkpoint.local.tags if tag.startswith("license:")
    )
    return candidate.licence or next(tags, "")
