"""``--plot`` of the commands that draw: what is written, and what is refused beforehand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

ONE = ("predict", "--architecture", "roberta-base")
MATRIX = "model,rte,cb,cola\na/x,1.5,-2.0,0.25\na/y,-0.5,3.0,1\na/z,2,0,-1\n"


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "gains.csv"
    path.write_text(MATRIX, encoding="utf-8")
    return path


def test_one_checkpoint_is_drawn_among_the_known_ones(
    hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    ran = hubbot(*ONE, "--lp-accuracy", "72.5", "--model", "me/mine", "--plot", path)
    assert ran.code == 0
    assert "predicted gain" in ran.out
    picture = imread(path)
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 0.05  # not an empty sheet


def test_a_checkpoint_told_by_its_lp_gain_is_marked_as_well(
    hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    drawn = []
    for name, lp in (("gain", ("--lp-gain", "13.27")), ("accuracy", ("--lp-accuracy", "70"))):
        path = tmp_path / f"{name}.svg"
        assert hubbot(*ONE, *lp, "--model", "me/mine", "--plot", path).code == 0
        drawn.append(path.read_text(encoding="utf-8"))
    assert all("me/mine" in text for text in drawn)


def test_without_an_lp_the_calibration_alone_is_drawn(
    hubbot: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "all.svg"
    ran = hubbot(*ONE, "--plot", path)
    assert ran.code == 0
    assert "predicted gain" not in ran.out
    drawn = path.read_text(encoding="utf-8")
    assert "<svg" in drawn
    assert "this checkpoint" not in drawn


def test_a_matrix_is_drawn_as_a_heat_map(
    hubbot: Callable[..., Any], matrix: Path, tmp_path: Path
) -> None:
    path = tmp_path / "matrix.png"
    ran = hubbot("analyse", matrix, "--plot", path, "--shuffles", "1")
    assert ran.code == 0
    assert imread(path).std() > 0.05


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((*ONE, "--plot", "x.pdf"), ".png or .svg"),
        ((*ONE, "--plot", "x.png", "--json"), "leave out --json"),
        ((*ONE, "--plot", "x.png", "--model", "a/b"), "or give the LP"),
        ((*ONE, "--plot", "x.png", "--quick-rte", "70"), "or give the LP"),
        ((*ONE, "--lp-accuracy", "70", "--plot", "absent/x.png"), "absent"),
        (("predict", "-a", "albert-base-v2", "--plot", "x.png"), "albert-base-v2"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_wrong_usage(
    hubbot: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    match: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = hubbot(*arguments)
    assert ran.code == 2
    assert match in ran.err
    assert not list(tmp_path.glob("x.*"))
