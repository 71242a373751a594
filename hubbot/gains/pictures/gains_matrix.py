"""A matrix of gains as a heat map whose signs can be read without colour.

Losses are dark and gains light, with a step between the two, so that a printout or photocopy keeps
the sign; cells large enough also carry the number with its sign.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hubbot.errors import SettingsError
from hubbot.gains.analysis.matrix import Flags, GainMatrix
from hubbot.gains.pictures.canvas import (
    FOOTER_LINE,
    add_footer,
    footer_lines,
    shown,
    signed,
    text_width,
)
from hubbot.gains.pictures.greys import bar_ticks, greys, norm_of

SIGNIFICANT = 2.0
"""Standard deviations that a gain must be away from 0 for its star."""

_MOST_TEXTS = 3_000
"""Cells after which no numbers are written into them."""

_MOST_SHAPES = 20_000
"""Cells after which an SVG holds them as one image: every cell a shape would be tens of MB."""

_TEXT_CELL = 0.43, 0.235
"""Inches: width and height of a cell that holds a number."""

_LARGEST = 15.0, 18.0
"""Inches: most that the cells together take where numbers need not fit."""

_LABEL = 0.115
"""Inches that a name of a row or column needs across its text."""

_NAME_SIZE = 7.5
"""Of the names of rows and columns, points."""

_LEAST = 1.5, 2.1
"""Inches: least width and height of all cells together, so that the axis labels fit."""

_TITLE, _AXIS = 0.6, 0.3
"""Inches: room for the title, for an axis label."""


def gains_matrix(matrix: GainMatrix, *, source: str = "") -> Figure:
    """Return the heat map of a matrix of gains, rows and columns in their order.

    Args:
        matrix: Sources by targets, points.
        source: Where the numbers come from and when; empty for the matrix's name alone.

    Raises:
        SettingsError: If no gain is known.
    """
    if not matrix.n_cells:
        raise SettingsError(
            f"{matrix.name}: every cell is empty; expected one known gain at least to draw"
        )
    rows, columns = matrix.gains.shape
    has_texts = matrix.gains.size <= _MOST_TEXTS and columns * _TEXT_CELL[0] <= 1.5 * _LARGEST[0]
    names = [shown(name, limit=28) for name in matrix.sources]
    tops = [shown(name, limit=28) for name in matrix.targets]
    cell = _TEXT_CELL if has_texts else _small_cell(rows, columns)
    figure, axes = _make_axes(matrix, cell, names, tops, source)
    norm = norm_of(matrix.gains)
    _draw_cells(axes, matrix, norm)
    if has_texts:
        _write_numbers(axes, matrix)
    _write_names(axes, names, tops, cell)
    _draw_groups(axes, matrix.sources, matrix.source_groups, is_rows=True)
    _draw_groups(axes, matrix.targets, matrix.target_groups, is_rows=False)
    _draw_bar(figure, axes, norm)
    return figure


def is_significant(matrix: GainMatrix) -> Flags:
    """Return where a gain is more than two standard deviations from 0.

    Returns:
        bool of shape (n_sources, n_targets); False where gain or deviation is not known.
    """
    if matrix.sds is None:
        return np.zeros(matrix.gains.shape, dtype=np.bool_)
    known = matrix.known & np.isfinite(matrix.sds)
    far: Flags = np.abs(matrix.gains) > SIGNIFICANT * np.where(known, matrix.sds, np.inf)
    return far & known


def _small_cell(rows: int, columns: int) -> tuple[float, float]:
    return min(_TEXT_CELL[0] / 2, _LARGEST[0] / columns), min(_TEXT_CELL[1], _LARGEST[1] / rows)


def _make_axes(
    matrix: GainMatrix,
    cell: tuple[float, float],
    names: Sequence[str],
    tops: Sequence[str],
    source: str,
) -> tuple[Figure, Axes]:
    """Return a figure just large enough, titles and footer written, and the axes for the cells."""
    rows, columns = matrix.gains.shape
    across = max(columns * cell[0], _LEAST[0])
    down = max(rows * cell[1], _LEAST[1])
    left = _widest(names) + _AXIS + 0.15
    bottom = _widest(tops) + _AXIS + 0.12
    width = max(left + across + 1.15, 5.5)
    footer = footer_lines(width, _footer(matrix, source))
    bottom += FOOTER_LINE * len(footer) + 0.12
    height = bottom + down + _TITLE
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes(
        (
            left / width,
            bottom / height,
            across / width,
            down / height,
        )
    )
    figure.suptitle(
        f"Gains by source and target: {shown(matrix.name)}",
        x=0.1 / width,
        y=1 - 0.08 / height,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )
    figure.text(0.1 / width, 1 - 0.34 / height, _key(matrix), fontsize=8, va="top")
    add_footer(figure, footer)
    axes.set_xlabel("target data set")
    axes.set_ylabel("source (intermediate model)")
    return figure, axes


def _widest(names: Sequence[str]) -> float:
    """Return the width of the widest name, inches; of thousands, only the longest are measured."""
    longest = sorted(names, key=len)[-50:]
    return max(text_width(name, _NAME_SIZE) for name in longest)


def _key(matrix: GainMatrix) -> str:
    key = "light: gain; dark: loss; between: 0"
    if matrix.sds is not None:
        key += f"; * over {SIGNIFICANT:g} SD from 0"
    if not matrix.known.all():
        key += "; hatched: not measured"
    return key


def _footer(matrix: GainMatrix, source: str) -> str:
    rows, columns = matrix.gains.shape
    text = (
        f"Data: {shown(source or matrix.name, limit=160)}; {rows} sources, {columns} targets, "
        f"n = {matrix.n_cells} of {rows * columns} gains known, in percentage points."
    )
    if matrix.sds is not None:
        count = int(is_significant(matrix).sum())
        text += f" {count} are over {SIGNIFICANT:g} standard deviations (over seeds) from 0."
    return text


def _draw_cells(axes: Axes, matrix: GainMatrix, norm: FuncNorm) -> None:
    rows, columns = matrix.gains.shape
    for known, gid in ((True, "cells"), (False, "missing")):
        places = np.argwhere(matrix.known == known)
        if not len(places):
            continue
        cells = PolyCollection(list(_squares(places)), linewidth=0.4, edgecolor="0.6", gid=gid)
        if known:
            cells.set(array=matrix.gains[matrix.known], cmap=greys(), norm=norm)
        else:
            cells.set(facecolor="white", hatch="//////")
        cells.set_rasterized(matrix.gains.size > _MOST_SHAPES)
        axes.add_collection(cells, autolim=False)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.spines[:].set_visible(True)


def _squares(places: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return float64 of shape (n, 4, 2): corners of the cells in row, column."""
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
    squares: NDArray[np.float64] = (places[:, None, ::-1] + corners[:, ::-1]).astype(np.float64)
    return squares


