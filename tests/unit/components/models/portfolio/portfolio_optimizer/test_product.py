"""How applications ask the optimiser: every field is used, what is missing is named, and amounts add up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer.model import Optimiser, PortfolioOptimizer
from components.models.portfolio.portfolio_optimizer.product import (
    EXAMPLE_HOLDINGS,
    PRODUCT,
    OptimizationRequest,
    OptimizationResponse,
    to_inputs,
    to_response,
)
from components.models.portfolio.portfolio_optimizer.universe import Universe
from components.models.product import Served

NOW = datetime(2025, 11, 13, tzinfo=UTC)
NAMES = ("AAPL", "JPM", "JNJ", "XOM", "WMT", "PFE")


def model() -> PortfolioOptimizer:
    returns = np.random.default_rng(0).standard_normal((252, 6)) * [0.02, 0.016, 0.01, 0.015, 0.012, 0.011]
    member = Optimiser()
    member.universe = Universe(NAMES, returns, "2025-11-12")
    made = PortfolioOptimizer()
    made.member = member
    return made


MODEL = model()


def request(**given: Any) -> OptimizationRequest:
    return OptimizationRequest.model_validate({"portfolio": {"holdings": EXAMPLE_HOLDINGS}} | given)


def answer(asked: OptimizationRequest) -> OptimizationResponse:
    inputs = dict(to_inputs(asked, NOW))
    MODEL.input_schema.validate(inputs)
    return to_response(asked, Served(MODEL.predict(inputs), model_version="3", generated_at="2025-11-13T00:00:00Z"))


def test_the_example_is_answered_in_percent_and_rupees() -> None:
    extra = OptimizationRequest.model_config["json_schema_extra"]
    got = answer(OptimizationRequest.model_validate(extra["examples"][0]))  # type: ignore[index, call-overload]
    assert sum(p.target_weight for p in got.positions) == pytest.approx(100)
    assert sum(p.risk_contribution for p in got.positions) == pytest.approx(100)
    assert sum(p.trade_value for p in got.positions) == pytest.approx(0, abs=200)
    assert max(p.target_weight for p in got.positions) <= 35.01
    assert got.metrics.expected_volatility < got.metrics.current_volatility
    assert len(got.efficient_frontier) == 20
    assert got.estimated_until == "2025-11-12"
    assert got.model_version == "3"
    assert PRODUCT.value is not None
    assert PRODUCT.value(got) == got.metrics.expected_volatility


def test_trades_of_a_security_that_is_held_are_told_in_units() -> None:
    for position in answer(request(candidates=["PFE"])).positions:
        if position.security_id == "PFE":
            assert position.trade_quantity is None
            assert position.current_weight == 0
            continue
        price = next(
            h["current_value"] / h["quantity"] for h in EXAMPLE_HOLDINGS if h["security_id"] == position.security_id
        )  # type: ignore[index, call-overload, operator]
        assert position.trade_quantity == pytest.approx(position.trade_value / price, abs=1e-3)
        assert position.action == (
            "hold" if not position.trade_value else "buy" if position.trade_value > 0 else "sell"
        )


@pytest.mark.parametrize(
    ("given", "tensor", "value"),
    [
        ({"method": "hrp"}, "method", "hrp"),
        ({"constraints": {"min_weight": 0.02}}, "min_weight", 0.02),
        ({"constraints": {"max_weight": 0.4}}, "max_weight", 0.4),
        ({"constraints": {"weight_limits": [{"security_id": "AAPL", "min_weight": 0.1}]}}, "min_weight", 0.1),
        ({"constraints": {"sector_limits": {"Energy": 0.2}}}, "sector_name", "Energy"),
        ({"constraints": {"max_positions": 4}}, "constraints", 4),
        ({"constraints": {"turnover_limit": 0.3}}, "constraints", 0.3),
        ({"constraints": {"transaction_cost_bp": 25.0}}, "constraints", 25.0),
        ({"constraints": {"risk_aversion": 3.0}}, "constraints", 3.0),
        ({"views": [{"security_id": "JPM", "expected_return": 0.07, "confidence": 0.3}]}, "view", 0.07),
        ({"views": [{"security_id": "JPM", "expected_return": 0.07, "confidence": 0.3}]}, "view_confidence", 0.3),
        ({"candidates": ["PFE"]}, "security_id", "PFE"),
    ],
)
def test_every_field_reaches_the_model(given: dict[str, Any], tensor: str, value: Any) -> None:
    assert value in to_inputs(request(**given), NOW)[tensor]


def test_a_rebalancing_that_does_not_pay_is_not_recommended() -> None:
    got = answer(request(constraints={"transaction_cost_bp": 1000.0})).rebalancing
    assert not got.recommended
    assert got.break_even_days is not None
    assert got.break_even_days > 365
    assert f"{got.break_even_days} days" in got.message
    cheap = answer(request(constraints={"transaction_cost_bp": 1.0})).rebalancing
    assert cheap.recommended
    assert "₹" in cheap.message


def test_what_is_missing_is_named_with_the_remedy() -> None:
    with pytest.raises(InvalidRequest, match=r"portfolio: .*nothing is kept under 'p-1' Send portfolio.holdings"):
        to_inputs(OptimizationRequest.model_validate({"portfolio_id": "p-1"}), NOW)
    with pytest.raises(InvalidRequest, match="no portfolio_id is named"):
        to_inputs(OptimizationRequest.model_validate({}), NOW)


def test_a_weight_that_contradicts_its_value_is_refused() -> None:
    holdings = [{**EXAMPLE_HOLDINGS[0], "weight": 0.5}, *EXAMPLE_HOLDINGS[1:]]  # type: ignore[dict-item]
    with pytest.raises(InvalidRequest, match=r"holdings\[0\].weight: weight 0.5 is not AAPL's share 0.3000"):
        to_inputs(request(portfolio={"holdings": holdings}), NOW)


@pytest.mark.parametrize("where", ["views", "weight_limits"])
def test_what_is_about_another_security_is_refused(where: str) -> None:
    views = [{"security_id": "TSLA", "expected_return": 0.1, "confidence": 0.5}]
    given = {"views": views} if where == "views" else {"constraints": {where: [{"security_id": "TSLA"}]}}
    with pytest.raises(InvalidRequest, match="'TSLA' is neither held nor a candidate"):
        to_inputs(request(**given), NOW)


@pytest.mark.parametrize("field", ["quantity", "current_value", "weight"])
def test_negative_holdings_are_refused(field: str) -> None:
    holdings = [{**EXAMPLE_HOLDINGS[0], field: -1.0}]  # type: ignore[dict-item]
    with pytest.raises(ValidationError, match=field):
        request(portfolio={"holdings": holdings})


def test_a_kept_portfolio_fills_the_same_field() -> None:
    assert PRODUCT.kept is not None
    assert PRODUCT.kept.entity_type == "portfolio"
    assert set(PRODUCT.kept.shape.model_fields) <= set(OptimizationRequest.model_fields)
    kept = PRODUCT.kept.shape.model_validate({"portfolio": {"holdings": EXAMPLE_HOLDINGS}})
    assert kept.portfolio == request().portfolio  # type: ignore[attr-defined]


def test_where_nothing_may_be_traded_nothing_is_recommended() -> None:
    got = answer(request(constraints={"turnover_limit": 0.0}))
    assert all(position.action == "hold" for position in got.positions)
    assert not got.rebalancing.recommended
    assert got.rebalancing.break_even_days is None
    assert got.rebalancing.message == "Keep the current weights: there is nothing to trade."


def test_lots_of_a_security_are_one_position() -> None:
    first: Any = EXAMPLE_HOLDINGS[0]
    lots = [{**first, "quantity": 5, "current_value": 75000, "weight": 0.08}]
    lots.append({**first, "quantity": 15, "current_value": 225000, "weight": 0.22})
    one, two = (
        answer(request(portfolio={"holdings": held})) for held in (EXAMPLE_HOLDINGS, [*lots, *EXAMPLE_HOLDINGS[1:]])
    )
    assert [p.security_id for p in two.positions] == [p.security_id for p in one.positions]
    assert two.positions[0].target_weight == pytest.approx(one.positions[0].target_weight, abs=1e-6)
    assert two.positions[0].trade_quantity == pytest.approx(one.positions[0].trade_quantity)


def test_holdings_that_are_worth_nothing_are_refused() -> None:
    holdings = [{**h, "current_value": 0.0} for h in EXAMPLE_HOLDINGS]  # type: ignore[dict-item]
    with pytest.raises(InvalidRequest, match="the holdings are worth 0"):
        to_inputs(request(portfolio={"holdings": holdings}), NOW)


@pytest.mark.parametrize("where", ["views", "weight_limits"])
def test_two_opinions_of_one_security_are_refused(where: str) -> None:
    views = [{"security_id": "JPM", "expected_return": r, "confidence": 0.5} for r in (0.1, -0.1)]
    limits = [{"security_id": "JPM", "max_weight": w} for w in (0.1, 0.5)]
    given: Any = {"views": views} if where == "views" else {"constraints": {where: limits}}
    with pytest.raises(InvalidRequest, match="'JPM' is named twice"):
        to_inputs(request(**given), NOW)


def test_more_volatility_is_said_to_be_paid_by_the_views() -> None:
    views = [{"security_id": "AAPL", "expected_return": 0.9, "confidence": 0.9}]
    got = answer(request(method="black_litterman", views=views, constraints={}))
    assert got.metrics.expected_volatility > got.metrics.current_volatility
    assert "which the return that the views expect earns within" in got.rebalancing.message
