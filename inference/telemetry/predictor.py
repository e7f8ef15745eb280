"""Spans of the predictor, over REST and gRPC alike; imported only by a predictor that traces.

The fast path has no task per request, so nothing can run inside of a span. What a call spends its time on is noted as
it happens, and its spans are made when it has been answered. Requests that were predicted together share one span
``predict batch``, which links to each of them and they to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.context import attach, detach
from opentelemetry.trace import Link, Span, SpanKind, set_span_in_context

from components.errors import ArthaflowError
from inference.batching import Batch
from inference.dataplane import Call, DataPlane
from inference.http_call import HttpCall
from inference.http_protocol import FastProtocol
from inference.served_model import ServedModel
from inference.telemetry import tracing
from inference.v2.request import InferRequest
from inference.v2.response import BatchAnswer, Body

Times = tuple[float, float]
"""Begin and end by ``time.perf_counter()``."""

HTTP = {"http.request.method": "POST", "http.route": "/v2/models/{model}/infer", "url.scheme": "http"}
HTTP_NAME = f"POST {HTTP['http.route']}"
ROOT: Times = (0.0, 0.0)


class TracedHttpCall(HttpCall):
    """A REST call that notes its caller's context, and how long its own steps took."""

    __slots__ = ("carrier", "decoded", "encoded")

    carrier: tracing.Headers
    decoded: Times
    encoded: Times

    def decode(self) -> InferRequest:
        """See :class:`~inference.http_call.HttpCall`."""
        begin = time.perf_counter()
        try:
            return super().decode()
        finally:
            self.decoded = begin, time.perf_counter()

    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        """See :class:`~inference.http_call.HttpCall`."""
        begin = time.perf_counter()
        body = super().encode(answer, start, stop, request_id)
        self.encoded = begin, time.perf_counter()
        return body


class TracedProtocol(FastProtocol):
    """The fast route with calls that are traced."""

    def new_call(self, *arguments: Any) -> HttpCall:  # type: ignore[override]
        """Return a call that keeps the W3C headers of its request."""
        call = TracedHttpCall(*arguments)
        call.carrier = [pair for pair in self.headers if pair[0] in (b"traceparent", b"tracestate")]
        return call


@dataclass
class Spent:
    """When the last batch of a model was validated and predicted."""

    validated: Times = ROOT
    predicted: Times = ROOT


class TracedDataPlane(DataPlane):
    """The data plane, with spans."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._spent: WeakKeyDictionary[ServedModel, Spent] = WeakKeyDictionary()

    def serve(self, served: ServedModel) -> None:
        """See :class:`~inference.dataplane.DataPlane`."""
        if served not in self._spent:
            spent = self._spent[served] = Spent()
            served.predict = _timed(served.predict, spent, "predicted")  # type: ignore[method-assign]
            served.validator.check = _timed(served.validator.check, spent, "validated")  # type: ignore[method-assign]
        super().serve(served)

    def _finish(self, batch: Batch, answer: BatchAnswer) -> None:
        spent = self._spent[batch.served]
        super()._finish(batch, answer)
        clock = Clock()
        requests = [_request_span(call, clock, 200) for call in batch.calls]
        shared = _batch_span(batch, requests, spent, clock) if len(requests) > 1 else None
        for call, request in zip(batch.calls, requests, strict=True):
            if request.is_recording():
                _steps(call, request, spent, shared, clock)
            request.end(clock.now)
        if shared is not None:
            shared.end(clock.at(spent.predicted[1]))

    def count_refusal(self, call: Call, error: ArthaflowError, told: Body) -> None:
        """See :class:`~inference.dataplane.DataPlane`; its log line carries the span's ids."""
        clock = Clock()
        span = _request_span(call, clock, error.status)
        span.set_attribute("error.type", type(error).__name__)
        decoded = getattr(call, "decoded", None)
        if decoded is not None and span.is_recording():
            _step("decode", span, decoded, clock)
        token = attach(set_span_in_context(span))
        try:
            super().count_refusal(call, error, told)
        finally:
            detach(token)
            span.end(clock.now)


class Clock:
    """Turns ``time.perf_counter()`` into nanoseconds since 1970, by one reading of both."""

    def __init__(self) -> None:
        self.now = time.time_ns()
        self._offset = self.now - time.perf_counter_ns()

    def at(self, seconds: float) -> int:
        """Return a time of ``perf_counter`` as nanoseconds since 1970."""
        return int(seconds * 1e9) + self._offset


def _timed(method: Callable[..., Any], spent: Spent, name: str) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        begin = time.perf_counter()
        try:
            return method(*arguments)
        finally:
            setattr(spent, name, (begin, time.perf_counter()))

    return timed


def _request_span(call: Call, clock: Clock, status: int) -> Span:
    tracer = tracing.tracer()
    assert tracer is not None
    served = getattr(call, "served", None)
    told: tracing.Attributes = {} if served is None else {"arthaflow.model": served.name}
    if served is not None:
        told["arthaflow.model.version"] = served.version
        told["arthaflow.traffic"] = call.traffic
    rpc = getattr(call, "rpc", None)
    if rpc is None:
        name, told = HTTP_NAME, {**told, **HTTP, "http.response.status_code": status}
    else:
        name, told = rpc, {**told, "rpc.system.name": "grpc", "rpc.method": rpc, "arthaflow.status": status}
    parent = tracing.parent_of(getattr(call, "carrier", ()))
    span = tracer.start_span(name, parent, SpanKind.SERVER, told, start_time=clock.at(call.started))
    if status >= 500:
        tracing.fail(span, str(status))
    return span


def _batch_span(batch: Batch, requests: list[Span], spent: Spent, clock: Clock) -> Span | None:
    """Return the span of a shared prediction, a trace of its own; None if no request of it is recorded."""
    links = [Link(request.get_span_context()) for request in requests if request.is_recording()]
    tracer = tracing.tracer()
    if not links or tracer is None:
        return None
    told: tracing.Attributes = {"arthaflow.batch.size": len(batch.calls), "arthaflow.batch.rows": batch.rows}
    told["arthaflow.model"] = batch.served.name
    parent = tracing.parent_of(())
    return tracer.start_span(
        "predict batch", parent, SpanKind.INTERNAL, told, links, start_time=clock.at(spent.predicted[0])
    )


def _steps(call: Any, request: Span, spent: Spent, shared: Span | None, clock: Clock) -> None:
    _step("decode", request, call.decoded, clock)
    _step("validate", request, spent.validated, clock)
    links = [Link(shared.get_span_context())] if shared is not None else []
    _step("predict", request, spent.predicted, clock, links, rows=int(call.rows))
    _step("encode", request, call.encoded, clock)


def _step(name: str, parent: Span, times: Times, clock: Clock, links: list[Link] | None = None, rows: int = 0) -> None:
    tracer = tracing.tracer()
    assert tracer is not None
    told: tracing.Attributes = {"arthaflow.rows": rows} if rows else {}
    context = set_span_in_context(parent, tracing.parent_of(()))
    made = tracer.start_span(name, context, SpanKind.INTERNAL, told, links, start_time=clock.at(times[0]))
    made.end(clock.at(times[1]))
