"""Forecast, edge, book and levels against worlds whose truth is known."""

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.models.portfolio.position_sizing.book import Comovement, assumed_risk, book_risk
from components.models.portfolio.position_sizing.edge import shrink_means, shrink_slope
from components.models.portfolio.position_sizing.extremes import PathExtremes, learn_paths
from components.models.portfolio.position_sizing.forecast import fit_variance
from components.models.portfolio.position_sizing.table import (
    COLUMN,
    learn_table,
    places,
    returns_of,
    weighted_correlation,
)
from components.models.portfolio.position_sizing.trust import learn_trust


def test_the_variance_forecast_finds_its_coefficients_and_is_right_on_average() -> None:
    rng = np.random.default_rng(1)
    recent, long_run, vix = rng.uniform(0.1, 0.6, 20_000), rng.uniform(0.15, 0.4, 20_000), rng.uniform(10, 60, 20_000)
    true = 0.9 * recent**0.6 * long_run**0.3 * (vix / 20) ** 0.2
    came = true * np.sqrt(rng.chisquare(21, 20_000) / 21)
    made = fit_variance(came, recent, long_run, vix, prior=0.0)
    np.testing.assert_allclose(made.coefficients, [2 * np.log(0.9), 0.6, 0.3, 0.2], atol=0.02)
    ratio = came / made.volatility(recent, long_run, vix)
    assert np.mean(ratio**2) == pytest.approx(1, abs=0.01)


def test_a_volatility_forecast_never_falls_with_what_it_is_made_of() -> None:
    rng = np.random.default_rng(2)
    recent, long_run, vix = rng.uniform(0.1, 0.6, 500), rng.uniform(0.15, 0.4, 500), rng.uniform(10, 60, 500)
    made = fit_variance(long_run / (vix / 20), recent, long_run, vix)
    for changed in ((1.2, 1, 1), (1, 1.2, 1), (1, 1, 1.2)):
        raised = made.volatility(changed[0] * recent, changed[1] * long_run, changed[2] * vix)
        assert (raised >= made.volatility(recent, long_run, vix)).all()


def test_means_that_differ_by_noise_alone_are_shrunk_together() -> None:
    rng = np.random.default_rng(3)
    noise = 0.05 * rng.standard_normal(400)
    alike, _ = shrink_means(0.1 + noise, np.full(400, 0.05), 0.02)
    assert alike.std() < 0.02
    apart, error = shrink_means(0.1 + 0.2 * rng.standard_normal(400) + noise, np.full(400, 0.05), 0.02)
    assert apart.std() == pytest.approx(0.2, rel=0.1)
    assert (error >= 0.02).all()


def test_a_slope_of_noise_is_shrunk_and_a_true_one_kept() -> None:
    rng = np.random.default_rng(4)
    times = np.repeat(np.arange(400), 5)
    driver = np.repeat(rng.choice([-1.0, 0.0, 1.0], 400), 5)
    shock = np.repeat(rng.standard_normal(400), 5)
    assert shrink_slope(0.5 * driver + 0.2 * shock, driver, times, prior=0.5) == pytest.approx(0.5, abs=0.05)
    error = np.sqrt(1 / (400 * 2 / 3))
    noise = [shrink_slope(np.repeat(rng.standard_normal(400), 5), driver, times, prior=error) for _ in range(60)]
    # A prior as wide as the error halves what is found.
    assert np.std(noise) == pytest.approx(error / 2, rel=0.25)
    assert shrink_slope(shock, np.zeros_like(shock), times, prior=0.5) == 0


def test_a_driver_that_hardly_ever_moved_teaches_nothing() -> None:
    rng = np.random.default_rng(5)
    times = np.repeat(np.arange(50), 5)
    driver = np.repeat(np.eye(50)[3], 5)
    outcome = np.repeat(3.0 * rng.standard_normal(50), 5) + 10.0 * driver
    assert abs(shrink_slope(outcome, driver, times, prior=0.1)) < 0.05


def test_a_books_risk_is_the_quadratic_form() -> None:
    rng = np.random.default_rng(5)
    correlation = weighted_correlation(rng.standard_normal((500, 4)) + rng.standard_normal((500, 1)))
    exposure = rng.uniform(0, 0.1, (3, 4))
    exposure[:, 2] = 0
    volatility, together = book_risk(exposure, correlation, np.full(3, 2), np.zeros(3))
    np.testing.assert_allclose(volatility**2, [e @ correlation @ e for e in exposure])
    np.testing.assert_allclose(together, [correlation[2] @ e for e in exposure] / volatility)


def test_nothing_held_has_no_risk_and_no_correlation() -> None:
    volatility, together = book_risk(np.zeros((1, 3)), np.eye(3), np.zeros(1, dtype=int), np.zeros(1))
    assert volatility[0] == together[0] == 0


