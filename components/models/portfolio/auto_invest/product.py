"""How applications ask for an auto-invest strategy: document 0, section 7 and endpoint 7, word for word."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.errors import InvalidRequest, MissingValue
from components.models.portfolio.auto_invest.present import Frequency, allocation, performance, schedule, summary
from components.models.portfolio.auto_invest.schemas import LIMITS
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors, text_tensor
from components.wire import Integer, Payload

MANY = 1000
LARGEST_AMOUNT = 1e15
"""₹; sums and ratios of larger ones may overflow."""

WHOLE = 0.01
"""How far shares and cash may be from total_value, decimal: what rounding leaves."""

Name = Annotated[str, Field(min_length=1, max_length=64)]
Amount = Annotated[float, Field(ge=0, le=LARGEST_AMOUNT)]
Percent = Annotated[float, Field(ge=0, le=100)]
Change = Annotated[float, Field(ge=-100, le=500)]
SectorLimits = Annotated[
    dict[Name, Percent],
    Field(default_factory=dict, max_length=LIMITS, description="Largest share of each sector, percent"),
]

EXAMPLE_PORTFOLIO: dict[str, JsonValue] = {
    "security_ids": ["AAPL", "JPM", "KO", "XOM", "JNJ"],
    "current_allocation": [30.0, 25.0, 20.0, 10.0, 5.0],
    "total_value": 500000.0,
    "cash_balance": 50000.0,
    "unrealized_pnl": 42000.0,
}
EXAMPLE_MARKET: dict[str, JsonValue] = {
    "market_indices": [1.2, 0.8],
    "volatility": 16.5,
    "sentiment": 0.3,
    "sector_performance": [2.1, -0.4, 1.3, 0.2],
}
EXAMPLE_USER: dict[str, JsonValue] = {
    "risk_tolerance": 0.6,
    "max_position_size": 30.0,
    "sector_limits": {"IT": 30.0, "Finance": 25.0},
    "investment_amount": 25000.0,
}


class PortfolioState(Payload):
    """What the strategy holds, and of which securities it may choose."""

    security_ids: Annotated[
        list[Name],
        Field(
            default_factory=list,
            max_length=MANY,
            description="Securities to choose from; all that the model knows when empty",
        ),
    ]
    current_allocation: Annotated[
        list[Percent],
        Field(
            default_factory=list,
            max_length=MANY,
            description="Percent of total_value held of each of them; nothing when empty",
        ),
    ]
    total_value: Annotated[Amount, Field(description="₹, cash included")]
    cash_balance: Annotated[Amount | None, Field(description="₹; what the shares leave when absent")] = None
    unrealized_pnl: Annotated[float, Field(ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT, description="₹")] = 0.0


class MarketState(Payload):
    """The market now; what is absent is taken from the end of the model's data."""

    market_indices: Annotated[
        list[Change],
        Field(default_factory=list, max_length=100, description="Returns of market indices over a month, percent"),
    ]
    volatility: Annotated[float | None, Field(ge=0, le=300, description="Annualised percent, as India VIX")] = None
    sentiment: Annotated[float | None, Field(ge=-1, le=1)] = None
    sector_performance: Annotated[
        list[Change],
        Field(default_factory=list, max_length=100, description="Returns of sectors over a month, percent"),
    ]


class UserConstraints(Payload):
    """What the user wants."""

    risk_tolerance: Annotated[float, Field(ge=0, le=1)]
    max_position_size: Annotated[float, Field(gt=0, le=100, description="Percent")] = 100.0
    sector_limits: SectorLimits
    investment_amount: Annotated[Amount, Field(description="New money to invest now, ₹")] = 0.0


class Constraints(Payload):
    """Limits of this request; a sector's limit replaces the user's."""

    max_positions: Annotated[Integer | None, Field(ge=1)] = None
    sector_limits: SectorLimits


class StrategyDocument(Payload):
    """What applications keep of a strategy."""

    portfolio_state: PortfolioState
    user_constraints: UserConstraints


class OptimizeRequest(Payload):
    """A strategy, named or described."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy_id": "auto_invest_123",
                    "portfolio_state": EXAMPLE_PORTFOLIO,
                    "market_state": EXAMPLE_MARKET,
                    "user_constraints": EXAMPLE_USER,
                    "constraints": {"max_positions": 15, "sector_limits": {"IT": 30.0, "Finance": 25.0}},
                },
                {
                    "strategy_id": "uuid",
                    "constraints": {"max_positions": 15, "sector_limits": {"IT": 30.0, "Finance": 25.0}},
                },
            ]
        },
    )

    strategy_id: Name | None = None
    portfolio_state: PortfolioState | None = None
    market_state: MarketState | None = None
    user_constraints: UserConstraints | None = None
    constraints: Constraints | None = None


class Allocation(BaseModel):
    """One security; what the shares leave of 100 is cash."""

    security_id: str
    allocation_percent: float
    expected_contribution: Annotated[float, Field(description="To the expected annual return, percentage points")]


class Performance(BaseModel):
    """Expected over a year; percent, the Sharpe ratio as it is."""

    annual_return: float
    volatility: float
    sharpe_ratio: float
    max_drawdown: float


class Schedule(BaseModel):
    """When the strategy trades."""

    frequency: Frequency
    next_rebalance: date
    estimated_cost: Annotated[float, Field(ge=0, description="Of the trades to the optimal allocation, ₹")]


class OptimizeResponse(BaseModel):
    """The document's output."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "strategy_id": "auto_invest_123",
                    "optimal_allocation": [
                        {"security_id": "INE467B01029", "allocation_percent": 15.0, "expected_contribution": 8.5}
                    ],
                    "expected_performance": {
                        "annual_return": 14.2,
                        "volatility": 16.8,
                        "sharpe_ratio": 0.85,
                        "max_drawdown": 18.5,
                    },
                    "rebalancing_schedule": {
                        "frequency": "monthly",
                        "next_rebalance": "2025-12-01",
                        "estimated_cost": 250,
                    },
                    "confidence": 0.82,
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                }
            ]
        },
    )

    strategy_id: str
    optimal_allocation: list[Allocation]
    expected_performance: Performance
    rebalancing_schedule: Schedule
    confidence: Annotated[
        float, Field(ge=0, le=1, description="Probability that the next month is not worse than equal shares")
    ]
    model_version: str
    generated_at: str


