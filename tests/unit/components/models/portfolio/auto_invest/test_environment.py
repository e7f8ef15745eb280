"""What must hold in the environment whatever the agent does."""

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from components.errors import DataRejected
from components.models.portfolio.auto_invest.decision import Action
from components.models.portfolio.auto_invest.environment import InvestEnv
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.signals import LOOKBACK, TRAITS, History
from components.models.portfolio.auto_invest.tilt_env import TiltEnv
from components.models.portfolio.auto_invest.tilts import act, observe
from components.models.portfolio.auto_invest.users import User


@pytest.mark.parametrize("wrapped", [False, True])
def test_gymnasium_accepts_it(history: History, wrapped: bool) -> None:
    env = InvestEnv(history, Params())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(infinity|Box observation|unwrapped).*")
        check_env(TiltEnv(env) if wrapped else env, skip_render_check=True)


def test_its_actions_are_the_documents(history: History) -> None:
    space = InvestEnv(history, Params()).action_space
    assert set(space.spaces) == {"allocation_changes", "rebalance_trigger", "stop_loss_adjustment"}
    changes = space["allocation_changes"]
    assert changes.shape == (len(history.names),)
    assert (changes.low.min(), changes.high.max()) == (-1, 1)


def test_cash_is_conserved_and_limits_are_kept_by_random_agents(history: History) -> None:
    env = InvestEnv(history, Params())
    env.action_space.seed(1)
    env.reset(seed=1)
    for _ in range(400):
        before, account, constraints = env.account.value, env.account, env.constraints
        *_, over, info = env.step(env.action_space.sample())
        assert abs(before - info["path"][0] - info["cost"] * before) <= 1e-9 * before
        assert info["cost"] == pytest.approx(
            0.001 * np.abs(info["weights"] - account.weights).sum(), rel=1e-9, abs=1e-15
        )
        assert not constraints.broken_by(info["weights"])
        assert info["weights"].min() >= 0
        assert env.account.cash >= -1e-12
        if over:
            env.reset()


def test_a_random_agent_loses_its_costs_on_a_martingale() -> None:
    draws = 0.01 * np.random.default_rng(5).standard_normal((2500, 8))
    env = InvestEnv(History(np.cumprod(1 + draws, axis=0), tuple("ABCDEFGH"), ("X",) * 8), Params(cost_rate=0.01))
    env.action_space.seed(5)
    env.reset(seed=5)
    net, cost = [], []
    for _ in range(1200):
        *_, over, info = env.step(env.action_space.sample())
        net.append(info["net_return"])
        cost.append(info["cost"])
        if over:
            env.reset()
    error = np.std(net) / np.sqrt(len(net))
    assert np.mean(cost) > 3 * error, "costs must be visible for the test to mean anything"
    assert abs(np.mean(net) + np.mean(cost)) < 3 * error


def test_nothing_observed_or_done_depends_on_the_future(history: History) -> None:
    day, raw = LOOKBACK + 200, np.linspace(-1, 1, 8)
    other = history.close.copy()
    other[day + 1 :] *= np.random.default_rng(2).uniform(0.5, 2, other[day + 1 :].shape)
    told = []
    for close in (history.close, other):
        env = InvestEnv(History(close, history.names, history.sectors), Params())
        options = {"day": day, "user": User.unlimited(len(history.names)), "weights": env.neutral}
        seen, _ = env.reset(seed=1, options=options)
        state = env.state()
        action = act(env.params, raw, state.scores)
        told.append([*seen.values(), observe(state), action.allocation_changes])
    for a, b in zip(*told, strict=True):
        np.testing.assert_array_equal(a, b)


def leakage(history: History, traits: np.ndarray, step: int = 21) -> float:
    """Largest mean rank-free correlation of a trait with the returns that follow."""
    days = np.arange(LOOKBACK, history.days - step, step)
    ahead = history.close[days + step] / history.close[days] - 1
    ahead = ahead - ahead.mean(axis=1, keepdims=True)
    own = traits[days - LOOKBACK]
    own = own - own.mean(axis=1, keepdims=True)
    return float(max(abs(np.corrcoef(own[..., k].ravel(), ahead.ravel())[0, 1]) for k in range(own.shape[2])))


def test_a_planted_future_column_is_found_and_the_traits_are_none() -> None:
    draws = 0.01 * np.random.default_rng(8).standard_normal((3000, 10))
    noise = History(np.cumprod(1 + draws, axis=0), tuple("ABCDEFGHIJ"), ("X", "Y") * 5)
    planted = noise.traits.copy()
    planted[:-21, :, TRAITS.index("reversal")] = noise.close[LOOKBACK + 21 :] / noise.close[LOOKBACK:-21] - 1
    assert leakage(noise, planted) > 0.95
    assert leakage(noise, noise.traits) < 0.1


def test_new_money_arrives_and_is_invested(history: History) -> None:
    env = InvestEnv(history, Params())
    env.reset(seed=1, options={"user": User(1.0, 1.0, 10, 1.0, 0.05), "weights": np.zeros(10), "steps": 3})
    assert env.account.value == pytest.approx(1.05)
    value, over, info = env.advance(Action.hold(10))
    assert info["weights"].sum() == pytest.approx(1 - 2 * env.params.cost_rate)
    assert env.account.value == pytest.approx(info["path"][-1] + 0.05)
    assert np.isfinite(value)
    assert not over


def test_too_short_a_history_is_refused(history: History) -> None:
    with pytest.raises(DataRejected, match="Give more than 252"):
        History(history.close[:252], history.names, history.sectors)
    with pytest.raises(DataRejected, match="first decision needs"):
        InvestEnv(History(history.close[:260], history.names, history.sectors), Params())
    env = InvestEnv(history, Params())
    with pytest.raises(DataRejected, match="cannot start on day 10"):
        env.reset(options={"day": 10})
