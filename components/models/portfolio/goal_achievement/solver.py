"""What would have to change: the payment or the return that lifts the chance of success, solved on the same paths."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from components.finance.goals import MONTHS, FloatArray
from components.models.portfolio.goal_achievement.simulation import Simulation

WANTED = 0.95
"""Document 0: ``to_reach_95_percent_probability``."""
LOWEST_RETURN, MOST_EXTRA = -0.9, 1.0
"""Annual returns that are looked at: down to -90 %, and up to 100 points above the expected one."""


def quantile_reached(amounts: FloatArray, chance: float) -> float:
    """Return the largest amount that at least this share of the paths reaches."""
    rank = len(amounts) - math.ceil(chance * len(amounts) - 1e-9)
    return float(np.partition(amounts, rank)[rank])


def required_sip(simulation: Simulation, chance: float = WANTED) -> float:
    """Return the least monthly plan with which at least this share of the paths succeeds: exact, path by path.

    A path succeeds from ``(target - lump) / (ratio annuity)`` rupees a month on.
    """
    lump, annuity = simulation.parts()
    needed = np.maximum(simulation.plan.target - lump, 0.0) / (simulation.ratio * annuity)
    return -quantile_reached(-needed, chance)


def required_return(simulation: Simulation, chance: float) -> float | None:
    """Return the annual return, decimal, at which this share of the paths succeeds; None where none in reach does.

    Growth of every path is tilted by the same factor a month, so that the answer is of the same random numbers.
    """
    plan = simulation.plan
    expected = math.exp(plan.log_growth + plan.volatility**2 / 2)
    low = math.log((1 + LOWEST_RETURN) / expected) / MONTHS
    high = math.log1p(MOST_EXTRA / expected) / MONTHS

    def excess(shift: float) -> float:
        amount = quantile_reached(simulation.wealth(shift=shift), chance)
        return math.log(max(amount, 1e-300) / plan.target)

    shift = increasing_root(excess, low, high)
    return None if shift is None else expected * math.exp(MONTHS * shift) - 1


def increasing_root(
    function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-9
) -> float | None:
    """Return where an increasing function crosses zero, by regula falsi with the Illinois rule; None where it does not.

    Notes
    -----
    Dowell and Jarratt (1971), doi:10.1007/BF01934364. The end that is kept lies where the function is not negative.
    """
    below, above = function(low), function(high)
    if below > 0 or above < 0:
        return None
    side = 0
    for _ in range(100):
        if 0 <= above < tolerance or high - low < 1e-13:
            break
        middle = (below * high - above * low) / (below - above)
        value = function(middle)
        if value < 0:
            low, below, above = middle, value, above / 2 if side < 0 else above
            side = -1
        else:
            high, above, below = middle, value, below / 2 if side > 0 else below
            side = 1
    return high
