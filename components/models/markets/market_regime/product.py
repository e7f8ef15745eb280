"""How applications ask for the market regime: document 1, ``POST /api/v1/ml/predict/market-regime``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from components.errors import InvalidRequest
from components.models.product import ProductSpec, Route, Served, Subject, Tensors, text_tensor
from components.wire import Moment, Payload

Regime = Literal["bull", "sideways", "bear"]
Share = Annotated[float, Field(ge=0, le=1)]


class RegimeRequest(Payload):
    """Which market, and when."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"security_id": "SP500"}, {"security_id": "NASDAQ"}]},
    )

    security_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:&^-]*$")]
    as_of: Annotated[Moment | None, Field(description="With what was known then; now when absent")] = None


class Chances(BaseModel):
    """A share for each regime; they sum to one."""

    bull: Share
    sideways: Share
    bear: Share


class Character(BaseModel):
    """How the market moves in a regime, annualised percent."""

    volatility: float
    expected_return: float


class RegimeResponse(BaseModel):
    """The regime, how sure that is, and how long it may last."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "security_id": "SP500",
                    "regime": "bull",
                    "probabilities": {"bull": 0.72, "sideways": 0.22, "bear": 0.06},
                    "confidence": 0.72,
                    "expected_duration_days": 95.2,
                    "switch_probability": 0.21,
                    "next_month": {"bull": 0.66, "sideways": 0.24, "bear": 0.1},
                    "volatility": 17.9,
                    "expected_return": 4.1,
                    "regimes": {
                        "bull": {"volatility": 15.1, "expected_return": 7.9},
                        "sideways": {"volatility": 17.4, "expected_return": 2.2},
                        "bear": {"volatility": 37.7, "expected_return": -3.1},
                    },
                    "hidden_states": {"calm": 0.97, "normal": 0.03, "turbulent": 0.0},
                    "model_version": "1",
                    "generated_at": "2018-12-31T21:00:03Z",
                    "features_as_of": "2018-12-31T21:00:00Z",
                }
            ]
        },
    )

    security_id: str
    regime: Regime
    probabilities: Chances
    confidence: Share
    expected_duration_days: Annotated[float, Field(description="Trading days until the regime ends, expected")]
    switch_probability: Annotated[float, Field(ge=0, le=1, description="That the regime ends within a month")]
    next_month: Annotated[Chances, Field(description="Probabilities of the regimes in 21 trading days")]
    volatility: Annotated[float, Field(description="Of the next day, annualised percent")]
    expected_return: Annotated[float, Field(description="Of the next day, annualised percent")]
    regimes: dict[Regime, Character]
    hidden_states: Annotated[dict[str, Share], Field(description="Filtered states of the hidden Markov model")]
    model_version: str
    generated_at: str
    features_as_of: Annotated[str | None, Field(description="When the newest price behind it was known")] = None


def to_inputs(request: RegimeRequest, now: datetime) -> Tensors:
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


def to_response(request: RegimeRequest, served: Served) -> RegimeResponse:
    """Return one row of the outputs, in percent where people read percent."""
    numbers = {name: values[0] for name, values in served.outputs.items()}
    names = served.columns["probabilities"]
    character = {
        name: Character(
            volatility=100 * float(numbers["regime_volatility"][k]),
            expected_return=100 * float(numbers["regime_return"][k]),
        )
        for k, name in enumerate(names)
    }
    return RegimeResponse.model_validate(
        {
            "security_id": request.security_id,
            "regime": str(numbers["regime"]),
            "probabilities": _named(names, numbers["probabilities"]),
            "confidence": float(numbers["confidence"]),
            "expected_duration_days": float(numbers["expected_duration"]),
            "switch_probability": float(numbers["switch_probability"]),
            "next_month": _named(names, numbers["transition"]),
            "volatility": 100 * float(numbers["volatility"]),
            "expected_return": 100 * float(numbers["expected_return"]),
            "regimes": character,
            "hidden_states": _named(served.columns["states"], numbers["states"]),
            "model_version": served.model_version,
            "generated_at": served.generated_at,
            "features_as_of": served.parameters.get("feature_timestamps") or None,
        }
    )


def _named(names: tuple[str, ...], values: npt.NDArray[Any]) -> dict[str, float]:
    # Rounding in the sixteenth digit may put a share a hair outside its range.
    return {name: min(max(float(value), 0.0), 1.0) for name, value in zip(names, values, strict=True)}


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/v1/ml/predict/market-regime"),),
    batch_type="market_regime",
    request=RegimeRequest,
    response=RegimeResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("market", request.security_id, "1m"),
    value=lambda response: response.probabilities.bear,
    confidence=lambda response: response.confidence,
    cache_ttl_s=3600.0,
    stale_for_s=6 * 3600.0,
)
