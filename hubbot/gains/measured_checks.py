"""The integrity gate for measured gains: what fine-tuned cells must pass before they are recorded.

Two kinds of findings. What cannot be a measurement is refused with ``IntegrityError``; what may be
one, and a reader should know of, comes back as a flag: a fine-tuning that learned nothing is a real
result of a real run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import IntegrityError
from hubbot.gains.flags import MIXED_PRECISION, NOT_COMPARED, PARTIAL_DATA
from hubbot.gains.integrity import (
    check_agrees_with_predictions,
    check_finite,
    check_in_range,
    check_learned_something,
    check_on_grid,
)
from hubbot.gains.published import load_base_scores, load_known_levels
from hubbot.gains.rank_correlation import Ranked, correlations

Answers = NDArray[np.int64] | NDArray[np.float64]

LEARNED_NOTHING = "learned nothing"
BASE_LEARNED_NOTHING = "base model learned nothing"
COLLAPSED = "a run collapsed"
BASE_COLLAPSED = "a run of the base model collapsed"
BEYOND_PUBLISHED = "gain beyond any published"
_FLAGS = (
    *(LEARNED_NOTHING, BASE_LEARNED_NOTHING, COLLAPSED, BASE_COLLAPSED, BEYOND_PUBLISHED),
    *NOT_COMPARED,
)

_LEAST_TELLING = 20
"""Wrong answers, other than the commonest one, that two models must share to be called copies.
Equal right answers say nothing, and runs that answer one class to everything are equal too."""

_LEAST_NUMBERS = 5
"""Rows of a regression whose equal predictions are no accident."""

_CORRELATION_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetCells:
    """One model fine-tuned on one target with k seeds."""

    model: str
    """Hub id or folder name."""
    weights_digest: str
    """Digest of its weights."""
    seeds: tuple[int, ...]
    """The k seeds."""
    scores: tuple[float, ...]
    """Test score with each, points."""
    predictions: Answers
    """Shape (k, n_test): classes (int64), or numbers (float64)."""
    dtypes: tuple[str, ...] = ()
    """Precision that each was trained in; none where it is not known."""


def check_measured(
    target: str,
    own: TargetCells,
    base: TargetCells,
    labels: Answers,
    *,
    metric: str,
    n_classes: int,
    architecture: str,
    gain_protocol: str,
    others: Sequence[TargetCells] = (),
    is_catalog: bool = True,
    is_whole: bool = True,
) -> tuple[str, ...]:
    """Run every check that concerns one measured gain.

    Args:
        target: Name of the target.
        own: The model's cells.
        base: The base model's, by the same protocol.
        labels: Of the test rows, shape (n_test,).
        metric: ``accuracy`` or ``spearman``.
        n_classes: Classes of the target; 0 for a regression.
        architecture: Name in the catalog.
        gain_protocol: Identifier of the gain protocol.
        others: Cells of other models on the same target by the same protocol.
        is_catalog: Whether the target is the catalog's: another of the same name has nothing to do
            with published results.
        is_whole: Whether it has the rows that were published.

    Returns:
        Flags, each ending in the target's name; see ``is_about``.

    Raises:
        IntegrityError: From the first check that fails.
    """
    check_other_weights(own, base)
    if own.seeds != base.seeds:
        _refuse(
            "paired",
            f"{target}: {own.model} has seeds {list(own.seeds)}, {base.model} {list(base.seeds)}",
            "fine-tune both with the same seeds",
        )
    for cells in (base, own):
        check_scores(target, cells, labels, metric=metric, n_classes=n_classes)
        check_seeds_differ(target, cells, labels)
    for other in (base, *others):
        check_not_copied(target, own, other, labels, is_base=other is base)
    gain = float(np.mean(own.scores) - np.mean(base.scores))
    flags = _learned_nothing(own, base, labels, n_classes)
    if is_catalog:
        is_comparable = (
            "+" not in gain_protocol
            and is_whole
            and target in load_base_scores(architecture)
            and not {BASE_COLLAPSED, BASE_LEARNED_NOTHING}.intersection(flags)
        )
        flags += _beyond_published(target, gain, is_comparable=is_comparable)
    flags += _not_compared(own, base, is_whole=is_whole or not is_catalog)
    return tuple(f"{flag} on {target}" for flag in flags)


def is_about(flag: str, target: str) -> bool:
    """Return whether a flag is one of ``check_measured`` about a target.

    Args:
        flag: Of a record.
        target: Name of a target.
    """
    return flag in {f"{word} on {target}" for word in _FLAGS}


def check_other_weights(own: TargetCells, base: TargetCells) -> None:
    """Refuse the base model under another name: its gain is 0 by definition.

    Args:
        own: The model's cells.
        base: The base model's.
    """
    if own.weights_digest == base.weights_digest:
        _refuse(
            "same-weights",
            f"{own.model} holds the very weights of {base.model} ({own.weights_digest[:19]}...), "
            "so its gain is 0 by definition",
            "there is nothing to record; use the base model itself",
        )


def check_scores(
    target: str, cells: TargetCells, labels: Answers, *, metric: str, n_classes: int
) -> None:
    """Refuse scores that are not those of their predictions on this test set.

    Args:
        target: Name of the target.
        cells: One model's.
        labels: Of the test rows.
        metric: ``accuracy`` or ``spearman``.
        n_classes: Classes of the target; 0 for a regression.
    """
    n_cells = len(cells.seeds)
    expected = (n_cells, len(labels))
    if cells.predictions.shape != expected or len(cells.scores) != n_cells:
        _refuse(
            "predictions",
            f"{target}: {cells.model} has predictions of shape {cells.predictions.shape} and "
            f"{len(cells.scores)} scores, expected {expected} and {n_cells}",
            "the test set has changed, or a cell is missing: fine-tune again",
        )
    numbers = cells.predictions.astype(np.float64)
    check_finite(numbers, f"predictions of {cells.model} on {target}")
    for seed, points, row in zip(cells.seeds, cells.scores, cells.predictions, strict=True):
        name = f"{metric} of {cells.model} on {target}, seed {seed}"
        if metric == "spearman":
            _check_correlation(points, row, labels, name)
            continue
        check_in_range(points, name)
        check_on_grid(points, len(labels), name)
        _check_classes(row, n_classes, name)
        check_agrees_with_predictions(
            points, row[None, :].astype(np.int64), labels.astype(np.int64), name
        )


def check_seeds_differ(target: str, cells: TargetCells, labels: Answers) -> None:
    """Refuse two seeds with the very same predictions: the seed was not used.

    Args:
        target: Name of the target.
        cells: One model's.
        labels: Of the test rows.
    """
    for place, row in enumerate(cells.predictions):
        for earlier in range(place):
            if _is_copy(row[None, :], cells.predictions[earlier][None, :], labels):
                _refuse(
                    "same-seed",
                    f"{target}: seeds {cells.seeds[earlier]} and {cells.seeds[place]} of "
                    f"{cells.model} gave every row the same answer, wrong ones included",
                    "the seed had no effect; look at the recipe before measuring again",
                )


def check_not_copied(
    target: str, own: TargetCells, other: TargetCells, labels: Answers, *, is_base: bool = False
) -> None:
    """Refuse predictions that are another model's, its errors included.

    Args:
        target: Name of the target.
        own: The model's cells.
        other: Another model's; one with other seeds, or the same weights, is passed over.
        labels: Of the test rows.
        is_base: Whether the other is the base model.
    """
    is_same_file = own.weights_digest == other.weights_digest
    if is_same_file or own.seeds != other.seeds or own.model == other.model:
        return
    if not _is_copy(own.predictions, other.predictions, labels):
        return
    if is_base:
        _refuse(
            "same-weights",
            f"{target}: {own.model} answers every row as {other.model} does with every seed, "
            "though their files differ: its weights are the base model's in another file",
            "there is nothing to record; use the base model itself",
        )
    _refuse(
        "same-predictions",
        f"{target}: {own.model} answers every row as {other.model} does with every seed, though "
        "their weights differ",
        "one of the two holds the other's weights, or was scored with its cells: check what was "
        "uploaded, and fine-tune again with the ledger moved away",
    )


def _check_correlation(points: float, row: Answers, labels: Answers, name: str) -> None:
    if not -100 <= points <= 100:  # also refuses NaN
        _refuse("range", f"{name} is {points}, expected -100 to 100 points", "score it again")
    target, column = (Ranked(each.astype(np.float64)) for each in (labels, row))
    found = 100 * float(correlations(target, [column], np.ones((1, len(labels))))[0, 0])
    if not abs(points - found) <= _CORRELATION_TOLERANCE:
        _refuse(
            "predictions",
            f"{name} is {points}, but its predictions give {found}",
            "score the predictions again",
        )


def _check_classes(row: Answers, n_classes: int, name: str) -> None:
    low, high = row.min(), row.max()
    if low < 0 or high >= n_classes or (row != np.rint(row)).any():
        _refuse(
            "classes",
            f"{name}: predicted classes from {low} to {high}, expected whole numbers from 0 to "
            f"{n_classes - 1}",
            "the head has other classes than the target: fine-tune again",
        )


def _is_copy(one: Answers, other: Answers, labels: Answers) -> bool:
    """Return whether two models' answers are the same and too peculiar to be so by chance."""
    if one.shape != other.shape or not np.array_equal(one, other):
        return False
    if one.dtype.kind == "f":
        return one.size >= _LEAST_NUMBERS and bool((np.ptp(one, axis=1) > 0).all())
    values, counts = np.unique(one, return_counts=True)
    is_telling = (one != labels) & (one != values[counts.argmax()])
    return int(is_telling.sum()) >= _LEAST_TELLING


