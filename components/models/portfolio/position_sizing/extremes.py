"""How far a price strays within the holding time: standardised paths of the past, scaled by today's forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.conditions import DAYS_PER_YEAR

ROWS_AT_ONCE = 16
"""Rows whose paths are held in memory together."""


@dataclass(frozen=True)
class PathExtremes:
    """Filtered historical simulation of whole months.

    Attributes
    ----------
    paths : ndarray of shape (paths, days)
        Cumulative log returns without drift, in units of the forecast daily volatility of the month.
    """

    paths: FloatArray

    def levels(
        self, volatility: FloatArray, expected: FloatArray, stop: float, take: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return stop loss, take profit and expected maximum drawdown, each of shape (rows,).

        Parameters
        ----------
        volatility, expected : ndarray of shape (rows,)
            Forecast of the month, and expected arithmetic return; annualised decimals.
        stop, take : float
            Shares of the paths that fall to the stop loss, and that rise to the take profit.

        Returns
        -------
        stop_loss, take_profit, drawdown : ndarray of shape (rows,)
            Positive decimals of the price at entry (of the high before it, for the drawdown), on closes.

        Notes
        -----
        Barone-Adesi, Giannopoulos and Vosper (1999), doi:10.1002/(SICI)1096-9934(199908)19:5<583::AID-FUT5>3.0.CO;2-S.
        Whole months are drawn, so that volatility clusters in them as it does.
        """
        parts = [
            self._levels(volatility[i : i + ROWS_AT_ONCE], expected[i : i + ROWS_AT_ONCE], stop, take)
            for i in range(0, len(volatility), ROWS_AT_ONCE)
        ]
        low, high, drawdown = (np.concatenate(part) for part in zip(*parts, strict=True))
        return low, high, drawdown

    def _levels(
        self, volatility: FloatArray, expected: FloatArray, stop: float, take: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        days = np.arange(1, self.paths.shape[1] + 1)
        drift = (expected - volatility**2 / 2)[:, None, None] * days / DAYS_PER_YEAR
        moves = self.paths * (volatility / np.sqrt(DAYS_PER_YEAR))[:, None, None] + drift
        high = np.maximum.accumulate(np.maximum(moves, 0.0), axis=2)
        lows = np.minimum(moves.min(axis=2), 0.0)
        drawdown = -np.expm1((moves - high).min(axis=2))
        return (
            -np.expm1(np.quantile(lows, stop, axis=1)),
            np.expm1(np.quantile(high[:, :, -1], 1 - take, axis=1)),
            np.maximum(drawdown, 0.0).mean(axis=1),
        )


def learn_paths(returns: FloatArray, forecast: FloatArray, count: int, seed: int) -> PathExtremes:
    """Draw standardised months of the training rows.

    Parameters
    ----------
    returns : ndarray of shape (rows, days)
        Simple daily returns after each question.
    forecast : ndarray of shape (rows,)
        Volatility forecast of the same months, annualised decimal.
    count : int
        How many are kept.
    seed : int
        Of the draw.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.choice(len(returns), min(count, len(returns)), replace=False)
    logs = np.log1p(returns[drawn])
    centred = (logs - np.log1p(returns).mean()) / (forecast[drawn, None] / np.sqrt(DAYS_PER_YEAR))
    return PathExtremes(np.round(np.cumsum(centred, axis=1), 4))
