import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.power import TTestPower

from hubbot.gains.paired import PairedGain, paired_gain, paired_scores
from hubbot.gains.sensitivity import judge, least_visible, seeds_needed


def a_gain(**changes: Any) -> PairedGain:
    values: dict[str, Any] = {
        "gain": 4.1,
        "se": 0.5,
        "interval": (2.9, 5.3),
        "p_value": 0.0002,
        "seeds": 5,
        "n_test": 277,
        "score": 64.3,
        "base_score": 60.2,
        "rows_se": 0.1,
    }
    return PairedGain(**(values | changes))


NOTHING: dict[str, Any] = {"gain": 0.2, "interval": (-0.4, 0.75), "p_value": 0.4}


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "intertraining helps by 4.1 ± 1.2 points (95 % interval +2.9 to +5.3, 5 seeds)"),
        (
            {"gain": -4.1, "interval": (-5.3, -2.9)},
            "intertraining hurts by 4.1 ± 1.2 points (95 % interval -5.3 to -2.9, 5 seeds)",
        ),
        (
            {"seeds": 1, "se": None},
            "intertraining helps by 4.1 ± 1.2 points (95 % interval +2.9 to +5.3, 1 seed, whose "
            "own noise is not in it)",
        ),
        (
            # Seeds scatter by 0.75: 0.75 / sqrt(20) * (t(0.975, 19) + t(0.8, 19)) = 0.495.
            NOTHING | {"se": 0.75 / math.sqrt(5), "rows_se": 0.0},
            "no difference larger than 0.8 points found with 5 seeds; 20 would be needed to see "
            "0.5",
        ),
        (
            NOTHING | {"rows_se": 1.1},
            "no difference larger than 0.8 points found with 5 seeds; the test set of 277 rows "
            "cannot show less than 3.1 points",
        ),
        (
            NOTHING | {"rows_se": 1.1, "n_test": 9832},
            "no difference larger than 0.8 points found with 5 seeds; the test set of 9,832 rows "
            "cannot show less than 3.1 points",
        ),
        (
            NOTHING | {"se": 0.05},
            "no difference larger than 0.8 points found with 5 seeds, enough to see 0.5 in most "
            "cases",
        ),
        (
            NOTHING | {"se": None, "seeds": 1},
            "no difference larger than 0.8 points found with 1 seed, whose own noise is not in "
            "it; only more seeds can tell how many are needed to see 0.5",
        ),
        (
            NOTHING | {"se": 20.0},
            "no difference larger than 0.8 points found with 5 seeds; over 10,000 would be needed "
            "to see 0.5",
        ),
        (
            NOTHING | {"interval": (-0.8, 0.3), "se": 0.05},
            "no difference larger than 0.8 points found with 5 seeds, enough to see 0.5 in most "
            "cases",
        ),
        (
            {"gain": 0.2, "interval": (-12.34, 12.0), "seeds": 2},
            "2 seeds leave a difference of up to 12.4 points open; with 3 or more an interval "
            "begins to tell something",
        ),
        (
            {"gain": 0.2, "interval": (-1.0, 1.2), "seeds": 2, "se": 0.0},  # a tie of two seeds
            "2 seeds leave a difference of up to 1.2 points open; with 3 or more an interval "
            "begins to tell something",
        ),
        (
            {"gain": 0.04, "interval": (0.012, 0.068)},
            "intertraining helps by 0.04 ± 0.03 points (95 % interval +0.01 to +0.07, 5 seeds)",
        ),
    ],
)
def test_the_answer_is_one_plain_sentence(changes: dict[str, Any], verdict: str) -> None:
    assert judge(a_gain(**changes)).verdict == verdict


def test_two_seeds_of_equal_gain_but_other_answers_are_no_certainty() -> None:
    rng = np.random.default_rng(0)
    base = rng.random((2, 2000)) < 0.6
    model = base.copy()
    for row in model:  # forty rows more are right, others with each seed
        row[rng.choice(np.flatnonzero(~row), 40, replace=False)] = True
        row[rng.choice(np.flatnonzero(row), 36, replace=False)] = False
    paired = paired_gain(model, base)
    assert paired.se == 0
    assert not paired.is_equal
    assert judge(paired, to_see=5).verdict.startswith("2 seeds leave")
    assert "enough to see 5" in judge(paired_gain(base, base), to_see=5).verdict


def test_the_numbers_of_the_gain_are_kept() -> None:
    paired = a_gain()
    found = judge(paired, to_see=1.0)
    for name in ("gain", "interval", "se", "p_value", "seeds"):
        assert getattr(found, name) == getattr(paired, name)
    assert found.to_see == 1.0
    assert found.least_visible == pytest.approx(2.8016 * 0.1, abs=1e-4)


