"""What weights did in the month after they were chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.params import YEAR

Vector = npt.NDArray[np.float64]


def held_returns(weights: npt.NDArray[Any], ahead: npt.NDArray[Any]) -> Vector:
    """Return the daily returns of weights that are bought and held.

    Parameters
    ----------
    weights : ndarray of shape (..., securities)
        They sum to one.
    ahead : ndarray of shape (..., days, securities)
        Simple returns, decimal.

    Returns
    -------
    ndarray of shape (..., days)
    """
    value = np.einsum("...ti,...i->...t", np.cumprod(1 + ahead, axis=-2), weights)
    before = np.concatenate([np.ones((*value.shape[:-1], 1)), value[..., :-1]], axis=-1)
    made: Vector = value / before - 1
    return made


def drifted(weights: npt.NDArray[Any], ahead: npt.NDArray[Any]) -> Vector:
    """Return what the weights have become by the end of the days, shape (..., securities)."""
    grown = weights * np.prod(1 + ahead, axis=-2)
    made: Vector = grown / grown.sum(axis=-1, keepdims=True)
    return made


def realised_variance(weights: npt.NDArray[Any], ahead: npt.NDArray[Any]) -> Vector:
    """Return the annualised mean square of the daily returns, shape (...)."""
    made: Vector = YEAR * (held_returns(weights, ahead) ** 2).mean(axis=-1)
    return made
