"""Milestones: ends of years on the way, counted back from the target date, and the chance to be on course there."""

from __future__ import annotations

import math

import numpy as np

from components.finance.goals import MONTHS, FloatArray, future_value, implied_return
from components.models.portfolio.goal_achievement.schemas import MILESTONE, MOST_MILESTONES
from components.models.portfolio.goal_achievement.simulation import Plan, Simulation, share_at_least

EVERY_YEARS = 2
SHORT_MONTHS = 36
"""Goals nearer than this have a milestone every year."""


def milestone_months(target_month: int, months: int) -> list[int]:
    """Return how many months ahead each milestone lies: the Decembers two, four, ... years before the target date.

    Parameters
    ----------
    target_month : int
        Calendar month of the target date. A target that is no December counts from the December before it.
    months : int
        Until the target date.

    Returns
    -------
    list of int
        Ascending; at most :data:`MOST_MILESTONES`, further apart where there would be more.

    Examples
    --------
    >>> milestone_months(12, 61)  # from November 2025 to December 2030: the ends of 2026 and 2028
    [13, 37]
    """
    last = months - target_month % MONTHS
    apart = EVERY_YEARS if months > SHORT_MONTHS else 1
    apart *= math.ceil(months / (apart * MONTHS * MOST_MILESTONES))
    first = last - apart * MONTHS if target_month == MONTHS or apart == EVERY_YEARS else last
    return list(range(first, 0, -apart * MONTHS))[:MOST_MILESTONES][::-1]


def milestone_table(simulation: Simulation, target_month: int) -> tuple[FloatArray, int]:
    """Return the milestones, shape (MOST_MILESTONES, len(MILESTONE)), zeros after the last, and how many there are."""
    plan = simulation.plan
    table = np.zeros((MOST_MILESTONES, len(MILESTONE)))
    ahead = milestone_months(target_month, plan.months)
    for row, (month, path) in enumerate(zip(ahead, path_amounts(plan, ahead), strict=True)):
        amounts = simulation.wealth(month)
        table[row] = month, amounts.mean(), share_at_least(amounts, path), path
    return table, len(ahead)


def path_amounts(plan: Plan, ahead: list[int]) -> list[float]:
    """Return what the plan must amount to by then: paid as planned, at the constant return that just meets the target.

    Without any money in the plan there is no such return, and the path is a straight line.
    """
    if plan.initial + plan.sip <= 0:
        return [plan.target * month / plan.months for month in ahead]
    rate = implied_return(plan.initial, plan.sip, plan.months, plan.target)
    return [float(future_value(plan.initial, plan.sip, rate, month)) for month in ahead]