@pytest.mark.parametrize("to_see", [0.0, -1.0, float("nan"), 101.0])
def test_a_difference_that_is_none_is_refused(to_see: float) -> None:
    with pytest.raises(ValueError, match=r"expected a difference above 0, up to 100 points"):
        judge(a_gain(), to_see=to_see)


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.0, 6.0])
def test_where_rows_say_nothing_it_is_the_paired_t_test(sd: float) -> None:
    # The noncentral t of statsmodels is exact; the formula adds two quantiles instead.
    exact = TTestPower().solve_power(effect_size=0.5 / sd, alpha=0.05, power=0.8)
    found = seeds_needed(a_gain(rows_se=0.0, se=sd / math.sqrt(5)), 0.5)
    assert found is not None
    assert abs(found - exact) <= 1.5


def test_so_many_seeds_find_it_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    needed = seeds_needed(a_gain(rows_se=0.0, se=1.5 / math.sqrt(5)), 1.0)
    assert needed is not None
    found = [
        paired_scores(60 + rng.normal(1.0, 1.5, needed), np.full(needed, 60.0)).p_value < 0.05
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def test_the_same_goes_for_rows_and_seeds_together() -> None:
    """Simulated answers: the shares of a first, large study tell what a second one needs."""
    rng = np.random.default_rng(1)
    rows = 400

    def study(seeds: int, shift: float, draws: int) -> PairedGain:
        common = rng.normal(0, 1, rows)

        def model(level: float) -> Any:
            seed = rng.normal(0, 0.12, (seeds, 1))
            return level + common + seed + rng.normal(0, 1, (seeds, rows)) > 0

        return paired_gain(model(0.3 + shift), model(0.3), draws=draws)

    sd = math.sqrt(2 + 0.12**2)
    true = 100 * float(norm.cdf(0.42 / sd) - norm.cdf(0.3 / sd))
    needed = seeds_needed(study(60, 0.12, 500), true)
    assert needed is not None
    assert 10 < needed < 40
    found = [study(needed, 0.12, 800).p_value < 0.05 for _ in range(200)]
    assert 0.7 < np.mean(found) < 0.95


@given(
    st.floats(0.01, 3), st.floats(0, 1), st.floats(0.1, 5), st.integers(2, 20), st.floats(1.01, 4)
)
def test_more_is_needed_for_smaller_differences_and_larger_noise(
    se: float, rows_se: float, difference: float, seeds: int, factor: float
) -> None:
    paired = a_gain(se=se, rows_se=rows_se, seeds=seeds)
    needed = seeds_needed(paired, difference) or 10**9
    assert (seeds_needed(paired, difference * factor) or 10**9) <= needed
    assert (seeds_needed(replace(paired, se=se * factor), difference) or 10**9) >= needed
    # With a few seeds, noise of a size that is known takes weight off their t-quantile (12.7 for
    # two, less with the rows' own degrees of freedom), so that one seed less may do.
    noisier = seeds_needed(replace(paired, rows_se=rows_se * factor), difference) or 10**9
    assert noisier >= needed - (needed <= 6)
    before, after = least_visible(paired), least_visible(replace(paired, rows_se=rows_se * factor))
    assert before is not None
    assert after is not None
    assert after >= before


@given(st.floats(0, 5), st.floats(0.05, 10))
def test_a_test_set_too_small_is_never_helped_by_seeds(rows_se: float, difference: float) -> None:
    paired = a_gain(rows_se=rows_se, se=1e-6)
    least = least_visible(paired)
    assert least is not None
    if least > difference:
        assert seeds_needed(paired, difference) is None
    if least < 0.99 * difference:
        assert seeds_needed(paired, difference) is not None


def test_scores_without_rows_are_judged_by_seeds_alone() -> None:
    model = np.array([60.0, 62.0, 61.0])
    found = judge(paired_scores(model, np.array([61.0, 61.0, 61.5])))
    assert found.least_visible is None
    assert found.seeds_needed is not None
    assert found.verdict.startswith("no difference larger than")


def test_what_the_rows_leave_open_has_to_be_made_up_for_by_seeds() -> None:
    # By hand, for so many seeds that Student's t is normal: (1.960 + 0.842)^2 * (1 + 200 / k) = 4^2
    # gives k = 192.6; without the rows' variance of 1 it would be 98.
    paired = a_gain(se=math.sqrt(200 / 5), seeds=5, rows_se=1.0)
    needed = seeds_needed(paired, 4.0)
    assert needed is not None
    assert 193 <= needed <= 198
