from collections.abc import Callable

import numpy as np
import pytest

from hubbot.gains.analysis.matrix import GainMatrix, max_of_known, mean_of_known, number_or_none


def test_means_and_greatest_leave_missing_cells_out() -> None:
    gains = np.array([[1.0, np.nan, np.nan], [3.0, -2.0, np.nan]])
    np.testing.assert_array_equal(mean_of_known(gains, axis=1), [1.0, 0.5])
    np.testing.assert_array_equal(mean_of_known(gains, axis=0), [2.0, -2.0, np.nan])
    np.testing.assert_array_equal(max_of_known(gains), [3.0, -2.0, np.nan])
    np.testing.assert_array_equal(max_of_known(gains[:0]), [np.nan] * 3)


def test_a_part_keeps_the_order_of_the_whole(matrix_of: Callable[..., GainMatrix]) -> None:
    matrix = matrix_of(
        np.arange(6.0).reshape(3, 2), sds=np.ones((3, 2)), rankings={"lp": np.arange(3.0)}
    )
    part = matrix.select(sources={"s2", "s0"}, targets={"t1"})
    assert part.sources == ("s0", "s2")
    np.testing.assert_array_equal(part.gains, [[1.0], [5.0]])
    np.testing.assert_array_equal(part.rankings["lp"], [0.0, 2.0])
    assert part.sds is not None
    assert part.sds.shape == (2, 1)
    np.testing.assert_array_equal(matrix.row("s1"), [2.0, 3.0])
    np.testing.assert_array_equal(matrix.column("t1"), [1.0, 3.0, 5.0])


def test_the_diagonal_is_where_names_agree(matrix_of: Callable[..., GainMatrix]) -> None:
    matrix = matrix_of([[1, 2], [3, 4]], sources=("a", "b"), targets=("b", "c"))
    np.testing.assert_array_equal(matrix.with_diagonal(0.0).gains, [[1, 2], [0, 4]])
    np.testing.assert_array_equal(matrix.gains, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": ("a",)}, "gains has shape"),
        ({"sds": np.ones((1, 2))}, "sds has shape"),
        ({"rankings": {"lp": np.ones(3)}}, "ranking lp has shape"),
    ],
)
def test_shapes_that_do_not_fit_are_a_wrong_argument(
    matrix_of: Callable[..., GainMatrix], changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        matrix_of([[1, 2], [3, 4]], **changes)


def test_nan_is_none_in_json() -> None:
    assert number_or_none(float("nan")) is None
    assert number_or_none(np.float64(1.5)) == 1.5
