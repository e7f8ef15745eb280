"""The dataset of the risk assessment: portfolios of real securities, asked about once a week, and what they did next.

A portfolio is drawn anew for every row, of one to twelve securities with random weights, so that the test of a value
at risk is one over many kinds of portfolio and not over one. What a model may know beyond the question (daily returns,
volatilities, parameters of every security, as of that day) stands among the targets: training reads it, no request
carries it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.data.sectors import UNITED_STATES, sectors_of
from components.errors import DataRejected
from components.finance.paths import Dynamics
from components.models.portfolio.risk_assessment.holdings import TRADING_DAYS
from components.models.portfolio.risk_assessment.own_history import HISTORY, own_volatility
from components.models.portfolio.risk_assessment.schemas import DAYS
from components.models.portfolio.risk_assessment.walk import FIRST_FIT, Walk, walk

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
WEEK: Final = 5
ENOUGH: Final = 480
"""Weekly rows from which walk-forward folds have what they need; shorter data are asked about daily."""
MOST_HOLDINGS: Final = 12
SEED: Final = 20
MONTH: Final = DAYS["1_month"]
TREND_DAYS: Final = 126
TREND: Final = 0.05
"""Move of the market over half a year, decimal, from which it is a bull market, or below minus which a bear market."""


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Return one row per week, or per day where weeks are too few.

    Parameters
    ----------
    features : DataFrame
        Not used: the closes say all.
    bars : DataFrame
        Daily bars of at least two securities over at least four and a half years.
    horizons : tuple of str
        Not used: a day and a month.

    Raises
    ------
    DataRejected
        If there are too few days or securities.
    """
    panel = build_panel(bars)
    returns = panel.returns
    if returns.shape[1] < 2:
        raise DataRejected("A portfolio needs 2 securities, the data hold 1.", "Give the closes of several securities.")
    with_market = np.column_stack([returns, returns.mean(axis=1)])
    known = walk(with_market)
    every = spacing(len(returns))
    rows = np.arange(max(FIRST_FIT, HISTORY) + every, len(returns) - MONTH + 1, every)
    weights = _portfolios(len(rows), returns.shape[1])
    inputs = _holdings(panel, known, rows, weights) | {
        "conditions": _conditions(panel, returns, known, rows, weights),
        "profile": _profiles(len(rows)),
    }
    names = np.array(panel.names, dtype=object)
    return Dataset(
        inputs=inputs,
        targets={
            "portfolio_return": _outcomes(returns, rows, weights),
            "universe": np.tile(names, (len(rows), 1)),
            "state_days": _blocks(panel.times[1:].astype("datetime64[D]").astype(np.int64), rows, every),
            "state_returns": _blocks(with_market, rows, every),
            "state_residuals": _blocks(known.residuals, rows, every),
            "state_volatility": known.volatility[rows],
            "state_parameters": known.parameters[rows],
        },
        times=panel.times[rows],
        label_times=panel.times[rows + MONTH],
        entities=np.full(len(rows), "portfolio", dtype=object),
    )


def spacing(days: int) -> int:
    """Return the days between rows for so many daily returns."""
    return WEEK if (days - FIRST_FIT - MONTH) // WEEK >= ENOUGH else 1


def _portfolios(rows: int, securities: int) -> Array:
    """Draw weights of shape (rows, securities)."""
    rng = np.random.default_rng(SEED)
    most = min(MOST_HOLDINGS, securities)
    weights = np.zeros((rows, securities))
    for row in weights:
        held = rng.choice(securities, int(rng.integers(1, most + 1)), replace=False)
        drawn = rng.dirichlet(np.full(len(held), 1.5)) + 1e-3
        row[held] = drawn / drawn.sum()
    return weights


def _holdings(panel: Panel, known: Walk, rows: Array, weights: Array) -> dict[str, Array]:
    """Lay the held securities of each row side by side, the rest of the slots empty."""
    width = int((weights > 0).sum(axis=1).max())
    order = np.argsort(weights == 0, axis=1, kind="stable")[:, :width]
    held = np.take_along_axis(weights, order, axis=1)
    value = held * np.random.default_rng(SEED + 1).lognormal(13, 1, len(rows))[:, None]
    names = np.array(panel.names, dtype=object)[order]
    names[held == 0] = ""
    annual = 100 * np.sqrt(TRADING_DAYS) * known.volatility[rows, :-1]
    return {
        "security_id": names,
        "weight": held,
        "quantity": value / np.take_along_axis(panel.close[rows], order, axis=1),
        "current_value": value,
        "volatility": np.where(held > 0, np.take_along_axis(annual, order, axis=1), 0.0),
        "correlation": np.empty((len(rows), 0, 0)),
    }


def _conditions(panel: Panel, returns: Array, known: Walk, rows: Array, weights: Array) -> Array:
    own = np.empty(len(rows))
    for i, (row, weight) in enumerate(zip(rows, weights, strict=True)):
        # Parameters of the market in force that day: mu and omega are not needed.
        _, _, alpha, gamma, beta = known.parameters[row, -1]
        own[i] = own_volatility(returns[row - HISTORY : row] @ weight, Dynamics(alpha, gamma, beta))
    level = np.concatenate([[1.0], np.cumprod(1 + returns.mean(axis=1))])
    moved = level[rows] / level[rows - TREND_DAYS] - 1
    trend = np.where(moved > TREND, 1.0, np.where(moved < -TREND, -1.0, 0.0))
    return np.stack([_volatility_index(panel, rows), trend, 100 * np.sqrt(TRADING_DAYS) * own], axis=1)


def _volatility_index(panel: Panel, rows: Array) -> Array:
    """Return the VIX at each row's close for a panel of US securities, 0 where it is not known."""
    if not set(sectors_of(panel.names).values()) & set(UNITED_STATES):
        return np.zeros(len(rows))
    from components.data.embedded import market

    context = market()
    real = context[context["vix_is_proxy"] == 0]
    known = dict(zip(real["timestamp"].to_numpy("datetime64[D]").tolist(), real["vix"].tolist(), strict=True))
    return np.array([known.get(day, 0.0) for day in panel.times[rows].astype("datetime64[D]").tolist()])


def _profiles(rows: int) -> Array:
    """Draw owners: capacity, horizon in months, liquidity needs."""
    rng = np.random.default_rng(SEED + 2)
    horizon = np.round(np.exp(rng.uniform(np.log(3), np.log(240), rows)))
    return np.stack([rng.beta(3, 6, rows), horizon, rng.beta(1.5, 6, rows)], axis=1)


def _outcomes(returns: Array, rows: Array, weights: Array) -> Array:
    """Return what each portfolio earned over the next day and month, its weights held constant."""
    month = [np.prod(1 + returns[r : r + MONTH] @ w) - 1 for r, w in zip(rows, weights, strict=True)]
    return np.stack([np.einsum("rs,rs->r", returns[rows], weights), np.array(month)], axis=1)


def _blocks(daily: Array, rows: Array, every: int) -> Array:
    """Return the days since the row before, shape (rows, every, ...)."""
    return daily[rows[:, None] + np.arange(-every, 0)]
