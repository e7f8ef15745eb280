"""Naive forecasts with their own split-conformal intervals: what a model has to beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.evaluation.conformal import constant_width

Array = npt.NDArray[np.float64]
EWMA_DECAY = 0.94


@dataclass(frozen=True)
class Forecast:
    """Point and interval of every row and horizon, each of shape (rows, horizons); None without an interval."""

    point: Array
    lower: Array | None = None
    upper: Array | None = None


def naive(point: Array, scale: Array, calibration: tuple[Array, Array, Array], coverage: float) -> Forecast:
    """Put conformal intervals of constant width, in units of ``scale``, around a naive point forecast.

    Parameters
    ----------
    point : ndarray of shape (rows, horizons)
        Naive forecast of the rows to judge.
    scale : ndarray of shape (rows, 1)
        Unit of the errors: the current price for a constant relative width, times a volatility for a scaled one.
    calibration : tuple of ndarray
        Actual values, naive forecasts and scale of the calibration rows.
    coverage : float
        Nominal coverage, decimal.
    """
    actual, forecast, unit = calibration
    below, above = constant_width((actual - forecast) / unit, coverage)
    return Forecast(point, point - below * scale, point + above * scale)


def by_entity(
    values: Array, entities: npt.NDArray[np.object_], times: npt.NDArray[np.datetime64], apply: Callable[[Array], Array]
) -> Array:
    """Apply a function of one entity's time-ordered series to every entity; the result keeps the rows' order."""
    out = np.empty(len(values))
    for entity in np.unique(entities.astype(str)):
        rows = np.flatnonzero(entities.astype(str) == entity)
        rows = rows[np.argsort(times[rows], kind="stable")]
        out[rows] = apply(values[rows])
    return out


def moving_average(series: Array, length: int = 5) -> Array:
    """Return the trailing mean of ``length`` values, the current one included; shorter at the start."""
    total = np.cumsum(series)
    total[length:] -= total[:-length].copy()
    counts = np.minimum(np.arange(1, len(series) + 1), length)
    mean: Array = total / counts
    return mean


def ewma_volatility(series: Array, warm_up: int = 20) -> Array:
    """Return the RiskMetrics volatility of one step's log return, decimal, known at each value.

    The first ``warm_up`` returns start the recursion; values before that get the same start, which looks ahead by as
    many steps and is never used for judging: those rows are training rows.
    """
    returns = np.diff(np.log(series), prepend=np.log(series[0]))
    variance = float(np.mean(returns[1 : warm_up + 1] ** 2)) if len(series) > 1 else 1e-8
    out = np.empty(len(series))
    for i, value in enumerate(returns):
        variance = EWMA_DECAY * variance + (1 - EWMA_DECAY) * value**2 if i > warm_up else variance
        out[i] = variance
    volatility: Array = np.sqrt(np.maximum(out, 1e-12))
    return volatility
