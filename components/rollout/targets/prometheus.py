"""Windows from Prometheus: the counters and histograms that every predictor exports, of clients' requests only.

Forced and explainers' requests carry another ``traffic`` label and are left out, as the local router leaves out forced
ones. A window with fewer than two scrapes of a pod knows nothing of that pod; with no pod known, the judge sees no
requests and stays inconclusive.
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from components.errors import ModelUnavailable
from components.rollout.metrics import MAX_SAMPLE, WindowMetrics
from components.rollout.targets.counters import Series, by_bucket, expand, rises

logger = logging.getLogger("arthaflow.rollout")
BEYOND = 10.0
"""A latency beyond the last bucket counts as this multiple of that bucket's bound."""


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus server, or anything that speaks its query API.

    Parameters
    ----------
    url : str
        ``http://host:port``, with a path prefix where there is one.
    """

    url: str

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times, seconds since the epoch.

        Latencies are the upper bounds of their buckets, so a quantile is never too low; a model's own objective is one
        of the bounds. Predictions are the midpoints of their buckets, each at most half a step of the spec's grid off;
        see :func:`components.rollout.plan.cluster_plan_for`.

        Raises
        ------
        ModelUnavailable
            If Prometheus does not answer, or refuses the query.
        """
        version_only = f"model={_quoted(model)},version={_quoted(version)}"
        clients = f'{version_only},traffic="client"'
        codes = self._rises("arthaflow_requests_total", clients, since, until, "code")
        if not codes:
            logger.warning(
                "Prometheus at %s has no series of %s version %s yet. If that stays so, check that it scrapes the "
                'predictors: up{job=~".*predictor.*"}, and the PodMonitor.',
                self.url,
                model,
                version,
            )
        unusable = self._rises("arthaflow_prediction_unusable_total", version_only, since, until, "")
        seconds = self._rises("arthaflow_request_seconds_bucket", clients, since, until, "le")
        values = self._rises("arthaflow_prediction_value_bucket", version_only, since, until, "le")
        counts = sum((Counter(pod) for pod in codes.values()), Counter[str]())
        predictions, outside = _predictions(values.values())
        return WindowMetrics(
            version=version,
            requests=counts.total(),
            errors=sum(n for code, n in counts.items() if code.startswith("5"))
            + sum(sum(pod.values()) for pod in unusable.values()),
            rejected=sum(n for code, n in counts.items() if code.startswith("4")),
            latencies_ms=_latencies(seconds.values()),
            predictions=predictions,
            outside=outside,
        )

    def _rises(
        self, name: str, labels: str, since: float, until: float, by: str
    ) -> dict[tuple[str, str], dict[str, int]]:
        span = math.ceil(until - since)
        if span < 1:
            return {}
        found = self._query(f"{name}{{{labels}}}[{span}s]", until)
        inside = [Series(s.labels, tuple(x for x in s.samples if since <= x[0] <= until)) for s in found]
        return rises(inside, by)

    def _query(self, query: str, at: float) -> list[Series]:
        url = f"{self.url.rstrip('/')}/api/v1/query?{urlencode({'query': query, 'time': repr(at)})}"
        try:
            with urlopen(url, timeout=30.0) as answer:
                body: dict[str, Any] = json.loads(answer.read())
            result = body["data"]["result"]
        except HTTPError as error:
            told = error.read().decode(errors="replace")
            raise ModelUnavailable(
                f"Prometheus at {self.url} refuses a query ({error.code}: {told!r:.300}).",
                "Check that the address is a Prometheus server's, and its limits on queries.",
            ) from error
        except (URLError, OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise ModelUnavailable(
                f"Prometheus does not answer at {self.url} ({error}).", "Check the address and the network policy."
            ) from error
        return [Series(r["metric"], tuple((float(t), float(v)) for t, v in r["values"])) for r in result]


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _latencies(pods: Iterable[dict[str, int]]) -> tuple[float, ...]:
    """Return an ascending sample of upper bounds, milliseconds."""
    counts: Counter[float] = Counter()
    for pod in pods:
        buckets = by_bucket(pod)
        last = max((bound for bound, _ in buckets if math.isfinite(bound)), default=1.0)
        for bound, count in buckets:
            counts[1e3 * (bound if math.isfinite(bound) else BEYOND * last)] += count
    return expand(counts, MAX_SAMPLE)


def _predictions(pods: Iterable[dict[str, int]]) -> tuple[tuple[float, ...], float]:
    """Return an ascending sample of midpoints, and the share that lies beyond the grid."""
    counts: Counter[float] = Counter()
    outside = 0
    for pod in pods:
        buckets = by_bucket(pod)
        if len(buckets) < 3:
            continue
        bounds = [bound for bound, _ in buckets[:-1]]
        half = (bounds[-1] - bounds[0]) / (len(bounds) - 1) / 2.0
        outside += buckets[0][1] + buckets[-1][1]
        for bound, count in buckets[:-1]:
            counts[round(bound - half, 12)] += count
        counts[round(bounds[-1] + half, 12)] += buckets[-1][1]
    total = counts.total()
    return expand(counts, MAX_SAMPLE), outside / total if total else 0.0
