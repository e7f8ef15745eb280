"""Risk figures of document 0, from the volatility forecast and the calibrated tail."""

from __future__ import annotations

import numpy as np

from components.models.contract import FloatArray


def expected_drawdown(sigma: FloatArray) -> FloatArray:
    """Return the expected maximum drawdown over a horizon, in percent (positive).

    Parameters
    ----------
    sigma : ndarray of shape (rows,)
        Volatility of the log return over the whole horizon, decimal.

    Notes
    -----
    ``sqrt(pi / 2) * sigma * sqrt(T)`` for a driftless Brownian motion, turned from a log loss into a simple one.
    Magdon-Ismail, Atiya, Pratap and Abu-Mostafa (2004), doi:10.1239/jap/1077134674.
    """
    drawdown: FloatArray = -100 * np.expm1(-np.sqrt(np.pi / 2) * sigma)
    return drawdown


def value_at_risk(point: FloatArray, sigma: FloatArray, tail: float) -> FloatArray:
    """Return the simple return that the price falls below with 5 % probability, in percent (negative).

    Parameters
    ----------
    point, sigma : ndarray of shape (rows,)
        Forecast log return and its volatility over the horizon, decimal.
    tail : float
        Conformal 95 % quantile of standardised falls below the forecast.
    """
    loss: FloatArray = 100 * np.expm1(point - tail * sigma)
    return np.minimum(loss, 0.0)
