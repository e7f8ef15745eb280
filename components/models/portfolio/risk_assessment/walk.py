"""The volatility of every security as it was known day by day: GJR-GARCH, refitted from time to time, never ahead."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected
from components.finance.garch import GarchParams, filter_variances, fit_garch

Matrix = npt.NDArray[np.float64]

FIRST_FIT: Final = 500
"""Days before the first fit: about two years."""
REFIT_EVERY: Final = 1000
FIT_ON: Final = 1500
"""Most recent days that a fit sees: about six years."""
HIGHEST_PERSISTENCE: Final = 0.995
"""Above it a long-run variance means nothing over the horizons of risk."""
PARAMETERS: Final = ("mu", "omega", "alpha", "gamma", "beta")


@dataclass(frozen=True)
class Walk:
    """What was known of each series at the close before each day; NaN before the first fit.

    Attributes
    ----------
    volatility : ndarray of shape (days + 1, series)
        Daily volatility forecast for each day, decimal; the last row is for the day after the last.
    residuals : ndarray of shape (days, series)
        Return less its mean, over the forecast volatility.
    parameters : ndarray of shape (days + 1, series, 5)
        In force for each day, in the order of :data:`PARAMETERS`.
    """

    volatility: Matrix
    residuals: Matrix
    parameters: Matrix


def walk(returns: Matrix) -> Walk:
    """Walk through returns, fitting on what is past and filtering on.

    Parameters
    ----------
    returns : ndarray of shape (days, series)
        Simple returns, decimal, in time order.

    Raises
    ------
    DataRejected
        If there are too few days for the first fit.
    """
    days, series = returns.shape
    if days <= FIRST_FIT:
        raise DataRejected(
            f"{days} daily returns are too few: volatilities are first fitted on {FIRST_FIT}.",
            "Give at least four and a half years of daily closes.",
        )
    volatility = np.full((days + 1, series), np.nan)
    parameters = np.full((days + 1, series, len(PARAMETERS)), np.nan)
    knots = [*range(FIRST_FIT, days + 1, REFIT_EVERY), days + 1]
    for knot, until in pairwise(knots):
        start = max(0, knot - FIT_ON)
        for j in range(series):
            fitted = fit_or_target(returns[start:knot, j])
            variances = filter_variances(fitted, returns[start : until - 1, j])
            volatility[knot:until, j] = np.sqrt(variances[knot - start :])
            parameters[knot:until, j] = [getattr(fitted, name) for name in PARAMETERS]
    residuals = (returns - parameters[:-1, :, 0]) / volatility[:-1]
    return Walk(volatility, residuals, parameters)


def fit_or_target(returns: Matrix) -> GarchParams:
    """Fit GJR-GARCH; where that fails or hardly reverts, take usual dynamics around the sample's own variance.

    Parameters
    ----------
    returns : ndarray of shape (days,)
        Decimal.

    Notes
    -----
    Variance targeting after Engle and Mezrich (1996), GARCH for groups, Risk 9(8), 36-40.
    """
    try:
        fitted = fit_garch(returns, asymmetric=True)
    except DataRejected:
        return targeted(returns)
    return fitted if fitted.persistence <= HIGHEST_PERSISTENCE else targeted(returns)


def targeted(returns: Matrix) -> GarchParams:
    """Return usual dynamics around the sample's variance; a series that does not move gets a variance above 0."""
    alpha, gamma, beta = 0.03, 0.08, 0.90
    variance = max(float(returns.var()), 1e-10)
    omega = (1 - alpha - gamma / 2 - beta) * variance
    return GarchParams(float(returns.mean()), omega, alpha, gamma, beta, 6.0)
