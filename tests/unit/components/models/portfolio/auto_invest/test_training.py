"""PPO learns what there is to learn, and is served as it was trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.errors import ArtifactCorrupt
from components.models.portfolio.auto_invest.backtest import buy_and_hold, equal_weight, follow, run
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Policy
from components.models.portfolio.auto_invest.signals import LOOKBACK, TRAITS, History
from components.models.portfolio.auto_invest.tilts import ACTIONS, OBSERVED
from components.models.portfolio.auto_invest.training import export, train_policy, train_ppo

TINY = Params(policies=2, steps=256, environments=2, rollout=64, batch=64, epochs=2)


@pytest.fixture(scope="module")
def learner(history: History) -> object:
    return train_ppo(history, TINY, 1)


def test_the_exported_policy_acts_as_stable_baselines_does(learner: object) -> None:
    policy = Policy((export(learner),))
    seen = np.random.default_rng(0).standard_normal((50, len(OBSERVED))).astype(np.float32)
    wanted, _ = learner.predict(seen, deterministic=True)  # type: ignore[attr-defined]
    got = np.array([policy(row.astype(np.float64)) for row in seen])
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    assert np.ptp(got, axis=0).min() > 0


def test_the_ensemble_is_the_mean_and_survives_writing(history: History, tmp_path: Path) -> None:
    policy = train_policy(history, TINY)
    seen = np.linspace(-1, 1, len(OBSERVED))
    alone = [Policy((network,))(seen) for network in policy.networks]
    assert not np.allclose(*alone)
    np.testing.assert_allclose(policy(seen), np.mean(alone, axis=0), rtol=1e-12)
    policy.write(tmp_path / "policy.json")
    np.testing.assert_array_equal(Policy.read(tmp_path / "policy.json")(seen), policy(seen))


def test_the_same_seed_trains_the_same_policy(history: History, learner: object) -> None:
    again = export(train_ppo(history, TINY, 1))
    for (weight, bias), (other, shift) in zip(export(learner), again, strict=True):
        np.testing.assert_array_equal(weight, other)
        np.testing.assert_array_equal(bias, shift)


def test_a_policy_of_other_observations_is_refused(learner: object, tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    Policy((export(learner),)).write(path)
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"observed": ["crystal_ball"]}))
    with pytest.raises(ArtifactCorrupt, match="crystal_ball"):
        Policy.read(path)


def test_it_finds_a_trend_that_is_really_there() -> None:
    """Half the securities rise and half fall for good: momentum is the truth, and the policy tilts towards it."""
    generator = np.random.default_rng(4)
    drift = np.where(np.arange(8) % 2 == 0, 0.002, -0.002)
    close = np.cumprod(1 + drift + 0.004 * generator.standard_normal((1100, 8)), axis=0)
    whole = History(close, tuple("ABCDEFGH"), ("X",) * 8)
    past = History(close[:700], whole.names, whole.sectors)
    params = Params(
        policies=1, steps=3072, environments=4, rollout=64, batch=64, learning_rate=3e-3, epsilon=0, gamma=0
    )
    policy = train_policy(past, params)
    course, neutral = (run(whole, params, s, 700, 1099) for s in (follow(policy, params), equal_weight))
    assert course.returns.mean() > neutral.returns.mean() + 0.001
    assert ACTIONS[TRAITS.index("momentum")] == "tilt_momentum"


def test_courses_add_up(history: History) -> None:
    params = Params()
    neutral, hold = (run(history, params, s, LOOKBACK, history.days - 1) for s in (equal_weight, buy_and_hold))
    assert hold.cost.sum() == hold.turnover.sum() == 0
    steps = len(hold.returns) * params.step_days
    bought = (history.close[LOOKBACK + steps] / history.close[LOOKBACK]).mean()
    assert hold.equity[-1] == pytest.approx(bought, rel=1e-12)
    assert neutral.equity[-1] == pytest.approx(np.prod(1 + neutral.returns), rel=1e-12)
    assert neutral.cost.sum() > 0
    assert len(neutral.equity) == steps + 1
    assert 0 <= neutral.max_drawdown < 1