def _write_numbers(axes: Axes, matrix: GainMatrix) -> None:
    stars = is_significant(matrix)
    for row, column in np.argwhere(matrix.known):
        gain = float(matrix.gains[row, column])
        axes.text(
            column + 0.5,
            row + 0.5,
            signed(gain) + ("*" if stars[row, column] else ""),
            ha="center",
            va="center",
            fontsize=6.8,
            color="white" if gain < 0 else "black",
            fontweight="bold" if stars[row, column] else "normal",
        )


def _write_names(
    axes: Axes, names: Sequence[str], tops: Sequence[str], cell: tuple[float, float]
) -> None:
    """Name rows and columns; where they are too narrow, every k-th, and say so."""
    step = max(int(np.ceil(_LABEL / cell[0])), 1)
    axes.set_xticks(
        np.arange(len(tops))[::step] + 0.5, tops[::step], rotation=90, fontsize=_NAME_SIZE
    )
    if step > 1:
        axes.set_xlabel(f"target data set (1 of {step} named)")
    step = max(int(np.ceil(_LABEL / cell[1])), 1)
    axes.set_yticks(np.arange(len(names))[::step] + 0.5, names[::step], fontsize=_NAME_SIZE)
    if step > 1:
        axes.set_ylabel(f"source (intermediate model; 1 of {step} named)")
    axes.tick_params(length=2, pad=2)


def _draw_groups(
    axes: Axes, names: Sequence[str], groups: Mapping[str, str], *, is_rows: bool
) -> None:
    """Rule a line where the group changes, if every group stands together."""
    sequence = [groups.get(name, "") for name in names]
    changes = [i for i in range(1, len(names)) if sequence[i] != sequence[i - 1]]
    if len(changes) != len(set(sequence)) - 1:
        return
    for place in changes:
        draw = axes.axhline if is_rows else axes.axvline
        draw(place, color="black", linewidth=1.6)


def _draw_bar(figure: Figure, axes: Axes, norm: FuncNorm) -> None:
    width, height = figure.get_size_inches()
    box = axes.get_position()
    tall = min(box.height, 3.2 / height)
    place = figure.add_axes((box.x1 + 0.2 / width, box.y1 - tall, 0.16 / width, tall))
    bar = figure.colorbar(ScalarMappable(norm=norm, cmap=greys()), cax=place)
    shown_at = bar_ticks(norm, least=0.13 / (tall * height))
    bar.set_ticks(shown_at, labels=[signed(at, 0 if at.is_integer() else 1) for at in shown_at])
    bar.ax.tick_params(labelsize=7)
    bar.minorticks_off()
    bar.set_label("gain [percentage points]", fontsize=8)
