"""How applications ask for a portfolio's health: document 0, "Portfolio Health Scoring Model" and endpoint 1."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.models.portfolio.portfolio_health.columns import NAMES
from components.models.portfolio.portfolio_health.payload import Blocks, PortfolioDocument, features_of, largest_sector
from components.models.portfolio.portfolio_health.present import advise
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors

UNNAMED: Final = "unnamed"
"""Subject of a request that carries everything and names no portfolio."""

EXAMPLE: dict[str, JsonValue] = {
    "portfolio_id": "7d9f2c4e-5b1a-4f0e-9c3d-2a6b8e4f1c70",
    "portfolio_metrics": {
        "total_value": 1250000.0,
        "num_holdings": 14,
        "sector_concentration": [45.0, 20.0, 15.0, 12.0, 8.0],
        "sector_names": ["IT", "Finance", "FMCG", "Healthcare", "Automobile"],
        "asset_allocation": {"equity_percent": 65.0, "debt_percent": 20.0, "gold_percent": 5.0, "cash_percent": 10.0},
    },
    "risk_metrics": {
        "portfolio_beta": 0.72,
        "sharpe_ratio": 0.95,
        "sortino_ratio": 1.4,
        "max_drawdown": 16.5,
        "volatility": 13.2,
    },
    "diversification": {"herfindahl_index": 0.11, "num_sectors": 5, "num_asset_classes": 4},
    "performance": {"returns_1m": 1.4, "returns_3m": 4.2, "returns_6m": 7.9, "returns_1y": 14.6},
    "user_context": {"age": 35, "risk_profile": "moderate", "investment_horizon": 120},
}


class HealthRequest(Blocks):
    """A portfolio: by what it is, or by the id under which the application keeps that."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE, {"portfolio_id": "7d9f2c4e-5b1a-4f0e-9c3d-2a6b8e4f1c70"}]}
    )

    portfolio_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None


class Components(BaseModel):
    """The four parts whose mean is the health score, 0 to 100."""

    diversification_score: int
    risk_management_score: int
    performance_score: int
    cost_efficiency_score: int


class Recommendation(BaseModel):
    """What would raise the score, and by how much: the score of the changed portfolio less this one's."""

    type: str
    priority: Literal["high", "medium", "low"]
    message: str
    impact: str


class HealthResponse(BaseModel):
    """Document 0's answer, with the interval that holds nine in ten of the raters' scores."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "health_score": 78,
                    "category": "Good",
                    "components": {
                        "diversification_score": 85,
                        "risk_management_score": 72,
                        "performance_score": 80,
                        "cost_efficiency_score": 75,
                    },
                    "recommendations": [
                        {
                            "type": "rebalance",
                            "priority": "high",
                            "message": "Consider reducing IT sector exposure (currently 45%)",
                            "impact": "+5 health score",
                        }
                    ],
                    "confidence": 0.89,
                    "score_interval": [73.6, 82.9],
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                }
            ]
        },
    )

    health_score: Annotated[int, Field(ge=0, le=100)]
    category: Literal["Poor", "Fair", "Good", "Excellent"]
    components: Components
    recommendations: list[Recommendation]
    confidence: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="Probability that raters' score is within 5 points, calibrated on the market trained on",
        ),
    ]
    score_interval: Annotated[list[float], Field(min_length=2, max_length=2, description="90 % conformal interval")]
    model_version: str
    generated_at: str


def to_inputs(request: HealthRequest, now: datetime) -> Tensors:
    """Return the features.

    Raises
    ------
    InvalidRequest
        If a block is missing or figures contradict each other.
    """
    return {"features": features_of(request)[None, :]}


def to_response(request: HealthRequest, served: Served) -> HealthResponse:
    """Return the document's shape."""
    outputs = served.outputs
    values = dict(zip(NAMES, features_of(request).tolist(), strict=True))
    name = largest_sector(request.portfolio_metrics) if request.portfolio_metrics else ""
    scores = zip(Components.model_fields, outputs["components"][0].tolist(), strict=True)
    return HealthResponse(
        health_score=round(float(outputs["health_score"][0])),
        category=str(outputs["category"][0]),  # type: ignore[arg-type]
        components=Components(**{part: round(score) for part, score in scores}),
        recommendations=[
            Recommendation(type=a.kind, priority=a.priority, message=a.message, impact=a.impact)  # type: ignore[arg-type]
            for a in advise(outputs, 0, values, name)
        ],
        confidence=round(float(outputs["confidence"][0]), 4),
        score_interval=[round(float(outputs[end][0]), 1) for end in ("lower", "upper")],
        model_version=served.model_version,
        generated_at=served.generated_at,
    )


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/portfolio/health"),),
    batch_type="portfolio_health",
    request=HealthRequest,
    response=HealthResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("portfolio", request.portfolio_id or UNNAMED),
    value=lambda response: float(response.health_score),
    confidence=lambda response: response.confidence,
    # Document 0: real-time, on portfolio changes. The same figures have the same answer until a new version serves.
    cache_ttl_s=3600.0,
    kept=Kept("portfolio", "portfolio_id", PortfolioDocument),
)
