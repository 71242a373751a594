"""Files: real, the same every time, refused where they cannot be; no library loaded too soon."""

import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.calibration import Calibration
from hubbot.gains.pictures.draw import (
    Marked,
    check_plot_path,
    draw_calibration_plot,
    draw_gains_matrix,
    draw_lp_against_gain,
)

HOSTILE = (
    "someone/$x^2$",
    "one $ alone",
    "<script>alert('&')</script>]]>",
    "模型/基础",
    "\N{PILE OF POO}\u202etxt.exe\n\x1b[2J",
    "x" * 5000,
    r"\frac{1}{0}$\undefined$",
)


@pytest.fixture
def matrix() -> GainMatrix:
    gains = np.array([[1.0, -2.0, np.nan], [0.0, 3.5, -0.2]])
    return GainMatrix(
        name="made up", sources=("a", "b"), targets=("x", "y", "z"), gains=gains, sds=gains * 0 + 1
    )


def all_pictures(
    calibration: Calibration, matrix: GainMatrix, folder: Path, suffix: str
) -> list[Path]:
    paths = [folder / f"{name}{suffix}" for name in ("lp", "matrix", "calibration")]
    draw_lp_against_gain(calibration, paths[0])
    draw_gains_matrix(matrix, paths[1])
    draw_calibration_plot([calibration], paths[2])
    return paths


def test_a_png_is_a_png_large_enough_to_print(
    calibration: Calibration, matrix: GainMatrix, tmp_path: Path
) -> None:
    for path in all_pictures(calibration, matrix, tmp_path, ".png"):
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", content[16:24])
        assert width >= 1000
        assert height >= 600


def test_an_svg_holds_its_words_as_text(
    calibration: Calibration,
    matrix: GainMatrix,
    tmp_path: Path,
    svg_words: Callable[[Path], list[str]],
) -> None:
    lp, heat_map, plot = all_pictures(calibration, matrix, tmp_path, ".svg")
    expected = {
        lp: (
            "roberta-base: linear probe against gain",
            "LP accuracy on MNLI [points, 0 to 100]",
            "average gain over 36 target data sets [points]",
        ),
        heat_map: (
            "Gains by source and target: made up",
            "source (intermediate model)",
            "target data set",
            "gain [percentage points]",
        ),
        plot: (
            "nominal level of the interval [%]",
            "held-out models inside [%]",
            "predicted probability of a gain > 0 [%]",
            "held-out models with a gain > 0 [%]",
        ),
    }
    for path, wanted in expected.items():
        words = svg_words(path)
        assert set(wanted) <= set(words)
        assert any("hubbot" in line and "0." in line for line in words), "version in the footer"


def test_the_footer_tells_the_number_of_models_the_date_and_the_source(
    calibration: Calibration, tmp_path: Path, svg_words: Callable[[Path], list[str]]
) -> None:
    draw_lp_against_gain(calibration, tmp_path / "lp.svg")
    footer = " ".join(svg_words(tmp_path / "lp.svg"))
    assert "Data: model-recycling-2023, 2023-05-31, made up; n = 48 models." in footer


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_numbers_give_the_same_bytes(
    calibration: Calibration, matrix: GainMatrix, tmp_path: Path, suffix: str
) -> None:
    first = [p.read_bytes() for p in all_pictures(calibration, matrix, tmp_path, suffix)]
    second = [p.read_bytes() for p in all_pictures(calibration, matrix, tmp_path, suffix)]
    assert first == second


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    program = """if True:
        import sys, numpy as np
        from pathlib import Path
        from hubbot.gains.analysis.matrix import GainMatrix
        from hubbot.gains.pictures.draw import draw_gains_matrix
        gains = np.array([[1.0, np.nan], [-1.0, 0.0]])
        matrix = GainMatrix(name="m", sources=("a", "b"), targets=("x", "y"), gains=gains)
        draw_gains_matrix(matrix, Path(sys.argv[1]))
        assert "matplotlib.pyplot" not in sys.modules
    """
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / f"{seed}.svg")],
            check=True,
            env={"PYTHONHASHSEED": seed, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        )
    assert (tmp_path / "1.svg").read_bytes() == (tmp_path / "2.svg").read_bytes()


