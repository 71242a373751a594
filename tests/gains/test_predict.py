"""Predictions of single checkpoints: numbers, sentences and refusals."""

import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubbot.errors import SettingsError
from hubbot.gains.calibration import PAPER, PUBLISHED, Scale, predictor_of
from hubbot.gains.calibration_file import load_packaged
from hubbot.gains.flags import FUSED, TRAINED_ON_MNLI
from hubbot.gains.predict import Query, predict_columns, predict_gain, predict_many
from hubbot.gains.smoother import Rows, fit
from hubbot.schema import Prediction

BASES = ["roberta-base", "bert-base-uncased", "bert-base-cased"]
ALL = [*BASES, "microsoft/deberta-v3-base", "t5-base"]
SCORES = {"rte": 70.0, "cb": 75.0, "mrpc": 87.0, "cola": 83.0}


@pytest.mark.parametrize("architecture", ALL)
def test_the_gain_is_that_of_the_chosen_form_fitted_on_the_architectures_models(
    architecture: str,
) -> None:
    item = load_packaged()[PUBLISHED, architecture, "site36"]
    chosen = item.choices["lp"]
    lp = float(np.median(item.rows.lp))
    smoother = fit(chosen.form, chosen.tuning, replace(item.rows, flags=None), item.gain)
    found = predict_gain(architecture, lp_accuracy=lp)
    assert found.gain == pytest.approx(smoother.predict(Rows(lp=np.array([lp])))[0], abs=1e-8)
    assert (found.n, found.calibration, found.level) == (item.n, PUBLISHED, 0.9)
    assert (found.target_group, found.form) == ("site36", chosen.form.name)
    assert not found.is_borrowed
    assert not found.is_extrapolated


