"""How applications ask the basket model: holdings in the request, or in a basket that is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.errors import InvalidRequest
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors
from components.wire import Payload


class Holding(Payload):
    """One position."""

    security_id: Annotated[str, Field(min_length=1, max_length=20)]
    weight: Annotated[float, Field(ge=0, le=1)]


class Terms(Payload):
    """How it is held."""

    leverage: Annotated[float, Field(ge=0.5, le=3)] = 1.0
    days: Annotated[float, Field(ge=1, le=1000)] = 10.0


Holdings = Annotated[list[Holding], Field(min_length=1, max_length=50)]
EXAMPLE: dict[str, Any] = {
    "holdings": [{"security_id": "AAPL", "weight": 0.6}, {"security_id": "JPM", "weight": 0.4}],
    "terms": {"leverage": 1.5, "days": 20.0},
}


class BasketRequest(Payload):
    """A basket, or the name of one that is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE, {"basket_id": "b-1"}]})

    basket_id: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    user_id: Annotated[str, Field(max_length=64)] = ""
    holdings: Holdings | None = None
    terms: Terms | None = None


class BasketDocument(Payload):
    """What of a kept basket the model needs."""

    holdings: Holdings
    terms: Terms | None = None


class BasketResponse(BaseModel):
    """Risk, and what each holding adds to it."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={"examples": [{"risk": 0.02, "parts": {"AAPL": 0.02}, "model_version": "1"}]},
    )

    risk: float
    parts: dict[str, float]
    model_version: str


def to_inputs(request: BasketRequest, now: datetime) -> Tensors:
    """Return one row."""
    if request.holdings is None:
        raise InvalidRequest("it is missing", "Send holdings, or the id of a basket that is kept.", "holdings")
    terms = request.terms or Terms()
    return {
        "holdings": np.array([[h.security_id for h in request.holdings]], dtype=object),
        "weights": np.array([[h.weight for h in request.holdings]]),
        "terms": np.array([[terms.leverage, terms.days]]),
    }


def to_response(request: BasketRequest, served: Served) -> BasketResponse:
    """Return the row's answer."""
    names = [h.security_id for h in request.holdings or ()]
    parts = dict(zip(names, served.outputs["parts"][0].tolist(), strict=True))
    return BasketResponse(risk=float(served.outputs["risk"][0]), parts=parts, model_version=served.model_version)


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/lab/basket"), Route("GET", "/api/ml/lab/basket")),
    batch_type="basket",
    request=BasketRequest,
    response=BasketResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda r: Subject("portfolio", r.basket_id or "unnamed", "", r.user_id),
    value=lambda response: response.risk,
    kept=Kept("basket", "basket_id", BasketDocument),
)
