"""The gateway's Prometheus metrics."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
UNKNOWN = "unknown"
"""Label of a model that is not in the models file: invented names must not grow the label set."""


class GatewayMetrics:
    """Counters of one gateway process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = {"labelnames": ("model",), "registry": self.registry}
        self.requests = Counter(
            "arthaflow_gateway_requests", "Answered requests.", ("model", "code"), registry=self.registry
        )
        self.seconds = Histogram(
            "arthaflow_gateway_request_seconds",
            "From request read to answer, without :explain.",
            buckets=BUCKETS,
            **made,
        )
        self.explain_seconds = Histogram(
            "arthaflow_gateway_explain_seconds", "The same for :explain.", buckets=BUCKETS, **made
        )
        self.in_flight = Gauge("arthaflow_gateway_in_flight", "Requests under way.", **made)
        self.valid = Gauge(
            "arthaflow_gateway_models_file_valid",
            "0 while the models file cannot be understood.",
            registry=self.registry,
        )
        self.valid.set(1)

    def observe(self, model: str, code: int, seconds: float, explained: bool = False) -> None:
        """Count one answered request of a known model."""
        self.requests.labels(model, str(code)).inc()
        (self.explain_seconds if explained else self.seconds).labels(model).observe(seconds)

    def refused(self, code: int) -> None:
        """Count a request that is for no known model."""
        self.requests.labels(UNKNOWN, str(code)).inc()

    def render(self, in_flight: Mapping[str, int]) -> bytes:
        """Return the text form; ``in_flight`` is the number of requests under way by model."""
        self.in_flight.clear()
        for model, count in in_flight.items():
            self.in_flight.labels(model).set(count)
        return bytes(generate_latest(self.registry))
