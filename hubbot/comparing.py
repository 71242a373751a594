"""A checkpoint's cells beside the base model's: the gain, and the gate that it must pass."""

import logging
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from hubbot.cells import Bench
from hubbot.schema import Target
from hubbot.targets import read_labels, target_digest

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from hubbot.gains.measured_checks import TargetCells
    from hubbot.gains.paired import PairedGain
    from hubbot.records.cells import Cell, Predictions


def compare(target: Target, own: "Iterable[Cell]", base: "Iterable[Cell]") -> "PairedGain":
    """Return the gain of a checkpoint's cells over the base model's with the same seeds."""
    from hubbot.gains.paired import paired_predictions

    return paired_predictions(target.metric, _stacked(own), _stacked(base), read_labels(target))


def _stacked(cells: "Iterable[Cell]") -> "Predictions":
    import numpy as np

    return np.stack([cell.predictions for cell in cells])  # type: ignore[return-value]  # one kind


def check_cells(
    bench: Bench,
    target: Target,
    own: "Sequence[Cell]",
    base: "Sequence[Cell]",
    *,
    among: Collection[str] | None = None,
) -> tuple[str, ...]:
    """Refuse what does not add up (design, integrity gate); return words of warning.

    Args:
        bench: Its ledger holds other models' cells, whose answers must not be the same.
        target: What was fine-tuned on.
        own: The checkpoint's cells.
        base: The base model's with the same seeds.
        among: Digests of the weights of the other models that count; None for all in the ledger.

    Raises:
        IntegrityError: From the first check that fails.
    """
    from hubbot.gains.measured_checks import check_measured

    _tell_parts(own, base)
    return check_measured(
        target.name,
        _checked_cells(own),
        _checked_cells(base),
        read_labels(target),
        metric=target.metric,
        n_classes=len(target.label_names),
        architecture=own[0].architecture,
        gain_protocol=bench.protocol.identifier,
        others=_other_models(bench, target, own, base, among),
        is_catalog=target.is_catalog,
        is_whole=target.is_whole,
    )


def _tell_parts(own: "Sequence[Cell]", base: "Sequence[Cell]") -> None:
    """Warn where two of a pair were not trained alike."""
    for mine, others in zip(own, base, strict=True):
        if mine.dtype != others.dtype:
            logger.warning(
                "%s on %s, seed %d, was trained in %s, %s in %s: their difference is of precisions "
                "too; measure both on one kind of machine (ledger_file names another ledger)",
                *(mine.model, mine.target, mine.key.seed, mine.dtype, others.model, others.dtype),
            )
        # Where memory ran out for one of them, dropout makes it like another seed.
        parts = [cell.details.get("rows_at_a_time") for cell in (mine, others)]
        if parts[0] != parts[1]:
            logger.warning(
                "%s and %s on %s, seed %d: trained with %s and %s rows at a time (memory ran out "
                "for one of them, or it was trained elsewhere); dropout then falls otherwise, so "
                "the two have less in common than a seed",
                *(mine.model, others.model, mine.target, mine.key.seed, *parts),
            )


def _other_models(
    bench: Bench,
    target: Target,
    own: "Sequence[Cell]",
    base: "Sequence[Cell]",
    among: Collection[str] | None,
) -> "list[TargetCells]":
    """Return what the ledger has of other models on the very same rows, with all the seeds."""
    seeds = [cell.key.seed for cell in own]
    known = {own[0].key.weights_digest, base[0].key.weights_digest}
    rows = target_digest(target)
    found: dict[str, dict[int, Cell]] = {}
    for cell in bench.ledger.cells(
        architecture=own[0].architecture, protocol=bench.protocol.identifier
    ):
        weights = cell.key.weights_digest
        is_other = weights not in known and (among is None or weights in among)
        if cell.key.target_digest == rows and is_other:
            found.setdefault(weights, {})[cell.key.seed] = cell
    return [
        _checked_cells([cells[seed] for seed in seeds])
        for cells in found.values()
        if cells.keys() >= set(seeds)
    ]


def _checked_cells(cells: "Sequence[Cell]") -> "TargetCells":
    from hubbot.gains.measured_checks import TargetCells

    return TargetCells(
        model=cells[0].model,
        weights_digest=cells[0].key.weights_digest,
        seeds=tuple(cell.key.seed for cell in cells),
        scores=tuple(cell.score for cell in cells),
        predictions=_stacked(cells),
        dtypes=tuple(cell.dtype for cell in cells),
    )
