"""OpenTelemetry traces: off, and then free, unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` or ``ARTHAFLOW_TRACES_FILE`` is set.

While they are off this module has imported nothing of OpenTelemetry, and every function returns at its first line.
Attributes are names, versions, sizes and statuses: never inputs, users, tokens or the text of an error, which may quote
what a client sent. Sampling follows the standard ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Tracer

Headers = list[tuple[bytes, bytes]]
Scope = MutableMapping[str, Any]
Attributes = dict[str, str | int | float | bool]

SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ARTHAFLOW_TRACES_FILE")
QUIET = frozenset({"/healthz", "/ready", "/metrics", "/v2/health/ready", "/v2/health/live"})
"""Paths that are asked every few seconds for nobody's sake; they get no span."""

PARENT = b"traceparent"
_CARRIED = (PARENT, b"tracestate")
_PARENT_FORM = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_tracer: Tracer | None = None


class Handle:
    """A span as a context manager; this one is nobody's, for when traces are off."""

    __slots__ = ()

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Add an attribute."""

    def answered(self, status: int) -> None:
        """Say how the request was answered."""

    def route(self, method: str, template: str) -> None:
        """Name the route, once it has been found."""

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        return None


class Running(Handle):
    """A span that is recorded from the block's first line to its last.

    Parameters
    ----------
    span : opentelemetry.trace.Span
        Started already.
    server : bool
        Whether it is a server's, of which 4xx is no failure.
    """

    __slots__ = ("_server", "_span", "_token")

    _token: Token[Context]

    def __init__(self, span: Span, server: bool) -> None:
        self._span, self._server = span, server

    def set(self, name: str, value: str | int | float | bool) -> None:
        """Add an attribute."""
        self._span.set_attribute(name, value)

    def answered(self, status: int) -> None:
        """Say how the request was answered: a server's span fails from 500, a client's from 400 (the conventions)."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= (500 if self._server else 400):
            fail(self._span, str(status))

    def route(self, method: str, template: str) -> None:
        """Name the route, once it has been found."""
        self._span.set_attribute("http.route", template)
        self._span.update_name(f"{method} {template}")

    def __enter__(self) -> Handle:
        from opentelemetry.context import attach
        from opentelemetry.trace import set_span_in_context

        self._token = attach(set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from opentelemetry.context import detach

        detach(self._token)
        if kind is not None:
            if getattr(error, "status", 500) >= 500:
                fail(self._span, kind.__name__)
            else:
                self._span.set_attribute("error.type", kind.__name__)
        self._span.end()


_OFF = Handle()


def wanted() -> bool:
    """Whether the environment asks for traces."""
    return any(os.environ.get(name) for name in SWITCHES) and os.environ.get("OTEL_SDK_DISABLED", "") != "true"


def setup(service: str, version: str = "", model: str = "") -> bool:
    """Begin to trace where the environment asks for it; return whether it does.

    Parameters
    ----------
    service : str
        ``service.name`` of the spans, for example ``arthaflow-gateway``; ``OTEL_SERVICE_NAME`` wins.
    version, model : str
        ``service.version``, this release where it is empty, and ``arthaflow.model``.

    Raises
    ------
    ConfigurationError
        If traces are asked for and OpenTelemetry's SDK is not installed.
    """
    global _tracer
    if _tracer is None and wanted():
        from inference.telemetry.sdk import build

        _tracer = build(service, version, model)
    return _tracer is not None


def tracer() -> Tracer | None:
    """Return the tracer; None while traces are off."""
    return _tracer


def parent_of(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context that W3C headers carry; an empty one where they carry none. Only while traces are on."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in _CARRIED}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def server_span(scope: Scope, route: str, **attributes: str) -> Handle:
    """Return the span of one HTTP request, as a context manager; a child of the caller's, where it names one.

    Parameters
    ----------
    scope : mapping
        The ASGI scope.
    route : str
        Template of the path, for example ``/api/v1/ml/models/{id}``; never the path itself.
    attributes
        Further ones; ``model`` becomes ``arthaflow.model``.
    """
    if _tracer is None or scope.get("path") in QUIET:
        return _OFF
    from opentelemetry.trace import SpanKind

    method = str(scope.get("method", "GET"))
    told: Attributes = {
        "http.request.method": method,
        "http.route": route,
        "url.scheme": str(scope.get("scheme", "http")),
        **_named(attributes),
    }
    return _running(f"{method} {route}", SpanKind.SERVER, told, parent_of(scope["headers"]))


def client_span(method: str, route: str, host: str = "", **attributes: str) -> Handle:
    """Return the span of one request to another server; :func:`inject` inside of it.

    None is made where no span runs: what a server asks by itself, every few seconds, belongs to nobody's request.
    """
    if _tracer is None:
        return _OFF
    from opentelemetry.trace import SpanKind, get_current_span

    if not get_current_span().get_span_context().is_valid:
        return _OFF
    told: Attributes = {"http.request.method": method, "url.template": route, **_named(attributes)}
    if host:
        told["server.address"] = host
    return _running(f"{method} {route}", SpanKind.CLIENT, told, None)


def span(name: str, **attributes: str) -> Handle:
    """Return the span of a step within a request; ``model`` becomes ``arthaflow.model``."""
    if _tracer is None:
        return _OFF
    from opentelemetry.trace import SpanKind

    return _running(name, SpanKind.INTERNAL, _named(attributes), None)


def inject(headers: Headers) -> Headers:
    """Return headers that carry the running span to the next server; unchanged while traces are off."""
    if _tracer is None:
        return headers
    carrier = carried()
    if not carrier:
        return headers
    kept = [pair for pair in headers if pair[0] not in _CARRIED]
    return [*kept, *((name.encode(), value.encode()) for name, value in carrier.items())]


def carried() -> dict[str, str]:
    """Return the running span as W3C headers; nothing while traces are off or no span runs."""
    if _tracer is None:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


def current_ids() -> tuple[str, str]:
    """Return trace id and span id as hexadecimal text; empty texts outside of a span."""
    if _tracer is None:
        return "", ""
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else ("", "")


def current_trace_id() -> str:
    """Return the running trace's id; an empty text outside of one."""
    return current_ids()[0]


def trace_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the trace id that a client sent, which needs no tracing here; empty without a valid one.

    Examples
    --------
    >>> trace_id_of([(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    for name, value in headers:
        if name == PARENT:
            found = _PARENT_FORM.fullmatch(value)
            return found[1].decode() if found else ""
    return ""


def fail(span: Span, kind: str) -> None:
    """Mark a span as failed, by the kind of its error alone."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _running(name: str, kind: SpanKind, attributes: Attributes, parent: Context | None) -> Handle:
    from opentelemetry.trace import SpanKind

    assert _tracer is not None
    return Running(_tracer.start_span(name, parent, kind, attributes), kind == SpanKind.SERVER)


def _named(attributes: dict[str, str]) -> Attributes:
    return {f"arthaflow.{name.replace('_', '.')}": value for name, value in attributes.items() if value}
