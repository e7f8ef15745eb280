"""``kserve.ModelServer`` around the data plane: kserve's app, gRPC server and repository, with our inference route.

Stopping, on SIGTERM or SIGINT: readiness turns false at once and every answer asks its client to close the connection;
new requests are still answered for ``drain_s`` seconds, which is how long proxies need to notice; then nothing new is
accepted, requests under way are finished, and the payload log is written out.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Any

import inference.lean_kserve  # noqa: F401  isort: skip
import uvicorn
import uvloop
from kserve.model import InferenceModel
from kserve.model_server import ModelServer, app
from kserve.protocol.dataplane import DataPlane as KserveDataPlane
from kserve.protocol.rest.server import RESTServer
from prometheus_client import REGISTRY

from components.errors import PortInUse
from inference.admin import Admin
from inference.closing_door import ignore_new_connections
from inference.dataplane import DataPlane
from inference.http_protocol import FastProtocol, fast_protocol
from inference.options import Options
from inference.routes import register_routes
from inference.served_model import ServedModel
from inference.telemetry import tracing

logger = logging.getLogger("arthaflow.server")
BACKLOG_S = 0.05
"""Long enough to accept what the kernel had completed."""


class KserveModel(InferenceModel):  # type: ignore[misc]
    """What kserve's registry knows of a served model: its name, and whether it is ready."""

    def __init__(self, name: str, plane: DataPlane) -> None:
        super().__init__(name)
        self.plane = plane
        self.ready = True

    async def healthy(self) -> bool:
        """Whether the data plane answers for the model."""
        return self.plane.is_ready(self.name)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse the V1 protocol, which has neither names nor datatypes."""
        raise NotImplementedError(f"Model {self.name!r} speaks V2: POST /v2/models/{self.name}/infer.")


class PredictorPlane(KserveDataPlane):  # type: ignore[misc]
    """kserve's own data plane, with truthful readiness."""

    def __init__(self, registry: Any, plane: DataPlane) -> None:
        super().__init__(registry)
        self._plane = plane

    async def ready(self) -> bool:
        """Whether every model is ready."""
        return bool(self._plane.models) and all(self._plane.is_ready(name) for name in self._plane.models)

    def metadata(self) -> dict[str, Any]:
        """Return the server's metadata."""
        return {**super().metadata(), "extensions": ["model_repository", "binary_tensor_data"]}


def _protocol() -> type[FastProtocol]:
    if tracing.tracer() is None:
        return FastProtocol
    from inference.telemetry.predictor import TracedProtocol

    return TracedProtocol


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: the model server decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PredictorRestServer(RESTServer):  # type: ignore[misc]
    """kserve's REST server on our socket, with our protocol and routes."""

    def __init__(self, server: PredictorServer, held: socket.socket) -> None:
        options = server.options
        super().__init__(
            "kserve.model_server:app",
            server.dataplane,
            server.model_repository_extension,
            options.http_port,
            grace_period=int(options.grace_s),
            timeout_keep_alive=options.keep_alive_s,
        )
        self.predictor = server
        self.held = held
        self.config.http = fast_protocol(server.plane, options.max_body, _protocol())
        self.config.ws = "none"
        self.config.lifespan = "off"
        self._server = _Uvicorn(self.config)

    async def start(self) -> None:
        """Serve until stopped."""
        register_routes(app, self.predictor.plane, self.predictor.admin)
        self.create_application()
        await self._server.serve(sockets=[self.held])

    def stop(self) -> None:
        """Accept nothing new, finish what is under way."""
        self._server.should_exit = True


class PredictorServer(ModelServer):  # type: ignore[misc]
    """The model server of one predictor process.

    Parameters
    ----------
    options : Options
        Addresses, limits and times.
    plane : DataPlane
        Its model is served already.
    http_socket : socket
        Holds the REST port.
    """

    def __init__(self, options: Options, plane: DataPlane, http_socket: socket.socket) -> None:
        super().__init__(
            http_port=options.http_port,
            grpc_port=options.grpc_port or 0,
            enable_grpc=options.grpc_port is not None,
            workers=1,
            grace_period=int(options.grace_s),
            enable_latency_logging=False,
        )
        self.options = options
        self.plane = plane
        self.admin = Admin(plane, options.admin)
        self.dataplane = PredictorPlane(self.registered_models, plane)
        self._http_socket = http_socket
        self._stopping: asyncio.Task[None] | None = None

    def start(self, models: list[Any]) -> None:
        """Serve until a signal comes; returns after a graceful stop."""
        self._register_and_check_atleast_one_model_is_ready(models)
        for name in ("uvicorn.access", "uvicorn.error", "kserve"):
            logging.getLogger(name).setLevel(logging.WARNING)
        REGISTRY.register(self.plane.metrics)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self.setup_event_loop()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(sig, self._on_signal, sig)
        self._rest_server = PredictorRestServer(self, self._http_socket)
        tasks = [asyncio.ensure_future(self._rest_server.start())]
        if self.enable_grpc:
            tasks.append(asyncio.ensure_future(self._start_grpc()))
        _done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in pending:
            task.cancel()
        for task in tasks:
            if task not in pending:
                self._raise(task)
        if self._stopping is not None:
            await self._stopping

    def _raise(self, task: asyncio.Future[None]) -> None:
        error = task.exception()
        if isinstance(error, OSError | RuntimeError | SystemExit):
            raise PortInUse(
                f"Cannot listen on {self.options.host}:{self.options.http_port} or {self.options.grpc_port} ({error}).",
                "Stop what listens there, or choose another port.",
            ) from error
        if error is not None:
            raise error

    async def _start_grpc(self) -> None:
        from inference.grpc_service import PredictorGrpcServer, PredictorServicer

        servicer_class = PredictorServicer
        if tracing.tracer() is not None:
            from inference.telemetry.predictor_grpc import TracedServicer as servicer_class
        servicer = servicer_class(self.dataplane, self.model_repository_extension, self.plane, self.admin)
        options = self.options
        assert options.grpc_port is not None
        self._grpc_server = PredictorGrpcServer(
            options.host, options.grpc_port, servicer, options.max_body, int(options.grace_s)
        )
        await self._grpc_server.start(self.max_threads)

    def _on_signal(self, sig: int) -> None:
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop_gracefully(sig))

    async def _stop_gracefully(self, sig: int) -> None:
        logger.warning("%s: not ready any more, finishing %d requests", signal.Signals(sig).name, self.plane.in_flight)
        self.plane.draining = True
        await asyncio.sleep(self.options.drain_s)
        if self._grpc_server is not None:
            await self._grpc_server.stop(sig)
        ignore_new_connections(self._http_socket)
        await asyncio.sleep(BACKLOG_S)
        self._rest_server.stop()
        if not await self.plane.drained(self.options.grace_s):
            logger.error("%d requests were not finished in %g s", self.plane.in_flight, self.options.grace_s)


def run_server(options: Options, plane: DataPlane, served: ServedModel, http_socket: socket.socket) -> None:
    """Serve one model until a signal comes."""
    server = PredictorServer(options, plane, http_socket)
    model = KserveModel(served.name, plane)
    logger.warning(
        "%s version %s: manifest verified, %d golden requests replayed; serving on %s:%d%s",
        served.name,
        served.version,
        served.golden_cases,
        options.host,
        options.http_port,
        f", gRPC on {options.grpc_port}" if options.grpc_port else "",
    )
    server.start([model])
