"""What the model sees of a market: weekly observations for the hidden states, and slow trend measures.

Everything is a ratio or a volatility, so that an index at 900 and one at 20,000 look alike. Imports numpy only, because
serving runs it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.features.definitions import FEATURES, WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.contract import FloatArray

WEEK: Final = 5
WEEKS: Final = (WINDOW_LENGTH - 1) // WEEK
"""Weeks that the window's returns fill; they end at the last bar."""

USED: Final = ("close", "sma_50", "sma_200", "volatility_ewma", "garman_klass_21")
"""Features of the service that the model takes, in the order of its ``features`` tensor."""

COLUMNS: Final = tuple({c.name: c for c in FEATURES}[name] for name in USED)
TRENDS: Final = (
    "close over its 200-bar mean",
    "50-bar over 200-bar mean",
    "close under the window's high",
    "close over the window's low",
    "bars since the window's high",
    "bars since the window's low",
    "RiskMetrics volatility",
    "Garman-Klass volatility",
)
"""Names of :func:`trends`' columns."""

FLOOR = 1e-4
_HIGH, _LOW, _CLOSE = (WINDOW_CHANNELS.index(name) for name in ("high", "low", "close"))


def weekly(window: npt.NDArray[Any]) -> FloatArray:
    """Return weekly return and log volatility.

    Parameters
    ----------
    window : ndarray of shape (rows, 60, 5)
        As :mod:`components.features.window` makes it.

    Returns
    -------
    ndarray of shape (rows, 11, 2)
        Oldest week first. Log return of the week, in units of 5 %; log of one bar's volatility, from the mean of
        squared returns and of Parkinson's range estimate (1980, doi:10.1086/296071).
    """
    bars = window[:, -WEEK * WEEKS - 1 :].astype(np.float64)
    returns = np.diff(bars[:, :, _CLOSE], axis=1).reshape(len(bars), WEEKS, WEEK)
    ranges = (bars[:, 1:, _HIGH] - bars[:, 1:, _LOW]).reshape(len(bars), WEEKS, WEEK)
    squared = (returns**2).mean(axis=2)
    parkinson = (ranges**2).mean(axis=2) / (4 * np.log(2))
    # A file of closes alone has no ranges; they must not halve its volatility.
    variance = np.where(parkinson > 0, (squared + parkinson) / 2, squared)
    return np.stack([returns.sum(axis=2) * 20, np.log(np.sqrt(variance) + FLOOR)], axis=-1)


def trends(features: FloatArray, window: npt.NDArray[Any]) -> FloatArray:
    """Return the slow measures of :data:`TRENDS`, shape (rows, 8).

    Parameters
    ----------
    features : ndarray of shape (rows, 5)
        Columns of :data:`USED`.
    window : ndarray of shape (rows, 60, 5)
        Of the same bars.
    """
    close, sma_50, sma_200 = (np.log(features[:, i]) for i in range(3))
    closes = window[:, :, _CLOSE].astype(np.float64)
    last = window.shape[1] - 1
    return np.column_stack(
        [
            close - sma_200,
            sma_50 - sma_200,
            window[:, :, _HIGH].max(axis=1).astype(np.float64),
            window[:, :, _LOW].min(axis=1).astype(np.float64),
            (last - closes.argmax(axis=1)) / last,
            (last - closes.argmin(axis=1)) / last,
            np.log(features[:, 3] + 0.001),
            np.log(features[:, 4] + 0.001),
        ]
    )
