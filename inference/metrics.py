"""Prometheus metrics of the data plane, kept as plain numbers on the hot path and turned into families at a scrape.

All of it is written by the event loop's thread alone, so nothing is locked: a request costs two dictionary increments
and a bisection instead of the 3 µs that three ``prometheus_client`` calls take.

Every series exists from the start, at 0: Prometheus counts only what rises between two scrapes, and a first error that
is born as 1 would never be seen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from inference.compared import Compared

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
UNKNOWN = "unknown"
"""Label of a model that is not served: a client's invented names must not grow the label set."""

CLIENT, FORCED, EXPLAIN = "client", "forced", "explain"
"""Where a request came from: a client that got this version by chance, one that chose it by a header, an explainer."""

CODES = (200, 400, 500, 503)
"""Statuses whose series exist before the first such answer."""


class Histogram:
    """Bucket counts and sum of one series."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, cumulative count) pairs, as Prometheus wants them."""
        running, found = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


class Answers:
    """Counts and latencies of one kind of traffic.

    Parameters
    ----------
    bounds : tuple of float
        Of the latency histogram, seconds.
    """

    __slots__ = ("codes", "seconds")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.codes: defaultdict[int, int] = defaultdict(int)
        self.seconds = Histogram(bounds)

    def observe(self, code: int, seconds: float) -> None:
        """Count one answered request."""
        self.codes[code] += 1
        self.seconds.observe(seconds)


class ModelMetrics(Answers):
    """The series of one version of one model; its own counts are the clients'.

    Parameters
    ----------
    p95_ms : float
        The model's latency objective, which becomes a bucket bound so that the share of slower requests is exact.

    Attributes
    ----------
    others : dict of str to Answers
        Forced and explainers' requests, which are no random sample of the traffic.
    compared : Compared or None
        The number that rollouts compare.
    """

    __slots__ = ("compared", "others", "rows")

    def __init__(self, p95_ms: float = 0.0) -> None:
        bounds = tuple(sorted({*SECONDS, p95_ms / 1e3})) if p95_ms > 0 else SECONDS
        super().__init__(bounds)
        self.rows = Histogram(ROWS)
        self.others: dict[str, Answers] = {}
        self.compared: Compared | None = None

    def of(self, traffic: str) -> Answers:
        """Return the series of one kind of traffic."""
        if traffic == CLIENT:
            return self
        return self.others.setdefault(traffic, Answers(self.seconds.bounds))


class ServerMetrics(Collector):
    """Everything that ``/metrics`` tells about the data plane, beside kserve's own.

    Attributes
    ----------
    log_dropped : callable
        Reads the payload log's count of rows it had to drop.
    ready : callable
        Reads which models are ready: {(model, version): bool}.
    """

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], ModelMetrics] = {}
        self.validation_errors: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.missing_values: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.log_dropped: Callable[[], int] = lambda: 0
        self.ready: Callable[[], dict[tuple[str, str], bool]] = dict

    def model(self, name: str, version: str, p95_ms: float = 0.0) -> ModelMetrics:
        """Return the series of one version, making them on first use."""
        found = self.models.get((name, version))
        if found is None:
            found = self.models[name, version] = ModelMetrics(p95_ms)
        return found

    def describe(self) -> list[Metric]:
        """Return nothing: the registry need not collect in order to register."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families."""
        labels = ["model", "version"]
        by_traffic = [*labels, "traffic"]
        requests = CounterMetricFamily(
            "arthaflow_requests", "Answered inference requests.", labels=[*by_traffic, "code"]
        )
        seconds = HistogramMetricFamily("arthaflow_request_seconds", "From request read to answer.", labels=by_traffic)
        rows = HistogramMetricFamily("arthaflow_batch_rows", "Rows per predict call.", labels=labels)
        for key, series in list(self.models.items()):
            for traffic, answers in [(CLIENT, series), *series.others.items()]:
                for code in sorted({*CODES, *answers.codes}):
                    requests.add_metric([*key, traffic, str(code)], answers.codes.get(code, 0))
                seconds.add_metric([*key, traffic], answers.seconds.cumulative(), answers.seconds.total)
            rows.add_metric(key, series.rows.cumulative(), series.rows.total)
        errors = CounterMetricFamily(
            "arthaflow_validation_errors", "Refused requests by the field that was wrong.", labels=["model", "field"]
        )
        for error_key, count in list(self.validation_errors.items()):
            errors.add_metric(error_key, count)
        missing = CounterMetricFamily(
            "arthaflow_missing_values",
            "Requests refused for a value that is left out, NaN or null, by field.",
            labels=["model", "field"],
        )
        for error_key, count in list(self.missing_values.items()):
            missing.add_metric(error_key, count)
        dropped = CounterMetricFamily(
            "arthaflow_payload_log_dropped", "Payload rows lost to a log that cannot be written."
        )
        dropped.add_metric([], self.log_dropped())
        ready = GaugeMetricFamily("arthaflow_model_ready", "1 when the version answers.", labels=labels)
        for key, is_ready in self.ready().items():
            ready.add_metric(key, float(is_ready))
        yield from (requests, seconds, rows, errors, missing, dropped, ready, *self._compared())

    def _compared(self) -> Iterator[Metric]:
        labels = ["model", "version"]
        values = HistogramMetricFamily(
            "arthaflow_prediction_value", "The number that rollouts compare, one per client's request.", labels=labels
        )
        unusable = CounterMetricFamily(
            "arthaflow_prediction_unusable", "Answers whose compared number is not finite.", labels=labels
        )
        outside = CounterMetricFamily(
            "arthaflow_prediction_outside", "Compared numbers beyond the spec's rollout.bounds.", labels=labels
        )
        for key, series in list(self.models.items()):
            if series.compared is not None:
                values.add_metric(key, series.compared.histogram.cumulative(), series.compared.histogram.total)
                unusable.add_metric(key, series.compared.unusable)
                outside.add_metric(key, series.compared.outside)
        yield from (values, unusable, outside)
