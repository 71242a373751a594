"""Which checkpoints to try on a target, in which order, and how one of them is had."""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hubbot.catalog.architectures import get_architecture
from hubbot.errors import CheckpointError, RemoteError, SettingsError
from hubbot.measurement import Checkpoint, Report, no_report, obtain
from hubbot.schema import Interval
from hubbot.settings import Settings

logger = logging.getLogger(__name__)

MOST_TRIED = 5
"""Checkpoints in a row that may be out of reach before the search is given up."""


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
    """Return what to try, best first.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        settings: Where score records and calibrations are.
        named: Models to try instead of the ranking, in this order.

    Raises:
        SettingsError: If nothing is known of the architecture.
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
        if line.knowledge != "base"
    )
    if not found:
        raise SettingsError(
            f"no model of {entry.name} is known to the ranking; name one (--with MODEL), or probe "
            "some first (hubbot annotate OWNER/NAME keeps a record)"
        )
    return found


def low_candidates(
    architecture: str, n: int, settings: Settings, *, seed: int = 0
) -> tuple[Candidate, ...]:
    """Return models from the lower half of LP in random order, none of them measured yet.

    Calibrations would otherwise see the top alone, and be blind where most models are.

    Args:
        architecture: Name in the catalog, Hub id or older alias.
        n: How many are wanted.
        settings: Where score records and calibrations are.
        seed: Of the draw.

    Raises:
        SettingsError: If there are fewer.
    """
    from hubbot.gains.calibration_file import load_calibrations
    from hubbot.records.ranked import rank_models

    ranking, _ = rank_models(
        get_architecture(architecture).name,
        records_dir=settings.records_dir,
        calibrations=load_calibrations(settings.calibrations_file),
    )
    probed = sorted(
        (line.lp_accuracy, line.model)
        for line in ranking.lines()
        if line.lp_accuracy is not None and line.knowledge not in ("base", "measured")
    )
    low = [model for _, model in probed[: len(probed) // 2]]
    if len(low) < n:
        raise SettingsError(
            f"--sample-low {n}: only {len(low)} models of {architecture} with a low LP are known "
            "and not measured; ask for fewer, or probe more first"
        )
    random.Random(seed).shuffle(low)  # noqa: S311 - a draw that can be repeated
    return tuple(_by_hand(model) for model in low)


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

    One that is gone, gated, of another architecture or not safe to load is told of and passed over.

    Args:
        candidates: Best first.
        architecture: Name in the catalog that they must be of.
        settings: Caps, token and folders.
        report: Told how far a download is.

    Raises:
        RemoteError: If several in a row cannot be had, the last one's reason.
        CheckpointError: The same.
        SettingsError: If a checkpoint named by hand is of another architecture.
    """
    wanted = get_architecture(architecture).name
    out_of_reach = 0
    for candidate in candidates:
        try:
            checkpoint = obtain(candidate.model, settings, report=report)
            _check_kind(checkpoint, wanted)
        except (RemoteError, CheckpointError) as error:
            out_of_reach += 1
            logger.warning("passed over: %s", error)
            if out_of_reach == min(MOST_TRIED, len(candidates)):
                raise
            continue
        out_of_reach = 0
        yield candidate, checkpoint


def _check_kind(checkpoint: Checkpoint, wanted: str) -> None:
    found = checkpoint.architecture.name
    if found != wanted:
        raise CheckpointError(
            f"{checkpoint.local.model} is a {found}, expected a {wanted}; name that architecture, "
            "or another checkpoint"
        )


def licence_of(candidate: Candidate, checkpoint: Checkpoint) -> str:
    """Return a candidate's licence, from the ranking or its repository's tags; empty if unknown."""
    tags = (tag.removeprefix("license:") for tag in checkpoint.local.tags if "license:" in tag)
    return candidate.licence or next(tags, "")
