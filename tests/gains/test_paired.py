import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import norm, spearmanr, ttest_rel

from hubbot.gains.intervals import paired_gain_interval
from hubbot.gains.paired import (
    PairedGain,
    average_gain,
    paired_gain,
    paired_predictions,
    paired_scores,
    paired_spearman,
)

Table = NDArray[np.bool_]
Floats = NDArray[np.float64]

shapes = st.tuples(st.integers(1, 5), st.integers(2, 40))
pairs = shapes.flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def answers(
    rng: np.random.Generator, seeds: int, rows: int, *, seed_sd: float
) -> Callable[[float], Table]:
    """Models that find the same rows hard; each answers where a sum of normals is above 0."""
    common = rng.normal(0, 1, rows)

    def model(level: float) -> Table:
        own = rng.normal(0, 0.5, rows) + rng.normal(0, seed_sd, (seeds, 1))
        return np.asarray(level + common + own + rng.normal(0, 1, (seeds, rows)) > 0)

    return model


def true_accuracy(level: float, seed_sd: float) -> float:
    """Share of right answers over all rows and seeds there could be, points."""
    return 100 * float(norm.cdf(level / math.sqrt(1 + 0.25 + seed_sd**2 + 1)))


def simulate(
    n: int, seeds: int, rows: int, *, seed_sd: float, levels: tuple[float, float] = (0.5, 0.3)
) -> tuple[float, list[PairedGain]]:
    """Return the true gain and what n independent measurements say of it."""
    rng = np.random.default_rng(seeds * 1000 + rows)
    found = []
    for _ in range(n):
        model = answers(rng, seeds, rows, seed_sd=seed_sd)
        found.append(paired_gain(model(levels[0]), model(levels[1]), draws=1000))
    return true_accuracy(levels[0], seed_sd) - true_accuracy(levels[1], seed_sd), found


def test_gain_and_error_by_hand() -> None:
    # Right answers by seed: 3 and 4 of 4 against 1 and 3: gains 50 and 25 points.
    model = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)
    base = np.array([[1, 0, 0, 0], [1, 1, 0, 1]], dtype=bool)
    found = paired_gain(model, base)
    assert (found.gain, found.score, found.base_score) == (37.5, 87.5, 50.0)
    # Half the difference of two numbers is the standard error of their mean.
    assert found.se == pytest.approx(12.5)
    assert (found.seeds, found.n_test, found.has_seed_noise) == (2, 4, True)


@given(pairs)
@settings(deadline=None)
def test_the_share_of_rows_agrees_with_an_analysis_of_variance(pair: tuple[Table, Table]) -> None:
    difference = pair[0].astype(float) - pair[1]
    seeds, rows = difference.shape
    mean = difference.mean()
    if seeds == 1:
        expected = ((difference - mean) ** 2).sum() / rows**2
    else:
        left = 0.0
        for s in range(seeds):
            for i in range(rows):
                fitted = difference[s].mean() + difference[:, i].mean() - mean
                left += (difference[s, i] - fitted) ** 2
        rest = left / ((seeds - 1) * (rows - 1))
        of_rows = seeds * ((difference.mean(axis=0) - mean) ** 2).sum() / (rows - 1)
        expected = max(of_rows - rest, 0.0) / (seeds * rows)
    found = paired_gain(*pair, draws=10)
    # Half a row on either side is added.
    assert found.rows_se == pytest.approx(100 * math.sqrt(expected + 1 / rows**2), abs=1e-6)


def test_for_one_seed_rows_alone_are_drawn_and_it_is_said() -> None:
    rng = np.random.default_rng(0)
    model, base = rng.random(400) < 0.7, rng.random(400) < 0.6
    found = paired_gain(model, base)
    _, expected = paired_gain_interval(model, base)
    assert not found.has_seed_noise
    assert found.se is None
    assert found.interval == pytest.approx(expected, abs=0.3)


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
@pytest.mark.parametrize("seed_sd", [0.05, 0.3])
def test_intervals_hold_the_true_gain_as_often_as_they_say(seeds: int, seed_sd: float) -> None:
    true, found = simulate(300, seeds, 120, seed_sd=seed_sd)
    held = np.mean([gain.interval[0] <= true <= gain.interval[1] for gain in found])
    # 95 % give or take three standard errors of 300; few seeds that hardly differ err to the wide.
    assert 0.912 <= held <= 1.0 if seeds < 10 else 0.912 <= held <= 0.988


