"""Volatility estimates of one security, annualised."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.features import rolling
from components.features.indicators import Columns, log_return
from components.features.rolling import Array

EWMA_DECAY = 0.94
"""RiskMetrics' decay per bar (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996)."""


def volatilities(open_: Array, high: Array, low: Array, close: Array, bars_per_year: float) -> Columns:
    """Return three estimates as annualised decimals (0.2 is 20 % a year).

    Parameters
    ----------
    open_, high, low, close : ndarray of shape (bars,)
        Prices of one security.
    bars_per_year : float
        252 for daily bars; variances are multiplied by it.
    """
    returns = log_return(close)
    annual = np.sqrt(bars_per_year)
    return {
        "volatility_21": annual * rolling.std(returns, 21),
        "volatility_ewma": annual * ewma(returns),
        "garman_klass_21": annual * garman_klass(open_, high, low, close, 21),
    }


def ewma(returns: Array, decay: float = EWMA_DECAY) -> Array:
    """Return the root of the exponentially weighted mean of squared returns, per bar; the weights sum to one."""
    variance = pd.Series(returns**2).ewm(alpha=1 - decay, adjust=True).mean()
    root: Array = np.sqrt(variance.to_numpy())
    return root


def garman_klass(open_: Array, high: Array, low: Array, close: Array, length: int) -> Array:
    """Return the Garman-Klass volatility per bar over ``length`` bars: it uses the whole range, not the close alone.

    Garman and Klass, "On the Estimation of Security Price Volatilities from Historical Data", Journal of Business 53
    (1980), doi:10.1086/296072, their practical estimator. Overnight moves are not in it.
    """
    term = 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2
    return np.sqrt(np.maximum(rolling.mean(term, length), 0.0))
