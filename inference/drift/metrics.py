"""Prometheus metrics of the drift verdict."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from inference.drift.result import Verdict

EVENTS = Counter(
    "arthaflow_drift_events",
    "CloudEvents by outcome: taken, ignored (not a request), duplicate, refused (payload), malformed (envelope)",
    ["model", "outcome"],
)
DETECTED = Gauge(
    "arthaflow_drift_detected", "1: drift, 0: none; absent while the window is too small", ["model", "detector"]
)
STATISTIC = Gauge("arthaflow_drift_statistic", "KS distance, PSI or squared MMD", ["model", "column", "detector"])
P_VALUE = Gauge("arthaflow_drift_p_value", "Adjusted for the number of columns", ["model", "column", "detector"])
PSI = Gauge("arthaflow_drift_psi", "Population stability index", ["model", "column"])
WINDOW_ROWS = Gauge("arthaflow_drift_window_rows", "Rows in the window", ["model"])
MIN_ROWS = Gauge("arthaflow_drift_min_rows", "Rows that the wanted power needs; NaN: none is enough", ["model"])
JUDGED = Gauge("arthaflow_drift_judged", "1 when the window is large enough to be judged", ["model"])


def export(model: str, verdict: Verdict) -> None:
    """Publish a verdict; what was published of the one before goes away."""
    for gauge in (DETECTED, STATISTIC, P_VALUE, PSI):
        gauge.clear()
    WINDOW_ROWS.labels(model).set(verdict.rows)
    MIN_ROWS.labels(model).set(float("nan") if verdict.min_rows is None else verdict.min_rows)
    JUDGED.labels(model).set(verdict.outcome != "insufficient")
    for result in verdict.results:
        STATISTIC.labels(model, result.column, result.detector).set(result.statistic)
        P_VALUE.labels(model, result.column, result.detector).set(result.p_value)
        if result.detector == "psi":
            PSI.labels(model, result.column).set(result.statistic)
    for detector in {r.detector for r in verdict.results}:
        DETECTED.labels(model, detector).set(any(r.drift for r in verdict.results if r.detector == detector))
