"""Metrics of point and interval forecasts; arrays of one dimension, one value per forecast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


def rmse(actual: Vector, forecast: Vector) -> float:
    """Root mean squared error, in the target's unit."""
    return float(np.sqrt(np.mean((actual - forecast) ** 2)))


def mae(actual: Vector, forecast: Vector) -> float:
    """Mean absolute error, in the target's unit."""
    return float(np.mean(np.abs(actual - forecast)))


def r2(actual: Vector, forecast: Vector) -> float:
    """Share of the variance explained; below zero when the mean of these rows would do better."""
    total = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((actual - forecast) ** 2)) / total if total > 0 else float("nan")


def mape(actual: Vector, forecast: Vector) -> float:
    """Mean absolute error relative to the actual value, in percent; undefined (NaN) when an actual value is zero."""
    if np.any(actual == 0):
        return float("nan")
    return float(100 * np.mean(np.abs((actual - forecast) / actual)))


def mase(actual: Vector, forecast: Vector, naive_mae: float | Vector) -> float:
    """Mean absolute error over the naive forecast's on training rows; below one beats it.

    Hyndman and Koehler (2006), doi:10.1016/j.ijforecast.2006.03.001.
    """
    return float(np.mean(np.abs(actual - forecast) / naive_mae))


def directional_accuracy(actual_change: Vector, forecast_change: Vector) -> float:
    """Share of forecasts with the right sign; a forecast of no change is wrong unless nothing changed."""
    return float(np.mean(np.sign(actual_change) == np.sign(forecast_change)))


def balanced_directional_accuracy(actual_change: Vector, forecast_change: Vector) -> float:
    """Mean of the shares of rises and of falls that were called; one half for any constant answer.

    Changes of zero are left out of both; NaN when there was no rise or no fall.
    """
    rises, falls = actual_change > 0, actual_change < 0
    if not rises.any() or not falls.any():
        return float("nan")
    return float((np.mean(forecast_change[rises] > 0) + np.mean(forecast_change[falls] <= 0)) / 2)


def price_change_accuracy(actual_change: Vector, forecast_change: Vector, threshold: float = 0.01) -> float:
    """Share of relative changes forecast to within ``threshold`` (document 2's metric; decimal)."""
    return float(np.mean(np.abs(actual_change - forecast_change) <= threshold))


def coverage(actual: Vector, lower: Vector, upper: Vector) -> float:
    """Share of actual values inside the closed interval, decimal."""
    return float(np.mean((actual >= lower) & (actual <= upper)))


def pinball(actual: Vector, quantile: Vector, level: float) -> Vector:
    """Pinball loss per forecast of the quantile at ``level`` (Koenker and Bassett 1978, doi:10.2307/1913643)."""
    error = actual - quantile
    loss: Vector = np.maximum(level * error, (level - 1) * error)
    return loss


def interval_score(actual: Vector, lower: Vector, upper: Vector, nominal: float) -> Vector:
    """Winkler score per forecast: the width, plus ``2 / (1 - nominal)`` times the miss; lower is better.

    A proper score: it rewards narrow intervals and punishes misses in the proportion that honest quantiles minimise.
    Winkler (1972), doi:10.1080/01621459.1972.10481224; Gneiting and Raftery (2007), doi:10.1198/016214506000001437.

    Examples
    --------
    >>> interval_score(np.array([0.0, 3.0]), np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 0.9)
    array([ 2., 42.])
    """
    miss = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    score: Vector = (upper - lower) + 2 / (1 - nominal) * miss
    return score
