import numpy as np
import pytest

from hubbot.data.scoring import score
from hubbot.errors import DatasetError


def test_accuracy_is_the_share_of_equal_labels_in_points() -> None:
    predictions, references = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])
    assert score("accuracy", predictions, references) == 75.0


def test_accuracy_equals_plain_counting_on_random_labels() -> None:
    rng = np.random.default_rng(0)
    predictions, references = rng.integers(0, 3, 999), rng.integers(0, 3, 999)
    by_hand = 100 * sum(int(a == b) for a, b in zip(predictions, references, strict=True)) / 999
    assert score("accuracy", predictions, references) == pytest.approx(by_hand, abs=1e-9)


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(DatasetError, match=r"'rouge'.*accuracy"):
        score("rouge", np.array([0]), np.array([0]))


def test_predictions_of_another_length_are_refused() -> None:
    with pytest.raises(DatasetError, match="3,\\) predictions for \\(2,"):
        score("accuracy", np.array([0, 1, 2]), np.array([0, 1]))
