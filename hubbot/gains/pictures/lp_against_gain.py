"""LP against gain: the models of a calibration, the expected gain and its band."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from hubbot.gains.calibration import PAPER, Calibration
from hubbot.gains.groups import GROUPS
from hubbot.gains.pictures.canvas import (
    FOOTER_LINE,
    add_footer,
    footer_lines,
    shown,
    signed,
    unsigned_plus,
)
from hubbot.gains.pictures.draw import Marked
from hubbot.gains.pictures.expected_gain import draw_expected, expected_band
from hubbot.gains.pictures.model_kinds import PLAIN, kinds_of
from hubbot.gains.predict import Columns
from hubbot.gains.smoother import Array

_FENCE = 3.0
"""Interquartile ranges below the lower quartile after which a model is "far below" (Tukey)."""

_WORTH_A_SPLIT = 0.5
"""Share of the main panel's height that models far below would take, to get a panel of their own.

Below it they squeeze the rest so little that one scale for all is the better picture."""


_BAND_REACH = 0.4
"""How far beyond the models the band is followed, as a share of the models' range."""

_WIDTH, _PANELS_HEIGHT = 7.2, 4.2
_TITLE, _AXIS, _LEGEND_LINE, _GAP = 0.5, 0.5, 0.172, 0.14
"""Inches: width of the figure, height of the panels; room for the title, for the axis below the
panels, for each line of the legend, between legend and footer."""


def lp_against_gain(calibration: Calibration, *, marked: Sequence[Marked] = ()) -> Figure:
    """Return the picture of one calibration.

    Models far below the others get a second panel under the first, with another scale, so that
    every model stands where its numbers say.

    Args:
        calibration: For a group of targets predicted from LP.
        marked: Checkpoints to mark, with their predictions.

    Raises:
        SettingsError: If the calibration needs quick scores beside LP.
    """
    band = expected_band(calibration)
    figure = Figure(figsize=(_WIDTH, _PANELS_HEIGHT))
    cut = _cut(calibration.gain)
    panels = _panels(figure, cut)
    for panel in panels:
        _draw_lines(panel, calibration)
        draw_expected(panel, calibration, *band)
        for item in marked:
            _draw_marked(panel, item)
    least, most = _limits(calibration, band[1], marked)
    if len(panels) == 1:
        _draw_models(panels[0], calibration, np.ones(calibration.n, dtype=np.bool_))
        panels[0].set_ylim(least, most)
    else:
        _draw_models(panels[0], calibration, calibration.gain >= cut)
        _draw_models(panels[1], calibration, calibration.gain < cut)
        panels[0].set_ylim(cut, most)
        panels[1].set_ylim(least, cut)
        _explain_scales(panels[0], panels[1], calibration, cut)
    _write_words(figure, panels, calibration, n_columns=2 if marked else 3)
    return figure


def _cut(gain: Array) -> float:
    """Return the gain below which models get a panel of their own; -inf where none do."""
    lower, upper = np.quantile(gain, (0.25, 0.75))
    fence = float(lower - _FENCE * (upper - lower))
    if fence - gain.min() > _WORTH_A_SPLIT * (gain.max() - fence):
        return float(np.floor(2 * fence) / 2)
    return -np.inf


def _limits(
    calibration: Calibration, band: Columns, marked: Sequence[Marked]
) -> tuple[float, float]:
    """Return the least and greatest gain to show: all models, and the band as far as it is near.

    Where nothing holds it a band may leave the models by far; it then runs out of the picture
    rather than squeeze them.
    """
    ends = [end for item in marked for end in item.interval]
    points = np.array([*calibration.gain, *ends, 0.0])
    above = points[points >= _cut(calibration.gain)]
    reach = _BAND_REACH * float(np.ptp(above))
    least = max(float(band.low.min()), float(points.min()) - reach)
    most = min(float(band.high.max()), float(points.max()) + reach)
    margin = 0.1 * reach
    return min(least, float(points.min())) - margin, max(most, float(points.max())) + margin


def _panels(figure: Figure, cut: float) -> list[Axes]:
    if not np.isfinite(cut):
        return [figure.add_subplot()]
    grid = figure.add_gridspec(2, 1, height_ratios=(4, 1), hspace=0.08)
    top = figure.add_subplot(grid[0])
    bottom = figure.add_subplot(grid[1], sharex=top)
    top.tick_params(axis="x", bottom=False, labelbottom=False)
    top.spines["bottom"].set_visible(False)
    return [top, bottom]


