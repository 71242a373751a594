"""Gain over the number of training rows, of a target or of a source.

As Figures 4 and 3 of Where to start? (Choshen et al.): does intertraining help most where data is
scarce, and does more source data make a better start?
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from hubbot.outcomes import Sensed, SourceSize

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    rows: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What stands around the panel."""

    title: str
    under: str
    below: str
    beside: str
    footer: str


def gain_by_size(found: Sensed) -> Figure:
    """Return the picture: gain with its 95 % interval at each number of training rows.

    Args:
        found: With one size or more.
    """
    words = _Words(
        title=_fitting("{}: gain by training size", found.dataset, size=_TITLE * _BOLD),
        under=_fitting("{} against {},", found.model, found.base_model, size=_UNDER)
        + f"\n{_intervals(found.seeds)}",
        below="training rows",
        beside=f"gain in {_METRICS.get(found.metric, shown(found.metric))} [points]",
        footer=f"Data: {shown(found.source, limit=80)}; {found.n_test} test rows; "
        + _protocol(found.protocol),
    )
    points = [
        _Point(rows=one.n_train, gain=one.gain, low=one.interval[0], high=one.interval[1])
        for one in found.sizes
    ]
    return _picture(words, points, {})


def gain_by_source_size(found: Sequence[SourceSize]) -> Figure:
    """Return the picture: average gain over targets at each number of rows of a source.

    Args:
        found: From ``hubbot.sources.evaluate_source``; one size or more, each measured on the same
            targets, one at least.

    Returns:
        The average in black, with one standard error over seeds where there is one; the targets in
        grey.
    """
    first = found[0].evaluation
    seeds = max(gain.seeds for gain in first.gains.values())
    is_one = any(one.evaluation.avg_gain_se is None for one in found)
    bars = "1 seed: no bars" if is_one else f"{seeds} seeds: bars are one standard error"
    n_targets = len(first.gains)
    words = _Words(
        title=_fitting("{} as a source: gain by its size", found[0].source, size=_TITLE * _BOLD),
        under=_fitting("{}, average over {} target(s);", first.base_model, n_targets, size=_UNDER)
        + f"\n{bars}"
        + ("" if n_targets == 1 else "; grey: each target"),
        below="rows of the source",
        beside="gain [points]",
        footer=f"Targets: {', '.join(shown(name) for name in first.gains)}; "
        + _protocol(first.protocol),
    )
    points = []
    for one in found:
        gain, off = one.evaluation.avg_gain or 0.0, one.evaluation.avg_gain_se or 0.0
        points.append(_Point(rows=one.n_train, gain=gain, low=gain - off, high=gain + off))
    targets = {name: [one.evaluation.gains[name].gain for one in found] for name in first.gains}
    return _picture(words, points, targets if n_targets > 1 else {})


def _picture(
    words: _Words, points: Sequence[_Point], behind: Mapping[str, Sequence[float]]
) -> Figure:
    footer = footer_lines(_WIDTH, words.footer)
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
    for name, gains in behind.items():
        rows = [point.rows for point in points]
        axes.plot(rows, gains, color="0.65", linewidth=0.8, marker=".", gid=f"target {name}")
    _draw(axes, points)
    axes.set_xlabel(words.below)
    axes.set_ylabel(words.beside)
    figure.suptitle(
        words.title,
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
        words.under,
        ha="left",
        va="top",
        fontsize=_UNDER,
    )
    add_footer(figure, footer)
    return figure


def _fitting(form: str, *names: object, size: float) -> str:
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


def _protocol(identifier: str) -> str:
    return f"protocol {shown(identifier, limit=60)}."


def _draw(axes: Axes, points: Sequence[_Point]) -> None:
    rows = [point.rows for point in points]
    axes.axhline(0, color="black", linewidth=0.9, gid="zero")
    axes.errorbar(
        rows,
        [point.gain for point in points],
        yerr=[
            [point.gain - point.low for point in points],
            [point.high - point.gain for point in points],
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
    for point, is_below in zip(points, is_lower, strict=True):
        # Beyond the interval, where no line runs through it; neighbours that are near part.
        axes.annotate(
            signed(point.gain),
            (point.rows, point.low if is_below else point.high),
            xytext=(0, -4 if is_below else 4),
            textcoords="offset points",
            ha="center",
            va="top" if is_below else "bottom",
            fontsize=8,
            bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.6},
        )
    axes.set_xscale("log")
    labels = [f"{x:,}" for x in rows]
    axes.set_xticks(rows, ["\n" * low + text for low, text in zip(is_lower, labels, strict=True)])
    axes.set_xticks([], minor=True)
    axes.margins(x=_MARGIN, y=0.15)


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
