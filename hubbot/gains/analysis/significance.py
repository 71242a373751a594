"""How many gains are positive, and how many of them more than noise between seeds."""

import math
from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.matrix import GainMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """Cells whose gain is further from 0 than twice a measure of noise."""

    positive: int
    """Gains above it."""
    negative: int
    """Gains below minus it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Counts of positive gains."""

    cells: int
    """Known cells."""
    positive_cells: int
    """Gains above 0."""
    sources: int
    """Sources with a known gain."""
    positive_sources: int
    """Sources whose mean gain is above 0."""
    cells_with_sd: int
    """Known cells whose standard deviation is known too."""
    beyond_two_sd: Beyond | None
    """Against twice the standard deviation between seeds; None without them."""
    beyond_two_se: Beyond | None
    """Against twice the standard error of the mean over the seeds; None where the number of seeds
    was not told."""


def shares(matrix: GainMatrix, *, seeds: int | None = None) -> Shares:
    """Count positive and significant gains.

    Args:
        matrix: ``sds`` are used where they are there.
        seeds: Seeds behind each gain, 1 or more; None where not known.
    """
    means = matrix.mean_gain
    return Shares(
        cells=matrix.n_cells,
        positive_cells=int(np.sum(matrix.gains > 0)),
        sources=int(np.isfinite(means).sum()),
        positive_sources=int(np.sum(means > 0)),
        cells_with_sd=0
        if matrix.sds is None
        else int(np.sum(matrix.known & np.isfinite(matrix.sds))),
        beyond_two_sd=_beyond(matrix, 2.0),
        beyond_two_se=None if seeds is None else _beyond(matrix, 2.0 / math.sqrt(seeds)),
    )


def _beyond(matrix: GainMatrix, factor: float) -> Beyond | None:
    if matrix.sds is None:
        return None
    noise = factor * matrix.sds
    return Beyond(
        positive=int(np.sum(matrix.gains > noise)), negative=int(np.sum(matrix.gains < -noise))
    )
