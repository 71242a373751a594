import csv
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hubbot.gains.grid import decimals, infer_size, off_grid, rounding_of_rows

Numbers = NDArray[np.float64]


def scores_on(size: int, n: int, *, seed: int = 0, spread: float = 0.05) -> Numbers:
    """Accuracies in points of n models on a test set, around 80."""
    random = np.random.default_rng(seed)
    answers = np.clip(np.rint(size * random.normal(0.8, spread, n)), 1, size - 1)
    return 100 * answers / size


@given(st.integers(2, 50_000), st.data())
def test_every_accuracy_is_on_its_own_grid(size: int, data: st.DataObject) -> None:
    answers = np.array(data.draw(st.lists(st.integers(0, size), min_size=1, max_size=5)))
    for scores in (100 * answers / size, 100 * (answers / size)):
        is_off, _ = off_grid(scores[:, None], np.array([float(size)]), np.full(len(scores), 1e-10))
        assert not is_off.any()


@pytest.mark.parametrize("places", [2, 3, 4, 6])
def test_a_rounded_accuracy_is_on_its_grid_or_not_tested(places: int) -> None:
    for size in (56, 1043, 9832):
        scores = np.round(scores_on(size, 200), places)[:, None]
        is_off, _ = off_grid(scores, np.array([float(size)]), rounding_of_rows(scores))
        assert not is_off.any()


def test_a_number_rounded_too_coarsely_is_not_tested() -> None:
    scores = np.array([[83.2], [83.3]])
    is_off, is_tested = off_grid(scores, np.array([9832.0]), rounding_of_rows(scores))
    assert not is_tested.any()
    assert not is_off.any()


def test_an_accuracy_of_another_test_set_is_off_the_grid() -> None:
    scores = np.array([[100 * 87 / 104], [100 * 342 / 408]])
    is_off, _ = off_grid(scores, np.array([408.0]), rounding_of_rows(scores))
    assert is_off.ravel().tolist() == [True, False]


def test_single_precision_is_allowed_for() -> None:
    scores = scores_on(9832, 50).astype(np.float32).astype(np.float64)[:, None]
    is_off, is_tested = off_grid(scores, np.array([9832.0]), rounding_of_rows(scores))
    assert is_tested.mean() > 0.9  # 87.5 is taken for a number with one decimal
    assert not is_off.any()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([80.0, 75.0], 0.5),
        ([80.25, 75.0], 0.005),
        ([80.1234, np.nan], 0.00005),
        ([100 / 3, 50.0], 1e-10),
    ],
)
def test_the_longest_cell_of_a_row_tells_its_decimals(row: list[float], expected: float) -> None:
    assert rounding_of_rows(np.array([row]))[0] == pytest.approx(expected)


def test_decimals_are_those_a_person_would_count() -> None:
    assert decimals(np.array([3.0, 0.1, 12.345, 2 / 7])).tolist() == [0, 1, 3, 9]


@pytest.mark.parametrize("size", [56, 104, 408, 1043, 9832, 50_000])
def test_the_size_is_told_from_sound_scores(size: int) -> None:
    scores = scores_on(size, 60)
    assert infer_size(scores, np.full(60, 1e-10)) == size


def test_the_size_is_told_though_a_third_of_the_scores_is_wrong() -> None:
    scores = np.concatenate([scores_on(1043, 80), scores_on(871, 20), scores_on(3270, 20)])
    assert infer_size(scores, np.full(len(scores), 1e-10)) == 1043


def test_a_multiple_that_fits_strays_as_well_is_not_preferred() -> None:
    """39,000 holds the grids of both 104 and 3,000; 104 says more with less."""
    scores = np.concatenate([scores_on(104, 70), scores_on(3000, 30)])
    assert infer_size(scores, np.full(100, 1e-10)) == 104


def test_no_size_is_told_from_a_correlation() -> None:
    scores = np.random.default_rng(0).normal(85, 3, 300)
    assert infer_size(scores, rounding_of_rows(scores[:, None])) is None


def test_no_size_is_told_from_two_kinds_of_scores_in_equal_parts() -> None:
    scores = np.concatenate([scores_on(1043, 40), scores_on(871, 40)])
    assert infer_size(scores, np.full(80, 1e-10)) is None


@pytest.mark.parametrize("places", [0, 1, 2])
def test_no_wrong_size_is_told_from_coarse_scores(places: int) -> None:
    for size in (638, 1043, 3000, 9832):
        scores = np.round(scores_on(size, 300), places)
        found = infer_size(scores, rounding_of_rows(scores[:, None]))
        assert found in (None, size)


def test_no_size_is_told_from_few_different_values() -> None:
    scores = np.repeat(scores_on(277, 4), 10)
    assert infer_size(scores, np.full(len(scores), 1e-10)) is None


def test_the_packaged_sizes_are_those_that_the_packaged_scores_show() -> None:
    folder = resources.files("hubbot.gains") / "data" / "model_recycling_2023"
    sizes = dict(list(csv.reader((folder / "test_sizes.csv").read_text().splitlines()))[1:])
    header, *rows = csv.reader((folder / "scores.csv").read_text().splitlines())
    values = np.array([[float(cell or "nan") for cell in row[2:]] for row in rows])
    rounding = rounding_of_rows(values)
    for place, target in list(enumerate(header[2:]))[::5]:  # importing looks at all
        found = infer_size(values[:, place], rounding)
        assert str(found or "") == sizes[target], target
