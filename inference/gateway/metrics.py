"""The gateway's Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from components.errors import ArthaflowError

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
UNKNOWN = "unknown"
"""Label of a model that is not in the models file: invented names must not grow the label set."""

NONE = "none"
"""Label of a product route that asks no single model: a list, a batch, an administrator's."""


class GatewayMetrics:
    """Counters of one gateway process.

    Labels are routes' templates, models, statuses, tiers and reasons: never a caller, a path or a value.

    Attributes
    ----------
    registry : CollectorRegistry
        Where the cache, the calls and the exporters add theirs.
    """

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
        self._count_products()
        self._count_callers()
        built = Gauge("arthaflow_gateway_build_info", "1; which release runs.", ("version",), registry=self.registry)
        built.labels(version("arthaflow")).set(1)
        self.under_way = Gauge(
            "arthaflow_gateway_requests_in_flight", "Requests of all routes under way.", registry=self.registry
        )
        self.backlog = Gauge(
            "arthaflow_gateway_log_backlog_bytes",
            "Bytes of the prediction log that are on disk and not in the database yet.",
            registry=self.registry,
        )

    def _count_products(self) -> None:
        self._product = Counter(
            "arthaflow_gateway_product_requests",
            "Answered requests of the product API.",
            ("route", "model", "code"),
            registry=self.registry,
        )
        self._product_seconds = Histogram(
            "arthaflow_gateway_product_request_seconds",
            "From the first byte to the answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _count_callers(self) -> None:
        made = {"registry": self.registry}
        self._refusals = Counter(
            "arthaflow_gateway_auth_refusals", "Requests refused for who asks, by reason.", ("reason",), **made
        )
        self._limited = Counter(
            "arthaflow_gateway_rate_limited", "Requests beyond the caller's rate.", ("tier",), **made
        )
        self._assigned = Counter(
            "arthaflow_gateway_experiment_assignments",
            "Predictions that an experiment gave a variant.",
            ("experiment", "variant"),
            **made,
        )
        self._suspicions = Counter(
            "arthaflow_gateway_extraction_suspicions",
            "Times that a caller's questions looked like the extraction of a model.",
            ("model",),
            **made,
        )

    def product(self, route: str, model: str, code: int, seconds: float) -> None:
        """Count one answered request of the product API.

        Parameters
        ----------
        route : str
            The route's template.
        model : str
            The one model that it asked; empty for none.
        code : int
            HTTP status.
        seconds : float
            From the first byte to the answer.
        """
        found = self._known.get((route, model, code))
        if found is None:
            found = self._product.labels(route, model or NONE, str(code)), self._product_seconds.labels(route)
            self._known[route, model, code] = found
        found[0].inc()
        found[1].observe(seconds)
        if model:
            self.requests.labels(model, str(code)).inc()

    def denied(self, error: ArthaflowError, tier: str = "") -> None:
        """Count a refusal for who asks (401, 403) or how often (429); anything else is none."""
        if error.status == 429:
            self._limited.labels(tier or "unknown").inc()
        elif error.status in (401, 403):
            self._refusals.labels(str(getattr(error, "reason", "") or type(error).__name__.lower())).inc()

    def assigned(self, experiment: str, variant: str) -> None:
        """Count a prediction that an experiment gave a variant."""
        self._assigned.labels(experiment, variant).inc()

    def suspected(self, model: str) -> None:
        """Count a caller whose questions look like the extraction of a model."""
        self._suspicions.labels(model).inc()

    def watch_backlog(self, read: Callable[[], int]) -> None:
        """Export the prediction log's backlog, read whenever somebody scrapes."""
        self.backlog.set_function(read)

    def watch_in_flight(self, read: Callable[[], int]) -> None:
        """Export the number of requests under way, read whenever somebody scrapes."""
        self.under_way.set_function(read)

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
