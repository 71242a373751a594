"""The matrix that all statistics here are made of: gains of sources (rows) on targets (columns)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""float64 array; NaN stands for missing."""

Flags = NDArray[np.bool_]
"""bool array."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GainMatrix:
    """Gains of fine-tuning from each source on each target."""

    name: str
    """File or table it was read from, for titles and messages."""
    sources: tuple[str, ...]
    """Names of the rows, each once: source data sets or intermediate models."""
    targets: tuple[str, ...]
    """Names of the columns, each once."""
    gains: Floats
    """float64 of shape (n_sources, n_targets), points; NaN where not measured."""
    sds: Floats | None = None
    """Standard deviation over seeds, same shape, points; None where not known."""
    source_groups: Mapping[str, str] = field(default_factory=dict)
    """Group of a source, for those that have one."""
    target_groups: Mapping[str, str] = field(default_factory=dict)
    """Group of a target, for those that have one."""
    rankings: Mapping[str, Floats] = field(default_factory=dict)
    """Columns by which sources may be ranked, each of shape (n_sources,), high is good."""
    left_out: tuple[str, ...] = ()
    """Columns of the file that are neither target, group nor ranking."""

    def __post_init__(self) -> None:
        shape = (len(self.sources), len(self.targets))
        arrays = [("gains", self.gains), ("sds", self.sds)]
        for name, array in arrays:
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        for name, values in self.rankings.items():
            if values.shape != shape[:1]:
                raise ValueError(f"ranking {name} has shape {values.shape}, expected {shape[:1]}")

    @property
    def known(self) -> Flags:
        """Where a gain was measured; bool of shape (n_sources, n_targets)."""
        return np.isfinite(self.gains)

    @property
    def n_cells(self) -> int:
        """Number of measured gains."""
        return int(self.known.sum())

    @property
    def mean_gain(self) -> Floats:
        """Mean over the targets known of each source, points; NaN without any."""
        return mean_of_known(self.gains, axis=1)

    @property
    def max_gain(self) -> Floats:
        """Best gain on each target (the papers' max-gain), points; NaN without any."""
        return max_of_known(self.gains)

    def row(self, source: str) -> Floats:
        """Gains of one source on all targets, points, shape (n_targets,)."""
        values: Floats = self.gains[self.sources.index(source)]
        return values

    def column(self, target: str) -> Floats:
        """Gains of all sources on one target, points, shape (n_sources,)."""
        return self.gains[:, self.targets.index(target)]

    def select(
        self, *, sources: Collection[str] | None = None, targets: Collection[str] | None = None
    ) -> "GainMatrix":
        """Return the part with these sources and targets, in the order they have here.

        Args:
            sources: Names to keep; None for all.
            targets: Names to keep; None for all.
        """
        rows = [i for i, name in enumerate(self.sources) if sources is None or name in sources]
        columns = [j for j, name in enumerate(self.targets) if targets is None or name in targets]
        part = np.ix_(rows, columns)
        return replace(
            self,
            sources=tuple(self.sources[i] for i in rows),
            targets=tuple(self.targets[j] for j in columns),
            gains=self.gains[part],
            sds=None if self.sds is None else self.sds[part],
            rankings={name: values[rows] for name, values in self.rankings.items()},
        )

    def with_diagonal(self, value: float) -> "GainMatrix":
        """Return the same matrix with one value wherever source and target share their name.

        Args:
            value: Gain in points, 0 for "training twice on the same data changes nothing", or NaN
                to leave these cells out.
        """
        gains = self.gains.copy()
        place = {name: j for j, name in enumerate(self.targets)}
        for i, name in enumerate(self.sources):
            if name in place:
                gains[i, place[name]] = value
        return replace(self, gains=gains)


def mean_of_known(values: Floats, *, axis: int) -> Floats:
    """Return means along an axis over the numbers that are there; NaN where there is none.

    Args:
        values: float64 of shape (n, m), NaN for missing.
        axis: 0 for the columns' means, 1 for the rows'.
    """
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def max_of_known(values: Floats) -> Floats:
    """Return the greatest number of each column; NaN where there is none.

    Args:
        values: float64 of shape (n, m), NaN for missing; n may be 0.
    """
    filled = np.where(np.isfinite(values), values, -np.inf)
    greatest = filled.max(axis=0, initial=-np.inf)
    return np.where(np.isfinite(greatest), greatest, np.nan)


def number_or_none(value: float) -> float | None:
    """Return a plain float, None for NaN: what JSON can say."""
    return None if np.isnan(value) else float(value)
