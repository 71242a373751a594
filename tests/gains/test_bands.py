from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.gains.bands import MOST_BANDS, cut_bands
from hubbot.gains.smoother import Array

Z = NormalDist().inv_cdf(0.95)


def bands_of(estimate: list[float], sd: list[float] | float) -> list[int]:
    centre, width = np.array(estimate), Z * np.broadcast_to(sd, len(estimate))
    return [int(band) for band in cut_bands(centre, centre - width, centre + width)]


def head_by_simulation(estimate: Array, below: Array, above: Array, level: float) -> int:
    """The same definition by brute force: who is best, in 200,000 draws."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal((200_000, len(estimate)))
    drawn = estimate + np.where(z < 0, below, above) * z
    share = np.bincount(drawn.argmax(axis=1), minlength=len(estimate)) / len(drawn)
    return int(np.searchsorted(np.cumsum(share), level) + 1)


def test_models_far_apart_have_a_band_each() -> None:
    assert bands_of([3.0, 2.0, 1.0], 0.1) == [1, 2, 3]


def test_models_that_cannot_be_told_apart_share_a_band() -> None:
    assert bands_of([1.02, 1.01, 1.0, -5.0], 0.5) == [1, 1, 1, 2]


def test_of_two_models_the_second_counts_where_it_is_best_more_than_once_in_ten() -> None:
    # Both differ by a normal of sd sqrt(2): the second is better with Phi(-d / sqrt(2)).
    edge = np.sqrt(2) * NormalDist().inv_cdf(0.9)
    assert bands_of([edge - 0.05, 0.0], 1.0) == [1, 1]
    assert bands_of([edge + 0.05, 0.0], 1.0) == [1, 2]


def test_equal_estimates_are_never_parted() -> None:
    assert bands_of([2.0] + [1.0] * 40 + [-9.0], 0.2) == [1] + [2] * 40 + [3]


def test_nor_are_they_where_one_is_surer_than_the_other() -> None:
    assert bands_of([1.0] * 41, [1.0] * 40 + [0.001]) == [1] * 41


def test_many_equal_models_count_as_many() -> None:
    # One of forty at 1.0 beats 2.0 more often than one alone.
    assert bands_of([2.0, 1.0], 0.45)[1] == 2
    assert bands_of([2.0] + [1.0] * 40, 0.45)[1] == 1


def test_a_model_with_a_long_way_up_belongs_to_those_it_may_beat() -> None:
    estimate, below = np.array([1.0, 0.0]), np.array([0.9, -0.1])
    assert cut_bands(estimate, below, np.array([1.1, 0.1])).tolist() == [1, 2]
    assert cut_bands(estimate, below, np.array([1.1, 4.0])).tolist() == [1, 1]
    assert cut_bands(estimate, np.array([0.9, -4.0]), np.array([1.1, 0.1])).tolist() == [1, 2]


def test_there_is_a_last_band_for_all_the_rest() -> None:
    found = bands_of([float(-at) for at in range(50)], 0.01)
    assert found == [*range(1, MOST_BANDS), *[MOST_BANDS] * (50 - MOST_BANDS + 1)]


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_are_no_trouble(n: int) -> None:
    assert bands_of([1.0] * n, 0.0) == [1] * n


def test_intervals_without_width_tell_everything_apart() -> None:
    assert bands_of([1.0, 0.5, 0.5, 0.0], 0.0) == [1, 2, 2, 3]


@pytest.mark.parametrize("seed", range(6))
def test_a_band_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    estimate = -np.sort(-rng.normal(0, 1, 25))
    below, above = rng.uniform(0.1, 0.8, (2, 25))
    found = cut_bands(estimate, estimate - Z * below, estimate + Z * above)
    assert abs(int((found == 1).sum()) - head_by_simulation(estimate, below, above, 0.9)) <= 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.05, 2)), min_size=1, max_size=30),
    st.floats(-20, 20),
)
def test_bands_only_look_at_differences_and_never_go_back(
    rows: list[tuple[float, float]], shift: float
) -> None:
    rows = [(round(estimate, 2), width) for estimate, width in rows]
    rows.sort(reverse=True)
    estimate, width = np.array(rows).T
    found = cut_bands(estimate, estimate - width, estimate + width)
    assert (np.diff(found) >= 0).all()
    assert found[0] == 1
    moved = cut_bands(estimate + shift, estimate + shift - width, estimate + shift + width)
    assert (np.abs(found - moved) <= 1).all()  # the grid moves with it, rounding may not