@pytest.mark.parametrize("architecture", ALL)
def test_halfway_up_the_models_the_prediction_is_near_what_models_there_gained(
    architecture: str,
) -> None:
    item = load_packaged()[PUBLISHED, architecture, "site36"]
    lp = float(np.median(item.rows.lp))
    near = np.argsort(np.abs(item.rows.lp - lp))[: max(item.n // 5, 10)]
    found = predict_gain(architecture, lp_accuracy=lp)
    assert found.interval is not None
    assert found.gain == pytest.approx(item.gain[near].mean(), abs=1.0)
    low, high = found.interval
    assert np.mean((low <= item.gain[near]) & (item.gain[near] <= high)) >= 0.7


@pytest.mark.parametrize(
    ("architecture", "base"), list(zip(BASES, (56.7331, 47.2335, 44.6501), strict=True))
)
def test_lp_gain_is_counted_from_the_base_models_published_lp(
    architecture: str, base: float
) -> None:
    assert predict_gain(architecture, lp_gain=5.0) == predict_gain(
        architecture, lp_accuracy=base + 5.0
    )


# Flags


def test_a_fused_model_is_expected_to_gain_more_than_one_trained_on_mnli() -> None:
    fused, mnli = (
        predict_gain("roberta-base", lp_accuracy=82.0, flags=(flag,))
        for flag in (FUSED, TRAINED_ON_MNLI)
    )
    assert fused.gain is not None
    assert mnli.gain is not None
    assert fused.gain > mnli.gain + 1.0
    assert (fused.flags, mnli.flags) == ((FUSED,), (TRAINED_ON_MNLI,))


def test_words_that_no_calibration_knows_are_not_said_to_have_been_used() -> None:
    found = predict_gain("roberta-base", lp_accuracy=82.0, flags=("borrowed", FUSED))
    assert found.flags == (FUSED,)


def test_a_plain_name_is_said_to_have_been_taken_into_account() -> None:
    named = predict_gain("roberta-base", lp_accuracy=65.0, flags=())
    assert "the name does not speak of NLI data or fusion" in named.note
    for other in (None, (FUSED,)):
        found = predict_gain("roberta-base", lp_accuracy=65.0, flags=other)
        assert "Taken into account" not in found.note


def test_nli_data_that_a_calibration_has_not_met_make_an_extrapolation() -> None:
    # Two medical models are all that bert-base-cased has seen of NLI.
    plain = predict_gain("bert-base-cased", lp_accuracy=50.0, flags=())
    inflated = predict_gain("bert-base-cased", lp_accuracy=50.0, flags=(TRAINED_ON_MNLI,))
    assert (plain.is_extrapolated, inflated.is_extrapolated) == (False, True)
    assert "the gain may well be lower" in inflated.note
    assert "Not taken into account" not in inflated.note
    assert inflated.flags == ()


def test_a_flag_that_a_calibration_could_not_learn_from_is_named() -> None:
    found = predict_gain("bert-base-cased", lp_accuracy=50.0, flags=(FUSED, "borrowed"))
    assert "Not taken into account: fused or multi-task; too few such models" in found.note
    assert not found.is_extrapolated


@pytest.mark.parametrize(
    ("architecture", "fails"),
    [("t5-base", True), ("roberta-base", False), ("bert-base-uncased", False)],
)
def test_a_base_model_whose_own_runs_fail_puts_gains_in_doubt(
    architecture: str, fails: bool
) -> None:
    lp = 82.5 if architecture == "t5-base" else 60.0
    found = predict_gain(architecture, lp_accuracy=lp)
    assert ("own runs fail now and then" in found.note) == fails


@pytest.mark.parametrize("rounded", [13.27, 13.25, 13.28])
def test_lp_accuracy_and_lp_gain_may_both_be_given_where_they_agree(rounded: float) -> None:
    both = predict_gain("roberta-base", lp_accuracy=70.0, lp_gain=rounded)  # the base has 56.73
    assert both == predict_gain("roberta-base", lp_accuracy=70.0)


def test_beside_an_lp_gain_an_accuracy_of_another_probe_does_no_harm() -> None:
    both = predict_gain("roberta-base", lp_accuracy=66.0, lp_gain=12.0, protocol="lp-mnli@4000")
    assert both == predict_gain("roberta-base", lp_gain=12.0, protocol="lp-mnli@4000")


def test_without_a_name_no_flag_is_taken_into_account() -> None:
    found = predict_gain("roberta-base", lp_accuracy=82.0)
    assert found.flags == ()
    assert "flags" not in found.form


# The second stage


def test_quick_scores_predict_the_mean_over_the_other_targets() -> None:
    found = predict_gain("roberta-base", lp_accuracy=75.0, quick=SCORES)
    assert found.target_group == "site32"
    assert found.quick_targets == ("rte", "cb", "mrpc", "cola")
    assert "Scores measured on rte, cb, mrpc, cola were used" in found.note


@pytest.mark.parametrize("architecture", ALL[:4])
def test_quick_scores_are_counted_from_the_base_models(architecture: str) -> None:
    item = load_packaged()[PUBLISHED, architecture, "site32"]
    assert item.rows.quick is not None
    # A model of the calibration itself, given by its scores.
    row = int(np.argsort(item.rows.lp)[item.n // 2])
    scores = {
        target: float(item.rows.quick[row, place] + item.quick_base[place])
        for place, target in enumerate(item.quick_targets)
    }
    chosen = item.choices["lp+quick"]
    smoother = fit(chosen.form, chosen.tuning, replace(item.rows, flags=None), item.gain)
    expected = smoother.predict(replace(item.rows, flags=None)[np.array([row])])[0]
    found = predict_gain(architecture, lp_accuracy=float(item.rows.lp[row]), quick=scores)
    assert found.gain == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("target", ["rte", "cb", "mrpc", "cola"])
def test_one_quick_score_is_enough(target: str) -> None:
    found = predict_gain("bert-base-uncased", lp_accuracy=50.0, quick={target: SCORES[target]})
    assert found.quick_targets == (target,)
    assert found.interval is not None


def test_quick_scores_narrow_the_interval_where_gains_scatter() -> None:
    without = predict_gain("bert-base-uncased", lp_accuracy=50.0).interval
    known = predict_gain(
        "bert-base-uncased",
        lp_accuracy=50.0,
        quick={"rte": 63.0, "cb": 69.0, "mrpc": 83.0, "cola": 82.0},
    ).interval
    assert without is not None
    assert known is not None
    assert known[1] - known[0] < without[1] - without[0]


def test_the_order_of_quick_scores_does_not_matter() -> None:
    turned = dict(reversed(SCORES.items()))
    assert predict_gain("roberta-base", lp_accuracy=75.0, quick=turned) == predict_gain(
        "roberta-base", lp_accuracy=75.0, quick=SCORES
    )


# Borrowed, own and the paper's


def test_a_borrowed_prediction_is_the_same_curve_with_a_wider_interval() -> None:
    own = predict_gain("roberta-base", lp_gain=20.0)
    borrowed = predict_gain("roberta-base", lp_gain=20.0, protocol="lp-mnli@4000")
    assert (own.is_borrowed, borrowed.is_borrowed) == (False, True)
    assert borrowed.gain == own.gain
    assert own.interval is not None
    assert borrowed.interval is not None
    assert borrowed.interval[0] < own.interval[0] < own.interval[1] < borrowed.interval[1]
    assert "Borrowed" in borrowed.note


def test_a_calibration_on_the_quick_four_answers_where_nothing_else_does() -> None:
    packaged = load_packaged()
    own = replace(
        packaged[PUBLISHED, "roberta-base", "site36"],
        name="lp-mnli",
        target_group="quick",
        scale=Scale(base_lp=50.0, base_lp_missing="", seed_sd=None),
    )

    def asked(architecture: str) -> Prediction:
        known = {**packaged, ("lp-mnli", architecture, "quick"): own}
        return predict_gain(architecture, lp_gain=20.0, protocol="lp-mnli", calibrations=known)

    alone, beside_published = asked("all-MiniLM-L6-v2"), asked("roberta-base")
    assert (alone.target_group, alone.is_borrowed) == ("quick", False)
    assert alone.gain is not None
    assert (beside_published.target_group, beside_published.is_borrowed) == ("site36", True)


def test_a_calibration_of_ones_own_protocol_comes_before_a_borrowed_one() -> None:
    packaged = load_packaged()
    own = replace(
        packaged[PUBLISHED, "roberta-base", "site36"],
        name="lp-mnli@4000",
        scale=Scale(base_lp=50.0, base_lp_missing="", seed_sd=None),
    )
    known = {**packaged, ("lp-mnli@4000", "roberta-base", "site36"): own}
    found = predict_gain("roberta-base", lp_gain=20.0, protocol="lp-mnli@4000", calibrations=known)
    assert (found.calibration, found.is_borrowed) == ("lp-mnli@4000", False)
    assert "Borrowed" not in found.note
    by_accuracy = predict_gain(
        "roberta-base", lp_accuracy=70.0, protocol="lp-mnli@4000", calibrations=known
    )
    assert by_accuracy == found
    other = predict_gain("roberta-base", lp_gain=20.0, protocol="lp-mnli@8000", calibrations=known)
    assert other.is_borrowed


def test_the_papers_line_is_available_with_its_caveat() -> None:
    found = predict_gain("roberta-base", lp_gain=10.0, protocol="paper")
    assert found.gain == pytest.approx(0.0822 * 10 - 0.940)
    assert (found.calibration, found.target_group, found.n) == ("paper", "general", 65)
    assert "does not follow" in found.note
    item = load_packaged()[PAPER, "roberta-base", "general"]
    values = np.sort(item.gain - 0.0822 * item.rows.lp + 0.0822 * 10)
    # (65 + 1) * 0.05 = 3.3: third from either end.
    assert found.interval == pytest.approx((values[2], max(values[-3], found.gain)))


def test_the_papers_line_is_for_roberta_base_only() -> None:
    found = predict_gain("bert-base-cased", lp_gain=10.0, protocol="paper")
    assert found.gain is None
    assert "no calibration for bert-base-cased under paper" in found.note


# Sentences


def test_outside_the_range_seen_is_called_extrapolated() -> None:
    low = load_packaged()[PUBLISHED, "roberta-base", "site36"].lp_range[0]
    found = predict_gain("roberta-base", lp_accuracy=low - 0.1)
    assert found.is_extrapolated
    assert f"Extrapolated: the calibration has seen LP accuracies from {low:.1f}" in found.note
    assert not predict_gain("roberta-base", lp_accuracy=low).is_extrapolated


def test_a_quick_score_outside_what_was_seen_is_called_extrapolated() -> None:
    found = predict_gain("roberta-base", lp_accuracy=75.0, quick={"cola": 3.0})
    assert found.is_extrapolated
    assert "Extrapolated: on cola the calibration has seen gains from" in found.note


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize("lp_accuracy", [1.5, 20.0, 65.0, 80.0, 99.0])
def test_no_lp_at_all_gives_a_gain_that_no_model_ever_had(
    architecture: str, lp_accuracy: float
) -> None:
    item = load_packaged()[PUBLISHED, architecture, "site36"]
    found = predict_gain(architecture, lp_accuracy=lp_accuracy)
    assert found.gain is not None
    # The curve is followed for a tenth of the range beyond its ends.
    assert item.gain.min() - 2 <= found.gain <= item.gain.max() + 2


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize("lp_accuracy", [1.5, 100.0])
def test_far_outside_no_gain_is_told_beyond_those_of_known_models(
    architecture: str, lp_accuracy: float
) -> None:
    item = load_packaged()[PUBLISHED, architecture, "site36"]
    low, high = item.lp_range
    margin = (high - low) / 10  # so far the curve itself is followed
    ends = predictor_of(item, has_flags=False).smoother.predict(
        Rows(lp=np.array([low - margin, high + margin]))
    )
    found = predict_gain(architecture, lp_accuracy=lp_accuracy).gain
    assert found is not None
    known = np.concatenate([item.gain, ends])
    assert known.min() - 1e-6 <= found <= known.max() + 1e-6


@pytest.mark.parametrize("architecture", ALL)
def test_the_farther_outside_the_wider_the_interval(architecture: str) -> None:
    high = load_packaged()[PUBLISHED, architecture, "site36"].lp_range[1]
    widths = []
    for lp in np.linspace(high, 100, 4):
        interval = predict_gain(architecture, lp_accuracy=float(lp)).interval
        assert interval is not None
        widths.append(interval[1] - interval[0])
    assert widths[1] < widths[2] < widths[3]


@pytest.mark.parametrize("architecture", BASES)
@pytest.mark.parametrize("lp_accuracy", [45.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0])
def test_a_gain_within_two_seed_deviations_is_called_noise(
    architecture: str, lp_accuracy: float
) -> None:
    seed_sd = {"roberta-base": 0.36, "bert-base-uncased": 0.55, "bert-base-cased": 0.48}
    found = predict_gain(architecture, lp_accuracy=lp_accuracy)
    assert found.gain is not None
    is_noise = abs(found.gain) <= 2 * seed_sd[architecture]
    assert ("within seed noise" in found.note) is is_noise
    assert not is_noise or f"{seed_sd[architecture]:.2f} points" in found.note


# Refusals


@pytest.mark.parametrize(
    ("architecture", "numbers", "reason"),
    [
        ("google/t5-v1_1-base", {"lp_accuracy": 80.0}, "19 model(s) with a usable LP"),
        ("t5-base", {"lp_gain": 1.0}, "no LP of the base model was published"),
        ("microsoft/deberta-v3-base", {"lp_gain": 1.0}, "35.22 is the share of one class"),
        ("all-MiniLM-L6-v2", {"lp_gain": 1.0}, "no calibration for all-MiniLM-L6-v2"),
        ("roberta-large", {"lp_accuracy": 80.0}, "no calibration for roberta-large"),
    ],
)
@pytest.mark.parametrize("protocol", [PUBLISHED, "lp-mnli"])
def test_where_there_is_no_number_the_reason_is_said(
    architecture: str, numbers: dict[str, float], reason: str, protocol: str
) -> None:
    given_ = numbers if protocol == PUBLISHED else {"lp_gain": 1.0}
    found = predict_gain(architecture, protocol=protocol, **given_)  # type: ignore[arg-type]
    assert (found.gain, found.interval, found.probability_positive) == (None, None, None)
    assert found.calibration == ""
    assert found.note.startswith("No gain is predicted: ")
    assert reason in found.note


@pytest.mark.parametrize("count", [3463, 3129, 3240])
@pytest.mark.parametrize("architecture", ALL)
def test_an_accuracy_that_is_the_share_of_one_class_is_refused(
    architecture: str, count: int
) -> None:
    found = predict_gain(architecture, lp_accuracy=round(100 * count / 9832, 2))
    assert found.gain is None
    assert f"is the share of one MNLI class ({count} of 9832" in found.note
    near = predict_gain(architecture, lp_accuracy=100 * (count + 5) / 9832)
    assert near.gain is not None


def test_an_lp_gain_that_leads_to_the_share_of_one_class_is_refused_as_well() -> None:
    base = load_packaged()[PUBLISHED, "bert-base-cased", "site36"].scale.base_lp
    assert base is not None
    found = predict_gain("bert-base-cased", lp_gain=100 * 3463 / 9832 - base)
    assert found.gain is None
    assert "the probe learned nothing" in found.note


def test_aliases_and_hub_ids_are_understood() -> None:
    assert predict_gain("FacebookAI/roberta-base", lp_gain=1.0).architecture == "roberta-base"


# Wrong usage


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({}, "found none"),
        ({"lp_accuracy": 70.0, "lp_gain": 3.0}, r"contradict each other: .* a gain of \+13\.27"),
        ({"lp_accuracy": 0.72}, "looks like a fraction.* give 72$"),
        ({"lp_accuracy": 1.0}, "give 100$"),
        ({"lp_accuracy": 0.0}, "above 1, up to 100"),
        ({"lp_accuracy": -3.0}, "above 1, up to 100"),
        ({"lp_accuracy": 100.5}, "above 1, up to 100"),
        ({"lp_accuracy": math.nan}, "LP accuracy nan"),
        ({"lp_accuracy": math.inf}, "LP accuracy inf"),
        ({"lp_gain": math.nan}, "LP gain nan"),
        ({"lp_gain": -101.0}, "from -100 to 100"),
        ({"lp_gain": 1.0, "level": 1.0}, r"level 1\.0"),
        ({"lp_gain": 1.0, "level": math.nan}, "level nan"),
        ({"lp_gain": 1.0, "level": 0.1}, r"level 0\.1"),
        ({"lp_gain": 1.0, "level": 0.9999}, "needs at least"),
        ({"lp_gain": 1.0, "quick": {"rte": 0.7}}, "quick_rte 0.7 looks like a fraction.* give 70$"),
        ({"lp_gain": 1.0, "quick": {"rte": math.nan}}, "quick_rte nan"),
        ({"lp_gain": 1.0, "quick": {"rte": 101.0}}, "quick_rte 101.0: expected points"),
        ({"lp_gain": 1.0, "quick": {"boolq": 70.0}}, "'boolq'.*known: cb, cola, mrpc, rte"),
    ],
)
def test_numbers_that_are_not_points_are_refused(numbers: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        predict_gain("roberta-base", **numbers)  # type: ignore[arg-type]  # the table holds objects


@pytest.mark.parametrize("protocol", ["lp-mnli", "lp-mnli@4000", "paper"])
def test_an_absolute_accuracy_is_taken_on_the_published_scale_only(protocol: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be used under .*give the LP gain instead"):
        predict_gain("roberta-base", lp_accuracy=70.0, protocol=protocol)


@pytest.mark.parametrize("protocol", ["lp-mnli", "lp-mnli@4000", "paper"])
def test_quick_scores_are_taken_on_the_published_scale_only(protocol: str) -> None:
    with pytest.raises(SettingsError, match=r"quick_rte, quick_cb .*cannot be used under"):
        predict_gain("roberta-base", lp_gain=5.0, protocol=protocol, quick={"rte": 70, "cb": 80})


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("lp-mnly", "did you mean 'lp-mnli'"),
        ("model-recycling", "did you mean 'model-recycling-2023'"),
        ("lp-mnli@x", "number of training rows"),
        ("", "known: "),
    ],
)
def test_an_unknown_protocol_gets_the_nearest_names(protocol: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        predict_gain("roberta-base", lp_gain=1.0, protocol=protocol)


def test_an_unknown_architecture_gets_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match="did you mean 'roberta-base'"):
        predict_gain("roberto-base", lp_gain=1.0)


# Many at once


def test_many_queries_are_answered_in_order_and_errors_stay_in_place() -> None:
    queries = [
        Query(architecture="roberta-base", lp_accuracy=70.0),
        Query(architecture="roberta-bse", lp_accuracy=70.0),
        Query(architecture="bert-base-cased", lp_accuracy=50.0, quick={"rte": 65.0}),
        Query(architecture="google/t5-v1_1-base", lp_accuracy=80.0),
        Query(architecture="roberta-base", lp_accuracy=71.0, flags=()),
        Query(architecture="bert-base-cased", lp_accuracy=50.0, quick={"cola": 80.0}),
        Query(architecture="roberta-base", lp_accuracy=72.0),
    ]
    found = predict_many(queries)
    for query, answer in zip(queries, found, strict=True):
        if query.architecture == "roberta-bse":
            assert isinstance(answer, SettingsError)
            continue
        assert isinstance(answer, Prediction)
        alone = predict_gain(
            query.architecture,
            lp_accuracy=query.lp_accuracy,
            flags=query.flags,
            quick=query.quick,
        )
        assert answer.gain == pytest.approx(alone.gain)
        assert answer.interval == pytest.approx(alone.interval)
        assert (answer.note, answer.form) == (alone.note, alone.form)


def test_no_queries_have_no_answers() -> None:
    assert predict_many([]) == []


def test_columns_are_the_numbers_of_single_predictions() -> None:
    item = load_packaged()[PUBLISHED, "roberta-base", "site36"]
    lp = np.linspace(50, 95, 9000)
    found = predict_columns(item, Rows(lp=lp), level=0.8)
    for row in (0, 1, 4095, 4096, 8999):
        alone = predict_gain("roberta-base", lp_accuracy=float(lp[row]), level=0.8)
        assert alone.interval is not None
        assert found.gain[row] == pytest.approx(alone.gain)
        assert (found.low[row], found.high[row]) == pytest.approx(alone.interval)
        assert found.probability_positive[row] == pytest.approx(alone.probability_positive)


def test_no_rows_have_no_columns() -> None:
    item = load_packaged()[PUBLISHED, "roberta-base", "site36"]
    assert len(predict_columns(item, Rows(lp=np.empty(0))).gain) == 0


@settings(deadline=None)
@given(
    lp=st.floats(1.01, 100),
    architecture=st.sampled_from(ALL),
    flags=st.sampled_from([None, (), (FUSED,), (TRAINED_ON_MNLI, FUSED)]),
    quick=st.dictionaries(st.sampled_from(sorted(SCORES)), st.floats(1.01, 100), max_size=4),
)
def test_every_prediction_holds_together(
    lp: float, architecture: str, flags: tuple[str, ...] | None, quick: dict[str, float]
) -> None:
    found = predict_gain(architecture, lp_accuracy=lp, flags=flags, quick=quick)
    if found.gain is None:
        assert "share of one MNLI class" in found.note
        return
    assert found.interval is not None
    assert found.probability_positive is not None
    assert found.interval[0] <= found.gain <= found.interval[1]
    assert 0 < found.probability_positive < 1
    # An interval wholly on one side of 0 and the probability tell the same.
    if found.interval[0] > 0:
        assert found.probability_positive >= 0.9
    if found.interval[1] < 0:
        assert found.probability_positive <= 0.1


@pytest.mark.parametrize("architecture", ALL)
def test_levels_nest(architecture: str) -> None:
    lp = load_packaged()[PUBLISHED, architecture, "site36"].lp_range[1] - 1
    ends = [
        predict_gain(architecture, lp_accuracy=lp, level=one).interval for one in (0.5, 0.8, 0.9)
    ]
    for inner, outer in pairwise(ends):
        assert inner is not None
        assert outer is not None
        assert outer[0] <= inner[0] <= inner[1] <= outer[1]


def test_predicting_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hubbot.gains.predict import predict_gain;"
        "predict_gain('roberta-base', lp_gain=1.0, protocol='lp-mnli');"
        "print([name for name in ('torch', 'scipy', 'sklearn', 'matplotlib', 'huggingface_hub',"
        " 'datasets') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
