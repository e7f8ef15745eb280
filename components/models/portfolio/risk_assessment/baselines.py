"""What a desk without this model would say of the next day: three usual value-at-risk forecasts.

Each knows the history rows, and of a test row its inputs alone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.contract import Outputs
from components.models.portfolio.risk_assessment.holdings import TRADING_DAYS
from components.models.portfolio.risk_assessment.walk import PARAMETERS

Array = npt.NDArray[Any]
LEVELS: Final = (0.01, 0.025, 0.05)
POOL: Final = 2500
WINDOW: Final = 1000
"""Days of historical simulation: long enough for a 1 % quantile that is not one of the two worst days."""


def fhs_garch(history: Dataset, test: Dataset) -> Outputs:
    """Filtered historical simulation of the portfolio as one series.

    Its history at the row's weights is standardised by a GJR variance and scaled to its forecast volatility. The
    dynamics are the market's, the level each portfolio's own. Hull and White (1998), doi:10.21314/JOR.1998.001;
    Barone-Adesi, Giannopoulos and Vosper (1999).
    """
    daily = daily_history(history)[-POOL:] @ universe_weights(test, history)
    _, _, alpha, gamma, beta = history.targets["state_parameters"][-1, -1]
    assert PARAMETERS[2:] == ("alpha", "gamma", "beta")
    standardised = standardise(daily, alpha, gamma, beta)
    quantiles = np.quantile(standardised, LEVELS, axis=0)
    tail = [column[column <= edge].mean() for column, edge in zip(standardised.T, quantiles[1], strict=True)]
    return {"daily_risk": own_volatility_of(test)[:, None] * np.column_stack([*quantiles, tail])}


def historical_simulation(history: Dataset, test: Dataset) -> Outputs:
    """Quantiles of what today's weights earned over the last days of history."""
    daily = 100 * daily_history(history)[-WINDOW:] @ universe_weights(test, history)
    quantiles = np.quantile(daily, LEVELS, axis=0)
    tail = [column[column <= edge].mean() for column, edge in zip(daily.T, quantiles[1], strict=True)]
    return {"daily_risk": np.column_stack([*quantiles, tail])}


def normal_garch(history: Dataset, test: Dataset) -> Outputs:
    """The portfolio's forecast volatility times normal quantiles."""
    from scipy.stats import norm

    quantiles = np.array(norm.ppf(LEVELS))
    shortfall = -norm.pdf(quantiles[1]) / LEVELS[1]
    return {"daily_risk": own_volatility_of(test)[:, None] * np.array([*quantiles, shortfall])}


def daily_history(data: Dataset) -> Array:
    """Return the daily returns of all securities that the rows tell, decimal, shape (days, securities)."""
    blocks = data.targets["state_returns"][np.argsort(data.times, kind="stable")]
    returns: Array = blocks.reshape(-1, blocks.shape[-1])[:, :-1]
    return returns


def universe_weights(test: Dataset, history: Dataset) -> Array:
    """Return the rows' weights over the universe, shape (securities, rows)."""
    column = {str(name): i for i, name in enumerate(history.targets["universe"][0])}
    weights = np.zeros((len(column), len(test)))
    for row, names in enumerate(test.inputs["security_id"]):
        for name, weight in zip(names, test.inputs["weight"][row], strict=True):
            if name:
                weights[column[name], row] += weight
    return weights


def own_volatility_of(test: Dataset) -> Array:
    """Return the volatility that each portfolio's own history tells for tomorrow, percent."""
    daily: Array = test.inputs["conditions"][:, 2] / np.sqrt(TRADING_DAYS)
    return daily


def standardise(daily: Array, alpha: float, gamma: float, beta: float) -> Array:
    """Return returns over their GJR volatility, each column around its own variance."""
    shocks = daily - daily.mean(axis=0)
    squared = shocks**2
    level = squared.mean(axis=0)
    variance = np.empty_like(shocks)
    variance[0] = level
    constant = (1 - alpha - gamma / 2 - beta) * level
    for day in range(1, len(shocks)):
        news = (alpha + gamma * (shocks[day - 1] < 0)) * squared[day - 1]
        variance[day] = constant + news + beta * variance[day - 1]
    standardised: Array = shocks / np.sqrt(variance)
    return standardised
