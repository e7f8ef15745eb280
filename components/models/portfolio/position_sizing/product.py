"""How applications ask for a position: document 4, ``prepareRiskInput`` and ``RiskParameters``, word for word.

The document gives no route; this one follows document 0's. Where it is silent about units: positions are percent of the
portfolio, stop loss and take profit percent from the entry price, and drawdown percent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.data.sectors import sectors_of
from components.errors import InvalidRequest
from components.models.portfolio.position_sizing.sums import check_sums
from components.models.product import ProductSpec, Route, Served, Subject, Tensors, text_tensor
from components.wire import Integer, Payload, Rounded

Symbol = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:&^-]*$")]
SectorName = Annotated[str, Field(min_length=1, max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Volatility = Annotated[float, Field(ge=1, le=200)]
"""Percent a year; below 1 are decimals, which would be believed and make positions large."""
Trend = Literal["bullish", "neutral", "bearish"]
TRENDS: dict[str, float] = {"bullish": 1.0, "neutral": 0.0, "bearish": -1.0}


class Holding(Payload):
    """One security that is held."""

    symbol: Symbol
    weight: Annotated[float, Field(ge=0, le=1, description="Share of portfolio_value, decimal")]
    volatility: Annotated[Volatility | None, Field(description="Now, annualised percent; else the model's own")] = None


class PositionRequest(Payload):
    """Portfolio, security and market state."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "portfolio_id": 42,
                    "portfolio_value": 250000.0,
                    "cash": 150000.0,
                    "positions": 2,
                    "symbol": "AAPL",
                    "vix": 18.5,
                    "market_trend": "bullish",
                    "sector_rotation": 0.02,
                    "holdings": [{"symbol": "JPM", "weight": 0.25}, {"symbol": "KO", "weight": 0.15}],
                    "target_volatility": 12.0,
                    "price": 189.5,
                },
                {
                    "portfolio_id": 42,
                    "portfolio_value": 250000.0,
                    "cash": 150000.0,
                    "positions": 5,
                    "symbol": "MSFT",
                    "vix": 31.0,
                    "market_trend": -1.0,
                    "sector_rotation": {"Information Technology": -0.04, "Energy": 0.06},
                },
            ]
        },
    )

    portfolio_id: Integer
    portfolio_value: Annotated[float, Field(gt=0, le=1e15)]
    cash: Annotated[float, Field(ge=0, le=1e15)]
    positions: Annotated[int, Field(ge=0, le=10_000)]
    symbol: Symbol
    vix: Annotated[float, Field(ge=1, le=200)]
    market_trend: Annotated[
        Trend | Annotated[float, Field(ge=-1, le=1)], Field(description="A word, or a number from -1 to 1")
    ]
    sector_rotation: Annotated[
        Annotated[float, Field(ge=-1, le=1)]
        | Annotated[dict[SectorName, Annotated[float, Field(ge=-1, le=1)]], Field(max_length=100)],
        Field(description="Quarter's return of the security's sector less the market's, decimal; or one per sector"),
    ]
    holdings: Annotated[
        list[Holding] | None, Field(max_length=2000, description="What is held; else an average book is assumed")
    ] = None
    target_volatility: Annotated[
        Volatility | None, Field(description="Of the whole portfolio, annualised percent; else the market's own")
    ] = None
    volatility: Annotated[Volatility | None, Field(description="Of the security now, annualised percent")] = None
    price: Annotated[float | None, Field(gt=0, description="Entry price, for levels in its unit")] = None


