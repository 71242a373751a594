"""Does A help B as much as B helps A? Symmetric against skew-symmetric part of a square matrix.

Source:
    "Where to start?" (Choshen et al., 2023), appendix G: M = S + V, s = (|S| - |V|) / (|S| + |V|).
    The paper does not say which norm; here it is Frobenius' (the root of the sum of squares).
"""

from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.correlation import Correlation, correlate
from hubbot.gains.analysis.matrix import Floats, GainMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Symmetry:
    """Symmetry of the part of a matrix whose names are both source and target."""

    n_names: int
    """Names that are both."""
    n_pairs: int
    """Unordered pairs of names with both gains known."""
    s: float | None
    """1 for symmetric, -1 for skew-symmetric, near 0 for neither; the diagonal left out. In this
    norm a diagonal of zeros gives the same number. None without pairs or where all are 0."""
    s_with_diagonal: float | None
    """The same with the diagonal as measured; it belongs to S alone. None where none is known."""
    shuffled_mean: float | None
    """Mean of s over shuffles of the same cells: what gains that know of no pair give."""
    shuffled_sd: float | None
    """Standard deviation of s over these shuffles."""
    mirrored: Correlation
    """Gain of A on B against gain of B on A, over ordered pairs."""
    note: str
    """Why there is no number; empty where there is."""


def symmetry(matrix: GainMatrix, *, shuffles: int, seed: int) -> Symmetry:
    """Measure the symmetry of a matrix of gains.

    Args:
        matrix: Sources and targets are matched by name.
        shuffles: Shuffled matrices for comparison, 0 for none.
        seed: Of the shuffles.
    """
    names = [name for name in matrix.sources if name in set(matrix.targets)]
    square = np.array([[matrix.row(a)[matrix.targets.index(b)] for b in names] for a in names])
    square = square.reshape(len(names), len(names))
    first, second = np.triu_indices(len(names), k=1)
    there, back = square[first, second], square[second, first]
    both = np.isfinite(there) & np.isfinite(back)
    there, back = there[both], back[both]
    s = _ratio(there, back, np.empty(0))
    generator = np.random.default_rng(seed)
    mixed = [
        value
        for _ in range(shuffles if s is not None else 0)
        if (value := _shuffled(there, back, generator)) is not None
    ]
    diagonal = np.diag(square)[np.isfinite(np.diag(square))]
    return Symmetry(
        n_names=len(names),
        n_pairs=len(there),
        s=s,
        s_with_diagonal=_ratio(there, back, diagonal) if diagonal.size else None,
        shuffled_mean=float(np.mean(mixed)) if mixed else None,
        shuffled_sd=float(np.std(mixed, ddof=1)) if len(mixed) > 1 else None,
        mirrored=correlate(np.concatenate([there, back]), np.concatenate([back, there])),
        note=_note(len(names), len(there), s),
    )


def _ratio(there: Floats, back: Floats, diagonal: Floats) -> float | None:
    # Each pair stands twice in S and in V; the diagonal once, in S.
    symmetric = np.sqrt(np.sum((there + back) ** 2) / 2 + np.sum(diagonal**2))
    skew = np.sqrt(np.sum((there - back) ** 2) / 2)
    total = float(symmetric + skew)
    return float(symmetric - skew) / total if total > 0 else None


def _shuffled(there: Floats, back: Floats, generator: np.random.Generator) -> float | None:
    mixed = generator.permutation(np.concatenate([there, back]))
    return _ratio(mixed[: len(there)], mixed[len(there) :], np.empty(0))


def _note(n_names: int, n_pairs: int, s: float | None) -> str:
    if n_names < 2:
        return f"{n_names} names are both source and target; expected two or more"
    if n_pairs == 0:
        return "no pair of names has both gains known"
    return "" if s is not None else "all gains between these names are 0"
