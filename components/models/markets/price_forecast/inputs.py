"""Scale-free views of the inputs: what the members learn from, and the volatility estimates behind the intervals.

The model knows one index at 900 and serves another at 20,000, so nothing here depends on the level of prices or
volumes: price-level features are divided by the close, volumes by the mean of the last three, log returns by the
current volatility. The window arrives relative to its last close already. Imports numpy only, because serving runs
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.features.definitions import FEATURES, NAMES, PRICE, VOLUME
from components.models.contract import FloatArray
from components.models.schema import Batch

INDEX = {name: i for i, name in enumerate(NAMES)}
MIN_VARIANCE = 1e-8
"""Floor of the variance of one bar's log return; a security that does not move would otherwise divide by zero."""

VARIANCES = ("volatility_21", "volatility_ewma", "garman_klass_21", "vix", "range_5")
"""Names of the variance estimates in :attr:`Prepared.variances`."""


def _positions(names: list[str]) -> npt.NDArray[np.intp]:
    return np.array([INDEX[name] for name in names], dtype=np.intp)


_PRICES = _positions([c.name for c in FEATURES if c.unit == PRICE])
_VOLUMES = _positions([c.name for c in FEATURES if c.unit == VOLUME])
_RETURNS = _positions([c.name for c in FEATURES if c.name.startswith("log_return")])
_VOLATILITIES = _positions(list(VARIANCES[:4]))
_PERCENT = np.array([1.0, 1.0, 1.0, 100.0])


@dataclass(frozen=True)
class Prepared:
    """Scale-free inputs of one batch.

    Attributes
    ----------
    tabular : ndarray of float32, shape (rows, features)
        Features without price or volume level, in the order of ``FEATURES``.
    sequence : ndarray of float32, shape (rows, 60, 5)
        Per bar: close-to-close log return, gap, high and low against the close, all in units of volatility; log volume
        against the window's mean.
    scale : ndarray of float64, shape (rows, 1)
        21-bar volatility of one bar's log return, decimal.
    variances : ndarray of float64, shape (rows, len(VARIANCES))
        Estimates of the variance of one bar's log return.
    close : ndarray of float64, shape (rows, 1)
        Current price.
    """

    tabular: npt.NDArray[np.float32]
    sequence: npt.NDArray[np.float32]
    scale: FloatArray
    variances: FloatArray
    close: FloatArray

    def take(self, rows: slice | npt.NDArray[np.intp]) -> Prepared:
        """Return some of the rows."""
        return Prepared(
            self.tabular[rows], self.sequence[rows], self.scale[rows], self.variances[rows], self.close[rows]
        )


def prepare(inputs: Batch, bars_per_year: float) -> Prepared:
    """Make a batch scale-free; every row depends on itself alone.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        ``features`` of shape (rows, F) float64 and ``window`` of shape (rows, 60, 5) float32.
    bars_per_year : float
        As in :class:`~components.models.markets.price_forecast.params.Params`.
    """
    features, window = inputs["features"], inputs["window"]
    close = features[:, INDEX["close"], None]
    bars = _bars(window)
    annual = features[:, _VOLATILITIES] / _PERCENT
    variances = np.empty((len(features), len(VARIANCES)))
    variances[:, :4] = annual**2 / bars_per_year
    variances[:, 4] = _range_variance(bars[:, -5:])
    np.maximum(variances, MIN_VARIANCE, out=variances)
    scale = np.sqrt(variances[:, :1])
    bars[:, :, :4] /= scale[:, :, None]
    np.clip(bars, -10, 10, out=bars)
    return Prepared(_tabular(features, close, scale), bars.astype(np.float32), scale, variances, close)


def _tabular(features: FloatArray, close: FloatArray, scale: FloatArray) -> npt.NDArray[np.float32]:
    out = np.array(features, dtype=np.float64)
    out[:, _PRICES] = out[:, _PRICES] / close - 1
    volumes = out[:, _VOLUMES]
    out[:, _VOLUMES] = volumes / np.maximum(volumes.mean(axis=1, keepdims=True), 1e-12) - 1
    out[:, _RETURNS] /= scale
    return out.astype(np.float32)


def _bars(window: npt.NDArray[np.float32]) -> FloatArray:
    """Return per bar: log return, gap, high and low over close (logs), log volume; the first return is 0."""
    out = np.array(window, dtype=np.float64)
    close = window[:, :, 3].astype(np.float64)
    out[:, 1:, 1] = out[:, 1:, 0] - close[:, :-1]
    out[:, 1:, 0] = close[:, 1:] - close[:, :-1]
    out[:, 0, :2] = 0
    out[:, :, 2], out[:, :, 3] = window[:, :, 1] - close, window[:, :, 2] - close
    return out


def _range_variance(bars: FloatArray) -> FloatArray:
    """Return the mean of Parkinson's (high - low)^2 / (4 ln 2) plus the squared gap, which the session's range misses.

    Parkinson (1980), doi:10.1086/296071.
    """
    terms = (bars[:, :, 2] - bars[:, :, 3]) ** 2 / (4 * np.log(2)) + bars[:, :, 1] ** 2
    mean: FloatArray = terms.mean(axis=1)
    return mean


def log_returns(prices: FloatArray, inputs: Batch) -> FloatArray:
    """Return the log return from the current close to each future close, shape (rows, horizons), decimal."""
    returns: FloatArray = np.log(prices / inputs["features"][:, INDEX["close"], None])
    return returns
