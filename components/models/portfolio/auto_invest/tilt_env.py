"""TiltEnv: the environment as a policy over tilts meets it, with a control variate on its reward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.environment import InvestEnv, Observation
from components.models.portfolio.auto_invest.tilts import ACTIONS, OBSERVED, act, observe

REWARD_SCALE = 100.0
"""Rewards are decimals of a step; networks learn better from numbers of the order of one."""


class TiltEnv(gym.Wrapper[Any, Any, Observation, Mapping[str, Any]]):
    """Observes a summary of the state and acts by tilts; one network fits every number of securities.

    The market's own return is most of a reward and none of a policy's doing. What the neutral portfolio of the same
    exposure earns over the step (return less its risk's price) is subtracted: it depends on nothing that the policy
    does, so that the best policy stays the same and its gradient's variance falls.
    """

    env: InvestEnv

    def __init__(self, env: InvestEnv) -> None:
        super().__init__(env)
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(OBSERVED),), dtype=np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (len(ACTIONS),), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start an episode."""
        gym.Env.reset(self.env, seed=seed)  # seeds; the environment's own reset would build an observation for nobody
        self.env.begin(options or {})
        return self._observe(), {}

    def step(self, action: Any) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """Act by tilts."""
        env = self.env
        made = act(env.params, np.asarray(action, dtype=np.float64), self.state.scores)
        control = self._control()
        value, over, info = env.advance(made)
        return self._observe(), REWARD_SCALE * (value - control), False, over, info

    def _observe(self) -> FloatArray:
        self.state = self.env.state()
        return observe(self.state).astype(np.float32)

    def _control(self) -> float:
        env, params = self.env, self.env.params
        close = env.history.close
        path = (close[env.day : env.day + params.step_days + 1] / close[env.day]) @ env.neutral
        daily = self.state.exposure * np.diff(path) / path[:-1]
        aversion = params.beta * 2 * (1 - env.user.risk_tolerance)
        return params.alpha * self.state.exposure * float(path[-1] - 1) - aversion * float(daily @ daily)