def _draw_lines(panel: Axes, calibration: Calibration) -> None:
    panel.axhline(
        0, color="black", linewidth=0.8, zorder=2, gid="gain-0", label="gain 0: as the base model"
    )
    base = calibration.scale.base_lp
    if base is not None:
        number = "" if calibration.name == PAPER else f" ({unsigned_plus(base)})"
        panel.axvline(
            base,
            color="black",
            linewidth=1.0,
            linestyle=(0, (5, 3)),
            zorder=2,
            label=f"LP of the base model{number}",
            gid="base-lp",
        )


def _draw_models(panel: Axes, calibration: Calibration, here: NDArray[np.bool_]) -> None:
    for kind, members in kinds_of(calibration):
        drawn = members & here
        panel.scatter(
            calibration.rows.lp[drawn],
            calibration.gain[drawn],
            s=kind.size,
            marker=kind.marker,
            facecolor=kind.face,
            edgecolor=kind.edge,
            linewidth=0.6,
            zorder=3 if kind.marker == PLAIN.marker else 5,
            label=f"{kind.label} ({members.sum()})",
            gid=kind.gid,
        )


def _draw_marked(panel: Axes, item: Marked) -> None:
    low, high = item.interval
    ends = [[item.gain - low], [high - item.gain]]
    panel.errorbar(
        [item.lp], [item.gain], yerr=ends, ecolor="black", elinewidth=1.6, capsize=4, zorder=6
    )
    panel.scatter(
        [item.lp],
        [item.gain],
        s=150,
        marker="*",
        facecolor="white",
        edgecolor="black",
        zorder=7,
        label=f"{shown(item.name)}: {signed(item.gain, 2)} ({signed(low, 2)} to {signed(high, 2)})",
        gid="marked",
    )


def _explain_scales(top: Axes, bottom: Axes, calibration: Calibration, cut: float) -> None:
    """Say that the lower panel goes on where the upper one ends, with another scale."""
    bottom.yaxis.set_major_locator(MaxNLocator(3, integer=True, prune="upper"))
    n_below = int(np.sum(calibration.gain < cut))
    bottom.text(
        0.99,
        0.06,
        f"{n_below} of {calibration.n} models lie below {unsigned_plus(cut)}: other scale here",
        transform=bottom.transAxes,
        ha="right",
        va="bottom",
        fontsize=8,
        style="italic",
    )
    for panel, y in ((top, 0.0), (bottom, 1.0)):
        # Two slanted strokes across the axis: the usual sign for a scale that changes.
        panel.plot(
            [0],
            [y],
            transform=panel.transAxes,
            marker=[(-1, -0.6), (1, 0.6)],
            markersize=9,
            linestyle="none",
            color="black",
            markeredgewidth=1,
            clip_on=False,
        )


def _write_words(
    figure: Figure, panels: Sequence[Axes], calibration: Calibration, *, n_columns: int
) -> None:
    panels[0].set_title(_subtitle(calibration), loc="left", fontsize=8.5)
    panels[-1].set_xlabel(
        "LP gain: LP accuracy on MNLI minus the base model's [points]"
        if calibration.name == PAPER
        else "LP accuracy on MNLI [points, 0 to 100]"
    )
    panels[0].set_ylabel(f"average gain over {_targets(calibration.target_group)} [points]")
    for panel in panels:
        panel.yaxis.set_major_formatter(lambda value, _: signed(value, _digits(value)))
    handles, labels = panels[0].get_legend_handles_labels()
    footer = footer_lines(
        _WIDTH,
        f"Data: {shown(calibration.name)}, {shown(calibration.date)}, "
        f"{shown(calibration.source, limit=120)}; n = {calibration.n} models.",
    )
    below = FOOTER_LINE * len(footer) + _GAP
    legend_height = _LEGEND_LINE * -(-len(handles) // n_columns)
    bottom = below + legend_height + _AXIS
    height = _TITLE + _PANELS_HEIGHT + bottom
    figure.set_size_inches(_WIDTH, height)
    figure.subplots_adjust(left=0.095, right=0.975, top=1 - _TITLE / height, bottom=bottom / height)
    figure.suptitle(
        f"{shown(calibration.architecture, limit=50)}: linear probe against gain",
        x=0.095,
        y=1 - 0.1 / height,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.08, (below - 0.06) / height),
        ncols=n_columns,
        columnspacing=1.4,
        handletextpad=0.6,
        labelspacing=0.35,
        borderpad=0,
    )
    add_footer(figure, footer)


def _subtitle(calibration: Calibration) -> str:
    words = f"{calibration.n} models, each with a measured gain"
    if calibration.line is not None:
        words += "; the line as printed in the paper"
    if calibration.scale.base_lp is None:
        words += "; no usable LP of the base model, so none is marked"
    return words


def _targets(group: str) -> str:
    if group in GROUPS:
        return f"{len(GROUPS[group])} target data sets"
    return f"the targets of {shown(group)}"


def _digits(value: float) -> int:
    return 0 if float(value).is_integer() else 1
