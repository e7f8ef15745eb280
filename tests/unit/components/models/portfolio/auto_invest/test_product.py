"""Requests and responses in document 0's words."""

import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest
from components.models.portfolio.auto_invest.model import AutoInvest
from components.models.portfolio.auto_invest.present import next_date
from components.models.portfolio.auto_invest.product import PRODUCT, OptimizeRequest, OptimizeResponse
from components.models.product import Served
from components.models.schema import Batch

NOW = datetime(2025, 11, 13, 10, 30, tzinfo=UTC)
EXAMPLE, BY_ID = OptimizeRequest.model_config["json_schema_extra"]["examples"]  # type: ignore[index,call-overload]


def ask(model: AutoInvest, raw: dict[str, object]) -> OptimizeResponse:
    request = OptimizeRequest.model_validate(raw)
    made = dict(PRODUCT.to_inputs(request, NOW))
    missing = {t.name: t.absent(1) for t in model.input_schema.tensors if t.optional and t.name not in made}
    inputs: Batch = {**made, **missing}
    model.input_schema.validate(inputs)
    outputs = model.predict(inputs)
    served = Served(outputs, model_version="3", generated_at="2025-11-13T10:30:00Z")
    response = PRODUCT.to_response(request, served)
    assert isinstance(response, OptimizeResponse)
    return response


def test_the_example_is_answered_in_the_documents_shape(model: AutoInvest) -> None:
    told = ask(model, EXAMPLE).model_dump(mode="json")
    assert list(told)[:5] == [
        "strategy_id",
        "optimal_allocation",
        "expected_performance",
        "rebalancing_schedule",
        "confidence",
    ]
    assert set(told["optimal_allocation"][0]) == {"security_id", "allocation_percent", "expected_contribution"}
    assert set(told["expected_performance"]) == {"annual_return", "volatility", "sharpe_ratio", "max_drawdown"}
    assert told["rebalancing_schedule"]["frequency"] == "monthly"
    assert told["rebalancing_schedule"]["next_rebalance"] in ("2025-12-01", "2026-01-01")
    assert {item["security_id"] for item in told["optimal_allocation"]} <= set(
        EXAMPLE["portfolio_state"]["security_ids"]
    )


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ("portfolio_state", "total_value"),
        ("portfolio_state", "cash_balance"),
        ("portfolio_state", "unrealized_pnl"),
        ("user_constraints", "investment_amount"),
    ],
)
def test_amounts_whose_sum_would_overflow_are_refused(block: str, field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        OptimizeRequest.model_validate({**EXAMPLE, block: {**EXAMPLE[block], field: 1.7e308}})


def test_contributions_add_up_and_limits_are_kept(model: AutoInvest) -> None:
    told = ask(model, EXAMPLE)
    items = told.optimal_allocation
    total = sum(item.expected_contribution for item in items)
    assert total == pytest.approx(told.expected_performance.annual_return, abs=0.01 * len(items))
    shares = {item.security_id: item.allocation_percent for item in items}
    assert shares["AAPL"] <= 30
    assert shares["JPM"] <= 25
    assert sum(shares.values()) <= 100


def test_the_documents_request_is_answered_once_the_strategy_is_kept(model: AutoInvest) -> None:
    request = OptimizeRequest.model_validate(BY_ID)
    with pytest.raises(InvalidRequest, match="portfolio_state is missing") as caught:
        PRODUCT.to_inputs(request, NOW)
    assert "strategy_id" in caught.value.remedy
    assert PRODUCT.kept is not None
    kept = PRODUCT.kept.shape.model_validate({k: EXAMPLE[k] for k in ("portfolio_state", "user_constraints")})
    assert ask(model, BY_ID | kept.model_dump()).strategy_id == "uuid"


def test_a_new_strategy_may_hold_whatever_the_model_knows(model: AutoInvest) -> None:
    user = {"risk_tolerance": 1.0, "investment_amount": 50000.0}
    told = ask(model, {"portfolio_state": {"total_value": 0.0}, "user_constraints": user})
    assert len(told.optimal_allocation) > 5
    assert 0 < told.rebalancing_schedule.estimated_cost <= 51


def test_the_requests_limits_replace_the_users(model: AutoInvest) -> None:
    raw = EXAMPLE | {"constraints": {"max_positions": 2, "sector_limits": {"IT": 10.0}}}
    made = PRODUCT.to_inputs(OptimizeRequest.model_validate(raw), NOW)
    limits = dict(zip(made["limit_sector"][0].tolist(), made["limit_share"][0].tolist(), strict=True))
    assert (limits["IT"], limits["Finance"]) == (0.1, 0.25)
    assert len(ask(model, raw).optimal_allocation) <= 2


def test_lists_of_the_market_become_mean_and_spread() -> None:
    made = PRODUCT.to_inputs(OptimizeRequest.model_validate(EXAMPLE), NOW)
    sectors = np.array([2.1, -0.4, 1.3, 0.2]) / 100
    np.testing.assert_allclose(made["market"][0], [0.165, 0.3, 0.01, sectors.mean(), sectors.std()])
    assert made["market_given"].all()
    bare = OptimizeRequest.model_validate({k: v for k, v in EXAMPLE.items() if k != "market_state"})
    assert not PRODUCT.to_inputs(bare, NOW)["market_given"].any()


def test_lists_of_different_length_are_refused() -> None:
    state = EXAMPLE["portfolio_state"] | {"current_allocation": [50.0]}
    with pytest.raises(InvalidRequest, match="1 shares for 5 securities"):
        PRODUCT.to_inputs(OptimizeRequest.model_validate(EXAMPLE | {"portfolio_state": state}), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"cash_balance": 0.0},
        {"current_allocation": [30.0, 25.0, 20.0, 10.0, 50.0], "cash_balance": None},
        {"security_ids": [], "current_allocation": []},
    ],
)
def test_shares_and_cash_that_are_not_the_whole_are_refused(change: dict[str, object]) -> None:
    state = EXAMPLE["portfolio_state"] | change
    with pytest.raises(InvalidRequest, match="together they are not total_value") as caught:
        PRODUCT.to_inputs(OptimizeRequest.model_validate(EXAMPLE | {"portfolio_state": state}), NOW)
    assert caught.value.path == "portfolio_state.current_allocation"


