"""How applications ask for a price forecast: document 0, "Price Prediction Model" and endpoint 4, word for word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.errors import InvalidRequest
from components.models.markets.price_forecast.present import present
from components.models.product import ProductSpec, Route, Served, Subject, Tensors, text_tensor
from components.wire import Moment, Payload

Horizon = Literal["1d", "5d", "1m", "5min"]
NAMES: dict[str, str] = {"1d": "1_day", "5d": "5_day", "1m": "1_month", "5min": "next_bar"}
"""Horizons as requests write them, and as answers do."""

DAILY_S, BAR_S = 3600.0, 60.0
"""Lives of answers: document 0's, and a fifth of a bar of five minutes."""

EXAMPLE_FORECAST: dict[str, JsonValue] = {
    "1_day": {"price": 3478.2, "confidence_interval": [3445.0, 3511.4], "confidence": 0.72, "direction": "up"}
}


class PriceRequest(Payload):
    """Which security, how far ahead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"security_id": "INE467B01029", "horizons": ["1d", "5d", "1m"]}]},
    )

    security_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:&^-]*$")]
    horizons: Annotated[
        list[Horizon],
        Field(default_factory=list, max_length=len(NAMES), description="All that are served when empty"),
    ]
    as_of: Annotated[Moment | None, Field(description="With what was known then; now when absent")] = None


class Forecast(BaseModel):
    """The forecast of one horizon."""

    price: float
    confidence_interval: Annotated[list[float], Field(min_length=2, max_length=2)]
    confidence: Annotated[float, Field(ge=0, le=1, description="Calibrated probability that the direction is right")]
    direction: Literal["up", "down"]


class RiskFigures(BaseModel):
    """Over the longest horizon, percent."""

    volatility_forecast: float
    max_expected_drawdown: float
    var_95: float


class PriceResponse(BaseModel):
    """The forecast of every horizon that was asked for."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "security_id": "INE467B01029",
                    "current_price": 3456.5,
                    "predictions": EXAMPLE_FORECAST,
                    "risk_assessment": {"volatility_forecast": 18.5, "max_expected_drawdown": 8.2, "var_95": -5.3},
                    "suspended": False,
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                    "features_as_of": "2025-11-12T10:00:00Z",
                }
            ]
        },
    )

    security_id: str
    current_price: float
    predictions: dict[str, Forecast]
    risk_assessment: RiskFigures
    suspended: Annotated[bool, Field(description="Volatility is beyond what the intervals were calibrated on")]
    model_version: str
    generated_at: str
    features_as_of: Annotated[str | None, Field(description="When the newest price behind it was known")] = None


def to_inputs(request: PriceRequest, now: datetime) -> Tensors:
    """Return entity and time: the transformer looks the features up.

    Raises
    ------
    InvalidRequest
        If the asked time lies in the future.
    """
    at = request.as_of or now
    if at > now:
        raise InvalidRequest(f"{at.isoformat()} lies in the future.", "Leave as_of out for now.", path="as_of")
    stamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {"entity": text_tensor([request.security_id]), "timestamp": text_tensor([stamp])}


def to_response(request: PriceRequest, served: Served) -> PriceResponse:
    """Return the document's shape.

    Raises
    ------
    InvalidRequest
        If a horizon is asked for that this version does not forecast.
    """
    horizons = served.columns["price"]
    body = present(served.outputs, 0, horizons)
    wanted = [NAMES[h] for h in request.horizons] or list(horizons)
    missing = [h for h in wanted if h not in body["predictions"]]
    if missing:
        offered = ", ".join(short for short, name in NAMES.items() if name in horizons)
        raise InvalidRequest(f"{missing} is not served.", f"Ask for some of: {offered}.", path="horizons")
    return PriceResponse(
        security_id=request.security_id,
        current_price=body["current_price"],
        predictions={h: Forecast(**body["predictions"][h]) for h in wanted},
        risk_assessment=RiskFigures(**body["risk_assessment"]),
        suspended=body["suspended"],
        model_version=served.model_version,
        generated_at=served.generated_at,
        features_as_of=served.parameters.get("feature_timestamps") or None,
    )


def lives(request: PriceRequest) -> float:
    """Return how long a forecast is reused, seconds: document 0's hour, unless the next bar may be among it.

    Features are those of daily closes: within an hour at most one close arrives, and ``features_as_of`` tells which one
    an answer knows. A forecast of the next five minutes is worth nothing after them. What was asked as of a past time
    does not age at all; an hour bounds how long a correction of the past goes unseen.
    """
    if request.as_of is not None:
        return DAILY_S
    return BAR_S if not request.horizons or "5min" in request.horizons else DAILY_S


def stands_in(request: PriceRequest) -> float:
    """Return how long an old forecast may stand in, seconds: six lives, 6 hours at most."""
    return 6 * lives(request)


def _first(response: PriceResponse) -> Forecast:
    return next(iter(response.predictions.values()))


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/predictions/price"), Route("POST", "/api/v1/ml/predict/price")),
    batch_type="price_prediction",
    request=PriceRequest,
    response=PriceResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda r: Subject("instrument", r.security_id, r.horizons[0] if len(r.horizons) == 1 else ""),
    value=lambda response: _first(response).price,
    confidence=lambda response: _first(response).confidence,
    reference=lambda response: response.current_price,
    cache_ttl_s=lives,
    stale_for_s=stands_in,
)
