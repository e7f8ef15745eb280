"""How the gateway's benchmark asks W1: thirty numbers in, a probability out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.models.product import ProductSpec, Route, Subject, Tensors

Feature = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)]


class TreesRequest(BaseModel):
    """One row."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"features": [0.5] * 30}]})

    features: Annotated[list[Feature], Field(min_length=30, max_length=30)]


class TreesResponse(BaseModel):
    """One probability."""

    probability: float


def to_inputs(request: TreesRequest, now: datetime) -> Tensors:
    """Return one row of features."""
    return {"features": np.array([request.features], dtype=np.float32)}


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/bench/trees"),),
    batch_type="bench_trees",
    request=TreesRequest,
    response=TreesResponse,
    to_inputs=to_inputs,
    to_response=lambda request, served: TreesResponse(probability=float(served.outputs["probability"].reshape(-1)[0])),
    subject=lambda request: Subject("instrument", "bench"),
    value=lambda response: response.probability,
    confidence=lambda response: max(response.probability, 1.0 - response.probability),
)
