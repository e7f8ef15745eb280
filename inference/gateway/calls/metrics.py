"""Prometheus metrics of the way to the models."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from components.errors import ArthaflowError
from inference.gateway.calls.lane import Lane
from inference.gateway.problems import BreakerOpen, ModelBusy, ModelDown, ModelSlow

REASONS: tuple[tuple[type[ArthaflowError], str], ...] = (
    (BreakerOpen, "open"),
    (ModelBusy, "busy"),
    (ModelSlow, "slow"),
    (ModelDown, "down"),
)


class CallMetrics:
    """Counters and gauges per model.

    Parameters
    ----------
    registry : CollectorRegistry
        Of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.breaker = Gauge(
            "arthaflow_gateway_breaker_state", "0 closed, 1 half open, 2 open.", ("model",), registry=registry
        )
        self.explain_breaker = Gauge(
            "arthaflow_gateway_explain_breaker_state", "The same for explanations.", ("model",), registry=registry
        )
        self.waiting = Gauge(
            "arthaflow_gateway_waiting", "Requests in the line before the model.", ("model",), registry=registry
        )
        self.retries = Counter(
            "arthaflow_gateway_retries", "Requests that were sent once more.", ("model",), registry=registry
        )
        self.refused = Counter(
            "arthaflow_gateway_unanswered",
            "Calls without an answer of the model: open, busy, slow, down.",
            ("model", "reason"),
            registry=registry,
        )

    def watch(self, model: str, predictions: Lane, explanations: Lane) -> None:
        """Export a model's breakers and lines, read whenever somebody scrapes."""
        self.breaker.labels(model).set_function(lambda: float(predictions.breaker.state))
        self.explain_breaker.labels(model).set_function(lambda: float(explanations.breaker.state))
        self.waiting.labels(model).set_function(
            lambda: float(predictions.bulkhead.waiting + explanations.bulkhead.waiting)
        )

    def unwatch(self, model: str) -> None:
        """Forget a model that left."""
        for gauge in (self.breaker, self.explain_breaker, self.waiting):
            gauge.remove(model)

    def count(self, model: str, error: ArthaflowError) -> None:
        """Count a call without an answer."""
        for kind, reason in REASONS:
            if isinstance(error, kind):
                self.refused.labels(model, reason).inc()
                return
