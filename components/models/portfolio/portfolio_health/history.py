"""What a portfolio's past returns say about it: risk and performance, each known at the last return."""

from __future__ import annotations

import numpy as np

from components.models.contract import FloatArray

DAYS = 252
MONTH = 21
WINDOW = 3 * DAYS
"""Days of history behind the risk metrics: document 0 asks for three to five years."""
RATIO_LIMIT = 10.0
"""Ratios are cut here: a portfolio of cash alone has next to no volatility to divide by."""


def describe_history(returns: FloatArray, market: FloatArray, cash: FloatArray) -> dict[str, float]:
    """Return the figures of document 0's blocks ``risk_metrics`` and ``performance``.

    Parameters
    ----------
    returns, market, cash : ndarray of shape (days,)
        Simple daily returns, decimal, oldest first: of the portfolio as it is held today, of the market, and of cash.

    Returns
    -------
    dict of str to float
        ``volatility`` and ``max_drawdown`` in percent, the ratios annualised, ``returns_1m`` to ``returns_1y`` in
        percent.

    Notes
    -----
    Sharpe (1994), doi:10.3905/jpm.1994.409501; Sortino and Price (1994), doi:10.3905/joi.3.3.59, with cash as the
    target.
    """
    excess = returns - cash
    deviation = float(returns.std(ddof=1))
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2)))
    variance = float(market.var(ddof=1))
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    fall = float(np.max(1 - wealth / np.maximum.accumulate(wealth)))
    figures = {
        "portfolio_beta": float(np.cov(returns, market)[0, 1]) / variance if variance > 0 else 0.0,
        "sharpe_ratio": _ratio(float(excess.mean()), deviation),
        "sortino_ratio": _ratio(float(excess.mean()), downside),
        "max_drawdown": 100 * fall,
        "volatility": 100 * deviation * float(np.sqrt(DAYS)),
    }
    for name, months in (("returns_1m", 1), ("returns_3m", 3), ("returns_6m", 6), ("returns_1y", 12)):
        figures[name] = 100 * float(np.prod(1 + returns[-months * MONTH :]) - 1)
    return figures


def _ratio(mean: float, deviation: float) -> float:
    limit = RATIO_LIMIT
    return float(np.clip(mean / max(deviation, 1e-9) * np.sqrt(DAYS), -limit, limit))