def to_inputs(request: OptimizeRequest, now: datetime) -> Tensors:
    """Return one row of the model's inputs; percents become decimals.

    Raises
    ------
    InvalidRequest
        If a block is missing and no kept strategy fills it, or lists differ in length.
    """
    portfolio, user = _required(request)
    if portfolio.current_allocation and len(portfolio.current_allocation) != len(portfolio.security_ids):
        raise InvalidRequest(
            f"{len(portfolio.current_allocation)} shares for {len(portfolio.security_ids)} securities",
            "Give security_ids and current_allocation of the same length, in the same order.",
            path="portfolio_state.current_allocation",
        )
    _check_sum(portfolio)
    limits = request.constraints or Constraints.model_validate({})
    sectors = user.sector_limits | limits.sector_limits
    if len(sectors) > LIMITS:
        raise InvalidRequest(
            f"{len(sectors)} sectors are limited", f"Limit at most {LIMITS}.", path="constraints.sector_limits"
        )
    pad = LIMITS - len(sectors)
    inputs = {
        "strategy": _strategy(portfolio, user, limits),
        **_market(request.market_state or MarketState.model_validate({})),
        "limit_sector": text_tensor([*sectors, *[""] * pad])[None],
        "limit_share": np.array([[share / 100 for share in sectors.values()] + [1.0] * pad]),
    }
    if portfolio.security_ids:
        shares = portfolio.current_allocation or [0.0] * len(portfolio.security_ids)
        inputs["security_id"] = text_tensor(portfolio.security_ids)[None]
        inputs["current_allocation"] = np.array([shares]) / 100
    return inputs


def _required(request: OptimizeRequest) -> tuple[PortfolioState, UserConstraints]:
    if request.portfolio_state is None or request.user_constraints is None:
        missing = "portfolio_state" if request.portfolio_state is None else "user_constraints"
        raise MissingValue(
            f"{missing} is missing, and no strategy {request.strategy_id!r} is kept that has it",
            f"Send {missing}, or keep the strategy first and name it by strategy_id.",
            path=missing,
        )
    return request.portfolio_state, request.user_constraints


def _check_sum(portfolio: PortfolioState) -> None:
    """Refuse shares and cash that are not the whole of total_value, but for rounding."""
    total, invested = portfolio.total_value, sum(portfolio.current_allocation) / 100
    cash = _cash(portfolio)
    if abs(invested * total + cash - total) > WHOLE * total or invested > 1 + WHOLE:
        raise InvalidRequest(
            f"current_allocation adds up to {100 * invested:.4g} % of total_value, {invested * total:,.2f}, and "
            f"cash_balance is {cash:,.2f}; together they are not total_value, {total:,.2f}",
            "Shares are percent of total_value, which includes cash_balance.",
            path="portfolio_state.current_allocation",
        )


def _cash(portfolio: PortfolioState) -> float:
    left = portfolio.total_value * max(0.0, 1 - sum(portfolio.current_allocation) / 100)
    return left if portfolio.cash_balance is None else portfolio.cash_balance


def _strategy(portfolio: PortfolioState, user: UserConstraints, limits: Constraints) -> npt.NDArray[np.float64]:
    return np.array(
        [
            [
                portfolio.total_value,
                _cash(portfolio),
                portfolio.unrealized_pnl,
                user.risk_tolerance,
                user.max_position_size / 100,
                float(limits.max_positions or MANY),
                user.investment_amount,
            ]
        ]
    )


def _market(market: MarketState) -> dict[str, npt.NDArray[Any]]:
    """Return the market's state and which parts of it were given; lists become their mean and spread."""
    volatility, sentiment = market.volatility, market.sentiment
    index, _ = summary(market.market_indices)
    mean, spread = summary(market.sector_performance)
    given = [
        volatility is not None,
        sentiment is not None,
        bool(market.market_indices),
        bool(market.sector_performance),
    ]
    state = [(volatility or 0.0) / 100, sentiment or 0.0, index, mean, spread]
    return {"market": np.array([state]), "market_given": np.array([given])}


def to_response(request: OptimizeRequest, served: Served) -> OptimizeResponse:
    """Return the document's shape."""
    today = datetime.fromisoformat(served.generated_at).date()
    return OptimizeResponse(
        strategy_id=request.strategy_id or "",
        optimal_allocation=[Allocation(**item) for item in allocation(served.outputs)],
        expected_performance=Performance(**performance(served.outputs)),
        rebalancing_schedule=Schedule(**schedule(served.outputs, today)),
        confidence=round(float(served.outputs["confidence"][0, 0]), 4),
        model_version=served.model_version,
        generated_at=served.generated_at,
    )


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/auto-invest/optimize"),),
    batch_type="auto_invest",
    request=OptimizeRequest,
    response=OptimizeResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("strategy", request.strategy_id or "unnamed", "1y"),
    value=lambda response: response.expected_performance.annual_return,
    confidence=lambda response: response.confidence,
    kept=Kept("strategy", "strategy_id", StrategyDocument),
)
