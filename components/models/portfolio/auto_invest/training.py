"""Training of the policies with PPO, and their export to plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Layer, Policy
from components.models.portfolio.auto_invest.signals import History


def train_policy(history: History, params: Params) -> Policy:
    """Train ``params.policies`` networks on a history, each with a seed of its own."""
    networks = [export(train_ppo(history, params, params.seed + i)) for i in range(params.policies)]
    return Policy(tuple(networks))


def train_ppo(history: History, params: Params, seed: int) -> Any:
    """Train one network with proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347).

    Returns
    -------
    stable_baselines3.PPO
        Trained; observations and actions are those of :class:`TiltEnv`.
    """
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    from components.models.portfolio.auto_invest.environment import InvestEnv
    from components.models.portfolio.auto_invest.tilt_env import TiltEnv

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        worlds = DummyVecEnv([lambda: TiltEnv(InvestEnv(history, params)) for _ in range(params.environments)])
        learner = PPO(
            "MlpPolicy",
            worlds,
            learning_rate=params.learning_rate,
            n_steps=params.rollout,
            batch_size=params.batch,
            n_epochs=params.epochs,
            gamma=params.discount,
            policy_kwargs={"net_arch": list(params.hidden), "log_std_init": float(np.log(params.deviation))},
            seed=seed,
            device="cpu",
        )
        return learner.learn(params.steps)
    finally:
        torch.set_num_threads(threads)


def export(learner: Any) -> tuple[Layer, ...]:
    """Return the layers of the mean action, in order: tanh between them, none after the last."""
    linear = [m for m in learner.policy.mlp_extractor.policy_net if hasattr(m, "weight")]
    return tuple(
        (m.weight.detach().numpy().astype(np.float64), m.bias.detach().numpy().astype(np.float64))
        for m in (*linear, learner.policy.action_net)
    )
