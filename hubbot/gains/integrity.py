"""The integrity gate: what a score must pass before it is recorded or published.

Every check is a plain function that returns nothing or raises ``IntegrityError`` with its name in
``check``; ``check_probe`` runs those that concern one probe, cheapest first.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from hubbot.errors import IntegrityError
from hubbot.schema import HeadName, ProbeResult

_GRID_TOLERANCE = 1e-4
_ONE_SIDED_95 = 1.6449


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What identifies a finished probe beside its name."""

    weights_digest: str
    """Digest of the checkpoint's weights."""
    predictions_digest: str
    """Digest of the predictions of all heads on the test rows."""


def digest_predictions(predictions: Mapping[HeadName, NDArray[np.integer]]) -> str:
    """Return ``sha256:`` and the hex digest over the predictions of all heads.

    Args:
        predictions: For each head, int of shape (n_seeds, n_rows) or (n_rows,): predicted classes.
    """
    digest = hashlib.sha256()
    for head in sorted(predictions):
        table = np.atleast_2d(predictions[head]).astype("<i8")
        digest.update(f"{head}:{table.shape};".encode())
        digest.update(table.tobytes())
    return f"sha256:{digest.hexdigest()}"


def check_probe(
    result: ProbeResult,
    *,
    labels: NDArray[np.integer],
    predictions: Mapping[HeadName, NDArray[np.integer]],
    label_names: Sequence[str],
    expected_label_names: Sequence[str],
    others: Mapping[str, Fingerprint] | None = None,
) -> None:
    """Run every check that concerns one probe.

    Args:
        result: What is about to be recorded.
        labels: int of shape (n_rows,): classes of the test rows.
        predictions: For each head, int of shape (n_seeds, n_rows) or (n_rows,).
        label_names: Class names of the data as it was read, in label order.
        expected_label_names: Class names of the data set's entry in the catalog.
        others: Finished probes of the same protocol and data by model, the base model's among them.

    Raises:
        IntegrityError: From the first check that fails.
    """
    check_label_map(label_names, expected_label_names)
    for head, accuracy in result.lp_accuracy.items():
        if head not in predictions:
            _refuse("predictions", f"there are none of head {head!r}", "probe again")
        table = np.atleast_2d(predictions[head])
        name = f"LP accuracy ({head})"
        check_in_range(accuracy, name)
        check_on_grid(accuracy, table.size, name)
        check_agrees_with_predictions(accuracy, table, labels, name)
        check_learned_something(accuracy, table, labels, name)
    for head, gain in (result.lp_gain or {}).items():
        check_gain(gain, result.lp_accuracy[head], (result.base_lp_accuracy or {}).get(head), head)
    check_not_copied(
        result.model,
        Fingerprint(
            weights_digest=result.weights_digest,
            predictions_digest=digest_predictions(predictions),
        ),
        others or {},
        base_model=result.base_model,
    )


def check_finite(values: NDArray[np.floating], name: str) -> None:
    """Refuse NaN and infinity.

    Args:
        values: Features, losses or logits, any shape.
        name: What they are, for the message.
    """
    bad = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
    if bad:
        _refuse(
            "finite",
            f"{name}: {bad} of {np.size(values)} numbers are NaN or infinite, expected none",
            "the weights are broken or overflow in this precision; probe in float32",
        )


def check_in_range(points: float, name: str) -> None:
    """Refuse a score that is not a number from 0 to 100.

    Args:
        points: The score.
        name: What it is, for the message.
    """
    if not 0 <= points <= 100:  # also refuses NaN
        _refuse("range", f"{name} is {points}, expected 0 to 100 points", "probe again")


def check_on_grid(points: float, n_answers: int, name: str) -> None:
    """Refuse an accuracy that is not a whole number of right answers.

    Args:
        points: Accuracy, 0 to 100.
        n_answers: Answers it is the share of: test rows, times seeds for a mean over seeds.
        name: What it is, for the message.
    """
    answers = points * n_answers / 100
    if not abs(answers - round(answers)) <= _GRID_TOLERANCE:
        _refuse(
            "grid",
            f"{name} of {points} is {answers:.4f} right answers of {n_answers}, expected a whole "
            "number",
            "the score belongs to other data or was rounded; take it from the predictions again",
        )


def check_agrees_with_predictions(
    points: float, predictions: NDArray[np.integer], labels: NDArray[np.integer], name: str
) -> None:
    """Refuse an accuracy that does not follow from its predictions.

    Args:
        points: Accuracy, 0 to 100.
        predictions: int of shape (n_seeds, n_rows).
        labels: int of shape (n_rows,).
        name: What it is, for the message.
    """
    if predictions.shape[-1] != len(labels):
        _refuse(
            "predictions",
            f"{name}: {predictions.shape[-1]} predictions for {len(labels)} test rows",
            "probe again",
        )
    recomputed = 100 * float((predictions == labels).mean())
    if not math.isclose(points, recomputed, abs_tol=100 * _GRID_TOLERANCE / predictions.size):
        _refuse(
            "predictions",
            f"{name} is {points}, but its predictions give {recomputed}",
            "score the predictions again",
        )


