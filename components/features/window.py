"""The last bars as one tensor, relative to the last close."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.features.rolling import Array, windows

VOLUME_FLOOR = 1e-3
"""Smallest volume that is told apart, relative to the window's mean; a bar without trade gets log(0.001)."""


def price_windows(
    open_: Array, high: Array, low: Array, close: Array, volume: Array, length: int
) -> npt.NDArray[np.float32]:
    """Return one window per bar that has ``length`` bars behind it (itself included).

    Returns
    -------
    ndarray of float32, shape (bars - length + 1, length, 5)
        Oldest bar first. Channels: log of open, high, low and close over the window's last close (the last close's own
        value is 0), and log of volume over the window's mean volume (0 everywhere when there was none).
    """
    last = np.log(close[length - 1 :])[:, None]
    channels = [windows(np.log(price), length) - last for price in (open_, high, low, close)]
    traded = windows(volume, length)
    mean = traded.mean(axis=1, keepdims=True)
    share = np.divide(traded, mean, out=np.ones(traded.shape), where=mean > 0)
    channels.append(np.log(np.maximum(share, VOLUME_FLOOR)))
    return np.stack(channels, axis=-1).astype(np.float32)
