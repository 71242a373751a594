"""LP against gain: every model where its numbers say, the band as predicted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from hubbot.errors import SettingsError
from hubbot.gains.calibration import PAPER, PUBLISHED, Calibration
from hubbot.gains.calibration_file import load_calibrations
from hubbot.gains.pictures.canvas import drawing
from hubbot.gains.pictures.draw import Marked, draw_lp_against_gain
from hubbot.gains.pictures.lp_against_gain import lp_against_gain
from hubbot.gains.predict import predict_columns
from hubbot.gains.smoother import Rows

PACKAGED = sorted(key for key in load_calibrations() if key[2] in ("site36", "general"))


def draw(calibration: Calibration, *marked: Marked) -> Figure:
    with drawing():
        return lp_against_gain(calibration, marked=marked)


def models_of(panel: Axes) -> Iterator[PathCollection]:
    for artist in panel.collections:
        if isinstance(artist, PathCollection) and (artist.get_gid() or "").startswith("models-"):
            yield artist


def drawn_models(figure: Figure) -> list[tuple[float, float]]:
    """Return the places of all models, looked for in the panel that shows them."""
    places = []
    for panel in figure.axes:
        (left, right), (low, high) = panel.get_xlim(), panel.get_ylim()
        for artist in models_of(panel):
            for x, y in np.asarray(artist.get_offsets()):
                assert left <= x <= right
                assert low <= y <= high
                places.append((float(x), float(y)))
    return sorted(places)


@pytest.mark.parametrize("key", PACKAGED, ids=lambda key: f"{key[0]}-{key[1]}".replace("/", "-"))
def test_every_packaged_model_stands_where_its_numbers_say(
    key: tuple[str, str, str],
    tmp_path: Path,
    read_svg: Callable[..., object],
    count_marks: Callable[..., int],
) -> None:
    calibration = load_calibrations()[key]
    expected = sorted(zip(calibration.rows.lp.tolist(), calibration.gain.tolist(), strict=True))
    assert drawn_models(draw(calibration)) == expected
    draw_lp_against_gain(calibration, tmp_path / "lp.svg")
    assert count_marks(read_svg(tmp_path / "lp.svg"), "models-") == calibration.n


@pytest.mark.parametrize("key", PACKAGED, ids=lambda key: f"{key[0]}-{key[1]}".replace("/", "-"))
def test_band_and_curve_are_what_is_predicted_for_models_without_flags(
    key: tuple[str, str, str],
) -> None:
    calibration = load_calibrations()[key]
    for panel in draw(calibration).axes:
        band = next(artist for artist in panel.collections if artist.get_gid() == "band")
        corners = np.asarray(band.get_paths()[0].vertices)
        grid = np.unique(corners[:, 0])
        flags = None if calibration.rows.flags is None else np.zeros((len(grid), 3))
        expected = predict_columns(calibration, Rows(lp=grid, flags=flags), level=0.9)
        for ends, column in ((expected.low, np.min), (expected.high, np.max)):
            drawn = [column(corners[corners[:, 0] == lp, 1]) for lp in grid]
            np.testing.assert_allclose(drawn, ends)
        curve = next(line for line in panel.lines if line.get_gid() == "expected")
        lp, gain = (np.asarray(values, dtype=np.float64) for values in curve.get_data())
        seen = np.isfinite(gain)
        np.testing.assert_allclose(gain[seen], expected.gain[np.isin(grid, lp[seen])])


def test_the_curve_is_dotted_where_no_model_without_flags_was_seen(
    calibration: Calibration,
) -> None:
    (panel,) = draw(calibration).axes
    solid = next(line for line in panel.lines if line.get_gid() == "expected")
    dotted = next(line for line in panel.lines if line.get_gid() == "expected-unseen")
    assert calibration.rows.flags is not None
    plain = calibration.rows.lp[calibration.rows.flags.sum(axis=1) == 0]
    lp, gain = (np.asarray(values, dtype=np.float64) for values in solid.get_data())
    assert lp[np.isfinite(gain)].max() <= plain.max() < calibration.lp_range[1]
    assert np.asarray(dotted.get_xdata())[-1] == calibration.lp_range[1]
    assert dotted.is_dashed()
    assert not solid.is_dashed()


def test_flagged_models_differ_in_shape_and_not_in_colour_alone(calibration: Calibration) -> None:
    (panel,) = draw(calibration).axes
    found = {artist.get_gid(): artist for artist in models_of(panel)}
    counts = {gid: len(np.asarray(artist.get_offsets())) for gid, artist in found.items()}
    assert counts == {
        "models-plain": 40,
        "models-nli": 1,
        "models-fused": 5,
        "models-special": 1,
        "models-several": 1,
    }
    shapes = {np.asarray(artist.get_paths()[0].vertices).tobytes() for artist in found.values()}
    assert len(shapes) == len(found)


def test_the_base_models_lp_is_a_dashed_line_and_gain_zero_a_line(
    calibration: Calibration,
) -> None:
    (panel,) = draw(calibration).axes
    base = next(line for line in panel.lines if line.get_gid() == "base-lp")
    zero = next(line for line in panel.lines if line.get_gid() == "gain-0")
    assert np.unique(base.get_xdata()).tolist() == [50.0]
    assert base.is_dashed()
    assert np.unique(zero.get_ydata()).tolist() == [0.0]


def test_without_an_lp_of_the_base_model_the_picture_says_so(
    make_calibration: Callable[..., Calibration],
) -> None:
    (panel,) = draw(make_calibration(base_lp=None)).axes
    assert not [line for line in panel.lines if line.get_gid() == "base-lp"]
    assert "no usable LP of the base model" in panel.get_title(loc="left")


def test_models_far_below_get_a_panel_that_begins_where_the_first_ends(
    make_calibration: Callable[..., Calibration],
) -> None:
    figure = draw(make_calibration(n_collapsed=3))
    top, bottom = figure.axes
    assert top.get_ylim()[0] == bottom.get_ylim()[1]
    assert top.get_xlim() == bottom.get_xlim()
    assert sum(len(np.asarray(artist.get_offsets())) for artist in models_of(bottom)) == 3
    assert top.get_ylim()[1] - top.get_ylim()[0] < 10, "the others are not squeezed"
    words = [text.get_text() for text in bottom.texts]
    assert any(text.startswith("3 of 48 models lie below") for text in words)
    assert len(drawn_models(figure)) == 48


def test_without_models_far_below_there_is_one_scale(calibration: Calibration) -> None:
    assert len(draw(calibration).axes) == 1


def test_a_marked_checkpoint_stands_at_its_prediction_with_its_interval(
    make_calibration: Callable[..., Calibration],
) -> None:
    marked = Marked(name="me/mine", lp=90.0, gain=0.7, interval=(-0.3, 1.9))
    figure = draw(make_calibration(), marked)
    (panel,) = figure.axes
    star = next(artist for artist in panel.collections if artist.get_gid() == "marked")
    assert np.asarray(star.get_offsets()).tolist() == [[90.0, 0.7]]
    assert panel.get_xlim()[1] > 90
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "me/mine: +0.70 (\N{MINUS SIGN}0.30 to +1.90)" in words


def test_the_papers_line_is_drawn_over_lp_gain() -> None:
    key = next(key for key in PACKAGED if key[0] == PAPER)
    (panel,) = draw(load_calibrations()[key]).axes
    assert panel.get_xlabel() == "LP gain: LP accuracy on MNLI minus the base model's [points]"
    assert panel.get_ylabel() == "average gain over 14 target data sets [points]"


def test_a_calibration_that_needs_quick_scores_is_refused() -> None:
    key = next(key for key in load_calibrations() if key[0] == PUBLISHED and key[2] == "site32")
    with pytest.raises(SettingsError, match=r"no gain to draw over LP alone; expected .* site36"):
        draw(load_calibrations()[key])


def test_a_group_of_no_known_size_is_named(calibration: Calibration) -> None:
    (panel,) = draw(replace(calibration, target_group="my own")).axes
    assert panel.get_ylabel() == "average gain over the targets of my own [points]"
