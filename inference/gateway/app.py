"""The gateway's application: health and metrics of its own, and behind them the passage to the models."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from inference.gateway.passage import Passage

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"


def build_app(passage: Passage) -> Starlette:
    """Return the application.

    ``/ready`` says whether this process takes requests; a dead model is the model's matter and does not close the door
    to the others.
    """

    async def health(request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def ready(request: Request) -> JSONResponse:
        if passage.draining:
            return JSONResponse({"ready": False, "reason": "stopping"}, status_code=503)
        return JSONResponse({"ready": True, "models": sorted(passage.table.entries)})

    async def metrics(request: Request) -> Response:
        return Response(passage.metrics.render(passage.upstreams.in_flight()), headers={"content-type": TEXT_FORMAT})

    def failed(request: Request, error: Exception) -> JSONResponse:
        told = {"error": "The gateway failed to answer.", "remedy": "Report it with the time of the request."}
        return JSONResponse(told, status_code=500)

    own = [Route("/healthz", health), Route("/ready", ready), Route("/metrics", metrics)]
    return Starlette(routes=[*own, Mount("", app=passage)], exception_handlers={Exception: failed})
