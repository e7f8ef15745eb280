"""Document 0's batch endpoint, for dashboards: many questions of any kind at once, each with its own fate."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from components.errors import ArthaflowError
from components.wire import Payload
from inference.gateway.caller import Caller, may
from inference.gateway.envelope import Envelope, ErrorBody, Metadata, error_code, error_details, ok
from inference.gateway.json_route import JsonRoute
from inference.gateway.product.question import Asked
from inference.gateway.product.routes import asked_of
from inference.gateway.services import Services, services

MOST = 100
AT_ONCE = 16
"""So that one dashboard's batch does not fill a model's bulkhead."""

router = APIRouter(tags=["predictions"], route_class=JsonRoute)


class BatchItem(BaseModel):
    """One question: its type, and beside it the fields of that type's own request."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(min_length=1, max_length=100, examples=["price_prediction"])]


class BatchRequest(Payload):
    """Up to 100 questions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"requests": [{"type": "price_prediction", "security_id": "INE467B01029", "horizons": ["1d", "5d"]}]}
            ]
        },
    )

    requests: Annotated[list[BatchItem], Field(min_length=1, max_length=MOST)]


class BatchResult(BaseModel):
    """What became of one question."""

    request_id: Annotated[int, Field(description="Position in the batch, from 0")]
    status: Literal["success", "error"]
    data: dict[str, Any] | None = None
    metadata: Metadata | None = None
    error: ErrorBody | None = None


class BatchResponse(BaseModel):
    """In the order of the questions."""

    results: list[BatchResult]


async def _batch(
    request: Request, payload: Annotated[BatchRequest, Body()], caller: Caller = may("predict")
) -> Response:
    """Answer up to 100 questions of any types; what is wrong with one leaves the others alone."""
    shared = services(request)
    asked = asked_of(request.scope, request.scope["path"])
    turns = asyncio.Semaphore(AT_ONCE)
    parts = await asyncio.gather(*(_one(shared, i, item, asked, turns) for i, item in enumerate(payload.requests)))
    envelope = ok(request, None)
    metadata = orjson.dumps(envelope.metadata.model_dump(exclude_none=True))
    body = b'{"status":"success","data":{"results":[' + b",".join(parts) + b']},"metadata":' + metadata + b"}"
    return Response(body, media_type="application/json")


async def _one(shared: Services, place: int, item: BatchItem, asked: Asked, turns: asyncio.Semaphore) -> bytes:
    head = b'{"request_id":%d,' % place
    try:
        offer = shared.products.find(item.type)
        async with turns:
            answer = await shared.predictions.answer(offer, item.model_extra, asked)
    except ArthaflowError as error:
        told = {"code": error_code(error), "message": error.problem, "details": error_details(error)}
        return head + b'"status":"error","error":' + orjson.dumps(told, default=str) + b"}"
    return head + b'"status":"success","data":' + answer.data + b',"metadata":' + answer.metadata + b"}"


for _path, _summary in (
    ("/api/ml/batch/predict", "Batch predictions (for dashboards)"),
    ("/api/v1/ml/predict/batch", "Batch predictions"),
):
    router.add_api_route(
        _path,
        _batch,
        methods=["POST"],
        summary=_summary,
        response_model=Envelope[BatchResponse],
        operation_id=f"post_{_path.strip('/').replace('/', '_')}",
    )
