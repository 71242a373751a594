from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hubbot.errors import IntegrityError
from hubbot.gains.integrity import (
    Fingerprint,
    check_finite,
    check_gain,
    check_in_range,
    check_learned_something,
    check_not_copied,
    check_on_grid,
    check_probe,
    check_reference,
    digest_predictions,
)
from hubbot.schema import HeadName, ProbeResult

Classes = NDArray[np.int64]
NAMES = ("entailment", "neutral", "contradiction")
BASE = "FacebookAI/roberta-base"


def some_labels(n: int = 900) -> Classes:
    return np.random.default_rng(0).integers(0, 3, n)


def predictions_right_in(
    share: float, labels: Classes, *, seeds: int = 1, seed: int = 1
) -> Classes:
    rng = np.random.default_rng(seed)
    wrong = (labels + rng.integers(1, 3, (seeds, len(labels)))) % 3
    return np.where(rng.random((seeds, len(labels))) < share, labels, wrong)


LABELS = some_labels()
PREDICTIONS: dict[HeadName, Classes] = {
    "linear": predictions_right_in(0.6, LABELS),
    "head": predictions_right_in(0.65, LABELS, seeds=3, seed=2),
}
BASE_ACCURACY: dict[HeadName, float] = {"linear": 50.0, "head": 52.0}


def accuracy_of(predictions: Classes) -> float:
    return 100 * float((predictions == LABELS).mean())


def a_result(**changes: Any) -> ProbeResult:
    accuracy: dict[HeadName, float] = {h: accuracy_of(p) for h, p in PREDICTIONS.items()}
    result = ProbeResult(
        model="me/model",
        revision="0" * 40,
        architecture="roberta-base",
        base_model=BASE,
        protocol="lp-mnli",
        dataset_revision="1" * 40,
        weights_digest="sha256:mine",
        lp_accuracy=accuracy,
        lp_accuracy_interval={},
        lp_gain={head: points - BASE_ACCURACY[head] for head, points in accuracy.items()},
        lp_gain_interval=None,
        base_lp_accuracy=BASE_ACCURACY,
        n_train=4000,
        n_test=len(LABELS),
        seconds={},
        device="cpu",
        dtype="float32",
    )
    return replace(result, **changes)


def run(result: ProbeResult | None = None, **changes: Any) -> None:
    arguments: dict[str, Any] = {
        "labels": LABELS,
        "predictions": PREDICTIONS,
        "label_names": NAMES,
        "expected_label_names": NAMES,
    }
    check_probe(result or a_result(), **(arguments | changes))


def test_a_sound_probe_passes() -> None:
    run()
    run(a_result(lp_gain=None, base_lp_accuracy=None), others={})


def test_the_base_models_own_probe_passes() -> None:
    own = Fingerprint(
        weights_digest="sha256:mine", predictions_digest=digest_predictions(PREDICTIONS)
    )
    run(a_result(model=BASE, lp_gain=None), others={BASE: own})


def fingerprint(weights: str, predictions: dict[HeadName, Classes]) -> Fingerprint:
    return Fingerprint(weights_digest=weights, predictions_digest=digest_predictions(predictions))


OTHER_PREDICTIONS: dict[HeadName, Classes] = {"linear": 1 - PREDICTIONS["linear"]}
SAME_ANSWERS = fingerprint("sha256:other", PREDICTIONS)
SAME_FILE = fingerprint("sha256:mine", OTHER_PREDICTIONS)
CONSTANT: dict[HeadName, Classes] = {"linear": np.zeros((1, 900), dtype=np.int64)}


def only_linear(points: float, **changes: Any) -> ProbeResult:
    return a_result(lp_accuracy={"linear": points}, lp_gain=None, **changes)


FAILING: list[tuple[str, Callable[[], None], str]] = [
    ("label-map", lambda: run(label_names=("neutral", "entailment", "contradiction")), "neutral,"),
    ("label-map", lambda: run(label_names=("entailment", "not_entailment")), "expected entail"),
    ("range", lambda: run(only_linear(float("nan"))), "nan, expected 0 to 100"),
    ("range", lambda: run(only_linear(-0.1)), "-0.1, expected"),
    ("range", lambda: run(only_linear(100.2)), "100.2, expected"),
    ("grid", lambda: run(only_linear(61.15)), "550.3500 right answers of 900"),
    ("predictions", lambda: run(only_linear(100 * 700 / 900)), "but its predictions give"),
    ("predictions", lambda: run(predictions={}), "none of head 'linear'"),
    ("predictions", lambda: run(labels=LABELS[:-9]), "900 predictions for 891 test rows"),
    (
        "class-prior",
        lambda: run(only_linear(accuracy_of(CONSTANT["linear"])), predictions=CONSTANT),
        "predicts class 0 for all 900",
    ),
    ("gain", lambda: run(a_result(lp_gain={"linear": 3.0})), "is 3.0, but"),
    ("gain", lambda: run(a_result(base_lp_accuracy=None)), "base model's None"),
    ("gain", lambda: run(a_result(lp_gain={"linear": float("nan")})), "is nan, but"),
    ("same-weights", lambda: run(others={BASE: SAME_FILE}), "has the weights file of"),
    ("same-weights", lambda: run(others={BASE: SAME_ANSWERS}), "every prediction of"),
    ("same-predictions", lambda: run(others={"you/model": SAME_ANSWERS}), "weights differ"),
]


