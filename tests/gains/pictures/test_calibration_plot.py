"""The calibration plot shows the numbers of ``coverage``."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from hubbot.errors import SettingsError
from hubbot.gains.calibration import Calibration
from hubbot.gains.pictures.calibration_plot import calibration_plot
from hubbot.gains.pictures.canvas import drawing
from hubbot.gains.pictures.coverage import Checked, check_calibrations, coverage_of, reliability_of


@pytest.fixture(scope="module")
def checked(calibration: Calibration) -> Checked:
    return check_calibrations([calibration])[0]


def panels(*checked: Checked) -> list[Axes]:
    with drawing():
        return list(calibration_plot(checked).axes)


def line(axes: Axes, gid: str) -> Line2D:
    return next(item for item in axes.lines if item.get_gid() == gid)


def test_coverage_is_drawn_in_percent_over_its_band(checked: Checked) -> None:
    axes, _ = panels(checked)
    found = coverage_of(checked.validation)
    x, y = line(axes, "achieved").get_data()
    np.testing.assert_allclose(np.asarray(x), 100 * found.nominal)
    np.testing.assert_allclose(np.asarray(y), 100 * found.achieved)
    band = next(item for item in axes.collections if item.get_gid() == "chance")
    corners = np.asarray(band.get_paths()[0].vertices)
    for level, low, high in zip(100 * found.nominal, found.low, found.high, strict=True):
        there = corners[np.isclose(corners[:, 0], level), 1]
        assert (there.min(), there.max()) == pytest.approx((100 * low, 100 * high))
    least, most = axes.get_ylim()
    assert least <= corners[:, 1].min()
    assert corners[:, 1].max() <= most


def test_both_panels_have_the_diagonal(checked: Checked) -> None:
    for axes in panels(checked):
        diagonals = [
            item for item in axes.lines if np.asarray(item.get_xdata()).tolist() == [0, 100]
        ]
        assert [np.asarray(item.get_ydata()).tolist() for item in diagonals] == [[0, 100]]
        assert diagonals[0].is_dashed()


def test_reliability_is_drawn_with_every_model_as_a_stroke(checked: Checked) -> None:
    _, axes = panels(checked)
    found = reliability_of(checked.validation)
    squares = next(item for item in axes.lines if item.get_marker() == "s")
    np.testing.assert_allclose(np.asarray(squares.get_xdata()), 100 * found.promised)
    np.testing.assert_allclose(np.asarray(squares.get_ydata()), 100 * found.achieved)
    heights = [np.asarray(item.get_ydata()) for item in axes.lines if item.get_marker() == "|"]
    strokes = {float(y[0]): len(y) for y in heights if len(y)}
    n_positive = int((checked.validation.gain > 0).sum())
    assert strokes == {106.0: n_positive, -6.0: checked.calibration.n - n_positive}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_calibration_has_two_panels_and_its_name(checked: Checked, n: int) -> None:
    items = [
        Checked(
            calibration=replace(checked.calibration, architecture=f"base-{place}"),
            validation=checked.validation,
        )
        for place in range(n)
    ]
    axes = panels(*items)
    assert len(axes) == 2 * n
    assert [item.get_title(loc="left") for item in axes[::2]] == [
        f"base-{place}, site36 (n = 48)" for place in range(n)
    ]
    boxes = [item.get_position() for item in axes]
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[i + 1 :])


def test_gains_that_are_all_positive_can_be_drawn(
    make_calibration: Callable[..., Calibration],
) -> None:
    item = make_calibration(n=30)
    _, axes = panels(*check_calibrations([replace(item, gain=item.gain + 50)]))
    squares = next(line for line in axes.lines if line.get_marker() == "s")
    assert np.asarray(squares.get_ydata()).tolist() == [100.0]


def test_without_a_fitted_calibration_there_is_nothing_to_draw() -> None:
    with pytest.raises(SettingsError, match="no fitted calibration to draw; expected one or more"):
        panels()