class RiskParameters(BaseModel):
    """The document's interface; after ``timestamp`` what it does not name."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "portfolioId": 42,
                    "symbol": "AAPL",
                    "recommendedPosition": 11.4,
                    "stopLoss": 9.8,
                    "takeProfit": 7.9,
                    "maxDrawdown": 7.1,
                    "volatilityAdjustment": 1.12,
                    "correlationRisk": 0.41,
                    "timestamp": "2026-01-05T10:30:00Z",
                    "bindingLimit": "volatility",
                    "stopLossPrice": 170.9,
                    "takeProfitPrice": 204.5,
                    "expectedRisk": 12.0,
                    "volatilityForecast": 27.1,
                    "expectedReturn": 14.2,
                    "kellyPosition": 130.2,
                    "volatilityPosition": 11.4,
                    "cashLimit": 60.0,
                    "correlationPenalty": 0.22,
                    "confidence": 0.52,
                    "model_version": "1",
                    "generated_at": "2026-01-05T10:30:00Z",
                }
            ]
        },
    )

    portfolioId: int
    symbol: str
    recommendedPosition: Annotated[Rounded, Field(ge=0, description="Percent of the portfolio")]
    stopLoss: Annotated[Rounded, Field(ge=0, description="Percent below the entry price")]
    takeProfit: Annotated[Rounded, Field(ge=0, description="Percent above the entry price")]
    maxDrawdown: Annotated[Rounded, Field(ge=0, description="Of the security within a month, expected, percent")]
    volatilityAdjustment: Annotated[Rounded, Field(gt=0, description="Long-run over forecast volatility")]
    correlationRisk: Annotated[Rounded, Field(ge=-1, le=1, description="Correlation with what is held")]
    timestamp: str
    bindingLimit: Literal["volatility", "kelly", "cash"]
    stopLossPrice: Annotated[Rounded | None, Field(description="In the unit of price, where that was given")] = None
    takeProfitPrice: Rounded | None = None
    expectedRisk: Annotated[Rounded, Field(ge=0, description="Of the portfolio, annualised percent")]
    volatilityForecast: Annotated[Rounded, Field(gt=0, description="Of the security, annualised percent")]
    expectedReturn: Annotated[Rounded, Field(description="Of the security, annualised percent")]
    kellyPosition: Annotated[Rounded, Field(ge=0, description="Fractional Kelly, percent of the portfolio")]
    volatilityPosition: Annotated[Rounded, Field(ge=0, description="That meets the target, percent of the portfolio")]
    cashLimit: Annotated[Rounded, Field(ge=0, description="Percent of the portfolio")]
    correlationPenalty: Annotated[Rounded, Field(description="Share of the position that correlation takes away")]
    confidence: Share
    model_version: str
    generated_at: str


def to_inputs(request: PositionRequest, now: datetime) -> Tensors:
    """Return one row; volatilities become decimals, words numbers.

    Raises
    ------
    InvalidRequest
        If the security's sector is not among those whose rotation is given, or the account does not add up.
    """
    held = request.holdings or []
    check_sums(request.portfolio_value, request.cash, request.positions, [h.weight for h in held])
    account = [
        request.portfolio_value,
        request.cash,
        float(request.positions),
        request.vix,
        TRENDS[request.market_trend] if isinstance(request.market_trend, str) else request.market_trend,
        _rotation(request),
        (request.target_volatility or 0.0) / 100,
        (request.volatility or 0.0) / 100,
    ]
    return {
        "account": np.array([account], dtype=np.float64),
        "symbol": text_tensor([request.symbol]),
        "security_id": np.array([[h.symbol for h in held]], dtype=object).reshape(1, len(held)),
        "weight": np.array([[h.weight for h in held]], dtype=np.float64).reshape(1, len(held)),
        "holding_volatility": np.array([[(h.volatility or 0.0) / 100 for h in held]]).reshape(1, len(held)),
    }


def _rotation(request: PositionRequest) -> float:
    given = request.sector_rotation
    if not isinstance(given, dict):
        return given
    names = [request.symbol, *(h.symbol for h in request.holdings or [])]
    sector = sectors_of(names)[request.symbol]
    if sector not in given:
        raise InvalidRequest(
            f"the sector of {request.symbol} is {sector!r}, whose rotation is not given",
            f"Give it beside {', '.join(sorted(given)) or 'no other'}, or one number for that sector.",
            path="sector_rotation",
        )
    return given[sector]


def to_response(request: PositionRequest, served: Served) -> RiskParameters:
    """Return the document's shape."""
    row = {name: values[0] for name, values in served.outputs.items()}
    stop, take = float(row["stop_loss"]), float(row["take_profit"])
    return RiskParameters(
        portfolioId=request.portfolio_id,
        symbol=request.symbol,
        recommendedPosition=float(row["recommended_position"]),
        stopLoss=stop,
        takeProfit=take,
        maxDrawdown=float(row["max_drawdown"]),
        volatilityAdjustment=float(row["volatility_adjustment"]),
        correlationRisk=float(row["correlation_risk"]),
        timestamp=served.generated_at,
        bindingLimit=str(row["binding"]),  # type: ignore[arg-type]
        stopLossPrice=None if request.price is None else request.price * (1 - stop / 100),
        takeProfitPrice=None if request.price is None else request.price * (1 + take / 100),
        expectedRisk=float(row["expected_risk"]),
        volatilityForecast=float(row["volatility_forecast"]),
        expectedReturn=float(row["expected_return"]),
        kellyPosition=float(row["kelly_position"]),
        volatilityPosition=float(row["volatility_position"]),
        cashLimit=float(row["cash_limit"]),
        correlationPenalty=float(row["correlation_penalty"]),
        confidence=float(row["confidence"]),
        model_version=served.model_version,
        generated_at=served.generated_at,
    )


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/portfolio/position-size"),),
    batch_type="position_sizing",
    request=PositionRequest,
    response=RiskParameters,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("portfolio", str(request.portfolio_id), "1m"),
    value=lambda response: response.recommendedPosition,
    confidence=lambda response: response.confidence,
    cache_ttl_s=300.0,
)
