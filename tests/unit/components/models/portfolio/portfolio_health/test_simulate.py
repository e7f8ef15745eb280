"""Simulated portfolios: figures against closed forms, sums that must hold, and nothing from the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.data.panel import Panel
from components.errors import DataRejected
from components.models.portfolio.portfolio_health.assets import DAYS, MEAN_YIELD, simulate_assets
from components.models.portfolio.portfolio_health.columns import AT_CLASSES, AT_SECTORS, FEATURES, value
from components.models.portfolio.portfolio_health.history import WINDOW, describe_history
from components.models.portfolio.portfolio_health.model import PortfolioHealth
from components.models.portfolio.portfolio_health.simulate import simulate_portfolios


def test_no_figure_depends_on_later_prices(panel: Panel) -> None:
    """Prices after a day are replaced by nonsense: portfolios up to that day stay as they are."""
    whole = simulate_portfolios(panel, 60)
    day = int(np.searchsorted(panel.times, whole.times[30]))
    close = panel.close.copy()
    close[day + 1 :] = 1 + np.random.default_rng(0).random(close[day + 1 :].shape)
    spoiled = simulate_portfolios(replace(panel, close=close), 60)
    known = whole.times <= panel.times[day]
    assert 30 < known.sum() < 60
    np.testing.assert_array_equal(spoiled.features[known], whole.features[known])
    assert not np.array_equal(spoiled.features[~known], whole.features[~known])


def test_the_same_seed_draws_the_same_portfolios(panel: Panel) -> None:
    np.testing.assert_array_equal(simulate_portfolios(panel, 5).features, simulate_portfolios(panel, 5).features)
    assert not np.array_equal(simulate_portfolios(panel, 5, 1).features, simulate_portfolios(panel, 5, 2).features)


def test_figures_fit_each_other_and_the_schema(dataset: Dataset) -> None:
    x = dataset.inputs["features"]
    PortfolioHealth().input_schema.validate(dataset.inputs)
    np.testing.assert_allclose(x[:, AT_CLASSES].sum(axis=1), 100, atol=1e-9)
    assert (np.diff(x[:, AT_SECTORS], axis=1) <= 1e-9).all()
    assert (x[:, AT_SECTORS].sum(axis=1) <= 100 + 1e-9).all()
    holdings, index = value(x, "num_holdings"), value(x, "herfindahl_index")
    assert (index >= 1 / holdings - 1e-12).all()
    assert ((x[:, AT_SECTORS] > 0).sum(axis=1) <= value(x, "num_sectors")).all()
    np.testing.assert_array_equal((x[:, AT_CLASSES] > 0).sum(axis=1), value(x, "num_asset_classes"))


def test_portfolios_are_as_different_as_portfolios_are(dataset: Dataset) -> None:
    x = dataset.inputs["features"]
    assert value(x, "num_holdings").min() == 1
    assert value(x, "num_holdings").max() > 60
    assert {0, 1, 2} == set(value(x, "risk_profile"))
    assert len(np.unique(x, axis=0)) == len(x)
    assert (x.std(axis=0) > 0).all(), [c.name for c, s in zip(FEATURES, x.std(axis=0), strict=True) if s == 0]


def test_ratings_are_points_and_the_first_is_the_mean_of_the_rest(dataset: Dataset) -> None:
    rating = dataset.targets["rating"]
    assert rating.min() >= 0
    assert rating.max() <= 100
    np.testing.assert_allclose(rating[:, 0], rating[:, 1:].mean(axis=1), atol=1e-9)
    assert (dataset.times[:-1] <= dataset.times[1:]).all()


def test_history_of_a_market_that_alternates() -> None:
    """Up 2 % and down 1 % in turn: every figure has a closed form."""
    returns = np.tile([0.02, -0.01], WINDOW // 2)
    found = describe_history(returns, returns, np.zeros(WINDOW))
    assert found["portfolio_beta"] == pytest.approx(1)
    assert found["max_drawdown"] == pytest.approx(1)
    assert found["volatility"] == pytest.approx(1.5 * np.sqrt(252 * WINDOW / (WINDOW - 1)))
    assert found["sharpe_ratio"] == pytest.approx(0.005 / returns.std(ddof=1) * np.sqrt(252))
    assert found["sortino_ratio"] == pytest.approx(0.005 / np.sqrt(0.0001 / 2) * np.sqrt(252), abs=1e-9) or (
        found["sortino_ratio"] == 10
    )
    assert found["returns_1y"] == pytest.approx(100 * ((1.02 * 0.99) ** 126 - 1))


def test_returns_over_a_month_are_its_last_21_days() -> None:
    returns = np.zeros(WINDOW)
    returns[-21], returns[-22] = 0.1, 0.5
    found = describe_history(returns, np.zeros(WINDOW), np.zeros(WINDOW))
    assert found["returns_1m"] == pytest.approx(10)
    assert found["returns_3m"] == pytest.approx(65)
    assert found["portfolio_beta"] == 0


def test_safe_assets_are_calm_and_begin_alike() -> None:
    long, short = simulate_assets(20 * DAYS, 1), simulate_assets(5 * DAYS, 1)
    np.testing.assert_array_equal(long.debt[: 5 * DAYS], short.debt)
    np.testing.assert_array_equal(long.gold[: 5 * DAYS], short.gold)
    assert long.cash.min() >= 0
    assert abs(long.debt.mean() * DAYS - MEAN_YIELD) < 0.04
    assert long.gold.std() * np.sqrt(DAYS) == pytest.approx(0.15, rel=0.05)
    assert long.debt.std() < long.gold.std() / 2


def test_a_short_panel_is_refused(panel: Panel) -> None:
    short = Panel(panel.times[:WINDOW], panel.names, panel.close[:WINDOW])
    with pytest.raises(DataRejected, match=f"{WINDOW - 1} daily returns"):
        simulate_portfolios(short, 3)
