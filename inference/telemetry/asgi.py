"""ASGI middleware of the servers around a predictor: ids in a request's log lines, a span where there are traces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from inference.telemetry import logs, tracing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class RequestContext:
    """Middleware.

    Parameters
    ----------
    app : callable
        The application behind it.
    model : str
        The one model that is answered for.
    """

    def __init__(self, app: App, model: str) -> None:
        self.app, self.model = app, model

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        with (
            logs.bind(headers.get(b"x-request-id", b"").decode("latin-1")[:128], self.model),
            tracing.server_span(scope, template(scope["path"], self.model), model=self.model) as span,
        ):
            await self.app(scope, receive, _watched(send, span) if tracing.tracer() is not None else send)


def template(path: str, model: str) -> str:
    """Return a path with the model's name taken out, which is all that varies in the paths of these servers.

    Examples
    --------
    >>> template("/v1/models/tiny:explain", "tiny")
    '/v1/models/{model}:explain'
    >>> template("/anything/else", "tiny")
    'other'
    """
    found = path.replace(f"/models/{model}", "/models/{model}", 1)
    return found if found in KNOWN else "other"


KNOWN = frozenset(
    {"/", "/v1/drift", "/v1/drift/reset", "/v2/models/{model}", "/v2/models/{model}/ready", "/v2/models/{model}/infer"}
    | {"/v1/models/{model}", "/v1/models/{model}:explain", "/v2/models/{model}/explain"}
)


def _watched(send: Send, span: tracing.Handle) -> Send:
    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            span.answered(message["status"])
        await send(message)

    return watched
