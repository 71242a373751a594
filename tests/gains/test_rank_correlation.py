import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from hubbot.gains.rank_correlation import Ranked, correlations, row_counts

columns = st.integers(3, 30).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float64, n, elements=st.integers(-3, 3).map(float)),
        hnp.arrays(np.float64, n, elements=st.integers(-3, 3).map(float)),
        st.integers(0, 1000),
    )
)


@given(columns)
@settings(deadline=None)
def test_counted_rows_are_rows_written_out(drawn: tuple[NDArray[np.float64], ...]) -> None:
    x, y, seed = drawn
    n = len(x)
    counts = np.concatenate(list(row_counts(np.random.default_rng(int(seed)), n, 5)))
    found = correlations(Ranked(y), [Ranked(x)], counts)
    for row, correlation in zip(counts.astype(int), found[:, 0], strict=True):
        long_x, long_y = np.repeat(x, row), np.repeat(y, row)
        if np.ptp(long_x) == 0 or np.ptp(long_y) == 0:
            assert correlation == 0
        else:
            assert correlation == pytest.approx(spearmanr(long_x, long_y).statistic, abs=1e-9)


def test_ranks_are_mid_ranks_around_their_mean() -> None:
    values = np.array([3.0, 1.0, 3.0, 2.0])
    found = Ranked(values).ranks(np.ones((1, 4)))
    assert found[0] == pytest.approx(rankdata(values) - 2.5)


@pytest.mark.parametrize(("rows", "draws"), [(7, 10), (3_000_000, 2)])
def test_every_draw_has_as_many_rows_as_there_are(rows: int, draws: int) -> None:
    parts = list(row_counts(np.random.default_rng(0), rows, draws))
    assert sum(len(part) for part in parts) == draws
    assert all((part.sum(axis=1) == rows).all() for part in parts)
