"""The router's admin interface, on a port of its own: weights, metrics and windows."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any
from urllib.parse import parse_qs

from components.errors import ArthaflowError, InvalidRequest
from inference.router.app import Receive, Scope, Send, problem, read_body, reply
from inference.router.backend import Response
from inference.router.metrics import RouterMetrics
from inference.router.recorder import Recorder
from inference.router.table import RoutingTable


class Admin:
    """ASGI application: ``GET`` and ``PUT /weights``, ``GET /metrics``, ``GET /window?version=&since=&until=``."""

    def __init__(self, table: RoutingTable, recorder: Recorder, metrics: RouterMetrics) -> None:
        self.table, self.recorder, self.metrics = table, recorder, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            response = await self._answer(scope, receive)
        except ArthaflowError as error:
            response = problem(error.status, str(error))
        await reply(send, response)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        route = (scope["method"], scope["path"])
        if route == ("GET", "/weights"):
            return _json(self.table.to_dict())
        if route == ("PUT", "/weights"):
            self.table.replace(_parse(await read_body(receive)))
            return _json(self.table.to_dict())
        if route == ("GET", "/metrics"):
            self.metrics.dropped.set(self.recorder.dropped)
            return Response(200, [(b"content-type", b"text/plain; version=0.0.4")], self.metrics.render())
        if route == ("GET", "/window"):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            version, since, until = (
                _text(query, "version"),
                _number(query, "since", 0.0),
                _number(query, "until", math.inf),
            )
            window = await asyncio.to_thread(self.recorder.window, version, since, until)
            return _json(window.to_dict())
        return problem(404, f"No {scope['method']} {scope['path']} here. Use /weights, /metrics or /window.")


def _json(value: Any) -> Response:
    return Response(200, [(b"content-type", b"application/json")], json.dumps(value).encode())


def _parse(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"")
    except ValueError as error:
        raise InvalidRequest(f"The body is no JSON ({error}).", "Send the table as JSON.") from error


def _text(query: dict[str, list[str]], name: str) -> str:
    if name not in query:
        raise InvalidRequest("is missing.", f"Add ?{name}=... to the query.", name)
    return query[name][0]


def _number(query: dict[str, list[str]], name: str, default: float) -> float:
    text = query.get(name, [str(default)])[0]
    try:
        return float(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no time.", "Give seconds since the epoch.", name) from error