def check_learned_something(
    points: float, predictions: NDArray[np.integer], labels: NDArray[np.integer], name: str
) -> None:
    """Refuse a head that has learned nothing but the share of the classes.

    Args:
        points: Accuracy, 0 to 100.
        predictions: int of shape (n_seeds, n_rows).
        labels: int of shape (n_rows,).
        name: What it is, for the message.

    Source:
        A head that ignores its input is right in at most the share p of the largest class;
        p + 1.645 * sqrt(p * (1 - p) / n) is passed by chance once in twenty (normal approximation
        of the binomial).
    """
    advice = "the features carry nothing about the labels: look at weights, tokenizer and pooling"
    for seed, row in enumerate(predictions):
        if len(np.unique(row)) == 1:
            _refuse(
                "class-prior",
                f"{name}: seed {seed} predicts class {row[0]} for all {len(row)} test rows",
                advice,
            )
    share = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    least = 100 * (share + _ONE_SIDED_95 * math.sqrt(share * (1 - share) / len(labels)))
    if not points > least:
        _refuse(
            "class-prior",
            f"{name} is {points:.2f}; the largest class alone gives {100 * share:.2f} and chance "
            f"up to {least:.2f} on {len(labels)} test rows",
            advice,
        )


def check_label_map(found: Sequence[str], expected: Sequence[str]) -> None:
    """Refuse data whose class names are not those of the catalog, in the same order.

    Args:
        found: Class names of the data as it was read, in label order.
        expected: Class names of the data set's entry.
    """
    if [name.casefold() for name in found] != [name.casefold() for name in expected]:
        _refuse(
            "label-map",
            f"labels are {', '.join(found)}, expected {', '.join(expected)}",
            "read the data set by the id in the catalog, or mend the order of its labels",
        )


def check_gain(gain: float, accuracy: float, base_accuracy: float | None, head: HeadName) -> None:
    """Refuse an LP gain that is not the difference of the two accuracies.

    Args:
        gain: LP gain, points.
        accuracy: LP accuracy of the checkpoint, points.
        base_accuracy: LP accuracy of the base model, points.
        head: Which head, for the message.
    """
    expected = None if base_accuracy is None else accuracy - base_accuracy
    if expected is None or not math.isclose(gain, expected, abs_tol=1e-6):
        _refuse(
            "gain",
            f"LP gain ({head}) is {gain}, but {accuracy} minus the base model's {base_accuracy} "
            f"is {expected}",
            "probe the base model under the same protocol and data",
        )


def check_not_copied(
    model: str, own: Fingerprint, others: Mapping[str, Fingerprint], *, base_model: str
) -> None:
    """Refuse the base model under another name, and predictions that are another model's.

    Args:
        model: Hub id of the checkpoint.
        own: Its fingerprint.
        others: Fingerprints of finished probes of the same protocol and data, by model.
        base_model: Hub id of the base model.
    """
    for other, known in sorted(others.items()):
        if other == model:
            continue
        is_same_file = own.weights_digest == known.weights_digest
        is_same_answer = own.predictions_digest == known.predictions_digest
        if other == base_model and (is_same_file or is_same_answer):
            _refuse(
                "same-weights",
                f"{model} has {'the weights file' if is_same_file else 'every prediction'} of "
                f"{base_model}, so its LP gain is exactly 0: its encoder was not trained",
                "there is nothing to record; use the base model itself",
            )
        if is_same_answer and not is_same_file:
            _refuse(
                "same-predictions",
                f"{model} has the very predictions of {other} though their weights differ",
                "one of the two was scored with the other's features: clear the feature cache and "
                "probe both again",
            )


def check_reference(model: str, points: float, expected: float, *, tolerance: float) -> None:
    """Refuse a machine on which the pinned reference checkpoint scores otherwise than it did.

    Args:
        model: Hub id of the reference checkpoint.
        points: LP accuracy just measured.
        expected: LP accuracy on record for it, same protocol and data.
        tolerance: Points by which they may differ.
    """
    if not abs(points - expected) <= tolerance:
        _refuse(
            "reference",
            f"{model} scores {points} here, expected {expected} to within {tolerance} points",
            "do not trust this machine's scores: compare versions, device and precision with those "
            "on record",
        )


def _refuse(check: str, found: str, advice: str) -> NoReturn:
    raise IntegrityError(f"check {check}: {found}; {advice}", check=check)
