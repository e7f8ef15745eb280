"""The judge: its loss is what was earned, and its claims fail when they should."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.evaluation.judge import Claim, Judged
from components.models.contract import Outputs
from components.models.portfolio.auto_invest.data import PROFILES, build_dataset
from components.models.portfolio.auto_invest.judge import JUDGE, held_before, net_returns
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.schemas import STRATEGY

PLACE = {column.name: i for i, column in enumerate(STRATEGY)}


@pytest.fixture(scope="module")
def data(bars: pd.DataFrame) -> Dataset:
    return build_dataset(pd.DataFrame(), bars, ("1_month",))


def answer(data: Dataset, weights: np.ndarray) -> Outputs:
    turnover = np.abs(weights - held_before(data)).sum(axis=1)
    cost = Params().cost_rate * turnover
    trade = np.zeros((len(data), 6))
    trade[:, 1], trade[:, 3] = turnover, 1 - weights.sum(axis=1) - cost
    return {"allocation": weights, "trade": trade, "confidence": np.full((len(data), 1), 0.5)}


def judge(data: Dataset, outputs: Outputs) -> dict[str, Claim]:
    rivals = {name: make(data, data) for name, make in JUDGE.baselines.items()}
    losses = {name: JUDGE.loss(rival, data) for name, rival in rivals.items()}
    judged = Judged(
        data, outputs, rivals, JUDGE.loss(outputs, data), losses, np.zeros(len(data), int), asdict(Params())
    )
    claims = {claim.name: claim for claim in JUDGE.claims(judged)}
    assert "<svg" in JUDGE.figures(judged)[0].html
    return claims


def test_cash_earns_nothing_and_pays_for_selling(data: Dataset) -> None:
    cash = JUDGE.baselines["cash"](data, data)
    np.testing.assert_allclose(JUDGE.loss(cash, data), 0.001 * held_before(data).sum(axis=1), atol=1e-15)


def test_holding_earns_what_prices_did(data: Dataset) -> None:
    row = int(np.flatnonzero(data.entities == PROFILES[0])[3])
    held = JUDGE.baselines["buy_and_hold"](data, data)
    growth = np.prod(1 + data.targets["daily_return"][row], axis=0) - 1
    assert net_returns(held, data)[row] == pytest.approx(data.inputs["current_allocation"][row] @ growth, rel=1e-12)


def test_equal_shares_keep_the_users_limits(data: Dataset) -> None:
    weights = JUDGE.baselines["equal_weight"](data, data)["allocation"]
    assert (weights.max(axis=1) <= data.inputs["strategy"][:, PLACE["max_position_size"]] + 1e-9).all()
    first = weights[data.entities == PROFILES[0]]
    np.testing.assert_allclose(first, np.broadcast_to(first[:, :1], first.shape), rtol=1e-9)


def test_no_baseline_reads_a_test_rows_target(data: Dataset) -> None:
    blind = replace(data, targets={name: np.full_like(v, np.nan) for name, v in data.targets.items()})
    for make in JUDGE.baselines.values():
        np.testing.assert_array_equal(make(data, data)["allocation"], make(blind, blind)["allocation"])


def test_equal_shares_themselves_pass_every_promise(data: Dataset) -> None:
    claims = judge(data, answer(data, JUDGE.baselines["equal_weight"](data, data)["allocation"]))
    for name in ("not_worse_than_equal_weight", "sharpe_not_lower", "cash_conserved", "limits_kept", "max_drawdown"):
        assert claims[name].passed, claims[name].detail


def test_money_out_of_nothing_and_broken_limits_are_found(data: Dataset) -> None:
    honest = answer(data, JUDGE.baselines["equal_weight"](data, data)["allocation"])
    trade = honest["trade"].copy()
    trade[4, 3] += 1e-6
    assert not judge(data, {**honest, "trade": trade})["cash_conserved"].passed
    weights = honest["allocation"].copy()
    limited = int(np.flatnonzero(data.inputs["strategy"][:, PLACE["max_position_size"]] < 0.5)[0])
    weights[limited] = 0
    weights[limited, 0] = 0.9
    assert not judge(data, answer(data, weights))["limits_kept"].passed


def test_a_sector_beyond_its_limit_is_found(data: Dataset) -> None:
    weights = JUDGE.baselines["equal_weight"](data, data)["allocation"]
    alone = np.zeros_like(weights)
    alone[:, 0] = np.minimum(data.inputs["strategy"][:, PLACE["max_position_size"]], 1.0)
    limited = data.inputs["limit_sector"][:, 0] != ""
    assert (data.inputs["limit_share"][limited, 0] < alone[limited, 0]).any()
    assert judge(data, answer(data, alone))["limits_kept"].statistic > 0


def test_trading_for_nothing_is_worse_and_said_so(data: Dataset) -> None:
    """The same shares, but a fifth of the value stays out while prices rise, and all is traded every month."""
    rising = replace(data, targets={**data.targets, "daily_return": data.targets["daily_return"] + 0.001})
    weights = 0.8 * JUDGE.baselines["equal_weight"](data, data)["allocation"]
    claims = judge(rising, answer(rising, weights))
    assert not claims["not_worse_than_equal_weight"].passed
    assert not claims["confidence_calibrated"].passed
