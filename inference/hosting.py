"""Hosts the servers around a predictor (transformer, explainer, detector) on a ``kserve.ModelServer``.

What each of them needs beyond kserve 0.20: its own routes ahead of kserve's (kserve's ``:explain`` echoes every request
header, ``Authorization`` included), a readiness that says why it is not ready, a bind address, one clear message for a
port in use, errors that keep their status and never show a traceback, and repository load/unload closed.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import inference.lean_kserve  # noqa: F401  isort: skip  (first: it makes kserve's import cheap)
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from kserve.model import Model
from kserve.model_server import ModelServer, app

from components.errors import ArthaflowError, UnknownModel
from inference.ports import bind

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


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the arguments that KServe appends to every container."""
    result = argparse.ArgumentParser(description=description, allow_abbrev=False)
    result.add_argument("--model_name", required=True, help="name on the inference protocol")
    result.add_argument("--http_port", type=int, default=8080, help="port to listen on; 0 picks a free one")
    result.add_argument("--host", default="0.0.0.0", help="address to listen on")
    result.add_argument("--spec", default="", help="name in the catalogue, where it is not the model name")
    return result


def predictor_arguments(result: argparse.ArgumentParser) -> None:
    """Add the arguments that say where the predictor is and how patiently it is asked."""
    result.add_argument("--predictor_host", required=True, help="host:port of the predictor; port 80 without one")
    result.add_argument("--predictor_request_timeout_seconds", type=float, default=30.0, help="per request")
    result.add_argument("--predictor_request_retries", type=int, default=2, help="after a refused connection or a 503")


def parse(result: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse, and name unknown arguments in the log: KServe may append some that are not for this server."""
    known, unknown = result.parse_known_args(arguments)
    if unknown:
        LOG.warning("ignoring unknown arguments: %s", " ".join(unknown))
    return known


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
    listener.listen(2048)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("kserve.trace").disabled = True
    asyncio.set_event_loop(asyncio.new_event_loop())  # kserve asks for the current loop, which uvloop no longer makes
    app.include_router(model.routes())
    app.include_router(_common_routes(model))
    app.add_exception_handler(ArthaflowError, answer_error)
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
    return JSONResponse({k: v for k, v in body.items() if v}, status_code=error.status)


def _common_routes(model: Surrounding) -> APIRouter:
    router = APIRouter()

    def readiness(name: str | None = None) -> JSONResponse:
        if name is not None:
            model.check_name(name)
        reason = model.not_ready_because()
        body: dict[str, Any] = {"ready": not reason, "name": model.name}
        return JSONResponse({**body, "reason": reason} if reason else body, status_code=503 if reason else 200)

    def closed(name: str) -> JSONResponse:
        return JSONResponse({"error": f"Loading and unloading {name!r} is closed on this server."}, status_code=403)

    router.add_api_route("/v2/health/ready", lambda: readiness(), methods=["GET"])
    router.add_api_route("/v2/models/{name}/ready", readiness, methods=["GET"])
    router.add_api_route("/v1/models/{name}", readiness, methods=["GET"])
    for verb in ("load", "unload"):
        router.add_api_route(f"/v2/repository/models/{{name}}/{verb}", closed, methods=["POST"])
    return router


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Run a server's main function; an error becomes one message on stderr and exit status 1."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=os.environ.get("ARTHAFLOW_LOG", "WARNING"))
    try:
        main(sys.argv[1:])
    except ArthaflowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(1) from error
