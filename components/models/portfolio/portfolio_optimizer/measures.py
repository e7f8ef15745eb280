"""What a chosen portfolio is expected to do, where its risk comes from, and what it costs to get there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.constraints import turnover
from components.models.portfolio.portfolio_optimizer.estimate import Beliefs
from components.models.portfolio.portfolio_optimizer.params import YEAR
from components.models.portfolio.portfolio_optimizer.question import Question

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
UNMOVED = 1e-4
"""Turnover below is the solvers' dust."""
TAIL = 0.05
"""Share of the days that the conditional value at risk averages."""


def volatility(weights: Vector, covariance: Matrix) -> float:
    """Annualised, from a daily covariance."""
    return math.sqrt(YEAR * float(weights @ covariance @ weights))


def risk_contributions(weights: Vector, covariance: Matrix) -> Vector:
    """Split the annualised volatility among the securities, by Euler's theorem: weight times marginal volatility."""
    total = volatility(weights, covariance)
    parts: Vector = YEAR * weights * (covariance @ weights) / total
    return parts


def diversification_ratio(weights: Vector, covariance: Matrix) -> float:
    """Weighted mean of the volatilities over the portfolio's.

    Choueifaty and Coignard (2008), doi:10.3905/JPM.2008.35.1.40.
    """
    single = np.sqrt(YEAR * np.diag(covariance))
    return float(weights @ single) / volatility(weights, covariance)


def cvar(returns: Matrix, weights: Vector) -> float:
    """Mean return of the worst 5 % of the days: Rockafellar and Uryasev (2000), doi:10.21314/JOR.2000.038.

    The day that the boundary cuts counts with the part of it that lies inside.
    """
    days = np.sort(np.einsum("ti,i->t", returns, weights))
    tail = TAIL * len(days)
    whole = int(tail)
    return float((days[:whole].sum() + (tail - whole) * days[whole]) / tail)


@dataclass(frozen=True)
class Rebalancing:
    """Whether the change pays.

    Attributes
    ----------
    turnover, cost : float
        Shares of the portfolio; the cost is paid on every unit bought and sold.
    current_volatility : float
        Annualised, of what is held now; of 1/N where cash is held.
    yearly_gain : float
        Certainty equivalent that the change adds in a year, decimal: half the risk aversion times the variance it
        removes, and for black_litterman the return it adds.
    """

    turnover: float
    cost: float
    current_volatility: float
    yearly_gain: float

    @property
    def pays(self) -> bool:
        """Whether there is anything to trade, and a year's gain exceeds the cost."""
        return self.turnover >= UNMOVED and self.yearly_gain > self.cost


def rebalancing(question: Question, beliefs: Beliefs, weights: Vector) -> Rebalancing:
    """Compare the chosen weights with those held."""
    reference = reference_weights(question.current)
    before, after = volatility(reference, beliefs.covariance), volatility(weights, beliefs.covariance)
    gain = question.limits["risk_aversion"] / 2 * (before**2 - after**2)
    if question.method == "black_litterman":
        gain += YEAR * float(beliefs.mean @ (weights - reference))
    traded = float(np.abs(weights - question.current).sum())
    return Rebalancing(
        turnover(question.current, weights), traded * question.limits["transaction_cost_bp"] / 1e4, before, gain
    )


def reference_weights(current: Vector) -> Vector:
    """Return what is held, or 1/N where that is cash."""
    return current if current.sum() > 0 else np.full(len(current), 1 / len(current))
