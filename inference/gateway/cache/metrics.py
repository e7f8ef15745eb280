"""Prometheus metrics of the cache. The hit ratio is ``result="hit"`` over all results."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from inference.gateway.cache.memory import Shelf


class CacheMetrics:
    """Counters and gauges per model.

    Parameters
    ----------
    registry : CollectorRegistry
        Of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "arthaflow_gateway_cache_requests",
            "Questions by what answered them: hit (no computation of their own), miss, stale.",
            ("model", "result"),
            registry=registry,
        )
        self._results: dict[tuple[str, str], Counter] = {}
        self.invalidations = Counter(
            "arthaflow_gateway_cache_invalidations", "Changes of a model's version.", ("model",), registry=registry
        )
        self.evictions = Counter(
            "arthaflow_gateway_cache_evictions", "Answers that gave way to others.", ("model",), registry=registry
        )
        self.entries = Gauge(
            "arthaflow_gateway_cache_entries", "Answers in this process.", ("model",), registry=registry
        )
        self.bytes = Gauge("arthaflow_gateway_cache_bytes", "Their bytes.", ("model",), registry=registry)
        self.redis_up = Gauge(
            "arthaflow_gateway_cache_redis_up", "1 while replicas share their answers.", registry=registry
        )
        self.redis_errors = Counter(
            "arthaflow_gateway_cache_redis_errors", "Failures of Redis; memory alone serves then.", registry=registry
        )

    def count(self, model: str, result: str) -> None:
        """Count an answered question; the child is kept, because finding it costs more than counting."""
        counter = self._results.get((model, result))
        if counter is None:
            counter = self._results[model, result] = self.requests.labels(model, result)
        counter.inc()

    def watch(self, model: str, shelf: Shelf) -> None:
        """Export a model's shelf, read whenever somebody scrapes."""
        self.entries.labels(model).set_function(lambda: shelf.entries)
        self.bytes.labels(model).set_function(lambda: shelf.size)
