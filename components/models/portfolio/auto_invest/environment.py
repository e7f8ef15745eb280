"""InvestEnv: document 0's states, actions and reward over real prices, as a gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.account import Account
from components.models.portfolio.auto_invest.constraints import Constraints
from components.models.portfolio.auto_invest.decision import Action, Decision, Situation, decide, exposure
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.reward import deviation, diversification, reward
from components.models.portfolio.auto_invest.signals import LOOKBACK, TRAITS, History
from components.models.portfolio.auto_invest.tilts import State
from components.models.portfolio.auto_invest.users import User, draw_weights

Observation = dict[str, FloatArray]
DRAWDOWN: Final = TRAITS.index("drawdown")
VOLATILITY: Final = TRAITS.index("volatility")


class InvestEnv(gym.Env[Observation, Mapping[str, Any]]):
    """A strategy that decides every ``step_days`` trading days; between decisions nothing is traded.

    The observation of day ``d`` is made of closes up to ``d``; the step then moves to day ``d + step_days``. An episode
    ends after ``episode_steps`` decisions or with the history: truncated, never terminated, as no portfolio is.

    Parameters
    ----------
    history : History
        At least a year and one step long.
    params : Params
        Reward, costs and limits.

    Notes
    -----
    ``reset(options=...)`` fixes what is otherwise drawn: ``day`` (int), ``user`` (User), ``weights`` (shares held at
    the start) and ``steps`` (length of the episode).
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by gymnasium

    def __init__(self, history: History, params: Params) -> None:
        self.history, self.params = history, params
        self.last = history.days - 1 - params.step_days
        if self.last < LOOKBACK:
            raise DataRejected(
                f"There are {history.days} days of closes, the first decision needs {LOOKBACK + params.step_days + 1}.",
                "Give a longer history.",
            )
        names, self.sector = np.unique(np.array(history.sectors, dtype=str), return_inverse=True)
        self.sectors = len(names)
        count = len(history.names)
        self.neutral = np.full(count, 1 / count)
        self.observation_space: Any = spaces.Dict(
            {
                "current_allocation": _box(0, 1, count),
                "total_value": _box(0, np.inf),
                "cash_balance": _box(0, np.inf),
                "unrealized_pnl": _box(-np.inf, np.inf),
                "market_indices": _box(-1, np.inf),
                "volatility": _box(0, np.inf),
                "sentiment": _box(-1, 1),
                "sector_performance": _box(-np.inf, np.inf, 2),
                "risk_tolerance": _box(0, 1),
                "max_position_size": _box(0, 1),
                "sector_limits": _box(0, 1, self.sectors),
                "investment_amount": _box(0, np.inf),
                "traits": _box(-np.inf, np.inf, count * len(TRAITS)),
            }
        )
        self.action_space: Any = spaces.Dict(
            {
                "allocation_changes": _box(-1, 1, count),
                "rebalance_trigger": spaces.Discrete(2),
                "stop_loss_adjustment": _box(-1, 1),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw a day, a user and what is held, as far as ``options`` leave them open."""
        super().reset(seed=seed)
        self.begin(options or {})
        return self._observation(), {}

    def begin(self, given: Mapping[str, Any]) -> None:
        """Start an episode as :meth:`reset` does."""
        count = len(self.neutral)
        self.day = int(given["day"] if "day" in given else self.np_random.integers(LOOKBACK, self.last + 1))
        if not LOOKBACK <= self.day <= self.last:
            raise DataRejected(
                f"An episode cannot start on day {self.day}.", f"Start between {LOOKBACK} and {self.last}."
            )
        self.user: User = given["user"] if "user" in given else User.draw(self.np_random, count)
        weights = given["weights"] if "weights" in given else draw_weights(self.np_random, count)
        self.steps = int(given.get("steps", self.params.episode_steps))
        self.money = self.user.new_money
        self.account = Account.start(np.asarray(weights, dtype=np.float64)).add(self.money)
        limits = np.full(self.sectors, self.user.sector_share)
        self.constraints = Constraints(self.user.max_position, self.user.max_positions, self.sector, limits)

    def step(self, action: Mapping[str, Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade, let the prices of the step pass, and pay the next contribution in."""
        made = Action(
            np.asarray(action["allocation_changes"], dtype=np.float64),
            bool(action["rebalance_trigger"]),
            float(np.ravel(action["stop_loss_adjustment"])[0]),
        )
        value, over, info = self.advance(made)
        return self._observation(), value, False, over, info

    def advance(self, action: Action) -> tuple[float, bool, dict[str, Any]]:
        """Do what :meth:`step` does; return the reward, whether the episode is over, and what happened."""
        before = self.account.value
        decision = decide(self.params, action, self.situation())
        held = self.account.trade(decision)
        ahead = self.history.close[self.day + 1 : self.day + 1 + self.params.step_days] / self.history.close[self.day]
        path = np.concatenate([[held.value], ahead @ held.holdings + held.cash])
        value = self._reward(decision, path, before)
        self.account = held.move(ahead[-1]).add(self.money)
        self.day += self.params.step_days
        self.steps -= 1
        info = {
            "before": before,
            "path": path,
            "net_return": float(path[-1]) / before - 1,
            "weights": decision.weights,
            "cost": decision.cost,
            "turnover": decision.turnover,
            "rebalanced": decision.rebalanced,
        }
        return value, self.steps <= 0 or self.day > self.last, info

    def _reward(self, decision: Decision, path: FloatArray, before: float) -> float:
        daily = np.diff(path) / path[:-1]
        return reward(
            self.params,
            float(path[-1] - path[0]) / before,
            float(((daily - daily.mean()) ** 2).sum()),
            diversification(decision.weights),
            decision.cost,
            deviation(decision.weights, self.neutral),
            self.user.risk_tolerance,
        )

    @property
    def traits(self) -> FloatArray:
        """Of today, shape (securities, traits)."""
        today: FloatArray = self.history.traits[self.day - LOOKBACK]
        return today

    @property
    def market(self) -> FloatArray:
        """State of the market today."""
        today: FloatArray = self.history.market[self.day - LOOKBACK]
        return today

    def situation(self) -> Situation:
        """Return what today's decision depends on."""
        traits = self.traits
        limit = exposure(self.params, self.user.risk_tolerance, float(self.market[0]))
        return Situation(self.account.weights, limit, self.constraints, traits[:, VOLATILITY], traits[:, DRAWDOWN])

    def state(self) -> State:
        """Return what a policy over tilts may know today."""
        value = self.account.value
        return State(
            self.account.weights,
            self.history.scores[self.day - LOOKBACK],
            self.market,
            self.account.unrealised / value,
            self.money / value,
            self.user.risk_tolerance,
            self.user.max_position,
            exposure(self.params, self.user.risk_tolerance, float(self.market[0])),
        )

    def _observation(self) -> Observation:
        volatility, sentiment, index, sector_mean, sector_spread = self.market
        return {
            "current_allocation": self.account.weights,
            "total_value": np.array([self.account.value]),
            "cash_balance": np.array([max(self.account.cash, 0.0)]),
            "unrealized_pnl": np.array([self.account.unrealised]),
            "market_indices": np.array([index]),
            "volatility": np.array([volatility]),
            "sentiment": np.array([sentiment]),
            "sector_performance": np.array([sector_mean, sector_spread]),
            "risk_tolerance": np.array([self.user.risk_tolerance]),
            "max_position_size": np.array([self.user.max_position]),
            "sector_limits": self.constraints.sector_limit.copy(),
            "investment_amount": np.array([self.money]),
            "traits": self.traits.flatten(),
        }


def _box(low: float, high: float, size: int = 1) -> spaces.Box:
    return spaces.Box(low, high, (size,), dtype=np.float64)
