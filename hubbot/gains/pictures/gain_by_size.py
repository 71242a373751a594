"""Gain of a strong intermediate model over the number of training rows of a target.

As Figure 4 of Where to start? (Choshen et al.): does intertraining help most where data is scarce?
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hubbot.gains.pictures.canvas import FOOTER_LINE, add_footer, footer_lines, shown, signed
from hubbot.outcomes import Sensed

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP = 5.6, 2.7, 0.72, 0.2, 0.78
"""Inches: the picture, its panel's height, and the room beside and above the panel."""

_AXIS = 0.5
"""Inches for the numbers and the name of the lower axis."""


def gain_by_size(found: Sensed) -> Figure:
    """Return the picture: gain with its 95 % interval at each number of training rows.

    Args:
        found: With one size or more.
    """
    footer = footer_lines(_WIDTH, _footer(found))
    below = FOOTER_LINE * len(footer) + 0.14 + _AXIS
    height = _TOP + _HEIGHT + below
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes(
        (
            _LEFT / _WIDTH,
            below / height,
            1 - (_LEFT + _RIGHT) / _WIDTH,
            _HEIGHT / height,
        )
    )
    _draw(axes, found)
    figure.suptitle(
        f"{shown(found.dataset)}: gain by training size",
        x=0.1 / _WIDTH,
        y=1 - 0.08 / height,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )
    figure.text(
        0.1 / _WIDTH,
        1 - 0.32 / height,
        f"{shown(found.model)} against {shown(found.base_model)},\n"
        f"{found.seeds} seed{'' if found.seeds == 1 else 's'}, 95 % intervals",
        ha="left",
        va="top",
        fontsize=8.5,
    )
    add_footer(figure, footer)
    return figure


def _draw(axes: Axes, found: Sensed) -> None:
    rows = [size.n_train for size in found.sizes]
    gains = [size.gain for size in found.sizes]
    axes.axhline(0, color="black", linewidth=0.9, gid="zero")
    axes.errorbar(
        rows,
        gains,
        yerr=[
            [size.gain - size.interval[0] for size in found.sizes],
            [size.interval[1] - size.gain for size in found.sizes],
        ],
        color="black",
        ecolor="0.35",
        marker="o",
        markersize=5,
        linewidth=1.2,
        elinewidth=1.0,
        capsize=3,
        gid="gains",
    )
    for size in found.sizes:  # above the interval, where no line runs through it
        axes.annotate(
            signed(size.gain),
            (size.n_train, size.interval[1]),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_xticks(rows, [f"{x:,}" for x in rows])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.12, y=0.15)
    axes.set_xlabel("training rows")
    axes.set_ylabel(f"gain in {found.metric} [points]")


def _footer(found: Sensed) -> str:
    return (
        f"Data: {shown(found.source, limit=80)}; {found.n_test} test rows; protocol "
        f"{shown(found.protocol, limit=60)}."
    )
