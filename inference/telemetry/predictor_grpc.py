"""Spans of the predictor's gRPC calls; imported only by a predictor that traces and has a gRPC port."""

from __future__ import annotations

import time
from typing import Any

from inference.grpc_call import GrpcCall
from inference.grpc_service import PredictorServicer
from inference.telemetry import tracing
from inference.telemetry.predictor import Times
from inference.v2.request import InferRequest
from inference.v2.response import BatchAnswer, Body


class TracedGrpcCall(GrpcCall):
    """A gRPC call that notes its caller's context, and how long its own steps took."""

    __slots__ = ("carrier", "decoded", "encoded")

    rpc = "inference.GRPCInferenceService/ModelInfer"
    carrier: tracing.Headers
    decoded: Times
    encoded: Times

    def decode(self) -> InferRequest:
        """See :class:`~inference.grpc_call.GrpcCall`."""
        begin = time.perf_counter()
        try:
            return super().decode()
        finally:
            self.decoded = begin, time.perf_counter()

    def encode(self, answer: BatchAnswer, start: int, stop: int, request_id: str) -> Body:
        """See :class:`~inference.grpc_call.GrpcCall`."""
        begin = time.perf_counter()
        body = super().encode(answer, start, stop, request_id)
        self.encoded = begin, time.perf_counter()
        return body


class TracedServicer(PredictorServicer):
    """The servicer with calls that are traced."""

    new_call = TracedGrpcCall

    def begun(self, call: GrpcCall, context: Any) -> None:
        """Keep the W3C entries of the call's metadata."""
        metadata = context.invocation_metadata() or ()
        carried = [(k.encode(), v.encode()) for k, v in metadata if k in ("traceparent", "tracestate")]
        call.carrier = carried  # type: ignore[attr-defined]
