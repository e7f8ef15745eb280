"""Crises that happened, as scenarios: which days they were, and what each security did through them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]

CRISES: Final[dict[str, tuple[str, str]]] = {
    "2020_covid_crash": ("2020-01-01", "2020-06-30"),
    "2008_financial_crisis": ("2007-06-01", "2009-06-30"),
}
"""Calendar bounds of the crises; within them, a market's own peak and trough are looked for."""


def worst_fall(values: npt.ArrayLike) -> tuple[int, int]:
    """Return where the deepest drawdown began (its peak) and where it was deepest (its trough).

    Parameters
    ----------
    values : array of shape (times,)
        Prices, positive.
    """
    prices = np.asarray(values, dtype=np.float64)
    fallen = 1 - prices / np.maximum.accumulate(prices)
    trough = int(fallen.argmax())
    return int(prices[: trough + 1].argmax()), trough


def crisis_window(times: Times, market: npt.ArrayLike, bounds: tuple[str, str]) -> tuple[int, int] | None:
    """Return the rows of a market's peak and trough in a crisis; None unless the data cover its whole calendar.

    Parameters
    ----------
    times : ndarray of datetime64, shape (times,)
        Ascending.
    market : array of shape (times,)
        The market's level.
    bounds : tuple of str
        First and last day, a value of :data:`CRISES`.
    """
    first, last = (np.datetime64(day) for day in bounds)
    if not len(times) or times[0] > first or times[-1] < last:
        return None
    inside = np.flatnonzero((times >= first) & (times <= last + np.timedelta64(1, "D")))
    peak, trough = worst_fall(np.asarray(market, dtype=np.float64)[inside])
    return int(inside[peak]), int(inside[trough])


def through_beta(beta: npt.ArrayLike, market_return: float) -> Vector:
    """Return what securities would have done in a crisis without prices of their own: the market's move, geared.

    Parameters
    ----------
    beta : array of shape (securities,)
        Of daily returns on the market's.
    market_return : float
        Of the whole crisis, decimal. Gearing is applied to its log, so that nothing falls below -100 %.
    """
    geared: Vector = np.expm1(np.asarray(beta, np.float64) * np.log1p(market_return))
    return geared


def worst_windows(returns: Matrix, days: int) -> tuple[Vector, npt.NDArray[np.int64]]:
    """Return each column's worst compounded return over so many consecutive rows, and at which row it began.

    Parameters
    ----------
    returns : ndarray of shape (times, columns)
        Simple returns, decimal.
    days : int
        Length of the window, at most ``times``.
    """
    level = np.concatenate([np.zeros((1, returns.shape[1])), np.cumsum(np.log1p(returns), axis=0)])
    moves = level[days:] - level[:-days]
    start = moves.argmin(axis=0)
    return np.expm1(moves[start, np.arange(returns.shape[1])]), start.astype(np.int64)
