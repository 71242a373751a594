import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from hubbot.gains.intervals import accuracy_interval, paired_gain_interval

Table = NDArray[np.bool_]
tables = hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 40)))


def answers(right: int, rows: int) -> Table:
    return np.arange(rows) < right


@pytest.mark.parametrize(
    ("right", "rows"), [(0, 10), (10, 10), (1, 1), (333, 999), (5578, 9832), (1, 50)]
)
def test_one_seed_gives_wilsons_interval(right: int, rows: int) -> None:
    mean, found = accuracy_interval(answers(right, rows))
    expected = proportion_confint(right, rows, alpha=0.05, method="wilson")
    assert mean == pytest.approx(100 * right / rows)
    assert found == pytest.approx([100 * end for end in expected], abs=1e-9)


def test_two_seeds_by_hand() -> None:
    # Seeds right on 1,1,0,0 and 1,1,1,0. Mean 5/8. Row means 1, 1, 1/2, 0; seed means 1/2, 3/4.
    table = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], dtype=bool)
    rows = 2 * (2 * (3 / 8) ** 2 + (1 / 8) ** 2 + (5 / 8) ** 2) / 3
    seeds = 4 * 2 * (1 / 8) ** 2 / 1
    rest = (3 * 2 * (1 / 8) ** 2 + 2 * (3 / 8) ** 2) / 3
    total = max(rows + seeds - rest, rows, seeds)
    degrees = total**2 / (rows**2 / 3 + seeds**2 / 1 + rest**2 / 3)
    effective = min(15 / 64 / (total / 8), 8)
    z = student.ppf(0.975, max(degrees, 1))
    centre = (5 / 8 + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(15 / 64 / effective + (z / 2 / effective) ** 2)
    mean, found = accuracy_interval(table)
    assert mean == 62.5
    assert found == pytest.approx((100 * (centre - half), 100 * (centre + half)))


def test_seeds_that_answer_alike_are_worth_one() -> None:
    one = answers(600, 1000)
    _, single = accuracy_interval(one)
    _, triple = accuracy_interval(np.stack([one, one, one]))
    # Student's t with 999 degrees and n - 1 for n are all that differ.
    assert triple == pytest.approx(single, abs=0.01)


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    calm = rng.random((3, 1000)) < 0.6
    wild = np.stack([rng.random(1000) < share for share in (0.4, 0.6, 0.8)])
    calm_low, calm_high = accuracy_interval(calm)[1]
    wild_low, wild_high = accuracy_interval(wild)[1]
    assert wild_high - wild_low > 5 * (calm_high - calm_low)


def test_a_single_paired_comparison_by_hand() -> None:
    # 10 rows, right only here: 3, right only there: 1. Var = (4/10 - 0.2**2) / 10 + 1/100.
    mine = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0], dtype=bool)
    base = np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    half = 1.959963985 * math.sqrt((0.4 - 0.04) / 10 + 1 / 100)
    mean, found = paired_gain_interval(mine, base)
    assert mean == pytest.approx(20.0)
    assert found == pytest.approx((100 * (0.2 - half), 100 * (0.2 + half)))


def test_what_both_find_hard_cancels_out() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(2000) < 0.5
    mine = base | (rng.random(2000) < 0.02)
    _, paired = paired_gain_interval(mine, base)
    _, alone = accuracy_interval(mine)
    assert paired[1] - paired[0] < (alone[1] - alone[0]) / 2


def test_heads_that_never_differ_are_not_called_equal_for_certain() -> None:
    row = answers(30, 50)
    mean, (low, high) = paired_gain_interval(row, row)
    assert mean == 0
    assert low < 0 < high


@pytest.mark.parametrize("seed_sd", [0.0, 0.02])
def test_the_true_accuracy_lies_inside_nineteen_times_of_twenty(seed_sd: float) -> None:
    rng = np.random.default_rng(2)
    hits = []
    for _ in range(800):
        ease = rng.beta(3, 2, 400)  # mean 0.6: some rows are hard for every seed
        shift = rng.normal(0, seed_sd, 3)
        table = rng.random((3, 400)) < np.clip(ease + shift[:, None], 0, 1)
        low, high = accuracy_interval(table)[1]
        hits.append(low <= 60 <= high)
    assert 0.93 <= np.mean(hits) <= 0.995


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_the_true_gain_lies_inside_nineteen_times_of_twenty(n_seeds: int) -> None:
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(800):
        ease = rng.beta(2, 2, 300) * 0.8
        mine = rng.random((n_seeds, 300)) < ease + 0.1
        base = rng.random((n_seeds, 300)) < ease
        low, high = paired_gain_interval(mine, base)[1]
        hits.append(low <= 10 <= high)
    assert 0.93 <= np.mean(hits) <= 0.995


@given(tables)
def test_mean_and_interval_hold_together(table: Table) -> None:
    mean, (low, high) = accuracy_interval(table)
    assert mean == pytest.approx(100 * table.mean())
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= 100


@given(tables)
def test_seeds_never_count_for_more_than_as_many_rows_again(table: Table) -> None:
    low, high = accuracy_interval(table)[1]
    best = proportion_confint(int(table.sum()), table.size, alpha=0.05, method="wilson")
    assert high - low >= 100 * (best[1] - best[0]) - 1e-6


def test_seeds_that_contradict_each_other_are_no_extra_evidence() -> None:
    # Every row is wrong for exactly one of three seeds: rows seem to hold no chance at all.
    wrong = np.arange(999) % 3
    wrong[0] = 1
    table = np.stack([wrong != seed for seed in range(3)])
    low, high = accuracy_interval(table)[1]
    best = proportion_confint(1998, 2997, alpha=0.05, method="wilson")
    assert high - low >= 100 * (best[1] - best[0])


@given(tables)
def test_wrong_for_right_mirrors_the_interval(table: Table) -> None:
    mean, (low, high) = accuracy_interval(table)
    other, (other_low, other_high) = accuracy_interval(~table)
    assert (other, other_low, other_high) == pytest.approx((100 - mean, 100 - high, 100 - low))


@given(tables, st.integers(0, 10_000))
def test_the_order_of_rows_and_seeds_changes_nothing(table: Table, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mixed = table[rng.permutation(table.shape[0])][:, rng.permutation(table.shape[1])]
    assert accuracy_interval(mixed)[1] == pytest.approx(accuracy_interval(table)[1])


@given(tables, st.data())
def test_exchanging_the_two_models_turns_the_gain_round(table: Table, data: st.DataObject) -> None:
    base = data.draw(hnp.arrays(np.bool_, table.shape))
    mean, (low, high) = paired_gain_interval(table, base)
    assert paired_gain_interval(base, table)[0] == pytest.approx(-mean)
    assert paired_gain_interval(base, table)[1] == pytest.approx((-high, -low))
    assert -100 <= low <= mean <= high <= 100


def test_other_rows_or_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"checkpoint \(1, 5\), base \(1, 6\)"):
        paired_gain_interval(answers(1, 5), answers(1, 6))


def test_an_empty_test_set_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        accuracy_interval(np.zeros((3, 0), dtype=bool))
