"""Closed forms: the position that meets a volatility, and the one that Kelly's criterion asks for. Numpy only."""

from __future__ import annotations

import numpy as np

from components.models.contract import FloatArray


def volatility_position(
    target: FloatArray, volatility: FloatArray, book: FloatArray, correlation: FloatArray
) -> FloatArray:
    """Return the largest weight with which the portfolio's volatility is the target; 0 where the book fills it.

    Solves ``w^2 s^2 + 2 w rho s b + b^2 = t^2``. Without a book it is ``t / s``. More volatility or more correlation
    never raise it. A negative correlation counts as none: an estimated hedge is no licence for a larger position.

    Parameters
    ----------
    target, volatility, book : ndarray of shape (rows,)
        Of the portfolio, the security, and what is held (as a share of the portfolio), annualised decimals.
    correlation : ndarray of shape (rows,)
        Of the security with what is held.

    Returns
    -------
    ndarray of shape (rows,)
        Decimal, not below 0.

    Examples
    --------
    >>> float(volatility_position(*map(np.array, ([0.1], [0.25], [0.0], [0.0])))[0])
    0.4
    """
    common = np.maximum(correlation, 0.0) * book
    room = np.maximum(target**2 - book**2, 0.0)
    # The textbook root subtracts nearly equal numbers where the book is large; this form of it does not.
    weight: FloatArray = room / ((common + np.sqrt(common**2 + room)) * volatility + 1e-300)
    return weight


def kelly_position(
    expected: FloatArray, volatility: FloatArray, book: FloatArray, correlation: FloatArray
) -> FloatArray:
    """Return the weight of the highest expected log growth beside a given book; 0 without an edge.

    Maximises ``w m - (w^2 s^2 + 2 w rho s b) / 2``: ``w = (m - rho s b) / s^2``, which is Kelly's ``m / s^2`` without a
    book (Kelly 1956, doi:10.1002/j.1538-7305.1956.tb03809.x; Thorp 2006 for the continuous form).

    Parameters
    ----------
    expected : ndarray of shape (rows,)
        Return, annualised decimal; cash is taken to earn nothing.
    volatility, book, correlation
        As in :func:`volatility_position`.
    """
    edge = np.maximum(expected - np.maximum(correlation, 0.0) * volatility * book, 0.0)
    weight: FloatArray = edge / volatility**2
    return weight


def kelly_fraction(expected: FloatArray, error: FloatArray) -> FloatArray:
    """Return the share of full Kelly that an uncertain edge deserves: ``m^2 / (m^2 + e^2)``.

    Betting on an estimate loses growth in proportion to its variance; this share maximises expected growth to second
    order (Baker and McHale 2013, doi:10.1287/deca.2013.0271).

    Parameters
    ----------
    expected, error : ndarray of shape (rows,)
        Estimate and its standard error, annualised decimals.
    """
    share: FloatArray = expected**2 / np.maximum(expected**2 + error**2, 1e-300)
    return share


def joint_volatility(
    weight: FloatArray, volatility: FloatArray, book: FloatArray, correlation: FloatArray
) -> FloatArray:
    """Return the volatility of book and position together, annualised decimal."""
    variance = (weight * volatility) ** 2 + 2 * weight * correlation * volatility * book + book**2
    together: FloatArray = np.sqrt(np.maximum(variance, 0.0))
    return together
