import numpy as np
import pytest

from components.models.markets.price_forecast.blend import RANDOM_WALK, blend, fit_weights
from components.models.markets.price_forecast.direction import fit_platt, judge_direction
from components.models.markets.price_forecast.intervals import fit_intervals
from components.models.markets.price_forecast.risk import expected_drawdown, value_at_risk

RNG = np.random.default_rng(4)
ONE = np.array([1.0])


def fit(predictions: dict[str, np.ndarray], actual: np.ndarray, shrinkage: float = 4.0) -> dict[str, np.ndarray]:
    return fit_weights(predictions, actual, np.ones_like(actual), ONE, shrinkage)


def test_weights_are_a_distribution_that_finds_the_signal() -> None:
    signal, noise = RNG.normal(size=(2000, 1)), RNG.normal(size=(2000, 1))
    actual = 0.6 * signal + RNG.normal(size=(2000, 1))
    weights = fit({"good": signal, "useless": noise}, actual)
    assert sum(w[0] for w in weights.values()) == pytest.approx(1)
    assert weights["good"][0] == pytest.approx(0.6, abs=0.08)
    assert weights["useless"][0] < 0.08
    assert weights[RANDOM_WALK][0] == pytest.approx(0.4, abs=0.1)


def test_a_member_that_is_wrong_gets_nothing() -> None:
    signal = RNG.normal(size=(1000, 1))
    weights = fit({"contrary": -signal}, signal)
    assert weights["contrary"][0] == 0
    assert weights[RANDOM_WALK][0] == 1


def test_shrinkage_leads_to_the_random_walk() -> None:
    signal = RNG.normal(size=(500, 1))
    free, shrunk = (fit({"m": signal}, 0.5 * signal, s)["m"][0] for s in (1e-6, 1e4))
    assert free == pytest.approx(0.5, abs=0.01)
    assert shrunk < 0.1


def test_the_blend_is_the_weighted_sum() -> None:
    a, b = RNG.normal(size=(5, 2)), RNG.normal(size=(5, 2))
    weights = {"a": np.array([0.5, 0.0]), "b": np.array([0.2, 0.0]), RANDOM_WALK: np.array([0.3, 1.0])}
    np.testing.assert_allclose(
        blend({"a": a, "b": b}, weights, (5, 2)), np.stack([0.5 * a + 0.2 * b, 0 * a])[0] * [1, 0]
    )


def test_intervals_recover_the_scale_and_cover() -> None:
    variances = np.exp(RNG.normal(-9, 1, size=(8000, 2)))
    steps = np.array([1.0, 5.0])
    sigma = np.sqrt(variances[:, 1:] * steps)  # the second estimate is the true one
    errors = RNG.standard_t(5, size=(8000, 2)) * sigma / np.sqrt(5 / 3)
    intervals = fit_intervals(errors[:4000], variances[:4000], steps, 0.9)
    fitted = intervals.sigma(variances[4000:], steps)
    assert np.median(fitted / sigma[4000:]) == pytest.approx(1, abs=0.1)
    inside = (errors[4000:] >= -intervals.low * fitted) & (errors[4000:] <= intervals.high * fitted)
    assert np.abs(inside.mean(axis=0) - 0.9).max() < 0.02


def test_confidence_is_calibrated_and_never_contradicts_the_price() -> None:
    signal = RNG.normal(size=(20_000, 1))
    rose = RNG.uniform(size=signal.shape) < 1 / (1 + np.exp(-(0.2 + 0.5 * signal)))
    platt = fit_platt(signal, rose, ONE)
    np.testing.assert_allclose(platt, [[0.2, 0.5]], atol=0.06)
    point, up, confidence = judge_direction(signal, np.ones_like(signal), platt)
    assert ((point >= 0) == up)[point != 0].all()
    assert (confidence >= 0.5).all()
    assert confidence.mean() == pytest.approx(float((up == rose).mean()), abs=0.01)


def test_drawdown_and_value_at_risk() -> None:
    paths = np.cumsum(RNG.normal(0, 0.01, size=(4000, 400)), axis=1)
    deepest = (np.maximum.accumulate(np.maximum(paths, 0), axis=1) - paths).max(axis=1)
    sigma = np.array([0.01 * np.sqrt(400)])
    # The closed form is for continuous time, which 400 steps undershoot, and turns the mean log loss into a simple one.
    assert expected_drawdown(sigma)[0] == pytest.approx(100 * np.mean(1 - np.exp(-deepest)), rel=0.08)
    assert value_at_risk(np.array([0.0]), np.array([0.05]), 1.645)[0] == pytest.approx(100 * np.expm1(-0.08225))
    assert value_at_risk(np.array([0.5]), np.array([0.01]), 1.645)[0] == 0
