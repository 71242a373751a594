"""The expected gain over LP, as a curve with its band, and the lines of flagged models."""

import numpy as np
from matplotlib.axes import Axes

from hubbot.errors import SettingsError
from hubbot.gains.calibration import Calibration, context
from hubbot.gains.flags import COLUMNS
from hubbot.gains.pictures.model_kinds import FLAGGED, members_with
from hubbot.gains.predict import Columns, predict_columns
from hubbot.gains.smoother import Array, Rows

LEVEL = 0.9
"""Nominal coverage of the band."""

GRID = 201
"""Values of LP at which the curve is drawn."""

_SHORT = {"nli": "NLI", "fused": "fused", "special": "special"}
"""Names of the flagged kinds at the ends of their lines."""

_OWN_LINE = 5
"""Models of a flagged kind from which their own expected gain is drawn."""


def expected_band(calibration: Calibration) -> tuple[Array, Columns]:
    """Return a grid of LP over the range seen, and what is predicted there for unflagged models.

    Args:
        calibration: For a group of targets predicted from LP.

    Raises:
        SettingsError: If the calibration needs quick scores beside LP.
    """
    has_flags = calibration.rows.flags is not None
    wanted = context(has_flags=has_flags, has_quick=False)
    if calibration.line is None and wanted not in calibration.choices:
        raise SettingsError(
            f"{calibration.architecture}, {calibration.target_group}: this calibration predicts "
            "from quick scores beside LP, so there is no gain to draw over LP alone; expected the "
            "calibration of a group such as site36"
        )
    grid = np.linspace(*calibration.lp_range, GRID)
    return grid, _predict(calibration, grid)


def _predict(calibration: Calibration, lp: Array, *, flag: str | None = None) -> Columns:
    """Return predictions for models with one flag or none."""
    flags = None
    if calibration.rows.flags is not None:
        flags = np.zeros((len(lp), len(COLUMNS)))
        if flag is not None:
            flags[:, COLUMNS.index(flag)] = 1.0
    return predict_columns(calibration, Rows(lp=lp, flags=flags), level=LEVEL)


def draw_expected(panel: Axes, calibration: Calibration, grid: Array, band: Columns) -> None:
    """Draw band and curve of unflagged models, dotted where no such model was seen.

    Args:
        panel: To draw into.
        calibration: That predicts.
        grid: float64 of shape (m,): LP, points.
        band: What is predicted there.
    """
    flags = calibration.rows.flags
    words = "" if flags is None else ", no flag"
    panel.fill_between(
        grid,
        band.low,
        band.high,
        facecolor="0.88",
        edgecolor="0.55",
        linewidth=0.6,
        linestyle=(0, (2, 2)),
        zorder=1,
        label=f"{100 * LEVEL:.0f} % interval{words}",
        gid="band",
    )
    unflagged = (
        calibration.rows.lp if flags is None else calibration.rows.lp[flags.sum(axis=1) == 0]
    )
    seen = np.zeros(len(grid), dtype=np.bool_)
    if len(unflagged):
        seen = (unflagged.min() <= grid) & (grid <= unflagged.max())
    panel.plot(
        grid,
        np.where(seen, band.gain, np.nan),
        color="black",
        linewidth=1.9,
        zorder=4,
        label=f"expected gain{words}",
        gid="expected",
    )
    if not seen.all():
        panel.plot(
            grid,
            band.gain,
            color="black",
            linewidth=1.3,
            linestyle=(0, (1, 1.5)),
            zorder=4,
            label="the same, no such model seen",
            gid="expected-unseen",
        )
    _draw_flagged(panel, calibration)


def _draw_flagged(panel: Axes, calibration: Calibration) -> None:
    """Draw the expected gain of each flagged kind over the LP of its models."""
    label = "expected gain, flagged"
    for name in FLAGGED if calibration.line is None else ():
        members = members_with(calibration, name)
        if members.sum() < _OWN_LINE:
            continue
        lp = calibration.rows.lp[members]
        grid = np.linspace(lp.min(), lp.max(), GRID)
        expected = _predict(calibration, grid, flag=name).gain
        if np.allclose(expected, _predict(calibration, grid).gain):
            continue  # the calibration makes no difference between the two
        panel.plot(
            grid,
            expected,
            color="black",
            linewidth=1.0,
            linestyle=(0, (6, 1.5, 1, 1.5)),
            zorder=4,
            label=label,
            gid=f"expected-{name}",
        )
        panel.annotate(
            _SHORT[name],
            (grid[-1], expected[-1]),
            xytext=(4, -3),
            textcoords="offset points",
            fontsize=7,
            style="italic",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            zorder=6,
            annotation_clip=True,
        )
        label = f"_{label}"  # once in the legend
