"""The volatility cone: what volatility over each horizon used to be, and where the forecast stands in it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.markets.volatility.params import TRADING_DAYS

QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


def rolling_volatility(variances: FloatArray, days: int) -> FloatArray:
    """Return the annualised volatility of every stretch of ``days`` days, percent, shape (rows, stretches).

    Parameters
    ----------
    variances : ndarray of shape (rows, history)
        Daily variances, oldest first, at least ``days`` of them.
    days : int
    """
    stretches = np.lib.stride_tricks.sliding_window_view(variances, days, axis=1)
    volatility: FloatArray = 100 * np.sqrt(TRADING_DAYS * stretches.mean(axis=-1))
    return volatility


def cone(variances: FloatArray, days: npt.NDArray[np.int64]) -> FloatArray:
    """Return quantiles of past volatility by horizon, percent, shape (rows, horizons, len(QUANTILES)).

    Burghardt and Lane (1990), "How to Tell If Options Are Cheap", Journal of Portfolio Management 16(2),
    doi:10.3905/jpm.1990.409251.
    """
    levels = list(QUANTILES.values())
    parts = [np.quantile(rolling_volatility(variances, int(d)), levels, axis=1).T for d in days]
    return np.stack(parts, axis=1)


def percentile(variances: FloatArray, days: npt.NDArray[np.int64], volatility: FloatArray) -> FloatArray:
    """Return which percentile of past volatility over its horizon each forecast is, 0 to 100, shape (rows, horizons).

    Ties count half.
    """
    shares = []
    for h, d in enumerate(days):
        past = rolling_volatility(variances, int(d))
        forecast = volatility[:, h, None]
        shares.append(50 * ((past < forecast).mean(axis=1) + (past <= forecast).mean(axis=1)))
    return np.stack(shares, axis=1)
