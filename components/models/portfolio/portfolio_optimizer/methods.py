"""The methods of skfolio. This module imports it, and is itself imported when the first portfolio is optimised."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import numpy.typing as npt
import pandas as pd
from skfolio import RiskMeasure
from skfolio.optimization import (
    HierarchicalRiskParity,
    MaximumDiversification,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)
from skfolio.prior import BasePrior, BlackLitterman, ReturnDistribution

from components.models.portfolio.portfolio_optimizer.constraints import Constraints
from components.models.portfolio.portfolio_optimizer.estimate import Beliefs
from components.models.portfolio.portfolio_optimizer.params import YEAR

Vector = npt.NDArray[np.float64]
SCALE = 100.0
"""Solvers get returns in percent, whose variances are near one: those of daily decimals are near their tolerances."""


class Given(BasePrior):  # type: ignore[misc]
    """A prior of skfolio that says what it was told, so that every method sees the same covariance.

    Parameters
    ----------
    mean, covariance : ndarray
        Of the scaled returns.
    """

    def __init__(self, mean: Any = None, covariance: Any = None) -> None:
        self.mean = mean
        self.covariance = covariance

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Given:
        """Take the returns as they are."""
        self.return_distribution_ = ReturnDistribution(
            mu=self.mean, covariance=self.covariance, returns=np.asarray(X, dtype=np.float64)
        )
        return self


def propose(method: str, beliefs: Beliefs, constraints: Constraints, risk_aversion: float) -> Vector:
    """Return a method's weights of the securities that may be held.

    Minimum variance, CVaR and Black-Litterman meet every constraint; the others those that their method knows.

    Parameters
    ----------
    method : str
    beliefs : Beliefs
        For ``black_litterman`` those that :func:`black_litterman` returned.
    constraints : Constraints
        All securities may be held.
    risk_aversion : float
        Of black_litterman's investor.

    Raises
    ------
    skfolio.exceptions.SkfolioError
        If its solver finds none.
    """
    prior = Given(beliefs.mean * SCALE, beliefs.covariance * SCALE**2)
    box = {"min_weights": constraints.low, "max_weights": constraints.high, "prior_estimator": prior}
    limits = box | _sectors(constraints)
    full = limits | _turnover(constraints)
    match method:
        case "hrp":
            optimiser = HierarchicalRiskParity(**box)
        case "equal_risk":
            optimiser = RiskBudgeting(**limits)
        case "max_diversification":
            optimiser = MaximumDiversification(**limits)
        case "cvar":
            optimiser = MeanRisk(risk_measure=RiskMeasure.CVAR, **full)
        case "black_litterman":
            goal = ObjectiveFunction.MAXIMIZE_UTILITY
            optimiser = MeanRisk(objective_function=goal, risk_aversion=risk_aversion / 2 / SCALE, **full)
        case _:
            optimiser = MeanRisk(**full)
    weights: Vector = np.asarray(optimiser.fit(_frame(beliefs)).weights_, dtype=np.float64)
    return weights


def black_litterman(
    beliefs: Beliefs, reference: Vector, views: Vector, confidences: Vector, risk_aversion: float
) -> Beliefs:
    """Return what to believe after the views, starting from the returns that would make the reference optimal.

    Parameters
    ----------
    beliefs : Beliefs
        Their mean is not used.
    reference : ndarray of shape (securities,)
        Weights of the equilibrium.
    views, confidences : ndarray of shape (securities,)
        Annual decimal; those of confidence 0 are none.
    risk_aversion : float
        Of who holds the reference.

    Notes
    -----
    Black and Litterman (1992), doi:10.2469/faj.v48.n5.28; confidences after Idzorek (2007).
    """
    implied = risk_aversion * beliefs.covariance @ reference
    held = np.flatnonzero(confidences > 0)
    if not len(held):
        return Beliefs(implied, beliefs.covariance, beliefs.returns)
    model = BlackLitterman(
        views=[f"{_name(i)} == {views[i] / YEAR * SCALE:.12f}" for i in held.tolist()],
        # Idzorek's formula divides by the confidence and by what is left of it.
        view_confidences=[float(np.clip(confidences[i], 1e-6, 1 - 1e-6)) for i in held],
        prior_estimator=Given(implied * SCALE, beliefs.covariance * SCALE**2),
    )
    found = model.fit(_frame(beliefs)).return_distribution_
    return Beliefs(found.mu / SCALE, found.covariance / SCALE**2, beliefs.returns)


def _name(column: int) -> str:
    """Name a security as skfolio's equations can read it; tickers may hold what they take for operators."""
    return f"s{column}"


def _frame(beliefs: Beliefs) -> pd.DataFrame:
    return pd.DataFrame(beliefs.returns * SCALE, columns=[_name(i) for i in range(beliefs.returns.shape[1])])


def _sectors(constraints: Constraints) -> dict[str, Any]:
    if not len(constraints.members):
        return {}
    return {"left_inequality": constraints.members, "right_inequality": constraints.sector_limits}


def _turnover(constraints: Constraints) -> dict[str, Any]:
    if not np.isfinite(constraints.traded):
        return {}
    current, traded = constraints.current, constraints.traded
    return {"add_constraints": lambda weights: cp.norm(weights - current, 1) <= traded}
