from collections.abc import Callable

import numpy as np
import pytest
from statsmodels.stats.oneway import anova_oneway

from hubbot.gains.analysis.groups import anova, group_gains
from hubbot.gains.analysis.matrix import Floats, GainMatrix


def test_anova_is_that_of_statsmodels() -> None:
    generator = np.random.default_rng(4)
    groups = [generator.normal(size=size) + shift for size, shift in ((5, 0), (8, 1), (3, 2))]
    found = anova(groups)
    other = anova_oneway(groups, use_var="equal")
    assert found.n == (5, 8, 3)
    assert found.f == pytest.approx(other.statistic)
    assert found.p == pytest.approx(other.pvalue)


@pytest.mark.parametrize(
    "groups",
    [
        [np.array([1.0, 2.0])],
        [np.array([1.0, 2.0]), np.empty(0)],
        [np.array([1.0, 1.0]), np.array([2.0, 2.0])],
        [np.array([1.0]), np.array([2.0])],
    ],
    ids=["one group", "an empty group", "no variance", "no degree of freedom"],
)
def test_groups_without_variance_or_cells_have_no_test(groups: list[Floats]) -> None:
    assert anova(groups).p is None


def test_means_and_tests_by_hand(matrix_of: Callable[..., GainMatrix]) -> None:
    matrix = matrix_of(
        [[1, 2, 9], [3, np.nan, 9], [5, 6, 9], [7, 9, 9]],
        source_groups={"s0": "x", "s1": "x", "s2": "y", "s3": "z"},
        target_groups={"t0": "x", "t1": "x"},
    )
    found = group_gains(matrix)
    assert found is not None
    assert [(m.sources, m.targets, m.n_cells, m.mean) for m in found.means] == [
        ("x", "x", 3, 2.0),
        ("y", "x", 2, 5.5),
        ("z", "x", 2, 8.0),
    ]
    assert found.n_without_group == 1
    (test,) = found.tests
    own, others = np.array([1.0, 2.0, 3.0]), np.array([5.0, 6.0, 7.0, 9.0])
    assert test.same_against_other == anova([own, others])
    assert test.all_groups == anova([own, others[:2], others[2:]])


def test_a_matrix_without_groups_has_no_comparison(matrix_of: Callable[..., GainMatrix]) -> None:
    assert group_gains(matrix_of([[1, 2], [3, 4]])) is None


def test_a_group_of_targets_alone_is_compared_with_nothing_of_its_own(
    matrix_of: Callable[..., GainMatrix],
) -> None:
    found = group_gains(
        matrix_of(
            [[1, 2], [3, 5]],
            source_groups={"s0": "x", "s1": "y"},
            target_groups={"t0": "new", "t1": "x"},
        )
    )
    assert found is not None
    assert found.tests[0].same_against_other.p is None
    assert found.tests[0].same_against_other.n == (0, 2)
