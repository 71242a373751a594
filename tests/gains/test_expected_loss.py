from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.gains.analysis.selection import expected_best
from hubbot.gains.expected_loss import (
    best_shares,
    draw_true_gains,
    expected_losses,
    mean_of_others,
    published_losses,
    random_loss,
    top_loss,
)
from hubbot.gains.smoother import Array

NAN = np.nan


def by_enumeration(column: Array, top: int) -> float:
    known = [value for value in column if np.isfinite(value)]
    best = [max(chosen) for chosen in combinations(known, min(top, len(known)))]
    return float(max(known) - np.mean(best))


def matrix(seed: int, *, missing: float = 0.0) -> Array:
    rng = np.random.default_rng(seed)
    gains = np.round(rng.normal(0, 2, (7, 4)), 1)
    gains[1:][rng.random((6, 4)) < missing] = NAN  # the first row is known everywhere
    return gains


@pytest.mark.parametrize("top", [1, 2, 3, 6, 7, 10])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_a_random_choice_loses_what_all_choices_lose_on_average(top: int, missing: float) -> None:
    gains = matrix(top, missing=missing)
    expected = [by_enumeration(gains[:, target], top) for target in range(4)]
    assert random_loss(gains, top) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "top"), [(1, 1), (5, 1), (5, 3), (5, 5), (300, 10)])
def test_shares_of_the_best_are_those_of_order_statistics(n: int, top: int) -> None:
    expected = [comb(place, top - 1) / comb(n, top) for place in range(n)]
    assert best_shares(n, top) == pytest.approx(expected)
    values = np.sort(np.random.default_rng(n).normal(size=n))
    assert values @ best_shares(n, top) == pytest.approx(expected_best(values, top))


@pytest.mark.parametrize("top", [1, 2, 5, 9])
def test_the_loss_of_an_order_is_best_of_all_minus_best_of_the_first(top: int) -> None:
    gains, scores = matrix(3, missing=0.3), np.random.default_rng(5).normal(size=(7, 4))
    for target, loss in enumerate(top_loss(gains, scores, top)):
        known = [row for row in range(7) if np.isfinite(gains[row, target])]
        first = sorted(known, key=lambda row: -scores[row, target])[:top]
        best = max(gains[row, target] for row in known)
        assert loss == pytest.approx(best - max(gains[row, target] for row in first))


def test_an_order_by_the_gains_themselves_loses_nothing() -> None:
    gains = matrix(1, missing=0.2)
    assert (top_loss(gains, gains, 1) == 0).all()


def test_a_mean_over_the_others_leaves_the_target_itself_out() -> None:
    gains = np.array([[1.0, 2.0, 6.0], [NAN, 3.0, 5.0], [NAN, NAN, 4.0]])
    found = mean_of_others(gains)
    expected = [[4.0, 3.5, 1.5], [4.0, 5.0, 3.0], [4.0, 4.0, NAN]]
    assert found == pytest.approx(np.array(expected), nan_ok=True)


def test_what_is_counted_on_a_target_had_no_part_in_the_order() -> None:
    gains = np.random.default_rng(0).normal(size=(30, 5))
    before = mean_of_others(gains)[:, 2].copy()
    gains[:, 2] = 99.0
    assert mean_of_others(gains)[:, 2] == pytest.approx(before)


def test_numbers_of_a_small_case_worked_by_hand() -> None:
    gains = np.array([[3.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    lp = np.array([[3.0], [1.0], [2.0]])
    found = expected_losses(gains, {"lp": [lp]}, np.zeros(2), tops=(1, 2))
    one, two, any_one, any_two = found
    assert (one.mean, one.greatest, one.share_above_one) == (2.5, 5.0, 0.5)
    assert (two.mean, two.greatest, two.share_above_one) == (2.0, 4.0, 0.5)
    # By chance: 3 - 4/3 and 5 - 2; of two, 3 - (3 + 3 + 1)/3 and 5 - (5 + 5 + 1)/3.
    assert any_one.mean == pytest.approx((5 / 3 + 3) / 2)
    assert any_two.mean == pytest.approx((2 / 3 + 4 / 3) / 2)
    assert [line.order for line in found] == ["lp", "lp", "random", "random"]


def test_without_seed_noise_the_true_gains_are_the_measured_ones() -> None:
    gains = matrix(2, missing=0.2)
    assert draw_true_gains(gains, np.zeros(4), n_draws=3) == pytest.approx(
        np.broadcast_to(gains, (3, 7, 4)), nan_ok=True
    )


def test_the_corrected_loss_is_nearer_to_the_true_one_than_the_measured() -> None:
    rng = np.random.default_rng(0)
    raw, corrected, true_losses = [], [], []
    for _ in range(10):
        true = rng.normal(0, 0.5, (100, 1)) + rng.normal(0, 1, 12) + rng.normal(0, 0.5, (100, 12))
        measured = true + rng.normal(0, 1.0, true.shape)
        lp = true.mean(axis=1, keepdims=True) + rng.normal(0, 0.3, (100, 1))
        (line,) = expected_losses(measured, {"lp": [lp]}, np.full(12, 1.0), tops=(3,))[:1]
        raw.append(line.mean)
        corrected.append(line.corrected)
        true_losses.append(top_loss(true, np.broadcast_to(lp, true.shape), 3).mean())
    truth = np.mean(true_losses)
    assert np.mean(raw) > truth + 0.3
    assert abs(np.mean(corrected) - truth) < 0.5 * (np.mean(raw) - truth)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.floats(-9, 9))
def test_losses_do_not_hang_on_order_names_or_level_of_a_target(
    seed: int, top: int, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    gains, scores = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    rows = rng.permutation(8)
    expected = top_loss(gains, scores, top)
    assert top_loss(gains[rows], scores[rows], top) == pytest.approx(expected)
    moved = gains + np.array([shift, 0.0, 0.0])
    assert top_loss(moved, scores, top) == pytest.approx(expected)
    assert random_loss(moved[rows], top) == pytest.approx(random_loss(gains, top))
    assert (top_loss(gains, scores, top + 1) <= expected + 1e-12).all()


def test_the_published_predictions_of_the_loss_are_cross_validated() -> None:
    report = published_losses("microsoft/deberta-v3-base", tops=(1, 3))
    assert report is not None
    assert [(line.order, line.top) for line in report.losses] == [
        (order, top) for order in ("predicted", "lp", "measured", "random") for top in (1, 3)
    ]
    losses = {(line.order, line.top): line.mean for line in report.losses}
    assert all(losses[order, 3] < losses["random", 3] for order in ("predicted", "lp", "measured"))
    assert any("popularity" in note for note in report.notes)


def test_too_few_models_get_no_order_by_prediction() -> None:
    report = published_losses("google/t5-v1_1-base", tops=(1,))
    assert report is not None
    assert {line.order for line in report.losses} == {"lp", "measured", "random"}
    assert any("too few" in note for note in report.notes)


def test_an_architecture_without_published_gains_has_no_losses() -> None:
    assert published_losses("albert-base-v2") is None
