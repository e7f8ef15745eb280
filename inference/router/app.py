"""The proxy: picks a version for each request, retries on the other one where the first fails, and records both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from components.errors import ArthaflowError
from components.rollout.metrics import RequestRow
from inference.router.backend import HOP_BY_HOP, Backend, BackendFailed, Headers, Response
from inference.router.metrics import RouterMetrics
from inference.router.quantity import Message
from inference.router.recorder import Exchange, Recorder
from inference.router.table import RoutingTable
from inference.telemetry import tracing
from inference.telemetry.sending import send

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRACK_HEADER = b"x-model-track"
RETRY = frozenset({500, 502, 503, 504})
"""Statuses that another version may do better: inference changes nothing, so it may be asked twice."""

PAUSE_S = 0.05
MAX_BODY = 64 * 2**20
MAX_WAITING = 1024
"""Requests that may wait for a backend to come back."""


class Proxy:
    """ASGI application.

    Parameters
    ----------
    model : str
        The only model that is routed.
    table, recorder, metrics
        See there.
    timeout_s : float
        Longest answer; while another backend could be asked instead, ``impatience_s`` is.
    patience_s : float
        How long a request waits for a killed backend to be restarted when there is no other.
    """

    def __init__(
        self,
        model: str,
        table: RoutingTable,
        recorder: Recorder,
        metrics: RouterMetrics,
        *,
        timeout_s: float = 30.0,
        impatience_s: float = 5.0,
        patience_s: float = 15.0,
    ) -> None:
        self.table, self.recorder, self.metrics = table, recorder, metrics
        self.timeout_s, self.impatience_s, self.patience_s = timeout_s, impatience_s, patience_s
        self._model = model
        self._infer = f"/v2/models/{model}/infer"
        self._exact = frozenset({"/v2", "/v2/models", "/v1/models", f"/v2/models/{model}", f"/v1/models/{model}"})
        self._below = (f"/v2/models/{model}/", f"/v1/models/{model}:", "/v2/health/")
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            with tracing.server_span(scope, self._template(scope["path"]), model=self._model) as span:
                response = await self._answer(scope, receive)
                span.answered(response.status)
            await reply(send, response)

    def _template(self, path: str) -> str:
        known = path in self._exact or path.startswith(self._below)
        return path.replace(self._model, "{model}", 1) if known else "other"

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        if path not in self._exact and not path.startswith(self._below):
            return problem(404, f"The router has nothing at {path!r}. It routes {self._infer} and its neighbours.")
        body = await read_body(receive)
        if body is None:
            return problem(413, f"The body is larger than {MAX_BODY} bytes. Split the batch.")
        forced = next((v.decode("latin-1") for k, v in scope["headers"] if k == TRACK_HEADER), "")
        try:
            return await self._route(scope, body, forced)
        except ArthaflowError as error:
            return problem(error.status, str(error))

    async def _route(self, scope: Scope, body: bytes, forced: str) -> Response:
        began, attempt = time.monotonic(), 1
        backend = self.table.pick(forced)
        while True:
            response, why = await self._attempt(backend, scope, body, attempt, forced)
            if response is not None and response.status not in RETRY:
                return response
            following = None if forced else self.table.other(backend)
            if response is not None and response.status != 503 and (following is None or attempt >= 2):
                return response  # its own error; waiting will not change it
            if time.monotonic() - began > self.patience_s or self._waiting >= MAX_WAITING:
                text = f"Version {backend.version} {why}, and no other could answer. Try again later."
                return response or problem(503, text, retry_after=1)
            if following is None or attempt >= 2:
                await self._pause()
            attempt, backend = attempt + 1, following or self.table.pick(forced)
            self.metrics.retries.inc()

    async def _pause(self) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(PAUSE_S)
        finally:
            self._waiting -= 1

    async def _attempt(
        self, backend: Backend, scope: Scope, body: bytes, attempt: int, forced: str
    ) -> tuple[Response | None, str]:
        """Ask one backend; return its answer or, without one, why."""
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        alone = self.table.other(backend) is None or attempt > 1 or bool(forced)
        began = time.perf_counter()
        response, why = None, ""
        try:
            timeout = self.timeout_s if alone else min(self.impatience_s, self.timeout_s)
            response = await send(backend, scope["method"], target, scope["headers"], body, timeout)
            response.headers += [(b"x-model-version", backend.version.encode()), (TRACK_HEADER, backend.track.encode())]
            why = f"answered {response.status}"
        except BackendFailed as error:
            why = str(error)
        if scope["path"] == self._infer:
            elapsed = time.perf_counter() - began
            self._record(backend, scope["headers"], body, response, elapsed, attempt, bool(forced))
        return response, why

    def _record(
        self,
        backend: Backend,
        headers: Headers,
        body: bytes,
        response: Response | None,
        elapsed: float,
        attempt: int,
        forced: bool,
    ) -> None:
        status = response.status if response is not None else 0
        self.metrics.observe(backend, status, elapsed)
        row = RequestRow(
            time.time(), backend.track, backend.version, status, elapsed * 1e3, attempt=attempt, forced=forced
        )
        if response is None or status != 200:
            self.recorder.put(Exchange(row))
            return
        self.recorder.put(Exchange(row, Message(body, _text(headers)), Message(response.body, _text(response.headers))))


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole request body; None when it is larger than :data:`MAX_BODY`."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def reply(send: Send, response: Response) -> None:
    """Send an answer to the client."""
    headers = [(k, v) for k, v in response.headers if k not in HOP_BY_HOP and k != b"content-length"]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def problem(status: int, text: str, retry_after: int = 0) -> Response:
    """Return an error in the form of the V2 protocol."""
    headers: Headers = [(b"content-type", b"application/json")]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    return Response(status, headers, json.dumps({"error": text}).encode())


def _text(headers: Headers) -> dict[str, str]:
    return {k.decode("latin-1"): v.decode("latin-1") for k, v in headers}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