def test_a_users_style_neither_changes_the_picture_nor_is_changed(
    matrix: GainMatrix, tmp_path: Path
) -> None:
    draw_gains_matrix(matrix, tmp_path / "a.svg")
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        draw_gains_matrix(matrix, tmp_path / "b.svg")
        assert mpl.rcParams["font.size"] == 30
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:12]))
def test_a_name_from_outside_is_drawn_as_it_stands_without_a_warning(
    calibration: Calibration, tmp_path: Path, name: str, suffix: str
) -> None:
    gains = np.array([[1.0, -1.0], [0.5, 0.0]])
    matrix = GainMatrix(name=name, sources=(name, "b"), targets=("x", name), gains=gains)
    odd = replace(calibration, architecture=name, source=name, date=name)
    marked = Marked(name=name, lp=60.0, gain=0.5, interval=(0.0, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_gains_matrix(matrix, tmp_path / f"matrix{suffix}", source=name)
        draw_lp_against_gain(odd, tmp_path / f"lp{suffix}", marked=[marked])
        draw_calibration_plot([odd], tmp_path / f"plot{suffix}")


def test_dollar_signs_and_tags_stay_what_they_are(
    tmp_path: Path, svg_words: Callable[[Path], list[str]]
) -> None:
    names = ("someone/$x^2$", "<script>a</script>")
    matrix = GainMatrix(name="m", sources=names, targets=("x", "y"), gains=np.ones((2, 2)))
    draw_gains_matrix(matrix, tmp_path / "m.svg")
    assert set(names) <= set(svg_words(tmp_path / "m.svg"))
    assert b"<script" not in (tmp_path / "m.svg").read_bytes()


def test_a_letter_that_the_font_lacks_is_written_as_its_number(
    tmp_path: Path, svg_words: Callable[[Path], list[str]]
) -> None:
    matrix = GainMatrix(name="m", sources=("模/a", "é"), targets=("x", "y"), gains=np.ones((2, 2)))
    draw_gains_matrix(matrix, tmp_path / "m.svg")
    assert {r"\u6a21/a", "é"} <= set(svg_words(tmp_path / "m.svg"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plot.pdf", r"written as \.png or \.svg, found '\.pdf' as suffix; try plot\.png"),
        ("plot", r"written as \.png or \.svg, found none as suffix; try plot\.png"),
        ("plot.svg.gz", r"found '\.gz' as suffix"),
        ("nowhere/plot.svg", r"there is no folder .*nowhere; expected one that exists"),
        ("folder.svg", r"this is a folder; expected the name of a file"),
    ],
)
def test_a_file_that_cannot_be_a_picture_is_refused_before_any_work(
    calibration: Calibration, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(SettingsError, match=message):
        check_plot_path(tmp_path / name)
    with pytest.raises(SettingsError, match=message):
        draw_lp_against_gain(calibration, tmp_path / name)
    with pytest.raises(SettingsError, match=message):
        draw_calibration_plot([calibration], tmp_path / name)


def test_a_suffix_may_be_in_capitals(matrix: GainMatrix, tmp_path: Path) -> None:
    draw_gains_matrix(matrix, tmp_path / "M.SVG")
    assert b"<svg" in (tmp_path / "M.SVG").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device that is full")
def test_a_full_disk_is_told(matrix: GainMatrix, tmp_path: Path) -> None:
    (tmp_path / "full.png").symlink_to("/dev/full")
    with pytest.raises(SettingsError, match=r"cannot be written \(No space left"):
        draw_gains_matrix(matrix, tmp_path / "full.png")


def test_the_door_loads_no_library_and_names_the_extra_where_it_is_missing(tmp_path: Path) -> None:
    program = f"""if True:
        import sys
        from pathlib import Path
        from hubbot.errors import SettingsError
        from hubbot.gains.pictures.draw import check_plot_path
        assert not {{"matplotlib", "scipy"}} & set(sys.modules)
        check_plot_path(Path({str(tmp_path / "a.svg")!r}))
        assert not {{"matplotlib", "scipy"}} & set(sys.modules)
        sys.modules["matplotlib"] = None
        try:
            check_plot_path(Path({str(tmp_path / "a.svg")!r}))
        except SettingsError as error:
            assert "hubbot[analysis]" in str(error) and "matplotlib" in str(error), error
        else:
            raise AssertionError("not refused")
    """
    subprocess.run([sys.executable, "-c", program], check=True)
