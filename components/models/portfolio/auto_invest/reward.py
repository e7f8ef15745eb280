"""The reward of document 0, term by term."""

from __future__ import annotations

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.params import Params


def reward(
    params: Params,
    returns: float,
    risk: float,
    diversification_score: float,
    transaction_costs: float,
    deviation_from_target: float,
    risk_tolerance: float = 0.5,
) -> float:
    """Return alpha * returns - beta * risk + gamma * diversification - delta * costs - epsilon * deviation.

    Parameters
    ----------
    params : Params
        With the five coefficients.
    returns : float
        Of the portfolio over the step before costs, decimal of its value.
    risk : float
        Variance of the portfolio's daily returns, summed over the step (with ``alpha`` 1, ``beta`` is half the relative
        risk aversion of a mean-variance investor).
    diversification_score : float
        See :func:`diversification`.
    transaction_costs : float
        Decimal of the value.
    deviation_from_target : float
        See :func:`deviation`.
    risk_tolerance : float
        0 to 1; it scales ``beta`` from twice to nothing, so that at 0.5 the coefficient is as it is.
    """
    return (
        params.alpha * returns
        - params.beta * 2 * (1 - risk_tolerance) * risk
        + params.gamma * diversification_score
        - params.delta * transaction_costs
        - params.epsilon * deviation_from_target
    )


def diversification(weights: FloatArray) -> float:
    """Return the effective share of securities, 1 / (n * sum of squared shares): 1 for equal shares, 1/n for one alone.

    Cash does not count: the shares are those of what is invested; 0 where nothing is.
    """
    invested = float(weights.sum())
    if invested <= 0:
        return 0.0
    return invested**2 / (len(weights) * float(weights @ weights))


def deviation(weights: FloatArray, target: FloatArray) -> float:
    """Return the active share: half the sum of absolute differences from the target (Cremers and Petajisto 2009)."""
    return float(abs(weights - target).sum()) / 2
