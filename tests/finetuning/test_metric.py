"""Scores of looks, against counting by hand and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hubbot.errors import SettingsError
from hubbot.finetuning.metric import points, spearman

VALUES = st.lists(
    st.tuples(st.integers(-3, 3), st.floats(-5, 5, allow_subnormal=False)), min_size=2, max_size=40
)


def test_accuracy_is_counted_in_points() -> None:
    assert points("accuracy", np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])) == 75.0


@given(VALUES)
def test_spearman_agrees_with_scipy_ties_included(rows: list[tuple[int, float]]) -> None:
    first, second = (np.array(side, dtype=np.float64) for side in zip(*rows, strict=True))
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert spearman(first, second) == 0.0
    else:
        assert spearman(first, second) == pytest.approx(spearmanr(first, second)[0], abs=1e-12)


def test_spearman_is_given_in_points() -> None:
    assert points("spearman", np.array([1.0, 2.0, 9.0]), np.array([5.0, 6.0, 7.0])) == 100.0
    assert points("spearman", np.array([1.0, 2.0, 9.0]), np.array([7.0, 6.0, 5.0])) == -100.0


def test_constant_predictions_score_nothing_rather_than_nan() -> None:
    assert points("spearman", np.array([2.0, 2.0, 2.0]), np.array([0.0, 1.0, 2.0])) == 0.0


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"'f1' cannot choose a look; expected accuracy"):
        points("f1", np.array([0]), np.array([0]))
