"""The door: what happens to every HTTP request before anything else, and after everything else. Pure ASGI.

Request id, load shedding, who calls, the rate limit, the body's bounds; then the product API or the passage to the
models' V2 endpoints; then one error boundary, the access log, metrics, and headers that every answer carries.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from components.errors import ArthaflowError
from components.records.log import ServingEntry
from inference.gateway.bodies import Receive, Scope
from inference.gateway.calls.deadline import asked_for, within
from inference.gateway.defects import where
from inference.gateway.envelope import refused
from inference.gateway.headers import REQUEST_ID, request_id
from inference.gateway.identity.networks import share
from inference.gateway.identity.routes import is_public
from inference.gateway.passage import check_raw
from inference.gateway.problems import answer as v2_answer
from inference.telemetry.logs import bind
from inference.telemetry.tracing import current_trace_id, inject, server_span, trace_id_of

if TYPE_CHECKING:
    from inference.gateway.calls.overload import Overload
    from inference.gateway.passage import Passage
    from inference.gateway.services import Services

LOG = logging.getLogger("arthaflow.gateway")
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
JSON = (b"content-type", b"application/json")
LARGEST_JSON = 4 * 2**20
"""Bytes of a body that is read at once, while every other request waits; the largest documented one is 3 MB."""
ALIAS = "/v1/ml/"
"""Document 0's base URL; its catalogue writes the same endpoints below ``/api/ml/``."""


async def read_whole(receive: Receive) -> bytes:
    """Return a body that the door has read already: one message."""
    message = await receive()
    return bytes(message.get("body", b""))


