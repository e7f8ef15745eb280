"""What the gateway tells about itself: alive, ready, metrics, and what there is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from inference.gateway.envelope import Envelope, ok
from inference.gateway.services import services

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter()


@router.get("/healthz", include_in_schema=False)
async def health() -> JSONResponse:
    """Alive."""
    return JSONResponse({"status": "alive"})


@router.get("/ready", include_in_schema=False)
async def ready(request: Request) -> JSONResponse:
    """Whether this process takes requests; a dead model or database does not close the door to the others."""
    if request.app.state.passage.draining:
        return JSONResponse({"ready": False, "reason": "stopping"}, status_code=503)
    return JSONResponse({"ready": True, "models": sorted(services(request).table.entries)})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus metrics of this process."""
    under_way = request.app.state.passage.upstreams.in_flight()
    return Response(services(request).metrics.render(under_way), headers={"content-type": TEXT_FORMAT})


@router.get(
    "/api", tags=["about"], summary="What there is", response_model=Envelope[dict[str, Any]], operation_id="get_index"
)
async def index(request: Request) -> Envelope[dict[str, Any]]:
    """Routes that models answer, models that are served, and where the documentation is."""
    shared = services(request)
    told = {
        "predictions": shared.products.routes(),
        "batch_types": sorted(shared.products.by_type),
        "served": sorted(shared.table.entries),
        "documentation": ["/docs", "/openapi.json"],
    }
    return ok(request, told)