@pytest.mark.parametrize("level", [-0.9, -0.2, 0.0, 0.4, 0.95])
def test_shifted_correlations_stay_correlations(level: float) -> None:
    rng = np.random.default_rng(6)
    correlation = weighted_correlation(rng.standard_normal((300, 5)))
    shift = Comovement(np.arctanh(level), 0.0).shift(np.full(1, 20.0))
    assert shift[0] == pytest.approx(level)
    exposure = rng.uniform(0, 1, (1, 5))
    exposure[0, 0] = 0
    volatility, together = book_risk(exposure, correlation, np.zeros(1, dtype=int), shift)
    assert 0 < volatility[0] <= exposure.sum() + 1e-12
    assert -1 <= together[0] <= 1


def test_a_nervous_market_moves_correlations_up() -> None:
    shift = Comovement(0.0, 0.5).shift(np.array([12.0, 20.0, 60.0]))
    assert shift[0] < shift[1] == 0 < shift[2]


def test_an_assumed_book_is_an_equal_weighted_one() -> None:
    correlation = np.full((6, 6), 0.3) + 0.7 * np.eye(6)
    exposure = np.array([[0.0, 0.1, 0.1, 0.1, 0.1, 0.0]]) * 0.25
    listed = book_risk(exposure, correlation, np.zeros(1, dtype=int), np.zeros(1))
    assumed = assumed_risk(np.array([0.4]), np.array([4.0]), np.array([0.25]), (np.array([0.3]), 0.3), np.zeros(1))
    np.testing.assert_allclose(assumed, listed)


def test_levels_are_reached_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    volatility = rng.uniform(0.1, 0.6, 4000)
    returns = np.expm1(volatility[:, None] / np.sqrt(252) * rng.standard_normal((4000, 21)))
    paths = learn_paths(returns[:2000], volatility[:2000], 2000, seed=1)
    new = volatility[2000:]
    stop, take, drawdown = paths.levels(new, new**2 / 2, 0.1, 0.25)
    walk = np.cumprod(1 + returns[2000:], axis=1)
    assert np.mean(walk.min(axis=1) <= 1 - stop) == pytest.approx(0.1, abs=0.025)
    assert np.mean(walk.max(axis=1) >= 1 + take) == pytest.approx(0.25, abs=0.035)
    high = np.maximum.accumulate(np.maximum(walk, 1.0), axis=1)
    assert np.mean((1 - walk / high).max(axis=1)) == pytest.approx(drawdown.mean(), rel=0.05)


def test_more_volatile_securities_get_wider_levels() -> None:
    paths = PathExtremes(np.cumsum(np.random.default_rng(8).standard_normal((500, 21)), axis=1))
    stop, take, drawdown = paths.levels(np.array([0.1, 0.2, 0.4]), np.zeros(3), 0.1, 0.25)
    for level in (stop, take, drawdown):
        assert (np.diff(level) > 0).all()


def test_confidence_is_how_often_risk_comes_near() -> None:
    rng = np.random.default_rng(9)
    recent, long_run, vix = np.exp(0.4 * rng.standard_normal(8000)) * 0.2, np.full(8000, 0.2), np.full(8000, 20.0)
    spread = 0.15 * np.exp(0.8 * np.abs(np.log(recent / long_run)))
    error = 0.02 + spread * rng.standard_normal(8000)
    stated = learn_trust(error, recent, long_run, vix).confidence(recent, long_run, vix)
    near = np.abs(error) < np.log(1.25)
    assert stated.mean() == pytest.approx(near.mean(), abs=0.02)
    calm = stated > np.median(stated)
    assert near[calm].mean() > near[~calm].mean() + 0.05
    assert stated[calm].mean() == pytest.approx(near[calm].mean(), abs=0.03)


def test_the_expected_return_is_that_of_the_rows_on_average(rows: Dataset) -> None:
    """Also where markets rise more often than they fall, as they do."""
    times = np.unique(rows.times, return_inverse=True)[1]
    account = rows.inputs["account"].copy()
    account[:, COLUMN["market_trend"]] = np.where(times % 4 == 0, -1.0, 1.0)
    returns = rows.targets["symbol_returns"] + 0.002 * account[:, [COLUMN["market_trend"]]]
    data = Dataset(
        rows.inputs | {"account": account},
        rows.targets | {"symbol_returns": returns},
        rows.times,
        rows.label_times,
        rows.entities,
    )
    edge = learn_table(data).edge
    assert edge.trend > 0.1
    trend, rotation = (account[:, COLUMN[name]] for name in ("market_trend", "sector_rotation"))
    names, daily = returns_of(data)
    said = edge.expected(places(data.entities, names), trend, rotation)
    assert said.mean() == pytest.approx(252 * daily.mean(), abs=1e-9)