def test_a_plain_percentile_bootstrap_would_hold_it_too_seldom() -> None:
    rng = np.random.default_rng(5)
    true = true_accuracy(0.5, 0.3) - true_accuracy(0.3, 0.3)
    plain, ours = 0, 0
    for _ in range(200):
        model = answers(rng, 3, 200, seed_sd=0.3)
        one, other = model(0.5), model(0.3)
        by_seed = 100 * (one.mean(axis=1) - other.mean(axis=1))
        drawn = by_seed[rng.integers(0, 3, (500, 3))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        plain += int(low <= true <= high)
        found = paired_gain(one, other, draws=500).interval
        ours += int(found[0] <= true <= found[1])
    assert plain < 160
    assert ours > 180


@pytest.mark.parametrize("seeds", [3, 5, 10, 20])
def test_where_rows_say_all_they_can_it_is_students_interval(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    ratios = []
    for _ in range(20):
        shares = rng.normal(0.6, 0.05, (2, seeds, 1))
        one, other = (rng.random((seeds, 20_000)) < share for share in shares)
        found = paired_gain(one, other, draws=4000).interval
        by_seed = (100 * table.mean(axis=1) for table in (one, other))
        expected = paired_scores(*by_seed).interval
        ratios.append((found[1] - found[0]) / (expected[1] - expected[0]))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("seeds", "rows", "seed_sd"), [(10, 150, 0.3), (5, 400, 0.2)])
def test_p_values_are_uniform_where_there_is_no_gain(seeds: int, rows: int, seed_sd: float) -> None:
    _, found = simulate(400, seeds, rows, seed_sd=seed_sd, levels=(0.4, 0.4))
    p_values = np.array([gain.p_value for gain in found])
    for level in (0.05, 0.1, 0.2, 0.5, 0.8):
        error = 3 * math.sqrt(level * (1 - level) / 400)
        assert np.mean(p_values <= level) == pytest.approx(level, abs=error + 0.02)


@given(pairs)
@settings(deadline=None)
def test_p_is_below_a_twentieth_where_the_interval_leaves_zero_out(
    pair: tuple[Table, Table],
) -> None:
    found = paired_gain(*pair, draws=2000)
    low, high = found.interval
    if found.p_value < 0.045:
        assert low > 0 or high < 0
    if found.p_value > 0.055:
        assert low <= 0 <= high


@given(pairs)
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(pair: tuple[Table, Table]) -> None:
    order = np.random.default_rng(0).permutation(pair[0].shape[1])
    found = paired_gain(*pair, draws=200)
    again = paired_gain(pair[0][:, order], pair[1][:, order], draws=200)
    assert again.interval == pytest.approx(found.interval)
    assert (again.gain, again.p_value) == (found.gain, found.p_value)


def test_the_other_way_round_everything_is_negated() -> None:
    rng = np.random.default_rng(2)
    model = answers(rng, 5, 300, seed_sd=0.2)
    one, other = model(0.6), model(0.3)
    there, back = paired_gain(one, other), paired_gain(other, one)
    assert back.gain == -there.gain
    assert back.se == pytest.approx(there.se)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), abs=0.25)


def test_models_that_answer_alike_have_no_gain_and_are_not_called_equal_for_certain() -> None:
    table = np.random.default_rng(0).random((5, 277)) < 0.6
    found = paired_gain(table, table)
    assert (found.gain, found.se) == (0.0, 0.0)
    assert found.p_value > 0.9
    # About two rows either way.
    assert found.interval == pytest.approx((-196 / 277, 196 / 277), abs=0.05)


