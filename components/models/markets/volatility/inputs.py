"""What the inputs say about variance: daily returns, daily variances, and a few features. Imports numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.errors import InvalidRequest
from components.features.definitions import FEATURES, WINDOW_CHANNELS
from components.models.contract import FloatArray
from components.models.markets.volatility.params import TRADING_DAYS
from components.models.schema import Batch

NAMES: Final = (
    "volatility_21",
    "volatility_ewma",
    "garman_klass_21",
    "vix",
    "vix_change",
    "breadth",
    "dispersion",
    "momentum_5",
    "momentum_21",
    "rsi_14",
    "volume_ratio",
)
"""Columns of the ``features`` tensor: those of the price features that say something about variance."""

COLUMNS: Final = tuple(next(c for c in FEATURES if c.name == name) for name in NAMES)
INDEX: Final = {name: i for i, name in enumerate(NAMES)}

MIN_VARIANCE: Final = 1e-10
"""Floor of a day's variance: a price that stands still has no logarithm of it."""

LEVEL_LIMITS: Final = (0.25, 4.0)
"""Least and most that mean squared close-to-close returns are taken to be of mean range variances."""

LEAST_REALISED: Final = 22
"""Fewest realised variances that take the place of the ranges: a month, as the log-HAR regression wants."""

_OPEN, _HIGH, _LOW, _CLOSE = (WINDOW_CHANNELS.index(name) for name in ("open", "high", "low", "close"))
_GARMAN_KLASS = 2 * np.log(2) - 1


@dataclass(frozen=True)
class Prepared:
    """Views of one batch.

    Attributes
    ----------
    returns : ndarray of shape (rows, 59)
        Daily log returns, oldest first.
    variances : ndarray of shape (rows, days)
        Daily variances, oldest first: the caller's, else those of the window's ranges on the level of close-to-close
        returns.
    gaps : ndarray of shape (rows, 59)
        Overnight log returns.
    features : ndarray of shape (rows, len(NAMES))
    """

    returns: FloatArray
    variances: FloatArray
    gaps: FloatArray
    features: FloatArray

    def daily(self, name: str) -> FloatArray:
        """Return a volatility feature as a daily variance, shape (rows,)."""
        unit = 0.01 if name == "vix" else 1.0
        variance: FloatArray = (unit * self.features[:, INDEX[name]]) ** 2 / TRADING_DAYS
        return np.maximum(variance, MIN_VARIANCE)


def prepare(inputs: Batch, level: float) -> Prepared:
    """Return the views of a batch; every row depends on itself alone.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        ``features``, ``window`` and where given ``realised``: see :mod:`components.models.markets.volatility.schemas`.
    level : float
        Mean squared close-to-close return over mean range variance, as the training rows had it.

    Raises
    ------
    InvalidRequest
        If there are too few realised variances, or one is negative or above 1.
    """
    bars = np.asarray(inputs["window"], dtype=np.float64)
    gaps = bars[:, 1:, _OPEN] - bars[:, :-1, _CLOSE]
    realised = inputs.get("realised")
    variances = level * range_variances(bars) if realised is None or not realised.shape[1] else checked(realised)
    return Prepared(
        returns=np.diff(bars[:, :, _CLOSE], axis=1),
        variances=np.maximum(variances, MIN_VARIANCE),
        gaps=gaps,
        features=np.asarray(inputs["features"], dtype=np.float64),
    )


def past_variances(inputs: Batch) -> FloatArray:
    """Return each row's daily variances on the security's own level, oldest first, shape (rows, days).

    The members see ranges on the level that is typical of the training rows. What is told of a security's own past (the
    cone, its volatility now) is no statement about others, so its ranges are moved to the level of its own squared
    returns in the window. Realised variances stay as the caller sent them.

    Raises
    ------
    InvalidRequest
        If there are too few realised variances, or one is negative or above 1.
    """
    realised = inputs.get("realised")
    if realised is not None and realised.shape[1]:
        return np.maximum(checked(realised), MIN_VARIANCE)
    x = prepare(inputs, 1.0)
    ratio = (x.returns**2).mean(axis=1) / x.variances.mean(axis=1)
    variances: FloatArray = np.clip(ratio, *LEVEL_LIMITS)[:, None] * x.variances
    return np.maximum(variances, MIN_VARIANCE)


def range_variances(bars: FloatArray) -> FloatArray:
    """Return each day's variance from its range and the night before, for every bar but the first.

    Parameters
    ----------
    bars : ndarray of shape (..., bars, channels)
        Logs of open, high, low and close.

    Notes
    -----
    Garman and Klass (1980), doi:10.1086/296072, their practical estimator, plus the squared overnight return, which a
    session's range misses. Bars without a range (closes alone) leave the squared return.
    """
    open_, high, low, close = (bars[..., 1:, i] for i in (_OPEN, _HIGH, _LOW, _CLOSE))
    session = 0.5 * (high - low) ** 2 - _GARMAN_KLASS * (close - open_) ** 2
    overnight = (open_ - bars[..., :-1, _CLOSE]) ** 2
    variances: FloatArray = np.maximum(session, 0.0) + overnight
    return variances


def checked(realised: FloatArray) -> FloatArray:
    """Return a caller's realised variances.

    Raises
    ------
    InvalidRequest
        If they are too few, or one is negative or above 1.
    """
    days = realised.shape[1]
    if days < LEAST_REALISED:
        raise InvalidRequest(
            f"{days} realised variances are too few",
            f"Send the last {LEAST_REALISED} days or more, oldest first, or leave them out.",
            path="realised",
        )
    outside = np.argwhere((realised < 0) | (realised > 1))
    if len(outside):
        row, day = outside[0]
        raise InvalidRequest(
            f"value {realised[row, day]} is {'negative' if realised[row, day] < 0 else 'above 1'}",
            "Send sums of squared returns, decimal: not volatilities, and not percent squared.",
            path=f"realised[{row}, {day}]",
        )
    return realised
