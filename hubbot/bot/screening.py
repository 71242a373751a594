"""Which checkpoints get the full probe after the small one: values in, a decision out."""

import hashlib
from collections.abc import Sequence

import numpy as np

from hubbot.schema import Interval

UPPER_SHARE = 0.2
"""Share of an architecture's checkpoints that the upper band holds, by the small probe."""

LEAST_KNOWN = 10
"""Checkpoints below which there is no band: until then all get the full probe."""


def band_of(known: Sequence[float]) -> float | None:
    """Return where the upper band begins, points; None where too few checkpoints are known.

    Args:
        known: LP gains of an architecture's checkpoints by the small probe, points.
    """
    if len(known) < LEAST_KNOWN:
        return None
    return float(np.quantile(np.asarray(known), 1 - UPPER_SHARE))


def why_full(
    model: str, interval: Interval | None, band: float | None, *, share: float
) -> str | None:
    """Return why a checkpoint gets the full probe; None where the small one is enough.

    A tenth or so of the others gets it as well, so that calibrations see the whole range. It is
    drawn by name, so that a run which was stopped draws the same again.

    Args:
        model: Hub id.
        interval: Of its LP gain by the small probe, points; None where it has none.
        band: Where the upper band begins, points; None where there is none yet.
        share: Of those outside the upper band that get it all the same, 0 to 1.
    """
    if interval is None:
        return None
    if band is None:
        return f"fewer than {LEAST_KNOWN} checkpoints are known yet"
    if interval[1] >= band:
        return f"its interval reaches the upper band, which begins at {band:+.2f} points"
    if draw(model) < share:
        return "drawn at random"
    return None


def draw(model: str) -> float:
    """Return a number from 0 to 1 that hangs on a name alone, even over many names."""
    digest = hashlib.sha256(f"full probe of {model}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