def test_fifty_thousand_rows_take_no_time() -> None:
    rng = np.random.default_rng(0)
    model, base = rng.random((20, 50_000)) < 0.7, rng.random((20, 50_000)) < 0.69
    begun = time.perf_counter()
    found = paired_gain(model, base)
    assert time.perf_counter() - begun < 3
    _, expected = paired_gain_interval(model, base)
    assert found.interval == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("model", "base"),
    [((5, 10), (3, 10)), ((5, 10), (5, 11)), ((2, 3, 4), (2, 3, 4)), ((3, 0), (3, 0))],
)
def test_other_seeds_or_rows_are_refused(model: tuple[int, ...], base: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the same seeds and test rows: model \(.*base \("):
        paired_gain(np.ones(model, dtype=bool), np.ones(base, dtype=bool))


# Spearman


def regressions(
    rng: np.random.Generator, seeds: int, rows: int, noise: float, seed_sd: float = 0.0
) -> tuple[Floats, Callable[[], Floats]]:
    labels = np.round(rng.normal(0, 1, rows), 1)

    def model() -> Floats:
        scale = noise * np.exp(rng.normal(0, seed_sd, (seeds, 1)))
        return np.asarray(labels + scale * rng.normal(0, 1, (seeds, rows)))

    return labels, model


def test_rank_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    labels, model = regressions(rng, 3, 200, 0.7)
    one, other = np.round(model(), 1), model()
    found = paired_spearman(one, other, labels, draws=100)
    own, base = (
        100 * np.mean([spearmanr(row, labels).statistic for row in table]) for table in (one, other)
    )
    assert found.score == pytest.approx(own)
    assert found.base_score == pytest.approx(base)
    assert found.gain == pytest.approx(own - base)


def test_for_one_seed_the_interval_is_that_of_a_loop_over_scipy() -> None:
    rng = np.random.default_rng(1)
    labels, model = regressions(rng, 1, 120, 0.8)
    one, other = model()[0], model()[0] + rng.normal(0, 0.3, 120)
    drawn = []
    for _ in range(1500):
        rows = rng.integers(0, 120, 120)
        own = spearmanr(one[rows], labels[rows]).statistic
        drawn.append(100 * (own - spearmanr(other[rows], labels[rows]).statistic))
    found = paired_spearman(one, other, labels)
    width = float(np.quantile(drawn, 0.975) - np.quantile(drawn, 0.025))
    expected = (float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975)))
    assert found.interval == pytest.approx(expected, abs=0.12 * width)


def test_intervals_of_correlations_hold_the_true_gain() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(120):
        labels, model = regressions(rng, 5, 150, 0.8, seed_sd=0.1)
        found = paired_spearman(model(), model(), labels, draws=200)  # the true gain is 0
        held.append(found.interval[0] <= 0 <= found.interval[1])
    assert np.mean(held) >= 0.9


def test_a_constant_prediction_orders_nothing() -> None:
    labels = np.arange(50, dtype=np.float64)
    found = paired_spearman(labels[None, :], np.zeros((1, 50)), labels, draws=100)
    assert found.score == pytest.approx(100)
    assert found.base_score == 0.0


def test_correlations_of_equal_answers_are_not_called_equal_for_certain() -> None:
    labels = np.random.default_rng(0).normal(size=300)
    answers = labels + np.random.default_rng(1).normal(size=(5, 300))
    found = paired_spearman(answers, answers, labels)
    assert (found.gain, found.is_equal) == (0, True)
    assert found.interval[0] < 0 < found.interval[1]
    assert found.rows_se is not None
    assert 0 < found.rows_se < 1


def test_labels_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) labels for 4 test rows"):
        paired_spearman(np.ones((2, 4)), np.ones((2, 4)), np.ones(3))


# Whatever the metric


def test_the_metric_decides_how_predictions_are_scored() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 90)
    model, base = rng.integers(0, 3, (2, 90)), rng.integers(0, 3, (2, 90))
    assert paired_predictions("accuracy", model, base, labels) == paired_gain(
        model == labels, base == labels
    )
    floats = (model.astype(float), base.astype(float), labels.astype(float))
    assert paired_predictions("spearman", model, base, labels) == paired_spearman(*floats)
    with pytest.raises(ValueError, match=r"metric 'f1'; expected accuracy or spearman"):
        paired_predictions("f1", model, base, labels)


def test_scores_alone_give_students_interval() -> None:
    model, base = np.array([64.0, 66.5, 61.0, 65.0]), np.array([60.0, 63.0, 60.5, 59.0])
    found = paired_scores(model, base)
    expected = ttest_rel(model, base)
    low, high = expected.confidence_interval(0.95)
    assert found.interval == pytest.approx((low, high))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.n_test, found.rows_se, found.seeds) == (None, None, 4)


@pytest.mark.parametrize("gain", [0.0, 2.0])
def test_scores_that_differ_by_the_same_amount_are_no_division_by_zero(gain: float) -> None:
    scores = np.array([60.0, 62.0])
    found = paired_scores(scores + gain, scores)
    assert found.interval == (gain, gain)
    assert found.p_value == (1.0 if gain == 0 else 0.0)


def test_one_score_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected the same two seeds or more"):
        paired_scores(np.array([60.0]), np.array([61.0]))


def test_averages_over_targets_by_hand() -> None:
    one = paired_scores(np.array([62.0, 64.0]), np.array([60.0, 60.0]))  # 3 +- 1
    other = paired_scores(np.array([59.0, 65.0]), np.array([60.0, 60.0]))  # 2 +- 3
    found = average_gain([one, other])
    assert found.gain == 2.5
    assert found.se == pytest.approx(math.sqrt(1 + 9) / 2)
    assert found.n_targets == 2
    single = paired_gain(np.ones(4, dtype=bool), np.zeros(4, dtype=bool))
    assert average_gain([one, single]).se is None
    with pytest.raises(ValueError, match="no gains to average"):
        average_gain([])
