"""How applications ask for a portfolio's weights: document 1, "Dynamic portfolio rebalancing recommendations".

The holdings have the shape of document 0's risk assessment, so that one kept portfolio answers both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer.params import MAX_SECTORS, WINDOW
from components.models.portfolio.portfolio_optimizer.present import present
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors, text_tensor
from components.wire import Payload, Rounded

Method = Literal["min_variance", "hrp", "cvar", "black_litterman", "equal_risk", "max_diversification"]
SecurityId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:&^-]*$")]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
MISMATCH = 0.02
"""How far a holding's weight may be from its share of all values."""

EXAMPLE_HOLDINGS: list[JsonValue] = [
    {"security_id": "AAPL", "quantity": 20, "current_value": 300000, "weight": 0.30},
    {"security_id": "JPM", "quantity": 20, "current_value": 250000, "weight": 0.25},
    {"security_id": "JNJ", "quantity": 10, "current_value": 150000, "weight": 0.15},
    {"security_id": "XOM", "quantity": 15, "current_value": 150000, "weight": 0.15},
    {"security_id": "WMT", "quantity": 12, "current_value": 150000, "weight": 0.15},
]


class Holding(Payload):
    """One position."""

    security_id: SecurityId
    quantity: Amount
    current_value: Amount
    weight: Share


class Portfolio(Payload):
    """What is held."""

    holdings: Annotated[list[Holding], Field(min_length=1, max_length=1000)]


class WeightLimit(Payload):
    """Bounds of one security, in place of the portfolio's."""

    security_id: SecurityId
    min_weight: Share = 0.0
    max_weight: Share = 1.0


class Limits(Payload):
    """What the weights must respect beside adding up to one, with nothing sold short."""

    min_weight: Share = 0.0
    max_weight: Share = 1.0
    weight_limits: Annotated[list[WeightLimit], Field(default_factory=list, max_length=1000)]
    sector_limits: Annotated[dict[str, Share], Field(default_factory=dict, max_length=MAX_SECTORS)]
    max_positions: Annotated[int, Field(ge=0, le=100, description="0 for no limit")] = 0
    turnover_limit: Annotated[float, Field(ge=0, le=1, description="Share that may change hands; 1 for no limit")] = 1.0
    transaction_cost_bp: Annotated[float, Field(ge=0, le=1000)] = 10.0
    risk_aversion: Annotated[float, Field(ge=0.01, le=1000)] = 5.0


class View(Payload):
    """What somebody expects of a security over the next year, for black_litterman."""

    security_id: SecurityId
    expected_return: Annotated[float, Field(ge=-1, le=1)]
    confidence: Annotated[float, Field(gt=0, le=1)]


