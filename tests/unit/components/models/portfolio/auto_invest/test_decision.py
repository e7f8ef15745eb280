"""From actions to trades, rewards and money."""

from dataclasses import replace

import numpy as np
import pytest

from components.models.portfolio.auto_invest.account import Account
from components.models.portfolio.auto_invest.constraints import Constraints
from components.models.portfolio.auto_invest.decision import Action, Situation, decide, exposure
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.reward import deviation, diversification, reward
from components.models.portfolio.auto_invest.signals import TRAITS, standardise
from components.models.portfolio.auto_invest.tilts import act

PARAMS = Params()
FREE = 1 - 2 * PARAMS.cost_rate


def situation(current: list[float], **changed: object) -> Situation:
    count = len(current)
    made = Situation(np.array(current), FREE, Constraints.none(count), np.full(count, 0.2), np.full(count, -0.05))
    return replace(made, **changed)  # type: ignore[arg-type]


def test_the_neutral_action_is_one_over_n_less_what_trading_may_cost() -> None:
    made = decide(PARAMS, Action.neutral(4), situation([0.0] * 4))
    np.testing.assert_allclose(made.weights, FREE / 4)
    assert made.cost == pytest.approx(PARAMS.cost_rate * FREE)
    assert made.cash >= 0


def test_without_trigger_and_new_money_nothing_is_traded() -> None:
    made = decide(PARAMS, Action.hold(3), situation([0.6, 0.3, 0.1]))
    assert made.turnover == 0
    assert not made.rebalanced


def test_new_money_only_buys_and_buys_what_is_missing_most() -> None:
    made = decide(PARAMS, Action.hold(3), situation([0.5, 0.2, 0.1]))
    change = made.weights - [0.5, 0.2, 0.1]
    assert change.min() >= 0
    assert change.sum() == pytest.approx(FREE - 0.8)
    assert change[2] > change[1] > change[0] == 0


def test_a_broken_limit_is_repaired_without_a_trigger() -> None:
    limits = Constraints(0.4, 3, np.zeros(3, dtype=np.int64), np.ones(1))
    made = decide(PARAMS, Action.hold(3), situation([0.6, 0.3, 0.1], constraints=limits))
    assert made.rebalanced
    assert made.weights.max() <= 0.4 + 1e-12


def test_a_fallen_security_is_sold_at_its_stop_and_not_before() -> None:
    fallen = situation([1 / 3] * 3, drawdown=np.array([-0.4, -0.1, 0.0]))
    wide = Action(np.zeros(3), False, 1.0)  # 0.35 * 1.5 is farther than the fall of 0.4
    assert decide(PARAMS, Action.hold(3), fallen).weights[0] == 0
    assert decide(PARAMS, wide, fallen).weights[0] > 0
    assert decide(PARAMS, Action.neutral(1), situation([0.0], drawdown=np.array([-0.9]))).weights.sum() == 0


def test_changes_move_shares_up_and_down_and_into_cash() -> None:
    made = decide(PARAMS, Action(np.array([1.0, 0.0, -1.0]), True, 0.0), situation([0.0] * 3))
    np.testing.assert_allclose(made.weights, np.array([2, 1, 0]) / 3 * FREE)
    half = decide(PARAMS, Action(np.full(3, -0.5), True, 0.0), situation([0.0] * 3))
    assert half.weights.sum() == pytest.approx(FREE / 2)


def test_more_risk_tolerance_and_less_volatility_allow_more() -> None:
    allowed = [exposure(PARAMS, tolerance, 0.5) for tolerance in (0.0, 0.3, 0.6, 1.0)]
    assert allowed == sorted(allowed)
    assert allowed[-1] == pytest.approx(PARAMS.high_risk_volatility / 0.5)
    assert exposure(PARAMS, 1.0, 0.1) == FREE


def test_tilts_do_not_depend_on_the_order_of_securities() -> None:
    traits = np.random.default_rng(0).standard_normal((9, len(TRAITS)))
    raw, order = np.linspace(-1, 1, 8), np.random.default_rng(1).permutation(9)
    straight = act(PARAMS, raw, standardise(traits)).allocation_changes
    shuffled = act(PARAMS, raw, standardise(traits[order])).allocation_changes
    np.testing.assert_allclose(straight[order], shuffled, rtol=1e-12)


def test_the_reward_is_the_documents_sum() -> None:
    params = Params(alpha=2.0, beta=3.0, gamma=5.0, delta=7.0, epsilon=11.0)
    assert reward(params, 0.1, 0.01, 0.5, 0.002, 0.3) == pytest.approx(0.2 - 0.03 + 2.5 - 0.014 - 3.3)
    assert reward(params, 0.1, 0.01, 0.5, 0.002, 0.3, 1.0) == pytest.approx(0.2 + 2.5 - 0.014 - 3.3)


def test_diversification_and_deviation_have_their_limits() -> None:
    equal, alone = np.full(4, 0.25), np.array([0.7, 0, 0, 0])
    assert diversification(equal) == pytest.approx(1)
    assert diversification(alone) == pytest.approx(0.25)
    assert diversification(np.zeros(4)) == 0
    assert deviation(equal, equal) == 0
    assert deviation(np.array([1.0, 0, 0, 0]), equal) == pytest.approx(0.75)


def test_an_account_keeps_books_of_what_was_paid() -> None:
    start = Account.start(np.array([0.5, 0.5]), 100.0).move(np.array([1.2, 0.8]))
    assert (start.value, start.unrealised) == (pytest.approx(100), pytest.approx(0))
    grown = start.move(np.array([1.5, 1.0])).add(10)
    assert grown.unrealised == pytest.approx(30)
    sold = decide(PARAMS, Action(np.array([-1.0, 0.0]), True, 0.0), situation(grown.weights.tolist()))
    after = grown.trade(sold)
    assert after.value == pytest.approx(grown.value * (1 - sold.cost), rel=1e-12)
    assert after.basis[0] == 0
