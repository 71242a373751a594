from collections.abc import Callable

import numpy as np

from hubbot.gains.analysis.matrix import GainMatrix
from hubbot.gains.analysis.significance import Beyond, shares


def test_counts_by_hand(matrix_of: Callable[..., GainMatrix]) -> None:
    matrix = matrix_of(
        [[3.0, -1.0], [1.0, np.nan], [-5.0, 0.0]],
        sds=np.array([[1.0, 1.0], [1.0, 1.0], [2.0, np.nan]]),
    )
    found = shares(matrix, seeds=16)
    assert (found.cells, found.positive_cells) == (5, 2)
    assert (found.sources, found.positive_sources) == (3, 2)
    assert found.cells_with_sd == 4
    assert found.beyond_two_sd == Beyond(positive=1, negative=1)
    assert found.beyond_two_se == Beyond(positive=2, negative=2)


def test_without_standard_deviations_or_seeds_nothing_is_significant(
    matrix_of: Callable[..., GainMatrix],
) -> None:
    matrix = matrix_of([[3.0, -1.0], [1.0, 2.0]])
    assert shares(matrix, seeds=5).beyond_two_sd is None
    assert shares(matrix, seeds=5).beyond_two_se is None
    with_sds = matrix_of([[3.0, -1.0], [1.0, 2.0]], sds=np.ones((2, 2)))
    assert shares(with_sds).beyond_two_se is None
