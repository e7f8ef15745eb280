"""How applications ask the tiny model: features in the request, a user that may be named, one route per method."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.models.product import ProductSpec, Route, Served, Subject, Tensors
from components.wire import Payload


class TinyRequest(Payload):
    """Four features, as fields, so that a query string can carry them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"close": 2000.0, "rsi_14": 40.0, "volatility_21": 0.15, "volume_ratio": 1.1, "user_id": "u-1"}
            ]
        },
    )

    close: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
    rsi_14: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    volatility_21: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    volume_ratio: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 1.0
    user_id: Annotated[str, Field(max_length=64)] = ""


class TinyResponse(BaseModel):
    """Prices by horizon."""

    model_config = ConfigDict(protected_namespaces=())

    prices: dict[str, float]
    model_version: str
    generated_at: str


def to_inputs(request: TinyRequest, now: datetime) -> Tensors:
    """Return one row of features."""
    row = [request.close, request.rsi_14, request.volatility_21, request.volume_ratio]
    return {"features": np.array([row], dtype=np.float64)}


def to_response(request: TinyRequest, served: Served) -> TinyResponse:
    """Return the prices of the row."""
    prices = dict(zip(served.columns["price"], served.outputs["price"][0].tolist(), strict=True))
    return TinyResponse(prices=prices, model_version=served.model_version, generated_at=served.generated_at)


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/lab/tiny"), Route("GET", "/api/ml/lab/tiny")),
    batch_type="tiny",
    request=TinyRequest,
    response=TinyResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda r: Subject("instrument", "LAB", "1d", r.user_id),
    value=lambda response: response.prices["1_day"],
    confidence=lambda response: 0.9,
    stale_for_s=600.0,
)
