"""How applications ask for a volatility forecast: document 1, ``POST /api/v1/ml/predict/volatility``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.errors import InvalidRequest
from components.models.markets.volatility.cone import QUANTILES
from components.models.markets.volatility.inputs import LEAST_REALISED
from components.models.product import ProductSpec, Route, Served, Subject, text_tensor
from components.wire import Moment, Payload

Horizon = Literal["1d", "5d", "1m"]
NAMES: dict[str, str] = {"1d": "1_day", "5d": "5_day", "1m": "1_month"}
"""Horizons as requests write them, and as answers do."""

LIFE_S = 3600.0
"""Life of an answer: features are those of daily closes, of which an hour brings one at most."""

MOST_REALISED = 5000

EXAMPLE_FORECAST: dict[str, JsonValue] = {
    "1_day": {
        "volatility": 12.4,
        "confidence_interval": [6.5, 23.1],
        "confidence": 0.52,
        "daily_variance": 0.000074,
        "percentile": 41.5,
        "cone": {"q05": 4.9, "q25": 8.8, "q50": 13.6, "q75": 18.2, "q95": 31.0},
    }
}


class VolatilityRequest(Payload):
    """Which security, how far ahead, and its realised variances where the caller has measured them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"security_id": "SP500", "horizons": ["1d", "5d", "1m"]},
                {"security_id": "SP500", "as_of": "2018-12-31T21:00:00Z"},
            ]
        },
    )

    security_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:&^-]*$")]
    horizons: Annotated[
        list[Horizon],
        Field(default_factory=list, max_length=len(NAMES), description="All that are served when empty"),
    ]
    as_of: Annotated[Moment | None, Field(description="With what was known then; now when absent")] = None
    realised: Annotated[
        list[Annotated[float, Field(ge=0, le=1)]] | None,
        Field(
            min_length=LEAST_REALISED,
            max_length=MOST_REALISED,
            description="Daily realised variances (decimal squared), oldest first, the newest that of the last known "
            "close: squared overnight return plus squared intraday returns. They take the place of the daily ranges.",
        ),
    ] = None


class Forecast(BaseModel):
    """The forecast of one horizon; volatilities are annualised percent."""

    volatility: Annotated[float, Field(description="Median of what will be realised")]
    confidence_interval: Annotated[list[float], Field(min_length=2, max_length=2)]
    confidence: Annotated[float, Field(ge=0, le=1, description="Probability that the realised one is within 25 %")]
    daily_variance: Annotated[float, Field(description="Mean of what will be realised a day, decimal squared")]
    percentile: Annotated[float, Field(ge=0, le=100, description="Of the security's own past volatility")]
    cone: Annotated[dict[str, float], Field(description="Quantiles of past volatility over this horizon")]


class VolatilityResponse(BaseModel):
    """The forecast of every horizon that was asked for."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "security_id": "SP500",
                    "current_volatility": 13.1,
                    "forecasts": EXAMPLE_FORECAST,
                    "confidence": 0.52,
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                    "features_as_of": "2025-11-12T21:00:00Z",
                }
            ]
        },
    )

    security_id: str
    current_volatility: Annotated[float, Field(description="Realised over the last 21 days, annualised percent")]
    forecasts: dict[str, Forecast]
    confidence: Annotated[float, Field(ge=0, le=1, description="Of the nearest horizon that was asked for")]
    model_version: str
    generated_at: str
    features_as_of: Annotated[str | None, Field(description="When the newest price behind it was known")] = None


def to_inputs(request: VolatilityRequest, now: datetime) -> dict[str, Any]:
    """Return entity, time and the caller's realised variances: the transformer looks the rest up.

    Raises
    ------
    InvalidRequest
        If the asked time lies in the future.
    """
    at = request.as_of or now
    if at > now:
        raise InvalidRequest(f"{at.isoformat()} lies in the future.", "Leave as_of out for now.", path="as_of")
    stamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    inputs = {"entity": text_tensor([request.security_id]), "timestamp": text_tensor([stamp])}
    if request.realised is not None:
        inputs["realised"] = np.array([request.realised], dtype=np.float64)
    return inputs


def to_response(request: VolatilityRequest, served: Served) -> VolatilityResponse:
    """Return the response's shape.

    Raises
    ------
    InvalidRequest
        If a horizon is asked for that this version does not forecast.
    """
    horizons = served.columns["volatility"]
    wanted = [NAMES[h] for h in request.horizons] or list(horizons)
    missing = [h for h in wanted if h not in horizons]
    if missing:
        offered = ", ".join(short for short, name in NAMES.items() if name in horizons)
        raise InvalidRequest(f"{missing} is not served.", f"Ask for some of: {offered}.", path="horizons")
    forecasts = {h: _forecast(served, horizons.index(h)) for h in horizons if h in wanted}
    return VolatilityResponse(
        security_id=request.security_id,
        current_volatility=float(served.outputs["current_volatility"][0]),
        forecasts=forecasts,
        confidence=next(iter(forecasts.values())).confidence,
        model_version=served.model_version,
        generated_at=served.generated_at,
        features_as_of=served.parameters.get("feature_timestamps") or None,
    )


def _forecast(served: Served, h: int) -> Forecast:
    one = {name: float(served.outputs[name][0, h]) for name in ("volatility", "confidence", "percentile")}
    names = served.columns.get("cone") or tuple(QUANTILES)
    return Forecast(
        **one,
        confidence_interval=[float(served.outputs[end][0, h]) for end in ("lower", "upper")],
        daily_variance=float(served.outputs["variance"][0, h]),
        cone={name: float(v) for name, v in zip(names, served.outputs["cone"][0, h], strict=True)},
    )


def _first(response: VolatilityResponse) -> Forecast:
    return next(iter(response.forecasts.values()))


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/v1/ml/predict/volatility"),),
    batch_type="volatility_prediction",
    request=VolatilityRequest,
    response=VolatilityResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda r: Subject("instrument", r.security_id, r.horizons[0] if len(r.horizons) == 1 else ""),
    value=lambda response: _first(response).volatility,
    confidence=lambda response: response.confidence,
    reference=lambda response: response.current_volatility,
    cache_ttl_s=LIFE_S,
    stale_for_s=6 * LIFE_S,
)
