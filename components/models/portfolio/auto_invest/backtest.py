"""Backtest: a strategy's course through a history, decision after decision, from its own holdings and net of costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.decision import Action
from components.models.portfolio.auto_invest.environment import InvestEnv
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Policy
from components.models.portfolio.auto_invest.signals import History
from components.models.portfolio.auto_invest.tilts import State, act, observe
from components.models.portfolio.auto_invest.users import User

Strategy = Callable[[State], Action]
"""What to do in a state."""


@dataclass(frozen=True)
class Course:
    """What a strategy earned.

    Attributes
    ----------
    returns : ndarray of shape (steps,)
        Net of costs, decimal.
    equity : ndarray of shape (days + 1,)
        Value at every close, from 1.
    turnover, cost : ndarray of shape (steps,)
        Decimal of the value.
    first : int
        Day of the history on which the first decision was taken.
    """

    returns: FloatArray
    equity: FloatArray
    turnover: FloatArray
    cost: FloatArray
    first: int

    @property
    def daily(self) -> FloatArray:
        """Net daily returns, decimal."""
        made: FloatArray = self.equity[1:] / self.equity[:-1] - 1
        return made

    @property
    def max_drawdown(self) -> float:
        """Largest fall from a high, decimal, not negative."""
        return float((1 - self.equity / np.maximum.accumulate(self.equity)).max())

    @property
    def sharpe(self) -> float:
        """Annual Sharpe ratio of the daily returns over cash at nought."""
        return float(self.daily.mean() / self.daily.std(ddof=1) * np.sqrt(252))


def follow(policy: Policy, params: Params) -> Strategy:
    """Return the strategy of trained policies."""
    return lambda state: act(params, policy(observe(state)), state.scores)


def equal_weight(state: State) -> Action:
    """Rebalance to 1/N."""
    return Action.neutral(len(state.current))


def buy_and_hold(state: State) -> Action:
    """Trade nothing after the start."""
    return Action.hold(len(state.current))


def run(
    history: History, params: Params, strategy: Strategy, first: int, last: int, user: User | None = None
) -> Course:
    """Follow a strategy from equal shares, bought at the close of day ``first``, to day ``last``.

    Parameters
    ----------
    history : History
    params : Params
        Costs, limits, days between decisions.
    strategy : callable
        Sees only what is known at the decision.
    first, last : int
        Days of the history; the last step ends on ``last`` or before.
    user : User or None
        None for one without limits.
    """
    env = InvestEnv(history, params)
    steps = (last - first) // params.step_days
    options = {"day": first, "user": user or User.unlimited(len(history.names)), "weights": env.neutral, "steps": steps}
    env.begin(options)
    infos = [env.advance(strategy(env.state()))[2] for _ in range(steps)]
    # A step's daily values begin after its trade, what the trade cost is part of the first day.
    growth = [np.concatenate([info["path"][1:] / info["before"]]) for info in infos]
    levels = np.cumprod([1.0, *(g[-1] for g in growth)])
    equity = np.concatenate([[1.0], *(level * g for level, g in zip(levels, growth, strict=False))])
    return Course(
        np.array([info["net_return"] for info in infos]),
        equity,
        np.array([info["turnover"] for info in infos]),
        np.array([info["cost"] for info in infos]),
        first,
    )
