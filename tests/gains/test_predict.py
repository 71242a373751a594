import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbot.errors import SettingsError
from hubbot.gains.calibration import PUBLISHED, load_calibrations
from hubbot.gains.predict import predict_gain

PUBLISHED_BASES = ["roberta-base", "bert-base-uncased", "bert-base-cased"]


@pytest.mark.parametrize("architecture", [*PUBLISHED_BASES, "microsoft/deberta-v3-base", "t5-base"])
def test_the_gain_lies_on_the_least_squares_line_of_the_architecture(architecture: str) -> None:
    item = load_calibrations(PUBLISHED)[architecture]
    expected = np.polyval(np.polyfit(item.lp, item.gain, 1), 82.5)
    found = predict_gain(architecture, lp_accuracy=82.5)
    assert found.gain == pytest.approx(expected, abs=1e-8)
    assert (found.n, found.calibration, found.level) == (item.n, PUBLISHED, 0.9)
    assert found.target_group == "site36"


@pytest.mark.parametrize(
    ("architecture", "base"), list(zip(PUBLISHED_BASES, (56.7331, 47.2335, 44.6501), strict=True))
)
def test_lp_gain_is_counted_from_the_base_models_published_lp(
    architecture: str, base: float
) -> None:
    by_gain = predict_gain(architecture, lp_gain=5.0)
    by_accuracy = predict_gain(architecture, lp_accuracy=base + 5.0)
    assert by_gain == by_accuracy


def test_a_borrowed_prediction_is_the_same_line_with_a_wider_interval() -> None:
    own = predict_gain("roberta-base", lp_gain=20.0)
    borrowed = predict_gain("roberta-base", lp_gain=20.0, protocol="lp-mnli@4000")
    assert borrowed.is_borrowed
    assert not own.is_borrowed
    assert borrowed.gain == own.gain
    assert own.interval is not None
    assert borrowed.interval is not None
    assert borrowed.interval[0] < own.interval[0] < own.interval[1] < borrowed.interval[1]
    assert "Borrowed" in borrowed.note


def test_outside_the_range_seen_is_called_extrapolated() -> None:
    low = min(load_calibrations(PUBLISHED)["roberta-base"].lp)
    found = predict_gain("roberta-base", lp_accuracy=low - 0.1)
    assert found.is_extrapolated
    assert "Extrapolated: the calibration has seen LP accuracies from 54.9" in found.note
    assert not predict_gain("roberta-base", lp_accuracy=low).is_extrapolated


@pytest.mark.parametrize(
    ("lp_accuracy", "is_noise"), [(61.0, True), (69.0, True), (72.0, False), (85.0, False)]
)
def test_a_gain_within_two_seed_deviations_is_called_noise(
    lp_accuracy: float, is_noise: bool
) -> None:
    found = predict_gain("roberta-base", lp_accuracy=lp_accuracy)
    assert found.gain is not None
    assert (abs(found.gain) <= 2 * 0.36) is is_noise
    assert ("within seed noise" in found.note) is is_noise


@pytest.mark.parametrize(
    ("architecture", "numbers", "reason"),
    [
        ("google/t5-v1_1-base", {"lp_accuracy": 80.0}, "19 models; below 20 no number"),
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
    if "lp_accuracy" in numbers and protocol != PUBLISHED:
        numbers = {"lp_gain": 1.0}
    found = predict_gain(
        architecture,
        lp_accuracy=numbers.get("lp_accuracy"),
        lp_gain=numbers.get("lp_gain"),
        protocol=protocol,
    )
    assert (found.gain, found.interval, found.probability_positive) == (None, None, None)
    assert found.calibration == ""
    assert found.note.startswith("No gain is predicted: ")
    assert reason in found.note


def test_aliases_and_hub_ids_are_understood() -> None:
    assert predict_gain("FacebookAI/roberta-base", lp_gain=1.0).architecture == "roberta-base"


def test_the_papers_line_is_available_with_its_caveat() -> None:
    found = predict_gain("roberta-base", lp_gain=10.0, protocol="paper")
    assert found.gain == pytest.approx(0.0822 * 10 - 0.940)
    assert (found.calibration, found.target_group, found.n) == ("paper", "general", 65)
    assert "does not follow" in found.note
    assert found.interval is not None


def test_the_papers_line_is_for_roberta_base_only() -> None:
    found = predict_gain("bert-base-cased", lp_gain=10.0, protocol="paper")
    assert found.gain is None
    assert "no calibration for bert-base-cased under paper" in found.note


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({}, "found none"),
        ({"lp_accuracy": 70.0, "lp_gain": 3.0}, "found both"),
        ({"lp_accuracy": 0.72}, "looks like a fraction.* give 72$"),
        ({"lp_accuracy": 1.0}, "give 100$"),
        ({"lp_accuracy": 0.0}, "above 1, up to 100"),
        ({"lp_accuracy": -3.0}, "above 1, up to 100"),
        ({"lp_accuracy": 100.5}, "above 1, up to 100"),
        ({"lp_accuracy": float("nan")}, "LP accuracy nan"),
        ({"lp_accuracy": float("inf")}, "LP accuracy inf"),
        ({"lp_gain": float("nan")}, "LP gain nan"),
        ({"lp_gain": -101.0}, "from -100 to 100"),
        ({"lp_gain": 1.0, "level": 1.0}, "level 1.0"),
        ({"lp_gain": 1.0, "level": float("nan")}, "level nan"),
        ({"lp_gain": 1.0, "level": 0.1}, "level 0.1"),
        ({"lp_gain": 1.0, "level": 0.9999}, "needs at least"),
    ],
)
def test_numbers_that_are_not_points_are_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        predict_gain("roberta-base", **numbers)  # type: ignore[arg-type]  # the table holds floats


@pytest.mark.parametrize("protocol", ["lp-mnli", "lp-mnli@4000", "paper"])
def test_an_absolute_accuracy_is_taken_on_the_published_scale_only(protocol: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be used under .*give the LP gain instead"):
        predict_gain("roberta-base", lp_accuracy=70.0, protocol=protocol)


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


@given(
    lp=st.floats(1.01, 100),
    architecture=st.sampled_from(PUBLISHED_BASES),
)
def test_every_prediction_holds_together(lp: float, architecture: str) -> None:
    found = predict_gain(architecture, lp_accuracy=lp)
    assert found.interval is not None
    assert found.gain is not None
    assert found.probability_positive is not None
    assert found.interval[0] <= found.gain <= found.interval[1]
    assert 0 < found.probability_positive < 1
    # An interval wholly on one side of 0 and the probability tell the same.
    if found.interval[0] > 0:
        assert found.probability_positive >= 0.94
    if found.interval[1] < 0:
        assert found.probability_positive <= 0.06


@given(
    lower=st.floats(40, 90), step=st.floats(0.5, 10), architecture=st.sampled_from(PUBLISHED_BASES)
)
def test_a_better_probe_never_predicts_less(lower: float, step: float, architecture: str) -> None:
    worse = predict_gain(architecture, lp_accuracy=lower)
    better = predict_gain(architecture, lp_accuracy=lower + step)
    assert worse.gain is not None
    assert better.gain is not None
    assert better.gain > worse.gain


def test_predicting_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hubbot.gains.predict import predict_gain;"
        "predict_gain('roberta-base', lp_gain=1.0, protocol='lp-mnli');"
        "print([name for name in ('torch', 'scipy', 'pydantic', 'huggingface_hub', 'datasets')"
        " if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
