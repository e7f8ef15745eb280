"""The router's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from inference.router.backend import Backend

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 30.0)


class RouterMetrics:
    """Counters of one router; a failed attempt counts against the backend that failed."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("track", "version")
        self.requests = Counter(
            "arthaflow_router_requests", "Attempts by backend and code", (*labels, "code"), registry=self.registry
        )
        self.seconds = Histogram(
            "arthaflow_router_request_seconds", "Time of an attempt", labels, buckets=BUCKETS, registry=self.registry
        )
        self.retries = Counter("arthaflow_router_retries", "Attempts after a failed one", registry=self.registry)
        self.dropped = Gauge("arthaflow_router_log_dropped", "Rows missing in the request log", registry=self.registry)

    def observe(self, backend: Backend, status: int, seconds: float) -> None:
        """Count one attempt; status 0 is "no answer"."""
        self.requests.labels(backend.track, backend.version, str(status)).inc()
        self.seconds.labels(backend.track, backend.version).observe(seconds)

    def render(self) -> bytes:
        """Return the text form."""
        return bytes(generate_latest(self.registry))
