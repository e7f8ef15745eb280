"""A request to a server of ours, with a client's span around it where there are traces."""

from __future__ import annotations

from collections.abc import Awaitable

from inference.router.backend import Backend, Headers, Response
from inference.telemetry import tracing


def send(
    backend: Backend, method: str, target: bytes, headers: Headers, body: bytes, timeout: float
) -> Awaitable[Response]:
    """Do what :meth:`Backend.send` does; while traces are on the span that runs goes along."""
    if tracing.tracer() is None:
        return backend.send(method, target, headers, body, timeout)
    return _traced(backend, method, target, headers, body, timeout)


def route_of(target: bytes) -> tuple[str, str]:
    """Return the template of a model's path, and the model.

    Examples
    --------
    >>> route_of(b"/v1/models/tiny:explain?x=1")
    ('/v1/models/{model}:explain', 'tiny')
    >>> route_of(b"/v2/health/ready")
    ('other', '')
    """
    parts = target.split(b"?", 1)[0].decode("latin-1").split("/")
    if len(parts) < 4 or parts[2] != "models":
        return "other", ""
    model, colon, verb = parts[3].partition(":")
    parts[3] = "{model}" + colon + verb
    return "/".join(parts), model


async def _traced(
    backend: Backend, method: str, target: bytes, headers: Headers, body: bytes, timeout: float
) -> Response:
    route, model = route_of(target)
    told = {"model": model, "model_version": backend.version, "track": backend.track}
    with tracing.client_span(method, route, backend.host, **told) as span:
        response = await backend.send(method, target, tracing.inject(headers), body, timeout)
        span.answered(response.status)
        return response