@pytest.mark.parametrize(("check", "run_it", "message"), FAILING, ids=lambda value: str(value)[:20])
def test_what_does_not_add_up_is_refused_by_name(
    check: str, run_it: Callable[[], None], message: str
) -> None:
    with pytest.raises(IntegrityError, match=message) as caught:
        run_it()
    assert caught.value.check == check
    assert str(caught.value).startswith(f"check {check}: ")
    assert "; " in str(caught.value)


def test_the_same_file_under_another_name_is_no_contradiction() -> None:
    twin = fingerprint("sha256:mine", PREDICTIONS)
    check_not_copied("me/model", twin, {"you/copy": twin}, base_model=BASE)


@pytest.mark.parametrize("points", [30.0, 35.0, 36.5, 37.4])
def test_a_head_no_better_than_the_largest_class_and_chance_is_refused(points: float) -> None:
    # Largest share 35 % of 1000 rows: 35 + 1.645 * sqrt(0.35 * 0.65 / 1000) * 100 = 37.48.
    labels = np.repeat([0, 1, 2], [350, 325, 325])
    predictions = predictions_right_in(0.36, labels)
    with pytest.raises(IntegrityError, match=r"alone gives 35\.00 and chance up to 37\.48"):
        check_learned_something(points, predictions, labels, "LP accuracy")
    check_learned_something(37.5, predictions, labels, "LP accuracy")


def test_the_published_class_prior_is_refused_and_the_weakest_published_probe_is_not() -> None:
    # 3463 of 9832 is the share of the largest class of MNLI mismatched; the lowest LP of a usable
    # bert-base-uncased row is 36.07.
    labels = np.repeat([0, 1, 2], [3463, 3240, 3129])
    predictions = np.stack([np.arange(9832) % 3])
    check_learned_something(36.07, predictions, labels, "LP accuracy")
    with pytest.raises(IntegrityError, match="check class-prior"):
        check_learned_something(100 * 3463 / 9832, predictions, labels, "LP accuracy")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_refused(bad: float) -> None:
    features = np.ones((4, 3), dtype=np.float32)
    check_finite(features, "features")
    features[2, 1] = bad
    with pytest.raises(IntegrityError, match="1 of 12 numbers are NaN or infinite"):
        check_finite(features, "features")


@given(n=st.integers(1, 400_000), data=st.data())
def test_every_share_of_right_answers_is_on_the_grid(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    points = 100 * (right / n)
    check_on_grid(points, n, "accuracy")
    check_in_range(points, "accuracy")


@given(n=st.integers(2, 20_000), off=st.floats(0.01, 0.99), data=st.data())
def test_what_lies_between_two_answers_is_off_the_grid(
    n: int, off: float, data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, n - 1))
    with pytest.raises(IntegrityError, match="expected a whole number"):
        check_on_grid(100 * (right + off) / n, n, "accuracy")


@pytest.mark.parametrize("measured", [56.7, 57.0, 56.4])
def test_the_reference_may_differ_by_the_tolerance(measured: float) -> None:
    check_reference(BASE, measured, 56.7, tolerance=0.31)


@pytest.mark.parametrize("measured", [58.0, 55.0, float("nan")])
def test_a_machine_that_moves_the_reference_is_not_trusted(measured: float) -> None:
    with pytest.raises(IntegrityError, match=r"expected 56\.7 to within 0\.31"):
        check_reference(BASE, measured, 56.7, tolerance=0.31)


def test_rounding_of_the_gain_is_tolerated() -> None:
    check_gain(0.1 + 0.2, 50.3, 50.0, "linear")


def test_a_digest_depends_on_answers_and_heads_and_not_on_the_integer_type() -> None:
    linear = PREDICTIONS["linear"]
    digest = digest_predictions({"linear": linear})
    assert digest == digest_predictions({"linear": linear.astype(np.int8)})
    assert digest == digest_predictions({"linear": linear[0]})
    assert digest != digest_predictions({"head": linear})
    assert digest != digest_predictions({"linear": linear[:, ::-1]})
    assert digest_predictions(PREDICTIONS) == digest_predictions(
        dict(reversed(list(PREDICTIONS.items())))
    )
