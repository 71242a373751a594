"""How far intervals and probabilities can be believed: promised against achieved.

For each calibration two panels stand side by side: coverage of the prediction intervals, and how
often the gain was positive against the probability given for it. Both are measured on models that
the fit had not seen (``validation.cross_validate``).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hubbot.errors import SettingsError
from hubbot.gains.pictures.canvas import FOOTER_LINE, add_footer, footer_lines, shown
from hubbot.gains.pictures.coverage import CHANCE, Checked, coverage_of, reliability_of

_PANEL, _BETWEEN, _ROW = 2.35, 0.62, 0.74
"""Inches: side of a panel, room between two, room above and below one for its title and axis."""

_TITLE, _HEAD, _LEFT, _LEGEND_LINE = 0.38, 0.24, 0.62, 0.172
"""Inches: room for the picture's title, a panel's, the first axis, a line of the legend."""

_SIGNS = 5
"""Entries of the legend."""


def calibration_plot(checked: Sequence[Checked]) -> Figure:
    """Return the picture of some calibrations, two panels each.

    Args:
        checked: From ``check_calibrations``.

    Raises:
        SettingsError: If there are none.
    """
    if not checked:
        raise SettingsError(
            "there is no fitted calibration to draw; expected one or more: fit some with "
            "`hubbot calibrate`"
        )
    pairs = 1 if len(checked) == 1 else 2
    rows = -(-len(checked) // pairs)
    width = _LEFT + 2 * pairs * (_PANEL + _BETWEEN) - 0.4
    footer = footer_lines(width, _footer(checked))
    below = FOOTER_LINE * len(footer) + 0.14
    n_columns = pairs + 1
    height = _TITLE + rows * (_PANEL + _ROW) + _LEGEND_LINE * -(-_SIGNS // n_columns) + below
    figure = Figure(figsize=(width, height))
    for place, item in enumerate(checked):
        row, pair = divmod(place, pairs)
        y = 1 - (_TITLE + row * (_PANEL + _ROW) + _HEAD + _PANEL) / height
        left, right = (
            figure.add_axes(
                (
                    (_LEFT + (2 * pair + side) * (_PANEL + _BETWEEN)) / width,
                    y,
                    _PANEL / width,
                    _PANEL / height,
                )
            )
            for side in (0, 1)
        )
        _draw_coverage(left, item)
        _draw_reliability(right, item)
    figure.suptitle(
        "What predictions promise and what held-out models show",
        x=0.1 / width,
        y=1 - 0.08 / height,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )
    _draw_legend(figure, below=below, n_columns=n_columns)
    add_footer(figure, footer)
    return figure


def _draw_coverage(axes: Axes, item: Checked) -> None:
    found = coverage_of(item.validation)
    axes.fill_between(
        100 * found.nominal,
        100 * found.low,
        100 * found.high,
        facecolor="0.85",
        edgecolor="0.55",
        linewidth=0.6,
        linestyle=(0, (2, 2)),
        gid="chance",
    )
    axes.plot([0, 100], [0, 100], color="black", linewidth=0.9, linestyle=(0, (5, 3)))
    axes.plot(
        100 * found.nominal,
        100 * found.achieved,
        color="black",
        marker="o",
        markersize=4.5,
        linewidth=1.2,
        gid="achieved",
    )
    least = min(45.0, 100 * float(min(found.achieved.min(), found.low.min())) - 4)
    axes.set(xlim=(45, 100), ylim=(least, 101))
    axes.set_xlabel("nominal level of the interval [%]", fontsize=8)
    axes.set_ylabel("held-out models inside [%]", fontsize=8)
    name = shown(item.calibration.architecture, limit=34)
    axes.set_title(
        f"{name}, {shown(item.calibration.target_group, limit=12)} (n = {item.calibration.n})",
        loc="left",
        fontsize=8.5,
        fontweight="bold",
    )
    axes.tick_params(labelsize=7.5)


def _draw_reliability(axes: Axes, item: Checked) -> None:
    found = reliability_of(item.validation)
    axes.plot([0, 100], [0, 100], color="black", linewidth=0.9, linestyle=(0, (5, 3)))
    axes.errorbar(
        100 * found.promised,
        100 * found.achieved,
        yerr=100 * np.abs(np.stack([found.low, found.high]) - found.achieved),
        fmt="s",
        markersize=5,
        markerfacecolor="white",
        markeredgecolor="black",
        ecolor="black",
        elinewidth=0.9,
        capsize=2.5,
    )
    promised = 100 * item.validation.probability_positive.mean(axis=0)
    is_positive = item.validation.gain > 0
    for members, y in ((~is_positive, -6.0), (is_positive, 106.0)):
        axes.plot(
            promised[members],
            np.full(int(members.sum()), y),
            linestyle="none",
            marker="|",
            markersize=5,
            color="0.3",
            markeredgewidth=0.5,
        )
    axes.set(xlim=(-4, 104), ylim=(-11, 111), xticks=range(0, 101, 25), yticks=range(0, 101, 25))
    axes.set_xlabel("predicted probability of a gain > 0 [%]", fontsize=8)
    axes.set_ylabel("held-out models with a gain > 0 [%]", fontsize=8)
    axes.tick_params(labelsize=7.5)


def _draw_legend(figure: Figure, *, below: float, n_columns: int) -> None:
    """Explain all signs once, under the panels."""
    percent = f"{100 * CHANCE:.0f} %"
    handles = [
        Line2D([], [], color="black", marker="o", markersize=4.5, linewidth=1.2),
        Patch(facecolor="0.85", edgecolor="0.55", linestyle=(0, (2, 2)), linewidth=0.6),
        Line2D([], [], color="black", linewidth=0.9, linestyle=(0, (5, 3))),
        Line2D([], [], linestyle="none", marker="s", markerfacecolor="white", color="black"),
        Line2D([], [], linestyle="none", marker="|", color="0.3"),
    ]
    labels = [
        "achieved coverage",
        f"{percent} of what chance allows with n models",
        "promise kept exactly",
        f"share of positive gains, {percent} interval",
        "one model (gain > 0: above)",
    ]
    figure.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.3 / figure.get_figwidth(), below / figure.get_figheight()),
        ncols=n_columns,
        columnspacing=1.6,
        handletextpad=0.6,
        labelspacing=0.35,
        borderpad=0,
    )


def _footer(checked: Sequence[Checked]) -> str:
    sources = dict.fromkeys(
        f"{shown(item.calibration.name)}, {shown(item.calibration.date)}, "
        f"{shown(item.calibration.source, limit=120)}"
        for item in checked
    )
    repeats = len(checked[0].validation.predicted)
    return (
        f"Data: {'; '.join(sources)}. Ten-fold cross-validation, {repeats} "
        f"repeat{'' if repeats == 1 else 's'}, form chosen inside the folds."
    )
