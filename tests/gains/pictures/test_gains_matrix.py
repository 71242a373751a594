"""The heat map: a cell per gain, the sign kept in black and white, the right cells starred."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.image import imread

from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.analysis.reading import read_matrix, with_sds
from hubbot.gains.analysis.significance import shares
from hubbot.gains.pictures.canvas import drawing, save
from hubbot.gains.pictures.draw import draw_gains_matrix
from hubbot.gains.pictures.gains_matrix import gains_matrix

MINUS = "\N{MINUS SIGN}"


def make_matrix(rows: int, columns: int, *, share_missing: float = 0.1) -> GainMatrix:
    rng = np.random.default_rng(rows * 1000 + columns)
    gains = np.round(rng.normal(0, 4, (rows, columns)) ** 3 / 40, 2)
    gains[rng.random(gains.shape) < share_missing] = np.nan
    gains[0, 0] = 1.0
    return GainMatrix(
        name="made up",
        sources=tuple(f"source {i}" for i in range(rows)),
        targets=tuple(f"target {j}" for j in range(columns)),
        gains=gains,
    )


def draw(matrix: GainMatrix) -> Figure:
    with drawing():
        return gains_matrix(matrix)


def cells_of(axes: Axes, gid: str) -> PolyCollection | None:
    found = [artist for artist in axes.collections if artist.get_gid() == gid]
    return found[0] if found and isinstance(found[0], PolyCollection) else None


def numbers_of(axes: Axes) -> dict[tuple[int, int], str]:
    """Return the text of each cell, by row and column."""
    places = {(text.get_position(), text.get_text()) for text in axes.texts}
    return {(int(y), int(x)): text for (x, y), text in places}


@pytest.fixture(scope="module")
def figure_1() -> GainMatrix:
    folder = resources.files("hubbot.gains") / "data" / "papers"
    with (
        resources.as_file(folder / "fig1_inhouse_gains.csv") as gains,
        resources.as_file(folder / "fig5_inhouse_stds.csv") as sds,
    ):
        return with_sds(read_matrix(gains), sds)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 30), (22, 22), (150, 36)])
def test_an_svg_holds_a_cell_for_every_gain_and_every_missing_one(
    rows: int,
    columns: int,
    tmp_path: Path,
    read_svg: Callable[..., object],
    count_marks: Callable[..., int],
) -> None:
    matrix = make_matrix(rows, columns)
    draw_gains_matrix(matrix, tmp_path / "m.svg")
    root = read_svg(tmp_path / "m.svg")
    assert count_marks(root, "cells") == matrix.n_cells
    assert count_marks(root, "missing") == rows * columns - matrix.n_cells


def test_every_cell_has_its_own_gain_in_its_own_place() -> None:
    matrix = make_matrix(7, 5)
    axes = draw(matrix).axes[0]
    cells = cells_of(axes, "cells")
    assert cells is not None
    values = np.asarray(cells.get_array())
    assert len(values) == len(cells.get_paths()) == matrix.n_cells
    for path, value in zip(cells.get_paths(), values, strict=True):
        column, row = np.asarray(path.vertices).min(axis=0).astype(int)
        assert value == matrix.gains[row, column]
    assert axes.get_ylim() == (7, 0), "the first source stands on top"


def test_a_photocopy_tells_gains_from_losses(figure_1: GainMatrix, tmp_path: Path) -> None:
    for matrix in (figure_1, make_matrix(150, 36), make_matrix(3, 2)):
        path = tmp_path / "m.png"
        with drawing():
            figure = gains_matrix(matrix)
            save(figure, path)
        picture = np.asarray(imread(path))[..., :3] @ np.array([0.299, 0.587, 0.114])
        axes = figure.axes[0]
        scale = picture.shape[1] / float(figure.get_figwidth()) / figure.dpi
        brightness = {}
        for row, column in np.argwhere(matrix.known):
            # Near a corner of the cell, where no number is written.
            x, y = axes.transData.transform((column + 0.5, row + 0.12)) * scale
            pixel = picture[picture.shape[0] - 1 - int(y), int(x)]
            brightness[row, column] = float(pixel)
        losses = [b for place, b in brightness.items() if matrix.gains[place] < 0]
        zeros = [b for place, b in brightness.items() if matrix.gains[place] == 0]
        gains = [b for place, b in brightness.items() if matrix.gains[place] > 0]
        assert max(losses) + 0.1 < min(gains)
        assert all(max(losses) < b < min(gains) for b in zeros)


def test_greater_gains_are_lighter_and_greater_losses_darker() -> None:
    gains = np.array([[-9.0, -3.0, -0.1, 0.0, 0.1, 3.0, 9.0]])
    matrix = GainMatrix(name="m", sources=("a",), targets=tuple("tuvwxyz"), gains=gains)
    figure = draw(matrix)
    cells = cells_of(figure.axes[0], "cells")
    assert cells is not None
    cells.update_scalarmappable()
    greys = np.asarray(cells.get_facecolor())
    assert np.all(np.diff(greys[:, 0]) > 0.02)
    np.testing.assert_array_equal(greys[:, 0], greys[:, 1])
    np.testing.assert_array_equal(greys[:, 0], greys[:, 2])


def test_every_number_carries_its_sign_and_differs_from_its_ground() -> None:
    gains = np.array([[1.26, -12.34], [0.0, np.nan], [-0.04, 0.04]])
    matrix = GainMatrix(name="m", sources=tuple("abc"), targets=tuple("xy"), gains=gains)
    axes = draw(matrix).axes[0]
    assert numbers_of(axes) == {
        (0, 0): "+1.3",
        (0, 1): f"{MINUS}12.3",
        (1, 0): "0",
        (2, 0): f"{MINUS}0.0",
        (2, 1): "+0.0",
    }
    assert {text.get_color() for text in axes.texts if MINUS in text.get_text()} == {"white"}
    assert {text.get_color() for text in axes.texts if "+" in text.get_text()} == {"black"}


def test_stars_stand_where_a_gain_is_over_two_standard_deviations_from_zero() -> None:
    gains = np.array([[2.1, -2.1, 2.0, 1.9, 5.0, np.nan]])
    sds = np.array([[1.0, 1.0, 1.0, 1.0, np.nan, 1.0]])
    matrix = GainMatrix(name="m", sources=("a",), targets=tuple("uvwxyz"), gains=gains, sds=sds)
    numbers = numbers_of(draw(matrix).axes[0])
    assert {column for (_, column), text in numbers.items() if text.endswith("*")} == {0, 1}


def test_the_papers_matrix_has_as_many_stars_as_significant_gains(figure_1: GainMatrix) -> None:
    numbers = numbers_of(draw(figure_1).axes[0])
    beyond = shares(figure_1).beyond_two_sd
    assert beyond is not None
    losses = [text for text in numbers.values() if text.endswith("*") and MINUS in text]
    gains = [text for text in numbers.values() if text.endswith("*") and "+" in text]
    assert (len(gains), len(losses)) == (beyond.positive, beyond.negative)
    assert len(numbers) == 462


def test_missing_cells_are_hatched_and_the_key_says_so(figure_1: GainMatrix) -> None:
    figure = draw(figure_1)
    missing = cells_of(figure.axes[0], "missing")
    assert missing is not None
    assert missing.get_hatch()
    words = [text.get_text() for text in figure.texts]
    assert any("* over 2 SD from 0; hatched: not measured" in text for text in words)


def test_groups_that_stand_together_are_ruled_apart(figure_1: GainMatrix) -> None:
    axes = draw(figure_1).axes[0]
    assert len(axes.lines) == 4  # three groups of rows and of columns
    mixed = GainMatrix(
        name="m",
        sources=tuple("abc"),
        targets=tuple("xy"),
        gains=np.ones((3, 2)),
        source_groups={"a": "one", "b": "two", "c": "one"},
    )
    assert not draw(mixed).axes[0].lines


def test_a_large_matrix_is_drawn_small_and_says_which_names_are_left_out(tmp_path: Path) -> None:
    matrix = make_matrix(5000, 50)
    figure = draw(matrix)
    axes = figure.axes[0]
    assert not axes.texts
    assert axes.get_ylabel().endswith("1 of 32 named)")
    assert figure.get_figheight() < 25
    draw_gains_matrix(matrix, tmp_path / "m.svg")
    assert (tmp_path / "m.svg").stat().st_size < 5_000_000


@pytest.mark.parametrize(
    "gains",
    [
        np.zeros((2, 2)),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[-1.0, -2.0], [np.nan, -4.0]]),
        np.array([[1e-9, 1e6], [-1e6, -1e-9]]),
    ],
    ids=["all zero", "all gains", "all losses", "extreme"],
)
def test_any_known_numbers_can_be_drawn(gains: np.ndarray, tmp_path: Path) -> None:
    matrix = GainMatrix(name="m", sources=tuple("ab"), targets=tuple("xy"), gains=gains)
    figure = draw(matrix)
    labels = [tick.get_text() for tick in figure.axes[1].get_yticklabels()]
    assert "0" in labels
    assert labels == list(dict.fromkeys(labels))
    draw_gains_matrix(matrix, tmp_path / "m.png")


def test_a_matrix_without_any_gain_is_refused() -> None:
    matrix = GainMatrix(
        name="empty.csv", sources=("a",), targets=("x",), gains=np.array([[np.nan]])
    )
    with pytest.raises(SettingsError, match=r"empty\.csv: every cell is empty; expected one known"):
        draw(matrix)
