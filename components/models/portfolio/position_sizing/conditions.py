"""The state of securities and of the market as it was known at each time: volatilities, trend, sector rotation, VIX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.data.panel import Panel
from components.data.sectors import sectors_of
from components.models.contract import FloatArray

DAYS_PER_YEAR: Final = 252.0
DECAY: Final = 0.94
"""RiskMetrics' decay per day (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996)."""

LONG, QUARTER = 200, 63
BAND: Final = 0.02
"""Within this distance of its long mean, decimal, a market has no trend."""

PREMIUM: Final = 1.28
"""VIX over the realised volatility of the 20 embedded stocks' equal-weighted index: median of 2014 to 2018, where both
are known. It brings the stand-in to the level that a request's VIX has; being one factor for all times it can teach a
model nothing about the future."""


@dataclass(frozen=True)
class Conditions:
    """What was known at the close of each time; row ``i`` uses nothing later.

    Attributes
    ----------
    volatility : ndarray of shape (times, securities)
        RiskMetrics volatility, annualised decimal.
    vix : ndarray of shape (times,)
        Volatility points (percent).
    trend : ndarray of shape (times,)
        1 where the equal-weighted index is above its 200-day mean, -1 below, 0 within 2 % of it.
    rotation : ndarray of shape (times, securities)
        Return of the security's sector over a quarter less the market's, decimal.
    """

    volatility: FloatArray
    vix: FloatArray
    trend: FloatArray
    rotation: FloatArray


def observe(panel: Panel, vix: FloatArray | None = None) -> Conditions:
    """Return the conditions at every time of a panel; the first 200 times are only warm-up.

    Parameters
    ----------
    panel : Panel
        Closes.
    vix : ndarray of shape (times,) or None
        The market's volatility index in points, as known at each time; None to stand the realised volatility of the
        equal-weighted index in for it, at the level of a VIX (:data:`PREMIUM`).
    """
    moves = np.vstack([np.zeros(len(panel.names)), panel.log_returns])
    market = moves.mean(axis=1)
    level = np.cumsum(market)
    index = 100 * PREMIUM * ewma_volatility(market[:, None])[:, 0] if vix is None else vix
    return Conditions(ewma_volatility(moves), index, _trend(level), _rotation(panel, moves, market))


def ewma_volatility(moves: FloatArray) -> FloatArray:
    """Return annualised exponentially weighted volatilities of log returns, shape (times, series).

    The first value is 0, where nothing has moved yet; weights sum to one from the start.
    """
    out, weight, total = np.zeros_like(moves), 0.0, np.zeros(moves.shape[1])
    for i in range(1, len(moves)):
        total = DECAY * total + (1 - DECAY) * moves[i] ** 2
        weight = DECAY * weight + (1 - DECAY)
        out[i] = np.sqrt(DAYS_PER_YEAR * total / weight)
    return out


def _trend(level: FloatArray) -> FloatArray:
    mean = np.convolve(level, np.ones(LONG) / LONG)[: len(level)]
    gap = np.where(np.arange(len(level)) >= LONG - 1, level - mean, 0.0)
    trend: FloatArray = np.where(np.abs(gap) > BAND, np.sign(gap), 0.0)
    return trend


def _rotation(panel: Panel, moves: FloatArray, market: FloatArray) -> FloatArray:
    sector = sectors_of(panel.names)
    names = np.array([sector[name] for name in panel.names])
    out = np.zeros_like(moves)
    for name in np.unique(names):
        ahead = np.cumsum(moves[:, names == name].mean(axis=1) - market)
        quarter = ahead - np.concatenate([np.zeros(min(QUARTER, len(ahead))), ahead[:-QUARTER]])[: len(ahead)]
        out[:, names == name] = quarter[:, None]
    return np.clip(out, -1, 1)
