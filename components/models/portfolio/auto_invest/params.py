"""Hyper-parameters of the auto-invest strategy: reward, costs, limits of action, and the training of its policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from components.errors import ConfigurationError


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    seed : int
        Of the first policy; the others follow it.
    policies : int
        Policies whose mean action is taken; each is trained with a seed of its own.
    steps : int
        Environment steps that each policy is trained on. The default fits a laptop; document 0's 100,000 episodes of 24
        steps are ``steps=2_400_000``.
    environments, rollout, batch, epochs : int
        PPO: environments side by side, steps of each between updates, rows of a gradient step, passes over a rollout.
    hidden : tuple of int
        Units of the policy's two hidden layers.
    learning_rate, discount, deviation : float
        PPO: step size, discount per step, and standard deviation that the actions are explored with at first.
    alpha, beta, gamma, delta, epsilon : float
        Document 0's reward, see :mod:`components.models.portfolio.auto_invest.reward`.
    step_days : int
        Trading days between two decisions: 21 for monthly, 5 for weekly.
    episode_steps : int
        Decisions of a training episode.
    cost_rate : float
        Cost of buying or selling, decimal of the traded value (0.001 is 10 basis points).
    stop_loss : float
        Fall from the highest close of a quarter at which a position is closed, decimal; the policy moves it by up to
        half either way.
    tilt : float
        Change of a security's share for one standard deviation of a trait at the strongest tilt, decimal.
    low_risk_volatility, high_risk_volatility : float
        Volatility of the portfolio that a risk tolerance of 0 and of 1 allows, annualised decimal.
    history_days : int
        Days of returns that the outlook resamples, the newest.
    paths, block : int
        Simulated years of the outlook, and days of a resampled block.
    risk_free : float
        Annual rate that the Sharpe ratio is over, decimal.
    """

    seed: int = 7
    policies: int = 2
    steps: int = 6_144
    environments: int = 8
    rollout: int = 128
    batch: int = 256
    epochs: int = 8
    hidden: tuple[int, int] = (32, 32)
    learning_rate: float = 5e-4
    discount: float = 0.9
    deviation: float = 0.4
    alpha: float = 1.0
    beta: float = 1.5
    gamma: float = 0.002
    delta: float = 1.0
    epsilon: float = 0.002
    step_days: int = 21
    episode_steps: int = 24
    cost_rate: float = 0.001
    stop_loss: float = 0.35
    tilt: float = 0.25
    low_risk_volatility: float = 0.06
    high_risk_volatility: float = 0.40
    history_days: int = 2520
    paths: int = 400
    block: int = 21
    risk_free: float = 0.0

    def __post_init__(self) -> None:
        if self.step_days not in (5, 21):
            raise ConfigurationError(f"step_days is {self.step_days}.", "Use 21 for monthly or 5 for weekly decisions.")
        if not 0 <= self.cost_rate < 0.1:
            raise ConfigurationError(
                f"cost_rate is {self.cost_rate}.", "Give a decimal of the traded value below 0.1, for example 0.001."
            )
        if self.policies < 1:
            raise ConfigurationError(f"policies is {self.policies}.", "Train at least one policy.")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the parameters of a JSON object, whose lists become tuples."""
        ready: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**ready)