class OptimizationRequest(Payload):
    """A portfolio, by its id or with its holdings, and how to choose its weights."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "portfolio": {"holdings": EXAMPLE_HOLDINGS},
                    "method": "min_variance",
                    "constraints": {"max_weight": 0.35, "sector_limits": {"Financials": 0.25}, "turnover_limit": 0.5},
                }
            ]
        }
    )

    portfolio_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    portfolio: Portfolio | None = None
    method: Method = "min_variance"
    candidates: Annotated[
        list[SecurityId], Field(default_factory=list, max_length=1000, description="Securities that may be bought anew")
    ]
    constraints: Annotated[Limits, Field(default_factory=lambda: Limits(weight_limits=[], sector_limits={}))]
    views: Annotated[list[View], Field(default_factory=list, max_length=1000)]


class PortfolioDocument(BaseModel):
    """What is kept of a portfolio under its id."""

    portfolio: Portfolio


class Position(BaseModel):
    """One security after rebalancing; weights and contributions are percent, amounts rupees."""

    security_id: str
    current_weight: Rounded
    target_weight: Rounded
    action: Literal["buy", "sell", "hold"]
    trade_value: Rounded
    trade_quantity: Annotated[
        Rounded | None, Field(description="Absent where no quantity is held to tell the price")
    ] = None
    risk_contribution: Annotated[Rounded, Field(description="Percent of the expected volatility; they add up to 100")]


class Metrics(BaseModel):
    """Of the portfolio after rebalancing, percent a year unless it says otherwise."""

    expected_volatility: Rounded
    current_volatility: Rounded
    equal_weight_volatility: Rounded
    expected_return: Rounded
    cvar_95: Annotated[Rounded, Field(description="Mean return of the worst 5 % of days, percent of a day")]
    diversification_ratio: Rounded


class Rebalancing(BaseModel):
    """Whether and how to get there."""

    recommended: bool
    turnover: Annotated[Rounded, Field(description="Percent of the portfolio that changes hands")]
    cost: Annotated[Rounded, Field(description="Rupees")]
    yearly_gain: Annotated[Rounded, Field(description="Certainty equivalent of the change, rupees a year, before cost")]
    break_even_days: Annotated[int | None, Field(description="Absent where the cost is never earned")] = None
    message: str


class FrontierPoint(BaseModel):
    """Percent a year."""

    volatility: Rounded
    expected_return: Rounded


EXAMPLE_POSITION: dict[str, JsonValue] = {
    "security_id": "JNJ",
    "current_weight": 15.0,
    "target_weight": 35.0,
    "action": "buy",
    "trade_value": 200000.0,
    "trade_quantity": 13.3333,
    "risk_contribution": 32.1,
}


class OptimizationResponse(BaseModel):
    """Weights, trades, and what they are expected to do."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "portfolio_id": None,
                    "method": "min_variance",
                    "fallback_used": None,
                    "positions": [EXAMPLE_POSITION],
                    "metrics": {
                        "expected_volatility": 17.2,
                        "current_volatility": 21.4,
                        "equal_weight_volatility": 20.1,
                        "expected_return": 8.3,
                        "cvar_95": -2.4,
                        "diversification_ratio": 1.42,
                    },
                    "rebalancing": {
                        "recommended": True,
                        "turnover": 38.0,
                        "cost": 760.0,
                        "yearly_gain": 40530.0,
                        "break_even_days": 7,
                        "message": "Rebalancing pays.",
                    },
                    "efficient_frontier": [{"volatility": 17.2, "expected_return": 8.3}],
                    "confidence": 0.88,
                    "estimated_until": "2022-10-03",
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                }
            ]
        },
    )

    portfolio_id: str | None = None
    method: str
    fallback_used: Annotated[str | None, Field(description="The simpler method that stood in, if one did")] = None
    positions: list[Position]
    metrics: Metrics
    rebalancing: Rebalancing
    efficient_frontier: list[FrontierPoint]
    confidence: Annotated[float, Field(ge=0, le=1, description="That next month is calmer than with equal weights")]
    estimated_until: Annotated[str, Field(description="Last day of the returns behind it")]
    model_version: str
    generated_at: str


def to_inputs(request: OptimizationRequest, now: datetime) -> Tensors:
    """Return the tensors of one row; the model brings the returns.

    Raises
    ------
    InvalidRequest
        If no holdings are there, a weight contradicts its value, or a limit or view is of another security or the
        second of one.
    """
    holdings = holdings_of(request)
    names = securities_of(request)
    limits = request.constraints
    _once([bound.security_id for bound in limits.weight_limits], "constraints.weight_limits")
    _once([view.security_id for view in request.views], "views")
    low, high = np.full(len(names), limits.min_weight), np.full(len(names), limits.max_weight)
    for i, bound in enumerate(limits.weight_limits):
        place = _place(names, bound.security_id, f"constraints.weight_limits[{i}].security_id")
        low[place], high[place] = bound.min_weight, bound.max_weight
    views, confidences = np.zeros(len(names)), np.zeros(len(names))
    for i, view in enumerate(request.views):
        place = _place(names, view.security_id, f"views[{i}].security_id")
        views[place], confidences[place] = view.expected_return, view.confidence
    value = sum(holding.current_value for holding in holdings)
    whole = (
        limits.max_positions,
        limits.turnover_limit,
        limits.transaction_cost_bp,
        limits.risk_aversion,
        value,
    )
    empty = MAX_SECTORS - len(limits.sector_limits)
    return {
        "security_id": text_tensor(names)[None],
        "current_weight": _row([holding.weight for holding in holdings] + [0.0] * (len(names) - len(holdings))),
        "min_weight": low[None],
        "max_weight": high[None],
        "view": views[None],
        "view_confidence": confidences[None],
        "method": text_tensor([request.method]),
        "constraints": _row(list(whole)),
        "sector_name": text_tensor([*limits.sector_limits, *[""] * empty])[None],
        "sector_limit": _row([*limits.sector_limits.values(), *[0.0] * empty]),
        "history": np.empty((1, WINDOW, 0)),
    }


