from collections.abc import Callable

import numpy as np
import pytest

from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.analysis.symmetry import symmetry

NAMES = ("a", "b", "c", "d", "e")


def measured(matrix: GainMatrix, shuffles: int = 0) -> float | None:
    return symmetry(matrix, shuffles=shuffles, seed=0).s


def test_symmetric_skew_and_half_of_each(matrix_of: Callable[..., GainMatrix]) -> None:
    half = np.triu(np.random.default_rng(0).normal(size=(5, 5)), k=1)
    names = {"sources": NAMES, "targets": NAMES}
    assert measured(matrix_of(half + half.T, **names)) == pytest.approx(1)
    assert measured(matrix_of(half - half.T, **names)) == pytest.approx(-1)
    assert measured(matrix_of(half, **names)) == pytest.approx(0)


def test_the_appendix_by_its_formula(matrix_of: Callable[..., GainMatrix]) -> None:
    gains = np.random.default_rng(1).normal(size=(5, 5))
    found = symmetry(matrix_of(gains, sources=NAMES, targets=NAMES), shuffles=0, seed=0)
    for value, diagonal in ((found.s_with_diagonal, True), (found.s, False)):
        m = gains if diagonal else gains - np.diag(np.diag(gains))
        s, v = np.linalg.norm((m + m.T) / 2), np.linalg.norm((m - m.T) / 2)
        assert value == pytest.approx((s - v) / (s + v))
    assert found.n_pairs == 10


def test_order_and_names_of_either_side_do_not_matter(matrix_of: Callable[..., GainMatrix]) -> None:
    gains = np.random.default_rng(2).normal(size=(5, 5))
    order = [3, 0, 4, 1, 2]
    shuffled = matrix_of(gains[:, order], sources=NAMES, targets=tuple(NAMES[j] for j in order))
    plain = measured(matrix_of(gains, sources=NAMES, targets=NAMES))
    assert measured(shuffled) == pytest.approx(plain)


def test_a_pair_known_one_way_is_left_out(matrix_of: Callable[..., GainMatrix]) -> None:
    gains = np.array([[np.nan, 2.0, np.nan], [1.0, np.nan, 3.0], [9.0, 3.0, np.nan]])
    found = symmetry(matrix_of(gains, sources=NAMES[:3], targets=NAMES[:3]), shuffles=0, seed=0)
    assert found.n_pairs == 2
    s, v = np.hypot(3, 6), 1.0
    assert found.s == pytest.approx((s - v) / (s + v))
    assert found.s_with_diagonal is None


def test_shuffled_gains_are_neither(matrix_of: Callable[..., GainMatrix]) -> None:
    gains = np.random.default_rng(3).normal(size=(30, 30))
    names = tuple(f"n{i}" for i in range(30))
    found = symmetry(matrix_of(gains, sources=names, targets=names), shuffles=200, seed=1)
    assert found.shuffled_mean == pytest.approx(0, abs=0.01)
    assert found.shuffled_sd == pytest.approx(1 / np.sqrt(2 * 870), rel=0.3)


@pytest.mark.parametrize(
    ("targets", "gains", "note"),
    [
        (("x", "y"), [[1, 2], [3, 4]], "0 names are both"),
        (("a", "b"), [[1, np.nan], [3, 4]], "no pair"),
        (("a", "b"), [[1, 0], [0, 4]], "are 0"),
    ],
)
def test_without_pairs_there_is_no_number_and_the_reason_is_said(
    matrix_of: Callable[..., GainMatrix],
    targets: tuple[str, str],
    gains: list[list[float]],
    note: str,
) -> None:
    found = symmetry(matrix_of(gains, sources=("a", "b"), targets=targets), shuffles=3, seed=0)
    assert found.s is None
    assert note in found.note
    assert found.shuffled_mean is None
