"""Do sources help targets of their own group more? Group means and one-way ANOVA."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubbot.gains.analysis.matrix import Floats, GainMatrix, number_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMean:
    """Mean gain of one group of sources on one group of targets."""

    sources: str
    """Group of the sources."""
    targets: str
    """Group of the targets."""
    n_cells: int
    """Known cells."""
    mean: float | None
    """Mean over these cells, points; None without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anova:
    """One-way analysis of variance over cells; None where a group has none or nothing varies.

    The cells of one source or one target are not independent of each other, so the p-values are
    too small.
    """

    n: tuple[int, ...]
    """Cells of each group."""
    f: float | None
    """Variance between the groups over variance within."""
    p: float | None
    """Probability of so large an f if the groups had one mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTest:
    """Are the gains on one group of targets different for its own group of sources?"""

    targets: str
    """Group of the targets."""
    same_against_other: Anova
    """Sources of the same group against all others that have a group."""
    all_groups: Anova
    """Every group of sources on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Group means of one matrix and the tests on them."""

    means: tuple[GroupMean, ...]
    """Every group of sources with every group of targets."""
    tests: tuple[GroupTest, ...]
    """One for each group of targets."""
    n_without_group: int
    """Sources and targets that have no group and are left out here."""


def group_gains(matrix: GainMatrix) -> Groups | None:
    """Compare groups of sources on groups of targets.

    Args:
        matrix: With groups of sources and of targets.

    Returns:
        The comparison; None where sources or targets have no groups.
    """
    of_source = [matrix.source_groups.get(name, "") for name in matrix.sources]
    of_target = [matrix.target_groups.get(name, "") for name in matrix.targets]
    source_groups, target_groups = _in_order(of_source), _in_order(of_target)
    if not source_groups or not target_groups:
        return None
    cells = {
        (a, b): _cells(matrix, of_source, of_target, a, b)
        for a in source_groups
        for b in target_groups
    }
    means = tuple(
        GroupMean(
            sources=a,
            targets=b,
            n_cells=values.size,
            mean=number_or_none(values.mean()) if values.size else None,
        )
        for (a, b), values in cells.items()
    )
    tests = tuple(
        GroupTest(
            targets=b,
            same_against_other=anova(
                [
                    cells.get((b, b), np.empty(0)),
                    np.concatenate([np.empty(0), *(cells[a, b] for a in source_groups if a != b)]),
                ]
            ),
            all_groups=anova([cells[a, b] for a in source_groups]),
        )
        for b in target_groups
    )
    return Groups(
        means=means, tests=tests, n_without_group=of_source.count("") + of_target.count("")
    )


def anova(groups: Sequence[Floats]) -> Anova:
    """Return the one-way analysis of variance of some groups of numbers.

    Args:
        groups: float64 arrays, nothing missing.

    Source:
        scipy.stats.f_oneway.
    """
    from scipy.stats import f_oneway

    sizes = tuple(len(group) for group in groups)
    within = sum(float(np.sum((group - group.mean()) ** 2)) for group in groups if len(group))
    if len(groups) < 2 or min(sizes) == 0 or sum(sizes) <= len(groups) or within == 0:
        return Anova(n=sizes, f=None, p=None)
    result = f_oneway(*groups)
    return Anova(n=sizes, f=float(result.statistic), p=float(result.pvalue))


def _in_order(groups: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(group for group in groups if group))


def _cells(
    matrix: GainMatrix, of_source: Sequence[str], of_target: Sequence[str], a: str, b: str
) -> Floats:
    rows = [i for i, group in enumerate(of_source) if group == a]
    columns = [j for j, group in enumerate(of_target) if group == b]
    part = matrix.gains[np.ix_(rows, columns)]
    return part[np.isfinite(part)]
