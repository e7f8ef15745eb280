"""The volatility of a portfolio as its own history tells it: what today's weights would have earned."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.finance.paths import Dynamics

Array = npt.NDArray[Any]
HISTORY: Final = 500
"""Days of a portfolio's history."""


def own_volatility(history: Array, dynamics: Dynamics) -> Array:
    """Return the daily volatility forecast for the day after each history, decimal.

    The market's GJR dynamics around the history's own variance: a diversified portfolio follows them, and there is
    nothing to fit while a request waits.

    Parameters
    ----------
    history : ndarray of shape (..., days)
        Returns of the portfolio with today's weights, decimal, oldest first.
    dynamics : Dynamics
        Of the market's variance.

    Returns
    -------
    ndarray of shape (...)
    """
    shocks = history - history.mean(axis=-1, keepdims=True)
    squared = shocks**2
    level = squared.mean(axis=-1, keepdims=True)
    news = (1 - dynamics.persistence) * level + (dynamics.alpha + dynamics.gamma * (shocks < 0)) * squared
    days = history.shape[-1]
    fading = dynamics.beta ** np.arange(days - 1, -1, -1.0)
    # The recursion h' = news + beta h, written out: a weighted sum instead of a loop over days.
    variance: Array = np.einsum("...d,d->...", news, fading) + dynamics.beta**days * level[..., 0]
    return np.sqrt(variance)