def holdings_of(request: OptimizationRequest) -> list[Holding]:
    """Return one holding per security, lots added up, whose weights agree with their values.

    Raises
    ------
    InvalidRequest
        If there is no portfolio, it is worth nothing, or they do not.
    """
    if request.portfolio is None:
        known = (
            f"nothing is kept under {request.portfolio_id!r}" if request.portfolio_id else "no portfolio_id is named"
        )
        raise InvalidRequest(
            f"the portfolio is missing, and {known}",
            "Send portfolio.holdings, or the portfolio_id of one that is kept.",
            path="portfolio",
        )
    holdings = request.portfolio.holdings
    value = sum(holding.current_value for holding in holdings)
    if value <= 0:
        raise InvalidRequest(
            "the holdings are worth 0", "Send what each is worth.", path="portfolio.holdings[0].current_value"
        )
    for i, holding in enumerate(holdings):
        share = holding.current_value / value
        if abs(share - holding.weight) > MISMATCH:
            raise InvalidRequest(
                f"weight {holding.weight:g} is not {holding.security_id}'s share {share:.4f} of all values",
                "Send weights of the same moment as the values.",
                path=f"portfolio.holdings[{i}].weight",
            )
    return _added_up(holdings)


def _added_up(holdings: list[Holding]) -> list[Holding]:
    """Add the lots of a security up: a kept portfolio may list them, and its risk is assessed so."""
    lots: dict[str, list[Holding]] = {}
    for holding in holdings:
        lots.setdefault(holding.security_id, []).append(holding)
    # Constructed, not validated: rounded weights may add up to a little more than one.
    return [
        Holding.model_construct(
            security_id=name,
            quantity=sum(lot.quantity for lot in held),
            current_value=sum(lot.current_value for lot in held),
            weight=sum(lot.weight for lot in held),
        )
        for name, held in lots.items()
    ]


def securities_of(request: OptimizationRequest) -> list[str]:
    """Return what may be held: the holdings, then the candidates that are none."""
    held = [holding.security_id for holding in holdings_of(request)]
    return [*held, *(name for name in dict.fromkeys(request.candidates) if name not in held)]


def to_response(request: OptimizationRequest, served: Served) -> OptimizationResponse:
    """Return the answer in the product's units: percent and rupees."""
    holdings = holdings_of(request)
    prices = {h.security_id: h.current_value / h.quantity for h in holdings if h.quantity > 0}
    weights = {h.security_id: h.weight for h in holdings}
    value = sum(holding.current_value for holding in holdings)
    body = present(served.outputs, 0, securities_of(request), weights, prices, value)
    return OptimizationResponse(
        portfolio_id=request.portfolio_id,
        method=request.method,
        model_version=served.model_version,
        generated_at=served.generated_at,
        **body,
    )


def _once(names: list[str], path: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidRequest(f"{twice[0]!r} is named twice", "Name every security once.", path=path)


def _place(names: list[str], name: str, path: str) -> int:
    if name not in names:
        raise InvalidRequest(
            f"{name!r} is neither held nor a candidate", "Add it to candidates, or leave it out.", path=path
        )
    return names.index(name)


def _row(values: list[float]) -> npt.NDArray[np.float64]:
    return np.array([values], dtype=np.float64)


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/portfolio/optimize"),),
    batch_type="portfolio_optimization",
    request=OptimizationRequest,
    response=OptimizationResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("portfolio", request.portfolio_id or "unnamed", "1m"),
    value=lambda response: response.metrics.expected_volatility,
    confidence=lambda response: response.confidence,
    kept=Kept("portfolio", "portfolio_id", PortfolioDocument),
)
