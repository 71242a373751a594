"""Gain of a strong intermediate model over the number of training rows of a target.

As Figure 4 of Where to start? (Choshen et al.): does intertraining help most where data is scarce?
"""

import itertools
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hubbot.gains.pictures.canvas import (
    FOOTER_LINE,
    add_footer,
    footer_lines,
    shown,
    signed,
    text_width,
)
from hubbot.outcomes import Sensed

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP = 5.6, 2.7, 0.72, 0.2, 0.78
"""Inches: the picture, its panel's height, and the room beside and above the panel."""

_AXIS = 0.62
"""Inches for the numbers and the name of the lower axis."""

_MARGIN = 0.12
"""Room left and right of the outer sizes, as a share of the distance between them."""

_METRICS = {"spearman": "Spearman's correlation"}
"""Metrics whose name is not the word for them."""

_TITLE, _UNDER, _LETTERS = 11.0, 8.5, 8.5
"""Size of the title, of what stands under it, and of the numbers below the axis, points."""

_BOLD = 1.15
"""Width of bold letters, plain ones being 1."""


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
        _fitting("{}: gain by training size", found.dataset, size=_TITLE * _BOLD),
        x=0.1 / _WIDTH,
        y=1 - 0.08 / height,
        ha="left",
        va="top",
        fontsize=_TITLE,
        fontweight="bold",
    )
    figure.text(
        0.1 / _WIDTH,
        1 - 0.32 / height,
        _fitting("{} against {},", found.model, found.base_model, size=_UNDER)
        + f"\n{_intervals(found.seeds)}",
        ha="left",
        va="top",
        fontsize=_UNDER,
    )
    add_footer(figure, footer)
    return figure


def _fitting(form: str, *names: str, size: float) -> str:
    """Return a line with names from outside, shortened until it fits the picture.

    Args:
        form: With ``{}`` for each name.
        names: As they come.
        size: Of the letters, points.
    """
    for limit in range(80, 5, -1):
        line = form.format(*(shown(name, limit=limit) for name in names))
        if text_width(line, size) <= _WIDTH - 0.3:  # letters are drawn a little wider
            break
    return line


def _intervals(seeds: int) -> str:
    if seeds == 1:
        return "1 seed, 95 % intervals over test rows alone"
    return f"{seeds} seeds, 95 % intervals over seeds and test rows"


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
    is_lower = _lower(rows)
    for size, is_below in zip(found.sizes, is_lower, strict=True):
        # Beyond the interval, where no line runs through it; neighbours that are near part.
        axes.annotate(
            signed(size.gain),
            (size.n_train, size.interval[0 if is_below else 1]),
            xytext=(0, -4 if is_below else 4),
            textcoords="offset points",
            ha="center",
            va="top" if is_below else "bottom",
            fontsize=8,
        )
    axes.set_xscale("log")
    labels = [f"{x:,}" for x in rows]
    axes.set_xticks(rows, ["\n" * low + text for low, text in zip(is_lower, labels, strict=True)])
    axes.set_xticks([], minor=True)
    axes.margins(x=_MARGIN, y=0.15)
    axes.set_xlabel("training rows")
    axes.set_ylabel(f"gain in {_METRICS.get(found.metric, shown(found.metric))} [points]")


def _lower(rows: Sequence[int]) -> list[bool]:
    """Tell which sizes are written a line lower, since the one before is near and is not.

    Args:
        rows: Training rows, ascending.
    """
    panel = _WIDTH - _LEFT - _RIGHT
    inch = panel / (1 + 2 * _MARGIN) / max(math.log(rows[-1] / rows[0]), 1e-9)
    lower = [False]
    for before, after in itertools.pairwise(rows):
        room = text_width(f"{before:,}  {after:,}", _LETTERS) / 2 + 0.1
        is_near = inch * math.log(after / before) < room
        lower.append(is_near and not lower[-1])
    return lower


def _footer(found: Sensed) -> str:
    return (
        f"Data: {shown(found.source, limit=80)}; {found.n_test} test rows; protocol "
        f"{shown(found.protocol, limit=60)}."
    )
