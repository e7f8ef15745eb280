"""Windows from Prometheus: request counts and the latency histogram that every predictor exports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from components.errors import ModelUnavailable
from components.rollout.metrics import MAX_SAMPLE, WindowMetrics

Predictions = Callable[[str, str, float, float], tuple[float, ...]]


def no_predictions(model: str, version: str, since: float, until: float) -> tuple[float, ...]:
    """Return none: the judge then stays inconclusive unless ``Limits.distance`` is 1."""
    del model, version, since, until
    return ()


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus server.

    Parameters
    ----------
    url : str
        ``http://host:port``.
    predictions : callable
        ``(model, version, since, until)`` to the compared numbers, from a prediction log; Prometheus has none.
    """

    url: str
    predictions: Predictions = no_predictions

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times.

        Latencies are the upper bounds of the histogram's buckets, so a quantile is never too low.
        """
        span = f"{max(1, round(until - since))}s"
        label = f'model="{model}",version="{version}"'
        codes = self._query(f"sum by (code) (increase(arthaflow_requests_total{{{label}}}[{span}]))", until, "code")
        buckets = self._query(
            f"sum by (le) (increase(arthaflow_request_seconds_bucket{{{label}}}[{span}]))", until, "le"
        )
        counts = {code: round(value) for code, value in codes.items()}
        return WindowMetrics(
            version=version,
            requests=sum(counts.values()),
            errors=sum(n for code, n in counts.items() if code.startswith("5")),
            rejected=sum(n for code, n in counts.items() if code.startswith("4")),
            latencies_ms=_expand(buckets),
            predictions=self.predictions(model, version, since, until),
        )

    def _query(self, query: str, at: float, label: str) -> dict[str, float]:
        url = f"{self.url.rstrip('/')}/api/v1/query?{urlencode({'query': query, 'time': repr(at)})}"
        try:
            with urlopen(url, timeout=30.0) as answer:
                body: dict[str, Any] = json.loads(answer.read())
        except (URLError, OSError, HTTPException, ValueError) as error:
            raise ModelUnavailable(
                f"Prometheus does not answer at {self.url} ({error}).", "Check the address and the network policy."
            ) from error
        return {r["metric"].get(label, ""): float(r["value"][1]) for r in body["data"]["result"]}


def _expand(buckets: dict[str, float]) -> tuple[float, ...]:
    """Turn cumulative bucket counts by upper bound (seconds) into an ascending sample of bounds (milliseconds)."""
    ordered = sorted((float(le), count) for le, count in buckets.items())
    total = ordered[-1][1] if ordered else 0.0
    scale = min(1.0, MAX_SAMPLE / total) if total else 1.0
    sample: list[float] = []
    finite = [bound for bound, _ in ordered if bound != float("inf")]
    for bound, count in ordered:
        upper = bound if bound != float("inf") else 10.0 * (finite[-1] if finite else 1.0)
        sample += [upper * 1e3] * (round(count * scale) - len(sample))
    return tuple(sample)