def _learned_nothing(
    own: TargetCells, base: TargetCells, labels: Answers, n_classes: int
) -> list[str]:
    """Return flags for runs that answer one class only, and for scores that need no text.

    Where the base model learned nothing, that alone is said: the target cannot be learned this
    way, and the model is not to blame.
    """
    if _is_at_prior(base, labels, n_classes):
        return [BASE_LEARNED_NOTHING]
    flags = [BASE_COLLAPSED] if _is_constant(base).any() else []
    if _is_at_prior(own, labels, n_classes):
        return [*flags, LEARNED_NOTHING]
    return [*flags, COLLAPSED] if _is_constant(own).any() else flags


def _is_constant(cells: TargetCells) -> NDArray[np.bool_]:
    return np.asarray(np.ptp(cells.predictions, axis=1) == 0)


def _is_at_prior(cells: TargetCells, labels: Answers, n_classes: int) -> bool:
    """Return whether the mean score is no better than a guess, or every run a constant."""
    is_constant = _is_constant(cells)
    if is_constant.all() or not n_classes:
        return bool(is_constant.all())
    rows = cells.predictions[~is_constant].astype(np.int64)
    try:
        check_learned_something(
            float(np.mean(cells.scores)), rows, labels.astype(np.int64), cells.model
        )
    except IntegrityError:
        return True
    return False


def _beyond_published(target: str, gain: float, *, is_comparable: bool) -> list[str]:
    """Refuse, or flag, a gain above what published results let believe.

    They are of whole training sets, six architectures and base models that learned. With fewer
    rows, another recipe, a smaller model or a base model that collapsed, larger gains are to be
    expected: such a gain is flagged.
    """
    limit = load_known_levels().gain_limit(target)
    if not gain > limit:  # an unknown target has the limit NaN
        return []
    if is_comparable:
        _refuse(
            "impossible-gain",
            f"{target}: a gain of {gain:+.2f} points, where the best that is published, with a "
            f"margin, is {limit:+.2f}",
            "look at the base model's score and the splits; does the model's own training data "
            "hold the test rows?",
        )
    return [BEYOND_PUBLISHED]


def _not_compared(own: TargetCells, base: TargetCells, *, is_whole: bool) -> list[str]:
    flags = [] if is_whole else [PARTIAL_DATA]
    return flags if own.dtypes == base.dtypes else [*flags, MIXED_PRECISION]


def _refuse(check: str, found: str, advice: str) -> NoReturn:
    raise IntegrityError(f"check {check}: {found}; {advice}", check=check)
