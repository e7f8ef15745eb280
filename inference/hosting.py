"""Hosts the servers around a predictor (transformer, explainer, detector) on a ``kserve.ModelServer``.

What each of them needs beyond kserve 0.20: its own routes ahead of kserve's (kserve's ``:explain`` echoes every request
header, ``Authorization`` included), a readiness that says why it is not ready, a bind address, one clear message for a
port in use, errors that keep their status and never show a traceback, and repository load/unload closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import warnings
from abc import abstractmethod
from typing import Any

import inference.lean_kserve  # noqa: F401  isort: skip  (first: it makes kserve's import cheap)
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from kserve.model import Model
from kserve.model_server import ModelServer, app

from components.errors import ArthaflowError, UnknownModel
from inference.ports import bind
from inference.telemetry.asgi import RequestContext

LOG = logging.getLogger("arthaflow")


class Surrounding(Model):  # type: ignore[misc]  # kserve ships no types
    """A server around a predictor: a kserve model with its own routes and its own idea of being ready."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ready = True  # kserve registers only models that say so; clients are answered by `not_ready_because`

    @abstractmethod
    def routes(self) -> APIRouter:
        """Return the routes that this server answers itself."""

    @abstractmethod
    def not_ready_because(self) -> str:
        """Return why requests cannot be answered yet; empty when they can."""

    def begin(self) -> None:
        """Start background work; called once, when the port is bound."""

    def finish(self) -> None:
        """Stop background work; called once, after the last request."""

    def check_name(self, name: str) -> None:
        """Refuse a request for another model.

        Raises
        ------
        UnknownModel
            With the name that is served here.
        """
        if name != self.name:
            raise UnknownModel(f"There is no model {name!r} here.", f"This server answers for {self.name!r}.")


class _Server(ModelServer):  # type: ignore[misc]
    """kserve's server on a socket that is bound already, which is also how it listens elsewhere than on 0.0.0.0."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(http_port=listener.getsockname()[1], enable_grpc=False, workers=1, grace_period=10)
        self.listener = listener

    async def _serve(self) -> None:
        for unused in self.servers:
            unused.close()
        self._rest_server.create_application()
        await self._rest_server._server.serve(sockets=[self.listener])


def serve(model: Surrounding, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished.

    Raises
    ------
    PortInUse
        If the port is taken.
    """
    listener = bind(host, port)
    # Without it the second half of an answer waits for the client's delayed acknowledgement: 40 ms per request.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.listen(2048)
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")  # kserve's own routes use it
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("kserve.trace").disabled = True
    asyncio.set_event_loop(asyncio.new_event_loop())  # kserve asks for the current loop, which uvloop no longer makes
    app.include_router(model.routes())
    app.include_router(_common_routes(model))
    app.add_exception_handler(ArthaflowError, answer_error)
    app.add_middleware(RequestContext, model=model.name)
    server = _Server(listener)
    LOG.warning("%s of %s listens on %s:%d", type(model).__name__, model.name, host, listener.getsockname()[1])
    model.begin()
    try:
        server.start([model])
    finally:
        model.finish()


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Turn an :class:`ArthaflowError` into its HTTP answer."""
    assert isinstance(error, ArthaflowError)
    body = {"error": error.problem, "path": getattr(error, "path", ""), "remedy": error.remedy}
    headers = {"retry-after": str(max(1, round(error.retry_after_s)))} if error.retry_after_s is not None else None
    return JSONResponse({k: v for k, v in body.items() if v}, status_code=error.status, headers=headers)


def _common_routes(model: Surrounding) -> APIRouter:
    router = APIRouter()

    def readiness(name: str | None = None) -> JSONResponse:
        if name is not None:
            model.check_name(name)
        reason = model.not_ready_because()
        body: dict[str, Any] = {"ready": not reason, "name": model.name}
        return JSONResponse({**body, "reason": reason} if reason else body, status_code=503 if reason else 200)

    def elsewhere(name: str) -> JSONResponse:
        told = f"The {type(model).__name__.lower()} of {model.name!r} does not do this."
        return JSONResponse({"error": told, "remedy": "Ask the predictor, or the explainer."}, status_code=404)

    def closed(name: str) -> JSONResponse:
        return JSONResponse({"error": f"Loading and unloading {name!r} is closed on this server."}, status_code=403)

    router.add_api_route("/v2/health/ready", lambda: readiness(), methods=["GET"])
    router.add_api_route("/v2/models/{name}/ready", readiness, methods=["GET"])
    router.add_api_route("/v1/models/{name}", readiness, methods=["GET"])
    for path in ("/v1/models/{name}:predict", "/v1/models/{name}:explain", "/v2/models/{name}/infer"):
        router.add_api_route(path, elsewhere, methods=["POST"])
    for verb in ("load", "unload"):
        router.add_api_route(f"/v2/repository/models/{{name}}/{verb}", closed, methods=["POST"])
    return router
