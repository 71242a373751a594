"""Rankings of made-up models whose true gains are known, and of the published ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.gains.calibration import PUBLISHED, Calibration, Choice, Scale, predictor_of
from hubbot.gains.calibration_file import Calibrations, load_packaged
from hubbot.gains.entries import Entries, join
from hubbot.gains.groups import QUICK
from hubbot.gains.lp_rules import MNLI_CLASSES
from hubbot.gains.placing import seed_noise
from hubbot.gains.predict import predict_gain
from hubbot.gains.published import load_base_scores
from hubbot.gains.ranking import Ranking, rank_entries
from hubbot.gains.smoother import Array, Rows, Tuning, form_named

ROBERTA = "roberta-base"
SITE36 = (PUBLISHED, ROBERTA, "site36")


def model(name: str, **known: Any) -> dict[str, Any]:
    return {"model": name, "protocol": PUBLISHED, "source": "test", **known}


def base() -> dict[str, Any]:
    return model("roberta-base", is_base=True, lp_accuracy=56.7331, lp_gain=0.0)


def ranked(*rows: dict[str, Any], architecture: str = ROBERTA) -> Ranking:
    return rank_entries(Entries.of(rows), architecture, load_packaged())


def lines(ranking: Ranking) -> dict[str, Any]:
    return {line.model: line for line in ranking.lines()}


def made_up(lp: Array, gain: Array, *, seed_sd: float) -> Calibrations:
    choice = Choice(form=form_named("line"), tuning=Tuning(ridge=1e-6), tried={"line": 1.0})
    calibration = Calibration(
        name=PUBLISHED,
        architecture=ROBERTA,
        target_group="site36",
        models=tuple(f"known/m{row}" for row in range(len(lp))),
        rows=Rows(lp=lp, flags=np.zeros((len(lp), 3))),
        gain=gain,
        quick_targets=(),
        quick_base=(),
        choices={"lp+flags": choice, "lp": choice},
        line=None,
        scale=Scale(base_lp=56.7, base_lp_missing="", seed_sd=seed_sd),
        date="2023-05-31",
        source="made up",
    )
    return {SITE36: calibration}


def world(seed: int) -> tuple[Ranking, dict[str, float]]:
    """Models around a line, some measured with the seed noise of roberta-base; true gains."""
    rng = np.random.default_rng(seed)
    seed_sd, _ = seed_noise(ROBERTA)
    lp = rng.uniform(50, 85, 160)
    true = 0.08 * (lp - 60) + rng.normal(0, 0.35, 160)
    measured = true + rng.normal(0, seed_sd, 160)
    known, n_known = made_up(lp[:100], measured[:100], seed_sd=seed_sd), 100
    entries = Entries.of(
        model(f"known/m{row}", lp_accuracy=lp[row], measured=measured[row])
        if row < n_known
        else model(f"new/m{row}", lp_accuracy=lp[row])
        for row in range(160)
    )
    names = [f"known/m{row}" if row < n_known else f"new/m{row}" for row in range(160)]
    return rank_entries(entries, ROBERTA, known), dict(zip(names, true.tolist(), strict=True))


@pytest.fixture(scope="module")
def worlds() -> list[tuple[Ranking, dict[str, float]]]:
    return [world(seed) for seed in range(120)]


# Bands and estimates against the truth


def test_the_first_band_holds_the_truly_best_model_nine_times_in_ten(
    worlds: list[tuple[Ranking, dict[str, float]]],
) -> None:
    held, sizes = [], []
    for ranking, true in worlds:
        best = max(true, key=lambda name: true[name])
        band = [line.model for line in ranking.lines() if line.band == 1]
        held.append(best in band)
        sizes.append(len(band))
    assert np.mean(held) >= 0.9  # intervals of unmeasured models hold the noise of a run too
    assert np.mean(sizes) < 60  # and not because everything is in it


def test_the_best_of_what_is_left_is_in_the_second_band_nine_times_in_ten(
    worlds: list[tuple[Ranking, dict[str, float]]],
) -> None:
    held = []
    for ranking, true in worlds:
        left = [line for line in ranking.lines() if line.band != 1]
        best = max(left, key=lambda line: true[line.model])
        held.append(best.band == 2)
    assert np.mean(held) >= 0.85


def test_estimates_are_nearer_to_the_truth_than_measurements_and_predictions(
    worlds: list[tuple[Ranking, dict[str, float]]],
) -> None:
    errors = np.array(
        [
            [
                (value - true[line.model]) ** 2
                for value in (line.gain, line.measured_gain, line.predicted_gain)
                if value is not None
            ]
            for ranking, true in worlds
            for line in ranking.lines()
            if line.knowledge == "measured"
        ]
    ).mean(axis=0)
    assert errors[0] < 0.75 * errors[1:].min()


def test_intervals_of_measured_models_hold_the_true_gain(
    worlds: list[tuple[Ranking, dict[str, float]]],
) -> None:
    inside = [
        line.interval[0] <= true[line.model] <= line.interval[1]
        for ranking, true in worlds
        for line in ranking.lines()
        if line.knowledge == "measured" and line.interval
    ]
    assert 0.88 <= np.mean(inside) <= 0.96


# What an estimate is made of


def test_an_unmeasured_model_is_placed_by_what_predict_says() -> None:
    flags = ("fused or multi-task",)
    line = lines(ranked(base(), model("a/b", lp_accuracy=78.0, flags=flags)))["a/b"]
    told = predict_gain(ROBERTA, lp_accuracy=78.0, flags=flags)
    assert told.interval is not None
    assert line.gain == line.predicted_gain == round(told.gain or 0, 4)
    assert line.interval == pytest.approx(told.interval, abs=1e-4)
    assert line.probability_positive == pytest.approx(told.probability_positive, abs=1e-4)
    assert line.knowledge == "lp"


def test_a_measured_model_keeps_its_measurement_and_is_drawn_to_its_prediction() -> None:
    line = lines(ranked(base(), model("a/b", lp_accuracy=80.0, measured=1.9)))["a/b"]
    told = predict_gain(ROBERTA, lp_accuracy=80.0, flags=()).gain
    assert line.measured_gain == 1.9
    assert line.predicted_gain == round(told or 0, 4)
    assert line.gain is not None
    assert line.predicted_gain < line.gain < 1.9
    assert line.knowledge == "measured"


def test_a_lucky_measurement_does_not_pass_a_better_predicted_model() -> None:
    flags = ("fused or multi-task",)
    likely = predict_gain(ROBERTA, lp_accuracy=85.0, flags=flags).gain or 0.0
    ranking = ranked(
        model("a/lucky", lp_accuracy=66.0, measured=likely + 0.05),
        model("a/likely", lp_accuracy=85.0, flags=flags),
    )
    assert [line.model for line in ranking.lines()] == ["a/likely", "a/lucky"]


def test_a_collapsed_model_stays_at_the_end() -> None:
    ranking = ranked(base(), model("a/fell", lp_accuracy=85.0, measured=-15.0))
    line = lines(ranking)["a/fell"]
    assert line.gain == pytest.approx(-15, abs=0.7)
    assert line.rank == 2


def test_a_model_of_the_calibration_is_predicted_without_its_own_gain() -> None:
    calibration = load_packaged()[SITE36]
    name, lp, gain = calibration.models[0], calibration.rows.lp[0], calibration.gain[0]
    line = lines(ranked(model(name, lp_accuracy=lp, measured=gain)))[name]
    left_out = predictor_of(calibration, has_flags=True).smoother.left_out
    assert line.predicted_gain == pytest.approx(gain - left_out[0], abs=1e-4)


def test_four_measured_targets_are_averaged_with_what_they_predict_of_the_others() -> None:
    quick = {"rte": 75.0, "cb": 80.0, "mrpc": 88.0, "cola": 83.0}
    means = {target: score.mean for target, score in load_base_scores(ROBERTA).items()}
    gains = tuple(quick[target] - means[target] for target in QUICK)
    line = lines(ranked(base(), model("a/b", lp_accuracy=72.0, quick=gains)))["a/b"]
    told = predict_gain(ROBERTA, lp_accuracy=72.0, flags=(), quick=quick)
    assert told.gain is not None
    assert told.interval is not None
    assert line.gain == pytest.approx((32 * told.gain + sum(gains)) / 36, abs=1e-3)
    assert line.interval is not None
    width = told.interval[1] - told.interval[0]
    assert line.interval[1] - line.interval[0] == pytest.approx(width * 32 / 36, abs=1e-3)
    assert line.knowledge == "quick"


def test_three_of_the_four_are_not_enough() -> None:
    line = lines(ranked(base(), model("a/b", lp_accuracy=72.0, quick=(1.0, 1.0, 1.0, np.nan))))
    assert line["a/b"].knowledge == "lp"


def test_the_base_model_stands_at_gain_zero_without_an_interval() -> None:
    line = lines(ranked(base(), model("a/b", lp_accuracy=50.0)))["roberta-base"]
    assert (line.gain, line.interval, line.knowledge) == (0.0, (0.0, 0.0), "base")
    assert line.probability_positive is None


def test_an_lp_gain_is_placed_from_the_base_models_lp() -> None:
    scale = load_packaged()[SITE36].scale
    assert scale.base_lp is not None
    found = lines(
        ranked(
            model("a/gain", lp_gain=20.0),
            model("a/accuracy", lp_accuracy=scale.base_lp + 20.0),
        )
    )
    assert found["a/gain"].gain == found["a/accuracy"].gain


def test_a_borrowed_calibration_widens_and_is_flagged() -> None:
    found = lines(
        ranked(
            model("a/own", lp_gain=12.0),
            model("a/other", lp_gain=12.0, lp_accuracy=66.0, protocol="lp-mnli"),
        )
    )
    own, other = found["a/own"], found["a/other"]
    assert own.gain == other.gain
    assert own.interval is not None
    assert other.interval is not None
    assert other.interval[1] - other.interval[0] > own.interval[1] - own.interval[0]
    assert other.flags == ("borrowed",)


CASED = "bert-base-cased"
CASED_LP = (34.4589, 55.7364)
"""Least and greatest LP of its usable published rows."""

OUTSIDE = {
    "above": {"lp_accuracy": 59.0},
    "below": {"lp_accuracy": 30.0},
    # Two medical models are all that bert-base-cased has seen of NLI.
    "inflated": {"lp_accuracy": 55.0, "flags": ("trained on MNLI",)},
    "quick gain": {"lp_accuracy": 50.0, "quick": (40.0, 0.0, 0.0, 0.0)},
}


@pytest.mark.parametrize("known", OUTSIDE.values(), ids=OUTSIDE)
def test_a_far_extrapolated_model_stands_last_without_a_band_as_predict_says(
    known: dict[str, Any],
) -> None:
    poor = model("a/poor", lp_accuracy=40.0)
    ranking = ranked(base(), model("a/far", **known), poor, architecture=CASED)
    line = lines(ranking)["a/far"]
    assert ranking.lines()[-1] == line
    assert (line.rank, line.band) == (3, None)
    assert "extrapolated" in line.flags
    assert any("Extrapolated far, 1 model" in said for said in ranking.reading())
    if "quick" not in known:
        told = predict_gain(CASED, lp_accuracy=known["lp_accuracy"], flags=known.get("flags", ()))
        assert told.is_extrapolated
        assert line.gain == pytest.approx(told.gain, abs=1e-4)
        assert line.interval == pytest.approx(told.interval, abs=1e-4)
        assert line.probability_positive == pytest.approx(told.probability_positive, abs=2e-4)


def test_a_model_little_beyond_the_range_takes_part() -> None:
    calibration = load_packaged()[PUBLISHED, CASED, "site36"]
    assert calibration.lp_range == pytest.approx(CASED_LP, abs=1e-4)
    tenth = (CASED_LP[1] - CASED_LP[0]) / 10
    near = model("a/near", lp_accuracy=CASED_LP[1] + 0.9 * tenth)
    far = model("a/far", lp_accuracy=CASED_LP[1] + 1.1 * tenth)
    found = lines(ranked(near, far, model("a/poor", lp_accuracy=40.0), architecture=CASED))
    assert (found["a/near"].rank, found["a/near"].band) == (1, 1)
    assert found["a/near"].flags == ("extrapolated",)
    assert (found["a/far"].rank, found["a/far"].band) == (3, None)


def test_a_plain_name_at_an_lp_where_all_are_fused_takes_part_with_a_wide_interval() -> None:
    plain, fused = model("a/b", lp_accuracy=84.0), model("a/c", lp_accuracy=84.0)
    fused["flags"] = ("fused or multi-task",)
    found = lines(ranked(base(), plain, fused))
    assert found["a/b"].flags == ("extrapolated",)
    assert found["a/b"].rank == 2
    low, high = found["a/b"].interval
    told = predict_gain(ROBERTA, lp_accuracy=84.0, flags=fused["flags"])
    assert told.interval is not None
    assert found["a/b"].band is not None
    assert high - low > 1.5 * (told.interval[1] - told.interval[0])


def test_far_models_are_in_their_own_order_and_move_nobody_else() -> None:
    others = [base(), model("a/b", lp_accuracy=50.0), model("a/c", measured=0.4)]
    far = [model("a/low", lp_accuracy=20.0), model("a/high", lp_accuracy=70.0)]
    alone = ranked(*others, architecture=CASED).lines()
    found = ranked(*others, *far, architecture=CASED).lines()
    assert found[: len(alone)] == alone
    assert [line.model for line in found[len(alone) :]] == ["a/high", "a/low"]


def test_a_measured_model_is_never_extrapolated() -> None:
    lucky = model("a/b", lp_accuracy=70.0, measured=1.2)
    line = lines(ranked(base(), lucky, architecture=CASED))["a/b"]
    assert (line.knowledge, line.band, line.flags) == ("measured", 1, ())
    assert line.predicted_gain is not None
    # Drawn to what the others reach (their median is below it), not to a prediction far above.
    assert line.gain is not None
    assert line.gain < 1.2 < line.predicted_gain


def test_no_probability_is_told_as_certain() -> None:
    found = lines(ranked(model("a/up", measured=60.0), model("a/down", measured=-60.0)))
    assert found["a/up"].probability_positive == 0.9999
    assert found["a/down"].probability_positive == 0.0001


def test_an_inflated_lp_is_said_to_be_so() -> None:
    line = lines(ranked(model("a/b", lp_accuracy=82.0, flags=("trained on MNLI",))))["a/b"]
    assert line.flags == ("trained on MNLI: LP inflated",)


# What cannot be ranked


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ({}, "no LP was measured"),
        ({"lp_accuracy": 100 * MNLI_CLASSES["entailment"] / 9832}, "the probe learned nothing"),
        ({"lp_accuracy": 70.0, "protocol": "lp-mnli"}, "no LP gain is known"),
    ],
)
def test_a_model_that_nothing_can_be_said_of_is_at_the_end_with_the_reason(
    known: dict[str, Any], why: str
) -> None:
    ranking = ranked(model("a/b", **known), base(), model("a/c", lp_accuracy=30.0))
    last = ranking.lines()[-1]
    assert (last.model, last.rank, last.band, last.gain) == ("a/b", None, None, None)
    assert why in last.note
    assert ranking.refused() == {last.note: 1}


def test_a_measured_gain_is_ranked_whatever_the_probe_learned() -> None:
    prior = 100 * MNLI_CLASSES["entailment"] / 9832
    line = lines(ranked(base(), model("a/b", lp_accuracy=prior, measured=1.0)))["a/b"]
    assert line.rank == 1
    assert line.predicted_gain is None
    assert "learned nothing" in line.note


def test_an_lp_gain_without_a_base_is_refused_with_the_reason() -> None:
    ranking = ranked(model("a/b", lp_gain=3.0), architecture="microsoft/deberta-v3-base")
    assert "the probe of the base model learned nothing" in ranking.lines()[0].note


def test_without_a_calibration_models_stand_as_measured_then_by_lp() -> None:
    ranking = ranked(
        model("a/low", lp_accuracy=50.0),
        model("a/high", lp_accuracy=60.0),
        model("a/none"),
        model("a/measured", lp_accuracy=40.0, measured=2.0),
        architecture="google/t5-v1_1-base",
    )
    found = ranking.lines()
    assert [line.model for line in found] == ["a/measured", "a/high", "a/low", "a/none"]
    assert found[0].gain == found[0].measured_gain == 2.0
    assert "no calibration" in found[1].note


def test_no_models_at_all_is_said_in_words() -> None:
    ranking = ranked(base())
    assert next(iter(ranking.reading())).startswith("No model of roberta-base is known yet")
    assert rank_entries(Entries.of([]), ROBERTA, load_packaged()).lines() == ()


# Invariances

_rows = st.lists(
    st.tuples(
        st.sampled_from([40.0, 56.7331, 60.0, 71.25, 80.0, 86.0, np.nan]),
        st.sampled_from([np.nan, np.nan, -3.0, 0.5, 1.75]),
        st.sampled_from([(), ("trained on MNLI",), ("fused or multi-task",)]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(_rows, st.randoms(use_true_random=False))
def test_names_and_the_order_of_rows_change_nothing_but_names(rows: Any, random: Any) -> None:
    known = [dict(zip(("lp_accuracy", "measured", "flags"), row, strict=True)) for row in rows]
    first = ranked(*(model(f"a/{at:02}", **row) for at, row in enumerate(known)))
    new_names = [f"z/{at:02}" for at in range(len(known))]
    random.shuffle(new_names)
    renamed = [model(name, **row) for name, row in zip(new_names, known, strict=True)]
    back = {name: f"a/{at:02}" for at, name in enumerate(new_names)}
    random.shuffle(renamed)
    second = ranked(*renamed)
    expected = lines(first)
    for line in second.lines():
        other = expected[back[line.model]]
        assert (line.rank, line.band, line.gain, line.interval, line.flags, line.note) == (
            (other.rank, other.band, other.gain, other.interval, other.flags, other.note)
        )


def test_tables_can_be_put_under_one_another() -> None:
    one, two = Entries.of([model("a/b", lp_accuracy=70.0)]), Entries.of([base()])
    assert join([one, two]).model.tolist() == ["a/b", "roberta-base"]
    assert join([one, two]).flags.tolist() == [(), ()]
