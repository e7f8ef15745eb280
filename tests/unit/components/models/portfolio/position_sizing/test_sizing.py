"""Closed forms, and that more risk never buys more."""

import numpy as np
import pytest

from components.models.portfolio.position_sizing.sizing import (
    joint_volatility,
    kelly_fraction,
    kelly_position,
    volatility_position,
)

RNG = np.random.default_rng(2)
TARGET, VOLATILITY, BOOK = RNG.uniform(0.05, 0.3, 200), RNG.uniform(0.1, 0.8, 200), RNG.uniform(0, 0.25, 200)
CORRELATION, EXPECTED = RNG.uniform(-0.5, 1, 200), RNG.uniform(-0.1, 0.4, 200)
NONE = np.zeros(200)


def test_without_a_book_the_position_is_target_over_volatility() -> None:
    np.testing.assert_allclose(volatility_position(TARGET, VOLATILITY, NONE, NONE), TARGET / VOLATILITY)


def test_the_position_brings_the_portfolio_to_its_target() -> None:
    correlation = np.abs(CORRELATION)
    weight = volatility_position(TARGET, VOLATILITY, BOOK, correlation)
    room = TARGET > BOOK
    assert 50 < room.sum() < 200
    together = joint_volatility(weight, VOLATILITY, BOOK, correlation)
    np.testing.assert_allclose(together[room], TARGET[room], rtol=1e-9)
    assert (weight[~room] == 0).all()


def test_without_a_book_kelly_is_mean_over_variance() -> None:
    expected = np.abs(EXPECTED)
    np.testing.assert_allclose(kelly_position(expected, VOLATILITY, NONE, NONE), expected / VOLATILITY**2)


def test_kelly_has_the_highest_growth_beside_a_book() -> None:
    correlation = np.abs(CORRELATION)
    weight = kelly_position(EXPECTED, VOLATILITY, BOOK, correlation)

    def growth(w: np.ndarray) -> np.ndarray:
        return np.asarray(w * EXPECTED - joint_volatility(w, VOLATILITY, BOOK, correlation) ** 2 / 2)

    for step in (-0.01, 0.01):
        other = np.maximum(weight + step, 0)
        assert (growth(weight) >= growth(other) - 1e-12).all()


def test_no_edge_no_position() -> None:
    assert kelly_position(np.array([-0.1, 0.0]), np.full(2, 0.2), np.zeros(2), np.zeros(2)).max() == 0


def test_the_kelly_fraction_maximises_expected_growth_over_the_edges_uncertainty() -> None:
    # Betting f * estimate / s^2 where the estimate errs: growth f m (m + noise) - f^2 (m + noise)^2 / 2 in expectation.
    mean, error = 0.08, 0.05
    shares = np.linspace(0, 1, 10_001)
    growth = shares * mean**2 - shares**2 * (mean**2 + error**2) / 2
    best = shares[growth.argmax()]
    assert kelly_fraction(np.array([mean]), np.array([error]))[0] == pytest.approx(best, abs=1e-4)
    assert kelly_fraction(np.array([mean]), np.array([0.0]))[0] == 1


@pytest.mark.parametrize("more", [1.0001, 1.3, 4.0])
def test_more_volatility_never_raises_a_position(more: float) -> None:
    sized, kelly = (
        (f(first, VOLATILITY, BOOK, CORRELATION), f(first, more * VOLATILITY, BOOK, CORRELATION))
        for f, first in ((volatility_position, TARGET), (kelly_position, EXPECTED))
    )
    assert (sized[1] <= sized[0]).all()
    assert (kelly[1] <= kelly[0]).all()


@pytest.mark.parametrize("more", [0.01, 0.3])
def test_more_correlation_never_raises_a_position(more: float) -> None:
    higher = np.minimum(CORRELATION + more, 1)
    assert (
        volatility_position(TARGET, VOLATILITY, BOOK, higher)
        <= volatility_position(TARGET, VOLATILITY, BOOK, CORRELATION)
    ).all()
    assert (
        kelly_position(EXPECTED, VOLATILITY, BOOK, higher) <= kelly_position(EXPECTED, VOLATILITY, BOOK, CORRELATION)
    ).all()
