"""Wealth of a savings plan: the recursion, and what is known of it in closed form.

Everywhere a month's contribution is paid at the month's end: the first one month from now, the last on the target date.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
MONTHS = 12
"""Of a year."""
LOWEST_RETURN, HIGHEST_RETURN = -0.99, 10.0
"""Bounds of an implied return, annual decimals."""

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def normal_cdf(x: Any) -> FloatArray:
    """Return the standard normal distribution function."""
    return np.asarray(0.5 * _erfc(-np.asarray(x, dtype=np.float64) / math.sqrt(2)), dtype=np.float64)


def wealth_path(initial: Any, contributions: FloatArray, returns: FloatArray) -> FloatArray:
    """Roll a plan forward: ``W[t] = W[t-1] (1 + r[t]) + c[t]``.

    Parameters
    ----------
    initial : float or ndarray of shape (...)
        Amount at the start.
    contributions, returns : ndarray of shape (..., months)
        Paid at each month's end; simple return of each month, decimal.

    Returns
    -------
    ndarray of shape (..., months)
        Amount at each month's end, its contribution included.
    """
    paid, earned = np.broadcast_arrays(contributions, returns)
    wealth: FloatArray = np.empty(paid.shape, dtype=np.float64)
    now = np.zeros(paid.shape[:-1]) + initial
    for month in range(paid.shape[-1]):
        now = now * (1 + earned[..., month]) + paid[..., month]
        wealth[..., month] = now
    return wealth


def future_value(initial: Any, monthly: Any, annual_return: Any, months: Any) -> FloatArray:
    """Return what a plan amounts to at a constant return: a compounded lump sum and an ordinary annuity.

    Parameters
    ----------
    initial, monthly : float or ndarray
        Amount now, and paid at the end of every month.
    annual_return : float or ndarray
        Effective annual return, decimal, above -1.
    months : int or ndarray

    Examples
    --------
    >>> round(float(future_value(1_200_000, 25_000, 0.12, 61)))
    4187467
    """
    rate = np.expm1(np.log1p(np.asarray(annual_return, dtype=np.float64)) / MONTHS)
    months = np.asarray(months, dtype=np.float64)
    growth = np.exp(months * np.log1p(rate))
    small = np.abs(rate) < 1e-9
    annuity = np.where(small, months, np.expm1(months * np.log1p(rate)) / np.where(small, 1.0, rate))
    return np.asarray(np.asarray(initial) * growth + np.asarray(monthly) * annuity, dtype=np.float64)


def implied_return(initial: float, monthly: float, months: int, target: float) -> float:
    """Return the constant annual return at which a plan amounts to its target, by bisection.

    Parameters
    ----------
    initial, monthly : float
        Not both zero.
    months : int
    target : float
        Positive.

    Returns
    -------
    float
        Decimal, held within :data:`LOWEST_RETURN` and :data:`HIGHEST_RETURN`.
    """
    low, high = LOWEST_RETURN, HIGHEST_RETURN
    for _ in range(60):
        middle = (low + high) / 2
        if float(future_value(initial, monthly, middle, months)) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def lognormal_success(initial: Any, target: Any, log_growth: Any, log_sd: Any) -> FloatArray:
    """Return the probability that a lump sum without contributions reaches its target.

    Parameters
    ----------
    initial, target : float or ndarray
        Positive amounts.
    log_growth, log_sd : float or ndarray
        Mean and standard deviation of the log growth over the whole time; a deviation of 0 is a certainty.

    Notes
    -----
    ``P(W0 exp(m + s Z) >= K) = Phi((log(W0 / K) + m) / s)``.
    """
    edge = np.log(np.asarray(initial, dtype=np.float64) / target) + log_growth
    spread = np.asarray(log_sd, dtype=np.float64)
    certain = spread <= 0
    return np.where(certain, (edge >= 0).astype(np.float64), normal_cdf(edge / np.where(certain, 1.0, spread)))


def plan_moments(
    initial: Any, monthly: Any, annual_return: Any, volatility: Any, months: Any
) -> tuple[FloatArray, FloatArray]:
    """Return mean and variance of a plan's final amount under independent lognormal months: exact.

    Parameters
    ----------
    initial, monthly, annual_return, volatility : ndarray of shape (rows,)
        Expected effective annual return and standard deviation of annual log returns, decimals.
    months : ndarray of int, shape (rows,)

    Notes
    -----
    With ``g`` and ``q`` the first two moments of a month's growth, ``E W' = g E W + c`` and
    ``E W'^2 = q E W^2 + 2 c g E W + c^2``.
    """
    initial, monthly, annual, sigma, months = np.broadcast_arrays(
        *(np.asarray(v, dtype=np.float64) for v in (initial, monthly, annual_return, volatility, months))
    )
    g = np.exp(np.log1p(annual) / MONTHS)
    q = g * g * np.exp(sigma * sigma / MONTHS)
    mean, square = initial.copy(), initial * initial
    for month in range(int(months.max())):
        going = month < months
        grown = g * mean
        square = np.where(going, q * square + 2 * monthly * grown + monthly * monthly, square)
        mean = np.where(going, grown + monthly, mean)
    return mean, np.maximum(square - mean * mean, 0.0)


def matched_success(target: Any, mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Return the probability that a lognormal amount of this mean and variance reaches its target.

    Notes
    -----
    Fenton (1960), doi:10.1109/TCOM.1960.1097606: a sum of lognormals is nearly lognormal.
    """
    held = np.maximum(mean, 1e-12)
    spread = np.log1p(variance / (held * held))
    return lognormal_success(held, target, -spread / 2, np.sqrt(spread))
