import math

import numpy as np
import pytest

from hubbot.gains.trust import MOST_DRAWN, Trust, believe, measure_trust, settle, without_noise

NONE = np.array([np.nan])


def one(measured: float, predicted: float, trust: Trust) -> tuple[float, float]:
    found = settle(np.array([measured]), np.array([predicted]), NONE, trust, level=0.9)
    return float(found.gain[0]), float(found.high[0] - found.gain[0])


def trust(noise: float, model: float, base: float = 0.0) -> Trust:
    return Trust(noise_sd=noise, model_sd=model, model_sd_at_most=model, base_sd=base)


def test_a_measurement_is_weighted_as_the_normal_posterior_says() -> None:
    # Prior N(1, 0.6), measurement 1.5 with sd 0.8: mean 1 + 0.36 * 0.5, variance 0.36 * 0.64.
    gain, half = one(1.5, 1.0, trust(0.8, 0.6))
    assert gain == pytest.approx(1.18)
    assert half == pytest.approx(1.6448536 * math.sqrt(0.36 * 0.64))


def test_the_base_models_error_is_added_to_the_interval() -> None:
    _, half = one(1.5, 1.0, trust(0.8, 0.6, base=0.2))
    assert half == pytest.approx(1.6448536 * math.sqrt(0.36 * 0.64 + 0.04))


def test_a_collapsed_model_is_drawn_by_a_bounded_distance_only() -> None:
    gain, half = one(-12.0, 1.0, trust(0.4, 0.1))
    assert gain == pytest.approx(-12 + MOST_DRAWN * 0.4)
    assert half == pytest.approx(1.6448536 * 0.4, rel=0.05)


def test_a_standard_error_of_its_own_holds_the_base_models_error_already() -> None:
    own = settle(
        np.array([1.5]), np.array([1.0]), np.array([0.8]), trust(9, 0.6, base=5), level=0.9
    )
    assert own.gain[0] == pytest.approx(1.18)
    assert own.high[0] - own.gain[0] == pytest.approx(1.6448536 * math.sqrt(0.36 * 0.64))


def test_what_cannot_be_weighed_stands_as_it_was_measured() -> None:
    gain, half = one(9.3, 9.3, believe(2.0, 16))
    assert gain == 9.3
    assert half == pytest.approx(1.6448536 * math.sqrt(4 + 4 / 16))


@pytest.mark.parametrize(("noise", "model"), [(0.3, 0.4), (0.5, 0.5), (0.2, 0.8)])
def test_noise_and_models_are_told_apart(noise: float, model: float) -> None:
    rng = np.random.default_rng(0)
    residuals = rng.normal(0, math.hypot(noise, model), 20_000)
    found = measure_trust(residuals, seed_sd=noise, n_seeds=20)
    assert found.noise_sd == pytest.approx(noise, rel=0.05)
    assert found.model_sd == pytest.approx(model, rel=0.05)
    assert found.base_sd == pytest.approx(noise / math.sqrt(20))


def test_collapsed_models_do_not_pass_for_scatter() -> None:
    rng = np.random.default_rng(0)
    residuals = rng.normal(0, 0.5, 1000)
    sound = measure_trust(residuals, seed_sd=0.3, n_seeds=20)
    residuals[:30] = -12
    assert measure_trust(residuals, seed_sd=0.3, n_seeds=20).model_sd == pytest.approx(
        sound.model_sd, rel=0.15
    )


def test_noise_above_all_scatter_is_not_believed() -> None:
    residuals = np.random.default_rng(0).normal(0, 0.3, 200)
    found = measure_trust(residuals, seed_sd=5.0, n_seeds=16)
    assert math.hypot(found.noise_sd, found.model_sd) == pytest.approx(0.3, rel=0.2)
    assert found.model_sd > 0


def test_models_without_any_scatter_are_taken_as_they_are() -> None:
    found = measure_trust(np.zeros(30), seed_sd=0.3, n_seeds=20)
    assert np.isfinite([found.noise_sd, found.model_sd, found.base_sd]).all()


def test_drawing_lowers_the_error_and_takes_the_luck_off_the_top() -> None:
    rng = np.random.default_rng(0)
    errors, above = [], []
    for _ in range(50):
        predicted = rng.normal(0, 1, 200)
        true = predicted + rng.normal(0, 0.3, 200)
        measured = true + rng.normal(0, 0.6, 200)
        weighed = measure_trust(measured - predicted, seed_sd=0.6, n_seeds=20)
        gain = settle(measured, predicted, np.full(200, np.nan), weighed, level=0.9).gain
        errors.append([np.mean((guess - true) ** 2) for guess in (measured, gain)])
        above.append([(g - true)[np.argsort(-g)[:10]].mean() for g in (measured, gain)])
    raw, drawn = np.mean(errors, axis=0)
    assert drawn < 0.4 * raw
    raw, drawn = np.mean(above, axis=0)
    assert raw > 0.3
    assert abs(drawn) < 0.1


def test_intervals_hold_the_true_gain_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(0, 1, 20_000)
    true = predicted + rng.normal(0, 0.4, 20_000)
    measured = true + rng.normal(0, 0.5, 20_000)
    weighed = measure_trust(measured - predicted, seed_sd=0.5, n_seeds=10**9)
    found = settle(measured, predicted, np.full(20_000, np.nan), weighed, level=0.9)
    assert 0.88 < ((found.low <= true) & (true <= found.high)).mean() < 0.93


def test_a_prediction_of_the_true_gain_is_surer_than_of_the_next_measurement() -> None:
    z = 1.6448536
    zero = np.zeros(2)
    found = without_noise(
        zero, np.array([-z, -z * 0.3]), np.array([z * 2, z * 0.3]), trust(0.6, 0.25), level=0.9
    )
    assert found.low == pytest.approx([-z * 0.8, -z * 0.25], rel=1e-6)
    assert found.high == pytest.approx([z * math.sqrt(4 - 0.36), z * 0.25], rel=1e-6)