@pytest.mark.parametrize(
    ("block", "change"),
    [
        ("user_constraints", {"risk_tolerance": 1.5}),
        ("user_constraints", {"max_position_size": 0.0}),
        ("constraints", {"max_positions": 0}),
        ("portfolio_state", {"total_value": -1.0}),
        ("market_state", {"sentiment": 2.0}),
    ],
)
def test_impossible_values_are_refused(block: str, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        OptimizeRequest.model_validate(EXAMPLE | {block: EXAMPLE[block] | change})


@pytest.mark.parametrize(
    ("today", "frequency", "periods", "wanted"),
    [
        (date(2025, 11, 13), "monthly", 1, date(2025, 12, 1)),
        (date(2025, 12, 31), "monthly", 1, date(2026, 1, 1)),
        (date(2026, 1, 20), "monthly", 1, date(2026, 2, 2)),
        (date(2025, 11, 13), "monthly", 2, date(2026, 1, 1)),
        (date(2025, 11, 13), "weekly", 1, date(2025, 11, 17)),
        (date(2025, 11, 17), "weekly", 1, date(2025, 11, 24)),
    ],
)
def test_the_next_date_is_a_weekday(today: date, frequency: str, periods: int, wanted: date) -> None:
    got = next_date(today, frequency, periods)  # type: ignore[arg-type]
    assert got == wanted
    assert got.weekday() < 5


def test_the_gateway_learns_nothing_but_pydantic_and_numpy() -> None:
    heavy = ("torch", "gymnasium", "stable_baselines3", "pandas", "scipy")
    code = (
        "import sys, components.models.portfolio.auto_invest.product, components.models.portfolio.auto_invest.model; "
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
