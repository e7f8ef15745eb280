"""How applications ask for a portfolio's risk: document 0, "Risk Assessment Model" and endpoint 5, word for word."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np

from components.errors import InvalidRequest, MissingValue
from components.models.portfolio.risk_assessment.payloads import (
    Drawdown,
    LossProbability,
    MarketConditions,
    PortfolioDocument,
    RiskMetrics,
    RiskRequest,
    RiskResponse,
    Scenario,
    StandardErrors,
)
from components.models.portfolio.risk_assessment.schemas import DAYS, SCENARIOS, STRESSES
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors

ASKED: Final = dict(zip(("market_correction", "sector_downturn"), SCENARIOS, strict=True))
"""Scenarios as requests write them, and as answers do."""
TRENDS: Final = {"bear": -1.0, "sideways": 0.0, "bull": 1.0}


def to_inputs(request: RiskRequest, now: datetime) -> Tensors:
    """Return the model's tensors.

    Raises
    ------
    MissingValue
        If there is no portfolio or no profile, neither in the request nor kept.
    InvalidRequest
        If the correlation matrix is not square in the number of holdings.
    """
    portfolio, profile = _needed(request, "portfolio"), _needed(request, "user_profile")
    market = request.market_conditions or MarketConditions()
    held = portfolio.holdings
    tensors: dict[str, Any] = {
        "security_id": np.array([[h.security_id for h in held]], dtype=object),
        "volatility": np.empty((1, 0)),
        "correlation": _correlation(market.correlation_matrix, len(held)),
        "conditions": np.array([[market.volatility_index or 0.0, TRENDS.get(market.market_trend or "", 0.0), 0.0]]),
        "profile": np.array([[profile.risk_capacity, float(profile.time_horizon), profile.liquidity_needs]]),
    }
    numbers = ("weight", "quantity", "current_value")
    return tensors | {name: np.array([[float(getattr(h, name)) for h in held]]) for name in numbers}


def _needed(request: RiskRequest, block: str) -> Any:
    value = getattr(request, block)
    if value is None:
        kept = f"the document kept for portfolio {request.portfolio_id!r}" if request.portfolio_id else "the request"
        raise MissingValue(
            f"neither the request nor a kept document holds it (looked in {kept})",
            f"Send {block}, or keep it with the platform under a portfolio_id and send that.",
            path=block,
        )
    return value


def _correlation(matrix: list[list[float]] | None, holdings: int) -> Any:
    if not matrix:
        return np.empty((1, 0, 0))
    if len(matrix) != holdings or any(len(row) != holdings for row in matrix):
        told = f"{len(matrix)} rows of {sorted({len(row) for row in matrix})} values"
        raise InvalidRequest(
            f"the matrix has {told}, the portfolio {holdings} holdings",
            "Send a row and a column for each holding, in their order.",
            path="market_conditions.correlation_matrix",
        )
    return np.array([matrix], dtype=np.float64)


def to_response(request: RiskRequest, served: Served) -> RiskResponse:
    """Return the document's shape, with the scenarios that were asked for."""
    out = {name: values[0] for name, values in served.outputs.items()}
    wanted = [ASKED[name] for name in request.scenarios] or list(SCENARIOS)
    return RiskResponse(
        risk_metrics=_metrics(out),
        risk_score=round(float(out["risk_score"][0]), 1),
        risk_category=str(out["risk_category"][0]),
        scenarios=[_scenario(out, SCENARIOS.index(name)) for name in wanted],
        stress_test_results={n: _percent(v) for n, v in zip(STRESSES, out["stress_test_results"], strict=True)},
        component_var=_by_security(request, out["component_var"]),
        confidence=round(float(out["confidence"][0]), 4),
        model_version=served.model_version,
        generated_at=served.generated_at,
    )


def _metrics(out: dict[str, Any]) -> RiskMetrics:
    errors = zip(StandardErrors.model_fields, out["standard_errors"], strict=True)
    losses = {name: round(float(p), 4) for name, p in zip(DAYS, out["probability_of_loss"], strict=True)}
    expected, worst = map(_percent, out["max_drawdown_forecast"])
    return RiskMetrics(
        portfolio_var_95=_percent(out["portfolio_var_95"][0]),
        portfolio_cvar_95=_percent(out["portfolio_cvar_95"][0]),
        expected_shortfall=_percent(out["expected_shortfall"][0]),
        probability_of_loss=LossProbability.model_validate(losses),
        max_drawdown_forecast=Drawdown(expected=expected, worst_case_95=worst),
        standard_errors=StandardErrors(**{name: round(float(v), 4) for name, v in errors}),
    )


def _scenario(out: dict[str, Any], number: int) -> Scenario:
    return Scenario(
        scenario=SCENARIOS[number],
        probability=round(float(out["scenario_probability"][number]), 4),
        portfolio_impact=_percent(out["scenario_impact"][number]),
        recovery_time_estimate=str(out["recovery_time_estimate"][number]),
    )


def _by_security(request: RiskRequest, parts: Any) -> dict[str, float]:
    """Add up the lots of a security: its parts are percent of the whole portfolio."""
    held = request.portfolio.holdings if request.portfolio else []
    summed: dict[str, float] = {}
    for holding, part in zip(held, parts, strict=True):
        summed[holding.security_id] = summed.get(holding.security_id, 0.0) + float(part)
    return {name: round(value, 4) for name, value in summed.items()}


def _percent(value: Any) -> float:
    return round(float(value), 2)


def subject(request: RiskRequest) -> Subject:
    """Name the portfolio by its id, or by what it holds."""
    held = request.portfolio.holdings if request.portfolio else []
    # A request of nothing is refused by to_inputs, which the gateway asks afterwards.
    unnamed = f"{len(held)} holdings, {held[0].security_id} first" if held else "unnamed"
    return Subject("portfolio", request.portfolio_id or unnamed, "1m")


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/risk/assess"), Route("POST", "/api/v1/ml/predict/portfolio-risk")),
    batch_type="risk_assessment",
    request=RiskRequest,
    response=RiskResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=subject,
    value=lambda response: response.risk_metrics.portfolio_var_95,
    confidence=lambda response: response.confidence,
    cache_ttl_s=3600.0,
    stale_for_s=86_400.0,
    kept=Kept("portfolio", "portfolio_id", PortfolioDocument),
)
