"""The parts of the volatility forecast: loss, log-linear fit, blend, calibration, cone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from components.models.markets.volatility.blend import fit_blend
from components.models.markets.volatility.calibration import fit_calibration, fit_logistic, fit_sureness
from components.models.markets.volatility.cone import QUANTILES, cone, percentile, rolling_volatility
from components.models.markets.volatility.inputs import range_variances
from components.models.markets.volatility.intraday import session_variance
from components.models.markets.volatility.members.log_har import fit_log_linear
from components.models.markets.volatility.qlike import qlike

RNG = np.random.default_rng(9)


def test_qlike_is_least_at_the_mean_whatever_the_noise() -> None:
    noisy = RNG.gamma(1.5, 1 / 1.5, 20_000)
    forecasts = np.linspace(0.5, 2, 151)
    best = forecasts[np.argmin([qlike(noisy, np.full_like(noisy, f)).mean() for f in forecasts])]
    assert best == pytest.approx(noisy.mean(), abs=0.02)
    assert qlike(np.array([2.0]), np.array([2.0]))[0] == 0
    assert (qlike(noisy, np.ones_like(noisy)) >= 0).all()


def test_range_variances_are_unbiased_and_less_noisy_than_squares() -> None:
    steps = np.cumsum(0.01 / np.sqrt(2000) * RNG.normal(size=(3000, 2000)), axis=1)
    path = np.concatenate([np.zeros((3000, 1)), steps], axis=1)
    day = np.stack([path[:, 0], path.max(axis=1), path.min(axis=1), path[:, -1]], axis=1)
    bars = np.stack([np.zeros_like(day), day], axis=1)
    variances, squares = range_variances(bars)[:, 0], path[:, -1] ** 2
    # Discrete steps hide a little of the range.
    assert variances.mean() == pytest.approx(1e-4, rel=0.06)
    assert variances.var() < squares.var() / 5


def test_closes_alone_leave_the_squared_return() -> None:
    bars = np.repeat(np.array([[0.0], [0.02], [-0.01]]), 4, axis=1)
    np.testing.assert_allclose(range_variances(bars), [0.02**2, 0.03**2])


def test_the_log_linear_fit_is_the_minimum_that_a_general_solver_finds() -> None:
    columns = np.column_stack([np.ones(500), RNG.normal(size=(500, 3))])
    target = np.exp(columns @ [-9.0, 0.5, -0.3, 0.0]) * RNG.gamma(2, 0.5, 500)
    ours = fit_log_linear(columns, target, ridge=5.0)

    def loss(b: np.ndarray) -> float:
        fitted = columns @ b
        return float(np.mean(target * np.exp(-fitted) + fitted) + 0.5 * 5 / 500 * b[1:] @ b[1:])

    theirs = minimize(
        loss, [-9.0, 0, 0, 0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 9999}
    )
    np.testing.assert_allclose(ours, theirs.x, atol=1e-4)


def test_the_blend_finds_the_member_that_knows_and_the_level() -> None:
    truth = RNG.normal(-9, 1, size=(4000, 1))
    realised = np.exp(truth) * RNG.gamma(3, 1 / 3, (4000, 1))
    predictions = {"knows": truth - 0.5, "noise": truth.mean() + RNG.normal(size=(4000, 1)), "same": truth - 0.5}
    blend = fit_blend(predictions, realised, np.array([4000.0]), shrinkage=1.0, level_deviation=1.0)
    assert blend.weights["noise"][0] < 0.05
    assert sum(w[0] for w in blend.weights.values()) == pytest.approx(1)
    assert blend.level[0] == pytest.approx(0.5, abs=0.05)


def test_few_rows_leave_the_blend_near_equal_weights_and_no_level() -> None:
    truth = RNG.normal(-9, 1, size=(60, 1))
    predictions = {"knows": truth, "noise": RNG.normal(-9, 1, size=(60, 1))}
    blend = fit_blend(predictions, 3 * np.exp(truth), np.array([3.0]), shrinkage=1000.0, level_deviation=0.01)
    assert blend.weights["noise"][0] == pytest.approx(0.5, abs=0.05)
    assert abs(blend.level[0]) < 0.01


def test_intervals_cover_what_is_exchangeable() -> None:
    log_variance = RNG.normal(-9, 1, size=(4000, 1))
    realised = np.exp(log_variance + 0.4 * RNG.standard_t(4, (4000, 1)) + 0.3)
    spread = np.full((4000, 1), 0.1)
    fitted = fit_calibration(log_variance[:2000], realised[:2000], spread[:2000], np.array([2000.0]), 0.9, 0.25)
    point, low, high = fitted.volatility(log_variance[2000:])
    came = 100 * np.sqrt(252 * realised[2000:])
    assert ((low <= came) & (came <= high)).mean() == pytest.approx(0.9, abs=0.02)
    assert np.median(point / came) == pytest.approx(1, abs=0.03)
    within = (np.abs(came / point - 1) <= 0.25).mean()
    assert fitted.confidence(spread[2000:]).mean() == pytest.approx(within, abs=0.03)


def test_fewer_independent_outcomes_make_wider_intervals() -> None:
    log_variance = np.full((800, 1), -9.0)
    realised = np.exp(log_variance + RNG.normal(size=(800, 1)))
    wide, narrow = (
        fit_calibration(log_variance, realised, np.zeros((800, 1)), np.array([n]), 0.9, 0.25) for n in (38.0, 800.0)
    )
    assert wide.high[0] > narrow.high[0]
    assert wide.low[0] > narrow.low[0]


def test_disagreement_lowers_confidence_and_never_raises_it() -> None:
    spread = RNG.uniform(0, 1, 3000)
    honest = (RNG.uniform(size=3000) < 0.9 - 0.6 * spread).astype(float)
    assert fit_sureness(spread, honest, 1.0)[1] < -1
    constant, slope = fit_sureness(spread, 1 - honest, 1.0)
    assert slope == 0
    assert 1 / (1 + np.exp(-constant)) == pytest.approx(1 - honest.mean(), abs=1e-3)


def test_logistic_coefficients_are_recovered() -> None:
    columns = np.column_stack([np.ones(20_000), RNG.normal(size=20_000)])
    outcome = (RNG.uniform(size=20_000) < 1 / (1 + np.exp(-(columns @ [0.3, -0.8])))).astype(float)
    np.testing.assert_allclose(fit_logistic(columns, outcome, 1.0), [0.3, -0.8], atol=0.07)


def test_the_cone_of_a_constant_variance_is_a_point() -> None:
    variances = np.full((2, 59), 0.2**2 / 252)
    np.testing.assert_allclose(cone(variances, np.array([1, 5, 21])), 20.0)
    assert cone(variances, np.array([1, 5])).shape == (2, 2, len(QUANTILES))


def test_percentiles_count_the_past_below() -> None:
    variances = (np.arange(1, 101) / 100)[None] ** 2 / 252
    volatility = np.array([[25.5, 0.1, 1000.0]])
    np.testing.assert_allclose(percentile(variances, np.array([1, 1, 1]), volatility), [[25.0, 0.0, 100.0]])


def test_rolling_volatility_agrees_with_a_loop() -> None:
    variances = RNG.gamma(1, 1e-4, (3, 40))
    want = [[100 * np.sqrt(252 * row[i : i + 5].mean()) for i in range(36)] for row in variances]
    np.testing.assert_allclose(rolling_volatility(variances, 5), want)


def test_session_variance_of_a_random_walk_is_its_variance() -> None:
    walks = np.cumsum(3e-4 * RNG.normal(size=(800, 375)), axis=1)
    got = [session_variance(np.arange(1, 376), 100.0, 100 * np.exp(walk)) for walk in walks]
    assert np.mean(got) == pytest.approx(375 * 9e-8, rel=0.02)


def test_a_short_session_is_its_squared_return() -> None:
    assert session_variance(np.arange(10, 16), 100.0, np.full(6, 101.0)) == pytest.approx(np.log(1.01) ** 2)
