"""Simulated paths: against their slow references, closed forms, and what must not change."""

import math

import numpy as np
import pytest

from components.finance.garch import GarchParams, filter_variances
from components.finance.paths import STILL, Dynamics, compound, draw_days, simulate_assets, simulate_projected

RNG = np.random.default_rng(4)
ROWS, ASSETS = 600, 5
MIX = np.linalg.cholesky(0.5 * np.eye(ASSETS) + 0.5)
RESIDUALS = RNG.standard_t(6, (ROWS, ASSETS)) @ MIX.T
RESIDUALS = (RESIDUALS - RESIDUALS.mean(axis=0)) / RESIDUALS.std(axis=0)
VOLATILITY = np.array([0.01, 0.012, 0.015, 0.02, 0.03])
WEIGHTS = np.array([0.3, 0.3, 0.2, 0.1, 0.1])
REACTING = Dynamics(0.04, 0.08, 0.90)


def test_one_day_ahead_the_projection_is_exact() -> None:
    draws = draw_days(ROWS, 1, 5000, 1)
    whole = simulate_assets(RESIDUALS, VOLATILITY, WEIGHTS, draws, REACTING, 1.4)
    projected = simulate_projected(RESIDUALS @ (WEIGHTS * VOLATILITY), draws, REACTING, 1.4)
    np.testing.assert_allclose(projected, whole, rtol=1e-12)


def test_the_projection_is_exact_while_variances_stand_still() -> None:
    draws = draw_days(ROWS, 30, 400, 2)
    whole = simulate_assets(RESIDUALS, VOLATILITY, WEIGHTS, draws, STILL, drift=0.001)
    projected = simulate_projected(RESIDUALS @ (WEIGHTS * VOLATILITY), draws, STILL, drift=0.001)
    np.testing.assert_allclose(projected, whole, atol=1e-15)


def test_one_asset_is_its_own_projection() -> None:
    draws = draw_days(ROWS, 60, 200, 3)
    whole = simulate_assets(RESIDUALS[:, :1], VOLATILITY[:1], np.ones(1), draws, REACTING, 0.7)
    projected = simulate_projected(RESIDUALS[:, 0] * VOLATILITY[0], draws, REACTING, 0.7)
    np.testing.assert_allclose(projected, whole, rtol=1e-9)


def test_with_reacting_variances_the_month_agrees_within_a_few_percent() -> None:
    draws = draw_days(ROWS, 21, 20_000, 5)
    whole = compound(simulate_assets(RESIDUALS, VOLATILITY, WEIGHTS, draws, REACTING, 1.0))[-1]
    projected = compound(simulate_projected(RESIDUALS @ (WEIGHTS * VOLATILITY), draws, REACTING, 1.0))[-1]
    for level in (0.01, 0.05):
        assert np.quantile(projected, level) - 1 == pytest.approx(np.quantile(whole, level) - 1, rel=0.08)
    assert np.median(projected) == pytest.approx(np.median(whole), abs=0.001)


def test_a_path_follows_the_garch_recursion() -> None:
    shocks = RESIDUALS[:, 2] * VOLATILITY[2]
    draws = draw_days(ROWS, 50, 3, 6)
    made = simulate_projected(shocks, draws, REACTING, 1.3)
    level = float(shocks.var())
    params = GarchParams(0.0, (1 - REACTING.persistence) * 1.3 * level, 0.04, 0.08, 0.90, 6.0)
    for path in range(3):
        variances = filter_variances(params, made[:, path], start=level)[:-1]
        np.testing.assert_allclose(made[:, path], shocks[draws[:, path]] * np.sqrt(variances / level), rtol=1e-9)


def test_the_variance_of_many_days_reverts_to_the_long_run() -> None:
    shocks = RESIDUALS[:, 0] * 0.01
    symmetric = Dynamics(0.05, 0.0, 0.90)
    made = simulate_projected(shocks, draw_days(ROWS, 100, 20_000, 7), symmetric, 2.0)
    wanted = shocks.var() * (2 + (1 - 2) * symmetric.persistence ** np.arange(100))
    np.testing.assert_allclose(made.var(axis=1)[[0, 20, 99]], wanted[[0, 20, 99]], rtol=0.08)


def test_balanced_draws_take_every_row_equally_often() -> None:
    counts = np.bincount(draw_days(50, 7, 33, 8).ravel(), minlength=50)
    assert set(counts.tolist()) == {4, 5}
    exact = simulate_projected(RESIDUALS[:, 0], draw_days(ROWS, 10, 600, 9), STILL)
    assert abs(float(exact.mean())) < 1e-12


def test_draws_repeat_with_their_seed_alone() -> None:
    np.testing.assert_array_equal(draw_days(100, 5, 9, 1), draw_days(100, 5, 9, 1))
    assert (draw_days(100, 5, 9, 1) != draw_days(100, 5, 9, 2)).any()
    assert draw_days(70_000, 2, 3, 1, balanced=False).dtype == np.int32


def test_normal_shocks_give_the_normal_quantile_of_a_month() -> None:
    rng = np.random.default_rng(10)
    shocks = rng.standard_normal(5000)
    shocks = 0.01 * (shocks - shocks.mean()) / shocks.std()
    month = simulate_projected(shocks, draw_days(5000, 21, 40_000, 11), STILL).sum(axis=0)
    assert np.quantile(month, 0.05) == pytest.approx(-1.6449 * 0.01 * math.sqrt(21), rel=0.02)


def test_drift_may_differ_by_day_and_wealth_never_falls_below_nothing() -> None:
    flat = simulate_projected(np.zeros(4), np.zeros((3, 2), int), REACTING, drift=np.array([0.1, 0.0, -0.5]))
    np.testing.assert_allclose(compound(flat)[:, 0], [1.1, 1.1, 0.55])
    assert compound(np.array([[-1.5], [0.2]])).tolist() == [[0.0], [0.0]]


def test_compounding_is_the_cumulative_product() -> None:
    returns = RNG.normal(0, 0.02, (40, 7))
    np.testing.assert_allclose(compound(returns), np.cumprod(1 + returns, axis=0), rtol=1e-13)