async def send_json(send: Send, status: int, body: bytes) -> None:
    """Send a whole JSON answer."""
    headers = [JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class InternalError(ArthaflowError):
    """A defect of ours; the log holds the rest."""

    status = 500
    code = "INTERNAL_ERROR"


class Door:
    """ASGI application around the product API and the passage.

    Parameters
    ----------
    shared : Services
    app : callable
        The product API.
    passage : Passage
        The models' V2 endpoints.
    overload : Overload
        Sheds load.
    predictions : mapping
        Routes of the product API by method and path that need none of its machinery.
    """

    def __init__(
        self,
        shared: Services,
        app: App,
        passage: Passage,
        overload: Overload,
        predictions: Mapping[tuple[str, str], Any],
    ) -> None:
        self.shared, self.app, self.passage, self.overload = shared, app, passage, overload
        self.predictions = predictions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"].startswith(ALIAS):
            scope["wire_path"] = scope.get("raw_path")  # what a signature covers
            scope["path"] = "/api/ml/" + scope["path"].removeprefix(ALIAS)
            scope["raw_path"] = scope["path"].encode()
        visit = Visit(self, scope, send)
        with server_span(scope, visit.template) as told, bind(visit.state["request_id"]):
            visit.state["trace_id"] = current_trace_id() or trace_id_of(scope["headers"])
            visit.state["onward"] = tuple(inject([(REQUEST_ID, visit.identity), *visit.traced]))
            try:
                await self._serve(visit, scope, receive)
            except ArthaflowError as error:
                await visit.fail(error)
            except Exception as error:  # noqa: BLE001 - the one HTTP boundary
                LOG.error("request %s failed: %s", visit.identity.decode(), where(error))
                await visit.fail(InternalError("The gateway failed to answer.", "Report it with the request id."))
            finally:
                told.answered(visit.status)
                if not visit.raw:
                    told.route(visit.method, getattr(scope.get("route"), "path", "unmatched"))
                visit.close()

    async def _serve(self, visit: Visit, scope: Scope, receive: Receive) -> None:
        if visit.operational:
            await self._ask_app(visit, scope, receive)
            return
        with self.overload.enter(visit.path), within(asked_for(scope["headers"])):
            await self._admit(visit, scope)  # before any body is read: a stranger's takes nobody's room
            signed = self.shared.keeper.needs_body(scope) and visit.state["caller"].tier == "internal"
            if visit.raw and not signed:
                await self.passage(scope, receive, visit.send)
                return
            largest = None if visit.raw else LARGEST_JSON
            async with self.passage.bodies.read(scope, receive, largest) as body:
                visit.state["input_bytes"] = len(body)
                if signed:
                    self.shared.keeper.check_body(scope, body)
                if visit.raw:
                    await self.passage(scope, replay(body), visit.send)
                else:
                    await self._ask_app(visit, scope, replay(body))

    async def _ask_app(self, visit: Visit, scope: Scope, receive: Receive) -> None:
        """Ask the product API; HEAD is a GET whose body stays here."""
        if visit.method == "HEAD":
            scope["method"] = "GET"
        route = self.predictions.get((scope["method"], scope["path"]))
        if route is None:
            await self.app(scope, receive, visit.send)
            return
        scope["route"] = route
        await route.app(scope, receive, visit.send)

    async def _admit(self, visit: Visit, scope: Scope) -> None:
        caller = visit.state["caller"] = await self.shared.keeper.admit(scope)
        visit.allowance = (await self.shared.limiter.check(caller, visit.client)).headers()
        if visit.raw:
            check_raw(caller, visit.method, visit.path)


def replay(body: bytes) -> Receive:
    """Return a ``receive`` that hands a read body over once more."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


class Visit:
    """One request on its way: its state, its answer's status and size."""

    def __init__(self, door: Door, scope: Scope, send: Send) -> None:
        self.door, self.scope, self._send = door, scope, send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.identity = request_id(scope["headers"])
        self.client = door.shared.keeper.client(scope)
        self.traced = [(name, value) for name, value in scope["headers"] if name in (b"traceparent", b"tracestate")]
        self.raw = self.path.startswith(("/v2/", "/v1/models/")) or self.path == "/v2/models"
        self.operational = is_public(self.method, self.path) and not self.path.startswith("/api")
        self.state: dict[str, Any] = {
            "began": time.perf_counter(),
            "request_id": self.identity.decode(),
            "client": self.client,
            "model": "",
            "version": "",
            "caller": None,
            "error": None,
            "trace_id": "",
            "input_bytes": 0,
        }
        scope["state"] = self.state
        self.allowance: list[tuple[bytes, bytes]] = []
        self.status, self.size = 0, 0

    @property
    def template(self) -> str:
        """The route's template, as far as it is known before a route is found: no path of a client is ever kept."""
        if self.raw:
            return "/v2" if self.path.startswith("/v2") else "/v1/models"
        known = (self.method, self.path) in self.door.shared.products.by_route
        return self.path if known else "/" + self.path.removeprefix("/").partition("/")[0][:16]

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message on, with the headers that every answer carries."""
        self.scope["method"] = self.method  # the server writes no body for HEAD
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [h for h in message["headers"] if h[0] != REQUEST_ID]
            headers += [(REQUEST_ID, self.identity), *self.allowance]
            if self.door.passage.draining and (b"connection", b"close") not in headers:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)

    async def fail(self, error: ArthaflowError) -> None:
        """Answer with an error, unless an answer has begun already."""
        self.state["error"] = error
        if self.status:
            return
        if self.raw:
            response = v2_answer(error)
            headers, body = response.headers, response.body
        else:
            accept = b",".join(v for n, v in self.scope["headers"] if n == b"accept")
            headers, body = refused(error, self.path, accept)
        there = {name for name, _ in headers}
        headers += [header for header in getattr(error, "headers", []) if header[0] not in there]
        headers.append((b"content-length", b"%d" % len(body)))
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Count the request and write it to the access log."""
        spent = time.perf_counter() - self.state["began"]
        caller, error = self.state["caller"], self.state["error"]
        template: str = getattr(self.scope.get("route"), "path", "")
        if not self.raw:
            self.door.shared.metrics.product(template or "unmatched", self.state["model"], self.status, spent)
        if error is not None:
            self.door.shared.metrics.denied(error, caller.tier if caller else "public")
        if caller is None and error is None:
            return  # health, metrics, pages: nothing of anybody's
        self.door.shared.log.serve(
            ServingEntry(
                request_id=self.state["request_id"],
                model=self.state["model"],
                version=self.state["version"],
                endpoint=template or (self.path[:200] if self.raw and self.state["model"] else "unmatched"),
                method=self.method,
                status=self.status,
                input_bytes=self.state["input_bytes"],
                output_bytes=self.size,
                queue_ms=0.0,
                inference_ms=self.state.get("inference_ms", 0.0),
                total_ms=spent * 1e3,
                caller=caller.pseudonym if caller else "",
                role=caller.role if caller else "",
                client=share(self.client),
                error_type=type(error).__name__ if error else "",
                error_message="",
                trace_id=self.state["trace_id"],
                at=datetime.now(UTC),
            )
        )
