"""Closed forms of savings plans, each against the recursion or against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from components.finance.goals import (
    future_value,
    implied_return,
    lognormal_success,
    matched_success,
    normal_cdf,
    plan_moments,
    wealth_path,
)


def test_the_recursion_is_a_hand_calculation() -> None:
    wealth = wealth_path(100.0, np.array([10.0, 20.0]), np.array([0.1, -0.5]))
    np.testing.assert_allclose(wealth, [120.0, 80.0], rtol=1e-12)


@pytest.mark.parametrize("annual", [-0.3, 0.0, 1e-12, 0.12, 2.0])
def test_future_value_is_the_recursion_at_a_constant_return(annual: float) -> None:
    monthly = (1 + annual) ** (1 / 12) - 1
    path = wealth_path(1000.0, np.full(61, 25.0), np.full(61, monthly))
    assert float(future_value(1000.0, 25.0, annual, 61)) == pytest.approx(path[-1], rel=1e-8)


@pytest.mark.parametrize("target", [500.0, 4000.0, 90_000.0])
def test_the_implied_return_meets_the_target(target: float) -> None:
    rate = implied_return(1000.0, 25.0, 61, target)
    assert float(future_value(1000.0, 25.0, rate, 61)) == pytest.approx(target, rel=1e-9)


def test_normal_cdf_at_known_points() -> None:
    np.testing.assert_allclose(normal_cdf([-1.959963985, 0.0, 1.644853627]), [0.025, 0.5, 0.95], atol=1e-9)


def test_lump_sums_succeed_with_certainty_without_volatility() -> None:
    np.testing.assert_array_equal(lognormal_success(100.0, [99.0, 100.0, 101.0], 0.0, 0.0), [1.0, 1.0, 0.0])


def test_moments_are_those_of_simulated_plans() -> None:
    generator, months, sigma, annual = np.random.default_rng(3), 48, 0.2, 0.1
    logs = np.log1p(annual) / 12 - sigma**2 / 24 + sigma / np.sqrt(12) * generator.standard_normal((200_000, months))
    final = wealth_path(1000.0, np.full((1, months), 50.0), np.expm1(logs))[:, -1]
    mean, variance = plan_moments(np.array([1000.0]), 50.0, annual, sigma, np.array([months]))
    error = final.std() / np.sqrt(len(final))
    assert abs(final.mean() - mean[0]) < 4 * error
    assert final.var() == pytest.approx(variance[0], rel=0.03)
    # A sum of lognormals is nearly lognormal: within a point of the truth, simulation error included.
    assert float(matched_success(3500.0, mean, variance)[0]) == pytest.approx((final >= 3500.0).mean(), abs=0.01)


def test_moments_of_rows_do_not_touch_each_other() -> None:
    both, _ = plan_moments(np.array([10.0, 10.0]), 1.0, 0.1, 0.2, np.array([3, 60]))
    alone, _ = plan_moments(np.array([10.0]), 1.0, 0.1, 0.2, np.array([3]))
    assert both[0] == alone[0]
