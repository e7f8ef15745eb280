"""Beliefs about the next days: a covariance that can be inverted, and expected returns, which are mostly noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.finance.covariance import conditioning, shrink

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Beliefs:
    """Daily, decimal.

    Attributes
    ----------
    mean : ndarray of shape (securities,)
    covariance : ndarray of shape (securities, securities)
        Positive definite.
    returns : ndarray of shape (window, securities)
        What they were estimated from.
    """

    mean: Vector
    covariance: Matrix
    returns: Matrix


def estimate(returns: Matrix) -> Beliefs:
    """Estimate from a window of returns.

    Correlations are shrunk to their mean; where that leaves a singular matrix (two securities that are the same),
    variances are shrunk as well.

    Parameters
    ----------
    returns : ndarray of shape (window, securities)
        Every security has moved.
    """
    covariance = shrink(returns).covariance
    if conditioning(covariance).singular:
        covariance = shrink(returns, "identity").covariance
    if conditioning(covariance).singular:
        # Identical securities have no sampling noise between them, so nothing is shrunk: a millionth of the mean
        # variance says that they are not one.
        covariance = covariance + np.eye(len(covariance)) * 1e-6 * np.trace(covariance) / len(covariance)
    return Beliefs(bayes_stein(returns, covariance), covariance, returns)


def bayes_stein(returns: Matrix, covariance: Matrix) -> Vector:
    """Return mean returns, shrunk towards that of the minimum variance portfolio.

    Jorion (1986), "Bayes-Stein estimation for portfolio analysis", doi:10.2307/2331042.
    """
    mean: Vector = returns.mean(axis=0)
    times, size = returns.shape
    inverse = np.linalg.solve(covariance, np.column_stack([np.ones(size), mean]))
    towards = float(inverse[:, 1].sum() / inverse[:, 0].sum())
    away = mean - towards
    distance = float(away @ np.linalg.solve(covariance, away))
    weight = (size + 2) / (size + 2 + times * distance)
    shrunk: Vector = towards + (1 - weight) * away
    return shrunk
