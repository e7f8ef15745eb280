"""Simulated daily returns of what the price panel lacks: government bonds, gold and cash.

No data set of the platform holds Indian debt funds or gold beside its stocks, so these three are simulated, with a seed
of their own each; nothing that is learned from them is a fact about a market. Yields follow Vasicek (1977),
doi:10.1016/0304-405X(77)90016-2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray

DAYS = 252
MEAN_YIELD, PULL, YIELD_VOLATILITY, DURATION = 0.065, 0.3, 0.009, 4.0
GOLD_DRIFT, GOLD_VOLATILITY = 0.06, 0.15
CASH_BELOW_YIELD = 0.02


@dataclass(frozen=True)
class SafeAssets:
    """Simple daily returns, decimal, each of shape (days,)."""

    debt: FloatArray
    gold: FloatArray
    cash: FloatArray


def simulate_assets(days: int, seed: int) -> SafeAssets:
    """Return the three series. A longer series begins with the shorter one: no value depends on what follows it.

    Parameters
    ----------
    days : int
        How many returns.
    seed : int
        Of the draws.
    """
    yields = np.empty(days + 1)
    yields[0] = MEAN_YIELD
    shocks = np.random.default_rng([seed, 0]).standard_normal(days) * YIELD_VOLATILITY / np.sqrt(DAYS)
    for day, shock in enumerate(shocks):
        yields[day + 1] = max(yields[day] + PULL * (MEAN_YIELD - yields[day]) / DAYS + shock, 0.005)
    debt = yields[:-1] / DAYS - DURATION * np.diff(yields)
    gold = GOLD_DRIFT / DAYS + GOLD_VOLATILITY / np.sqrt(DAYS) * np.random.default_rng([seed, 1]).standard_normal(days)
    return SafeAssets(debt, gold, np.maximum(yields[:-1] - CASH_BELOW_YIELD, 0.0) / DAYS)
