"""All numbers of one goal, from one simulation."""

from __future__ import annotations

import math

import numpy as np

from components.finance.goals import MONTHS, FloatArray
from components.models.portfolio.goal_achievement.milestones import milestone_table
from components.models.portfolio.goal_achievement.schemas import FAN, FAN_POINTS
from components.models.portfolio.goal_achievement.simulation import Draws, Plan, Simulation, share_at_least
from components.models.portfolio.goal_achievement.solver import WANTED, required_return, required_sip

PESSIMISTIC, OPTIMISTIC = 0.1, 0.9
"""Quantiles of the scenarios."""
NORMAL_90 = 1.6449
"""Half-width of a 90 % interval in standard deviations."""

Answer = dict[str, FloatArray]


def success(plan: Plan, draws: Draws) -> float:
    """Return the probability alone."""
    return share_at_least(Simulation(plan, draws).wealth(), plan.target)


def answer_goal(plan: Plan, draws: Draws, target_month: int, inflation: float, calibration_error: float) -> Answer:
    """Simulate a goal and return its output tensors, without the row axis.

    Parameters
    ----------
    plan : Plan
    draws : Draws
    target_month : int
        Calendar month of the target date.
    inflation : float
        Annual, decimal.
    calibration_error : float
        Of the probabilities, a share.
    """
    simulation = Simulation(plan, draws)
    wealth = simulation.wealth()
    probability = share_at_least(wealth, plan.target)
    error = simulation.share_error(wealth)
    mean, prices = wealth.mean(), (1 + inflation) ** (plan.months / MONTHS)
    table, count = milestone_table(simulation, target_month)
    return {
        "achievement_probability": np.array([probability]),
        "standard_error": np.array([error]),
        "confidence": np.array([_confidence(simulation, error, calibration_error)]),
        "real_probability": np.array([share_at_least(wealth, plan.target * prices)]),
        "projections": np.array([mean, *np.quantile(wealth, (PESSIMISTIC, OPTIMISTIC)), mean / prices]),
        "adjustments": _adjustments(simulation, probability),
        "assumed": np.array([100 * _expected(plan), 100 * plan.volatility, 100 * inflation, plan.ratio, plan.spread]),
        "milestones": table,
        "milestone_count": np.array([float(count)]),
        "fan": _fan(simulation, wealth),
    }


def _fan(simulation: Simulation, wealth: FloatArray) -> FloatArray:
    """Return the way to the target at even steps, shape (FAN_POINTS, len(FAN)); months are whole."""
    plan = simulation.plan
    ahead = np.round(np.linspace(0, plan.months, FAN_POINTS)).astype(int)
    planned = np.concatenate([[0.0], np.cumsum(plan.shape)]) * plan.sip
    fan = np.full((FAN_POINTS, len(FAN)), plan.initial)
    fan[:, 0], fan[:, -1] = ahead, plan.initial + planned[ahead]
    for row, month in enumerate(ahead):
        if month:
            amounts = wealth if month == plan.months else simulation.wealth(int(month))
            fan[row, 1:-1] = np.quantile(amounts, (PESSIMISTIC, 0.5, OPTIMISTIC))
    return fan


def _expected(plan: Plan) -> float:
    return math.expm1(plan.log_growth + plan.volatility**2 / 2)


def _confidence(simulation: Simulation, error: float, calibration_error: float) -> float:
    """Return 1 less the half-width of the probability's 90 % interval.

    Three things blur it: the number of paths, how far stated probabilities were from frequencies, and how well the
    saver's record tells what will be paid (the probability at one standard deviation above and below).
    """
    plan = simulation.plan
    lump, annuity = simulation.parts()
    high, low = (
        share_at_least(lump + plan.sip * max(plan.ratio + side * plan.spread, 0.0) * annuity, plan.target)
        for side in (1, -1)
    )
    blur = math.sqrt(error**2 + calibration_error**2 + ((high - low) / 2) ** 2)
    return max(0.0, 1 - NORMAL_90 * blur)


def _adjustments(simulation: Simulation, probability: float) -> FloatArray:
    plan, expected = simulation.plan, _expected(simulation.plan)
    extra_sip = max(required_sip(simulation) - plan.sip, 0.0)
    even = required_return(simulation, 0.5)
    if probability >= WANTED:
        extra_return, suffices = 0.0, 1.0
    else:
        found = required_return(simulation, WANTED)
        extra_return, suffices = (max(found - expected, 0.0), 1.0) if found is not None else (0.0, 0.0)
    return np.array(
        [extra_sip, 100 * extra_return, suffices, 100 * even if even is not None else 0.0, float(even is not None)]
    )
