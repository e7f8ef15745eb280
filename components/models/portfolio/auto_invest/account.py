"""Account: what is held, at what cost, and in cash, while prices move; no rupee appears or gets lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.decision import Decision


@dataclass(frozen=True)
class Account:
    """Holdings of one strategy.

    Attributes
    ----------
    holdings : ndarray of shape (securities,)
        Their market value, currency units.
    cash : float
    basis : ndarray of shape (securities,)
        What was paid for them.
    """

    holdings: FloatArray
    cash: float
    basis: FloatArray

    @classmethod
    def start(cls, weights: FloatArray, value: float = 1.0) -> Account:
        """Hold shares that were just bought, the rest being cash."""
        holdings = weights * value
        return cls(holdings, value - float(holdings.sum()), holdings.copy())

    @property
    def value(self) -> float:
        """Holdings and cash."""
        return float(self.holdings.sum()) + self.cash

    @property
    def weights(self) -> FloatArray:
        """Shares of the value, decimal."""
        made: FloatArray = self.holdings / self.value
        return made

    @property
    def unrealised(self) -> float:
        """Market value of the holdings less what was paid for them."""
        return float((self.holdings - self.basis).sum())

    def add(self, money: float) -> Account:
        """Pay money in."""
        return Account(self.holdings, self.cash + money, self.basis)

    def trade(self, decision: Decision) -> Account:
        """Move to the decided shares and pay what it costs."""
        value = self.value
        holdings = decision.weights * value
        bought = np.maximum(holdings - self.holdings, 0.0)
        kept = np.divide(
            np.minimum(holdings, self.holdings), self.holdings, out=np.zeros_like(holdings), where=self.holdings > 0
        )
        cash = value - float(holdings.sum()) - decision.cost * value
        return Account(holdings, cash, self.basis * kept + bought)

    def move(self, growth: FloatArray) -> Account:
        """Let prices change; ``growth`` is the new price over the old one, shape (securities,)."""
        return Account(self.holdings * growth, self.cash, self.basis)
