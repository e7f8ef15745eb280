"""Simulated accounts: what a customer holds when asking how much of a security to buy. Prices are real, accounts not.

Each row draws its own account from one seeded generator: how many other securities are held, in which weights, how much
is cash, and how much risk the position may add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray

MOST_HOLDINGS: Final = 8
INVESTED = (0.1, 0.5)
"""Share of the portfolio that is in other securities, drawn evenly."""

ADDED_RISK = (0.03, 0.1)
"""Annualised volatility that the position may add if it were uncorrelated, drawn evenly."""

VALUE = (2e4, 5e6)
"""Portfolio value, drawn evenly in logs."""


@dataclass(frozen=True)
class Account:
    """One account.

    Attributes
    ----------
    value, cash : float
        In the same currency.
    held : ndarray of int, shape (holdings,)
        Columns of the panel, without the security that is asked about.
    weight : ndarray of shape (holdings,)
        Shares of the portfolio, decimal; with the cash they sum to one.
    added_risk : float
        Annualised decimal.
    """

    value: float
    cash: float
    held: npt.NDArray[np.int64]
    weight: FloatArray
    added_risk: float


def draw_account(generator: np.random.Generator, securities: int, asked: int) -> Account:
    """Draw one account.

    Parameters
    ----------
    generator : Generator
        Its state advances.
    securities : int
        In the universe.
    asked : int
        Column of the security that the position is for.
    """
    count = int(generator.integers(0, min(MOST_HOLDINGS, securities - 1) + 1))
    others = np.delete(np.arange(securities), asked)
    held = np.sort(generator.choice(others, count, replace=False))
    invested = float(generator.uniform(*INVESTED)) if count else 0.0
    weight = invested * generator.dirichlet(np.full(count, 3.0)) if count else np.zeros(0)
    value = float(np.exp(generator.uniform(*np.log(VALUE))))
    return Account(value, value * (1 - float(weight.sum())), held, weight, float(generator.uniform(*ADDED_RISK)))
