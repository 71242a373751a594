"""Greys for gains: losses dark, gains light, with a step between that a photocopy keeps."""

import numpy as np
from matplotlib.colors import FuncNorm, ListedColormap

from hubbot.gains.analysis.matrix import Floats

DARK, BETWEEN, LIGHT = (0.05, 0.5), 0.65, (0.8, 1.0)
"""Brightness of losses, the greatest first, of a gain of 0, and of gains, the greatest last; 0 is
black and 1 is white."""

_LEAST_SIDE = 0.2
"""Least range of gains (or losses) as a share of the range of losses (or gains)."""

_TICKS = (0.5, 1, 2, 5, 10, 20, 50)


def greys() -> ListedColormap:
    """Return the greys of a picture: the greatest loss first, 0 in the middle."""
    levels = np.concatenate([np.linspace(*DARK, 128), [BETWEEN], np.linspace(*LIGHT, 128)])
    return ListedColormap(np.repeat(levels[:, None], 3, axis=1), name="loss dark, gain light")


def norm_of(gains: Floats) -> FuncNorm:
    """Return a scale by the root of the gain, so that one large loss does not flatten the rest.

    Args:
        gains: float64 of any shape, points; NaN for missing, one number known at least.
    """
    least, most = float(np.nanmin(gains)), float(np.nanmax(gains))
    low, high = max(-least, 0.0), max(most, 0.0)
    # A side that hardly occurs is not stretched to full black or white; all 0 counts as 1 point.
    widest = max(low, high) or 1.0
    low, high = max(low, _LEAST_SIDE * widest), max(high, _LEAST_SIDE * widest)

    def forward(value: Floats) -> Floats:
        value = np.asarray(value, dtype=np.float64)
        return np.where(value < 0, -np.sqrt(np.abs(value) / low), np.sqrt(np.abs(value) / high))

    def back(place: Floats) -> Floats:
        place = np.asarray(place, dtype=np.float64)
        return np.where(place < 0, -(place**2) * low, place**2 * high)

    return FuncNorm((forward, back), vmin=-low, vmax=high)


def bar_ticks(norm: FuncNorm, *, least: float) -> list[float]:
    """Return the ends, 0, and round numbers between that stand apart.

    Args:
        norm: Of the picture.
        least: Distance between two ticks as a share of the bar.
    """
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    between = sorted((tick for tick in _TICKS if tick < max(-low, high)), reverse=True)
    kept: list[float] = []
    for tick in (low, high, 0.0, *between, *(-tick for tick in between)):
        if low <= tick <= high and all(abs(norm(tick) - norm(other)) >= least for other in kept):
            kept.append(float(tick))
    return sorted(kept)
