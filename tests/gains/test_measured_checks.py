from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hubbot.errors import IntegrityError
from hubbot.gains.measured_checks import TargetCells, check_measured, is_about
from hubbot.gains.published import load_known_levels

Classes = NDArray[np.int64]
N = 400
LABELS: Classes = np.random.default_rng(0).permutation(N) % 2
NUMBERS = np.random.default_rng(0).normal(0, 1, N)


def right_in(share: float, seed: int, *, labels: Classes = LABELS, seeds: int = 3) -> Classes:
    """Answers that are right in a share of the rows, other rows for each model and seed."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((seeds, len(labels))) < share, labels, 1 - labels)


def cells(
    model: str, predictions: Any, labels: Any = LABELS, *, digest: str | None = None
) -> TargetCells:
    if predictions.dtype.kind == "f":
        scores = tuple(
            0.0 if np.ptp(row) == 0 else 100 * float(spearmanr(row, labels).statistic)
            for row in predictions
        )
    else:
        scores = tuple(100 * float((row == labels).mean()) for row in predictions)
    return TargetCells(
        model=model,
        weights_digest=digest or f"sha256:{model}",
        seeds=tuple(range(len(predictions))),
        scores=scores,
        predictions=predictions,
    )


OWN = cells("me/model", right_in(0.7, 1))
BASE = cells("the/base", right_in(0.65, 2))


def check(own: TargetCells = OWN, base: TargetCells = BASE, **changes: Any) -> tuple[str, ...]:
    values: dict[str, Any] = {
        "labels": LABELS,
        "metric": "accuracy",
        "n_classes": 2,
        "architecture": "roberta-base",
        "gain_protocol": "gain-roberta@1",
    } | changes
    return check_measured("rte", own, base, **values)


def constant(value: int, seeds: int = 3) -> Classes:
    return np.full((seeds, N), value, dtype=np.int64)


def test_a_sound_measurement_passes_without_a_flag() -> None:
    assert check(others=[cells("another/model", right_in(0.72, 3))]) == ()


@pytest.mark.parametrize(
    ("spoil", "name", "match"),
    [
        (
            lambda: {"own": replace(OWN, weights_digest=BASE.weights_digest)},
            "same-weights",
            r"me/model holds the very weights of the/base .*gain is 0 by definition",
        ),
        (
            lambda: {"own": replace(OWN, seeds=(0, 1, 3))},
            "paired",
            r"rte: me/model has seeds \[0, 1, 3\], the/base \[0, 1, 2\]",
        ),
        (
            lambda: {"own": replace(OWN, scores=(70.1, *OWN.scores[1:]))},
            "grid",
            r"accuracy of me/model on rte, seed 0 of 70\.1 is 280\.4000 right answers of 400",
        ),
        (
            lambda: {"own": replace(OWN, scores=(OWN.scores[0] + 0.25, *OWN.scores[1:]))},
            "predictions",
            r"seed 0 is .*, but its predictions give",
        ),
        (
            lambda: {"base": replace(BASE, scores=(float("nan"), *BASE.scores[1:]))},
            "range",
            r"accuracy of the/base on rte, seed 0 is nan",
        ),
        (
            lambda: {"own": replace(OWN, predictions=OWN.predictions[:, :-1])},
            "predictions",
            r"shape \(3, 399\) and 3 scores, expected \(3, 400\) and 3",
        ),
        (
            lambda: {"own": replace(OWN, scores=OWN.scores[:2])},
            "predictions",
            r"and 2 scores, expected \(3, 400\) and 3",
        ),
        (
            lambda: {"n_classes": 1},
            "classes",
            r"predicted classes from 0 to 1, expected whole numbers from 0 to 0",
        ),
        (
            lambda: {"own": cells("me/model", np.stack([OWN.predictions[0]] * 3))},
            "same-seed",
            r"rte: seeds 0 and 1 of me/model gave every row the same answer, wrong ones included",
        ),
        (
            lambda: {"base": cells("the/base", OWN.predictions)},
            "same-weights",
            r"me/model answers every row as the/base does with every seed, though their files",
        ),
        (
            lambda: {"others": [cells("a/copy", OWN.predictions)]},
            "same-predictions",
            r"me/model answers every row as a/copy does with every seed, though their weights",
        ),
    ],
)
def test_what_cannot_be_a_measurement_is_refused(
    spoil: Callable[[], dict[str, Any]], name: str, match: str
) -> None:
    with pytest.raises(IntegrityError, match=match) as refused:
        check(**spoil())
    assert refused.value.check == name


@pytest.mark.parametrize(
    "other",
    [
        cells("a/copy", OWN.predictions, digest="sha256:me/model"),  # the same file elsewhere
        cells("me/model", OWN.predictions, digest="sha256:earlier"),
        cells("a/copy", OWN.predictions[:2]),
    ],
)
def test_another_name_of_the_same_cells_is_no_copy(other: TargetCells) -> None:
    assert check(others=[other]) == ()


def test_equal_answers_that_any_two_models_could_give_are_no_copy() -> None:
    # Nearly all right: few errors to share.
    good = right_in(0.99, 5)
    assert check(cells("me/model", good), others=[cells("a/b", good)]) == ()
    # One class only: what every failed run gives.
    failed = cells("me/model", constant(0))
    assert check(failed, others=[cells("a/b", constant(0))]) == ("learned nothing on rte",)


@pytest.mark.parametrize(
    ("own", "base", "expected"),
    [
        (constant(1), BASE.predictions, ["learned nothing"]),
        (right_in(0.5, 7), BASE.predictions, ["learned nothing"]),
        (OWN.predictions, constant(1), ["base model learned nothing"]),
        (constant(0), constant(0), ["base model learned nothing"]),
        (right_in(0.5, 7), right_in(0.5, 8), ["base model learned nothing"]),
        (
            np.concatenate([OWN.predictions[:2], constant(0, 1)]),
            BASE.predictions,
            ["a run collapsed"],
        ),
        (
            np.concatenate([right_in(0.9, 1)[:2], constant(0, 1)]),
            np.concatenate([right_in(0.9, 2)[:2], constant(1, 1)]),
            ["a run of the base model collapsed", "a run collapsed"],
        ),
    ],
)
def test_a_run_that_learned_nothing_is_kept_and_flagged(
    own: Classes, base: Classes, expected: list[str]
) -> None:
    found = check(cells("me/model", own), cells("the/base", base))
    assert found == tuple(f"{words} on rte" for words in expected)
    assert all(is_about(flag, "rte") for flag in found)
    assert not any(is_about(flag, "cb") for flag in found)


HUGE = cells("me/model", right_in(0.99, 1))
LOW = cells("the/base", right_in(0.58, 2))


def test_a_gain_beyond_belief_is_refused() -> None:
    limit = load_known_levels().gain_limit("rte")
    assert np.mean(HUGE.scores) - np.mean(LOW.scores) > limit
    with pytest.raises(
        IntegrityError, match=rf"impossible-gain: rte: a gain of \+4\d.* is \+{limit:.2f}"
    ):
        check(HUGE, LOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"gain_protocol": "gain-roberta@1+train1000"},
        {"architecture": "all-MiniLM-L6-v2"},
    ],
)
def test_where_no_result_like_it_is_published_it_is_flagged(changes: dict[str, Any]) -> None:
    assert check(HUGE, LOW, **changes) == ("gain beyond any published on rte",)


def test_over_a_base_model_that_collapsed_it_is_flagged() -> None:
    base = cells("the/base", np.concatenate([right_in(0.62, 2)[:2], constant(0, 1)]))
    assert check(HUGE, base) == (
        "a run of the base model collapsed on rte",
        "gain beyond any published on rte",
    )


def test_on_part_of_the_data_it_is_flagged_beside_that() -> None:
    assert check(HUGE, LOW, is_whole=False) == (
        "gain beyond any published on rte",
        "partial data on rte",
    )


def test_a_file_of_the_same_name_has_nothing_to_do_with_published_results() -> None:
    assert check(HUGE, LOW, is_catalog=False) == ()


def test_a_pair_of_two_precisions_is_flagged() -> None:
    own, base = replace(OWN, dtypes=("bfloat16",) * 3), replace(BASE, dtypes=("float32",) * 3)
    assert check(own, base) == ("mixed precision on rte",)
    assert check(replace(own, dtypes=base.dtypes), base) == ()
    assert is_about("mixed precision on rte", "rte")


def test_of_an_unknown_target_nothing_is_impossible() -> None:
    found = check_measured(
        "my_data", HUGE, LOW, LABELS, metric="accuracy", n_classes=2,
        architecture="roberta-base", gain_protocol="gain-roberta@1",
    )  # fmt: skip
    assert found == ()


# Regressions


def near(noise: float, seed: int) -> NDArray[np.float64]:
    return NUMBERS + noise * np.random.default_rng(seed).normal(0, 1, (3, N))


REGRESSION: dict[str, Any] = {"labels": NUMBERS, "metric": "spearman", "n_classes": 0}


def numbers(model: str, predictions: Any) -> TargetCells:
    return cells(model, predictions, NUMBERS)


def test_correlations_are_held_against_their_predictions() -> None:
    own, base = numbers("me/model", near(0.5, 1)), numbers("the/base", near(0.6, 2))
    assert check(own, base, **REGRESSION) == ()
    wrong = replace(own, scores=(own.scores[0] + 0.01, *own.scores[1:]))
    with pytest.raises(IntegrityError, match=r"spearman of me/model on rte, seed 0 is .*, but its"):
        check(wrong, base, **REGRESSION)
    outside = replace(own, scores=(101.0, *own.scores[1:]))
    with pytest.raises(IntegrityError, match=r"is 101\.0, expected -100 to 100 points"):
        check(outside, base, **REGRESSION)


def test_a_negative_correlation_is_a_score_too() -> None:
    own = numbers("me/model", -near(0.5, 1))
    assert max(own.scores) < -80
    assert check(own, numbers("the/base", near(0.6, 2)), **REGRESSION) == ()


def test_equal_numbers_are_a_copy_and_constant_ones_are_not() -> None:
    own, base = numbers("me/model", near(0.5, 1)), numbers("the/base", near(0.6, 2))
    with pytest.raises(IntegrityError, match="same-predictions"):
        check(own, base, others=[numbers("a/copy", near(0.5, 1))], **REGRESSION)
    zeros = np.zeros((3, N))
    others = [numbers("a/b", zeros)]
    flags = check(numbers("me/model", zeros), base, others=others, **REGRESSION)
    assert flags == ("learned nothing on rte",)


def test_numbers_that_are_none_are_refused() -> None:
    spoiled = near(0.5, 1)
    own = numbers("me/model", spoiled.copy())
    spoiled[1, 7] = np.nan
    with pytest.raises(IntegrityError, match=r"predictions of me/model on rte: 1 of 1200 numbers"):
        check(replace(own, predictions=spoiled), numbers("the/base", near(0.6, 2)), **REGRESSION)
