"""Rolling statistics that look at nothing outside their window.

Running sums carry rounding errors from before the window into it, so that a value depends on where the series starts.
Here every window is reduced on its own: the same window gives the same bits in training and online. All functions
return an array as long as the input, with NaN where the window is not full.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def windows(values: Array, length: int) -> Array:
    """Return a read-only view of shape (len(values) - length + 1, length)."""
    return np.lib.stride_tricks.sliding_window_view(values, length)


def _apply(values: Array, length: int, reduce: Callable[[Array], Array]) -> Array:
    out = np.full(len(values), np.nan)
    if len(values) >= length:
        out[length - 1 :] = reduce(windows(values, length))
    return out


def mean(values: Array, length: int) -> Array:
    """Mean of the last ``length`` values."""
    return _apply(values, length, lambda w: w.mean(axis=1))


def std(values: Array, length: int) -> Array:
    """Sample standard deviation (n - 1) of the last ``length`` values."""
    return _apply(values, length, lambda w: w.std(axis=1, ddof=1))


def total(values: Array, length: int) -> Array:
    """Sum of the last ``length`` values."""
    return _apply(values, length, lambda w: w.sum(axis=1))


def lowest(values: Array, length: int) -> Array:
    """Minimum of the last ``length`` values."""
    return _apply(values, length, lambda w: w.min(axis=1))


def highest(values: Array, length: int) -> Array:
    """Maximum of the last ``length`` values."""
    return _apply(values, length, lambda w: w.max(axis=1))


def correlation(x: Array, y: Array, length: int) -> Array:
    """Pearson correlation of the last ``length`` pairs, in [-1, 1]; 0 where one side does not move."""
    out = np.full(len(x), np.nan)
    if len(x) < length:
        return out
    a, b = windows(x, length), windows(y, length)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    # Below this share of its own level a side only holds rounding errors of its mean.
    still = (np.abs(a).max(axis=1) <= 1e-12 * np.abs(x[length - 1 :])) | (scale == 0)
    out[length - 1 :] = np.clip(divide((a * b).sum(axis=1), np.where(still, 0.0, scale), 0.0), -1.0, 1.0)
    return out


def lag(values: Array, bars: int) -> Array:
    """Return the values of ``bars`` bars ago."""
    out = np.full(len(values), np.nan)
    out[bars:] = values[: max(len(values) - bars, 0)]
    return out


def divide(numerator: Array, denominator: Array, otherwise: float) -> Array:
    """Return the quotient, and ``otherwise`` where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, otherwise, dtype=float)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out
