"""Monitoring and analytics over real records, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from components.records.database import Database
from inference.gateway.observed.accuracy_exporter import AccuracyExporter
from inference.ports import free_port
from tests.integration.gateway.observed_app import build, job, judged, predictions, serve_log
from tests.support.records import database, database_url, postgres_server, postgres_url

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]

VERDICT = {
    "model": "tiny",
    "outcome": "drift",
    "sentence": "1 of 3 columns drifted: x.a.",
    "rows": 500,
    "min_rows": 300,
    "drifted": ["x.a"],
    "results": [
        {"detector": "ks", "column": "x.a", "statistic": 0.4, "p_value": 1e-6, "drift": True, "alpha": 0.05},
        {"detector": "psi", "column": "x.a", "statistic": 0.31, "p_value": 1e-4, "drift": True, "alpha": 0.05},
    ],
}


class Answers(BaseHTTPRequestHandler):
    """A detector, a model's readiness, and an Alertmanager: each answers what the test laid down."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        found: Any = self.server.told.get(path)  # type: ignore[attr-defined]
        body = json.dumps(found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def beside() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.told = {"/v1/drift": VERDICT, "/v2/models/tiny/ready": {"ready": True}}  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def models(tmp_path: Path, beside: Any) -> Path:
    url = f"http://127.0.0.1:{beside.server_address[1]}"
    path = tmp_path / "models.yaml"
    path.write_text(json.dumps({"models": {"tiny": {"url": url, "detector_url": url}}}))
    return path


def data(client: TestClient, path: str, **query: str) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


def now() -> datetime:
    return datetime.now(UTC)


def test_performance_counts_what_all_replicas_wrote(database: Database, models: Path) -> None:
    at = now() - timedelta(minutes=1)
    serve_log(database, at, 95, total_response_time_ms=30)
    serve_log(database, at, 3, total_response_time_ms=900, inference_time_ms=0)
    serve_log(database, at, 2, total_response_time_ms=2000, status=503)
    serve_log(database, now() - timedelta(hours=2), 50, status=500)
    serve_log(database, at, 7, model_name="")
    predictions(database, at, 30, cached=True, confidence=0.95)
    predictions(database, at, 10, confidence=0.7)
    predictions(database, at, 5, confidence=None, stale=True)
    predictions(database, at, 1, error="failed")
    judged(database, now().date(), 0.6, 0.54)
    (tiny,) = data(TestClient(build(database, models)), "/api/v1/ml/monitoring/performance", window="1h")["models"]
    assert (tiny["model"], tiny["requests"], tiny["error_rate"]) == ("tiny", 100, 0.02)
    assert tiny["response_time_ms"] == {"average": 95.5, "p50": 30, "p95": 30, "p99": 2000}
    assert tiny["inference_time_ms"] == {"average": 20.0, "p50": 20, "p95": 20, "p99": 20}
    assert (tiny["predictions"], tiny["stale"]) == (45, 5)
    assert tiny["cache_hit_rate"] == pytest.approx(30 / 45)
    assert tiny["confidence"]["average"] == pytest.approx((30 * 0.95 + 10 * 0.7) / 40)
    steps = {s["at_least"]: s["predictions"] for s in tiny["confidence"]["distribution"] if s["predictions"]}
    assert steps == {0.7: 10, 0.9: 30}
    assert {t["name"]: t["met"] for t in tiny["targets"]} == {
        "Average inference time, ms": True,
        "95th percentile latency, ms": True,
        "Error rate": False,
        "Cache hit rate": False,
    }
    assert [d["figures"] for d in tiny["accuracy"]] == [{"accuracy": 0.54}] * 3
    (promise,) = tiny["promises"]
    assert (promise["registered"], promise["present"], promise["ratio"]) == (0.6, 0.54, 0.9)


def test_performance_of_a_model_that_nobody_asked(database: Database, models: Path) -> None:
    client = TestClient(build(database, models))
    (tiny,) = data(client, "/api/v1/ml/monitoring/performance", model="tiny")["models"]
    assert (tiny["requests"], tiny["error_rate"], tiny["response_time_ms"]) == (0, None, None)
    assert all(t["met"] is None for t in tiny["targets"])
    refused = client.get("/api/v1/ml/monitoring/performance", params={"model": "nosuch"})
    assert refused.status_code == 404
    assert "tiny" in refused.json()["error"]["details"]["remedy"]
    assert client.get("/api/v1/ml/monitoring/performance", params={"window": "9y"}).status_code == 422


def test_drift_comes_from_the_detectors(database: Database, models: Path, beside: Any) -> None:
    client = TestClient(build(database, models))
    told = data(client, "/api/v1/ml/monitoring/drift")
    assert (told["ks_p_value_below"], told["psi_above"]) == (0.05, 0.2)
    (tiny,) = told["models"]
    assert (tiny["outcome"], tiny["drifted_columns"], tiny["largest_psi"]) == ("drift", ["x.a"], 0.31)
    assert tiny["above_document_psi"] is True
    del beside.told["/v1/drift"]
    (tiny,) = data(client, "/api/v1/ml/monitoring/drift")["models"]
    assert tiny["outcome"] == "unreachable"


def test_a_model_without_a_detector_is_said_not_to_be_watched(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(f"models: {{tiny: {{url: 'http://127.0.0.1:{free_port()}'}}}}")
    (tiny,) = data(TestClient(build(database, path)), "/api/v1/ml/monitoring/drift")["models"]
    assert tiny["outcome"] == "not_watched"


def alerts(client: TestClient) -> dict[str, dict[str, Any]]:
    return {a["name"]: a for a in data(client, "/api/v1/ml/monitoring/alerts")["alerts"]}


def test_quiet_records_raise_no_alert(database: Database, models: Path, beside: Any) -> None:
    beside.told["/v1/drift"] = {**VERDICT, "outcome": "no_drift", "drifted": [], "results": []}
    serve_log(database, now() - timedelta(minutes=1), 100)
    predictions(database, now() - timedelta(minutes=1), 100, cached=True)
    judged(database, now().date(), 0.6, 0.59)
    assert alerts(TestClient(build(database, models))) == {}


def test_every_rule_of_document_0(database: Database, models: Path, beside: Any) -> None:
    for minutes in (1, 6):
        at = now() - timedelta(minutes=minutes)
        serve_log(database, at, 90, total_response_time_ms=1500)
        serve_log(database, at, 10, status=500)
    predictions(database, now() - timedelta(minutes=1), 60)
    predictions(database, now() - timedelta(minutes=1), 40, cached=True)
    judged(database, now().date(), 0.6, 0.5)
    job(database, now() - timedelta(hours=1), {"status": "running", "completed_at": None})
    from components.records.deployments import record_deployment

    record_deployment(database, "tiny", "1", "local", "a test", "It began to serve.")
    del beside.told["/v2/models/tiny/ready"]
    found = alerts(TestClient(build(database, models)))
    severities = {name: alert["severity"] for name, alert in found.items()}
    assert severities == {
        "ArthaflowAccuracyDropCritical": "critical",
        "ArthaflowErrorRateCritical": "critical",
        "ArthaflowLatencyCritical": "critical",
        "ArthaflowModelDown": "critical",
        "ArthaflowCacheHitRateLow": "warning",
        "ArthaflowFeatureDrift": "warning",
        "ArthaflowNewModelDeployed": "info",
        "ArthaflowRetrainingStarted": "info",
    }
    errors = found["ArthaflowErrorRateCritical"]
    assert (errors["value"], errors["threshold"], errors["channel"]) == (0.1, 0.05, "pagerduty")
    assert errors["runbook"] == "docs/runbook.md#arthaflowerrorratecritical"
    began = datetime.fromisoformat(errors["since"])
    assert now() - timedelta(minutes=11) < began < now() - timedelta(minutes=9)  # two buckets of five minutes
    assert found["ArthaflowAccuracyDropCritical"]["value"] == pytest.approx(1 - 0.5 / 0.6, abs=1e-5)
    runbook = Path(__file__).parents[3].joinpath("docs/runbook.md").read_text(encoding="utf-8")
    assert all(f"### {name}\n" in runbook for name in found)


@pytest.mark.parametrize(("failed", "name"), [(3, "ArthaflowErrorRateWarning"), (1, None)])
def test_the_worst_limit_alone_is_told(
    database: Database, models: Path, beside: Any, failed: int, name: str | None
) -> None:
    beside.told["/v1/drift"] = {**VERDICT, "outcome": "no_drift", "drifted": [], "results": []}
    at = now() - timedelta(minutes=1)
    serve_log(database, at, 100 - failed)
    serve_log(database, at, failed, status=503)
    assert set(alerts(TestClient(build(database, models)))) == ({name} if name else set())


def test_alertmanager_s_alerts_stand_among_ours(database: Database, models: Path, beside: Any) -> None:
    beside.told["/api/v2/alerts"] = [
        {
            "labels": {"alertname": "ArthaflowPodRestarting", "severity": "warning", "model": "tiny"},
            "annotations": {"summary": "a pod restarts"},
            "startsAt": "2026-11-01T10:00:00.000Z",
        },
        {"labels": {"alertname": "ArthaflowFeatureDrift", "severity": "warning", "model": "tiny"}},
    ]
    url = f"http://127.0.0.1:{beside.server_address[1]}"
    client = TestClient(build(database, models, alertmanager_url=url))
    told = data(client, "/api/v1/ml/monitoring/alerts")
    assert told["alertmanager"] == "asked"
    assert {(a["name"], a["source"]) for a in told["alerts"]} == {
        ("ArthaflowPodRestarting", "alertmanager"),
        ("ArthaflowFeatureDrift", "records"),
    }
    away = TestClient(build(database, models, alertmanager_url=f"http://127.0.0.1:{free_port()}"))
    assert "does not answer" in data(away, "/api/v1/ml/monitoring/alerts")["alertmanager"]


def test_usage_never_shows_fewer_than_five_callers(database: Database, models: Path) -> None:
    at = now() - timedelta(minutes=1)
    for i in range(6):
        serve_log(database, at, 2, caller=f"app-{i}")
    for i in range(3):
        serve_log(database, at, 1, caller=f"few-{i}", api_endpoint="/rare")
    for i in range(2):
        serve_log(database, at, 1, caller=f"two-{i}", role="ml_engineer", model_name="", status=404)
    serve_log(database, at - timedelta(days=1), 9, caller="alone")
    told = data(TestClient(build(database, models)), "/api/v1/ml/analytics/usage")
    shown = [(g["model"], g["route"], g["role"], g["requests"], g["failed"], g["callers"]) for g in told["groups"]]
    assert shown == [
        ("tiny", "/api/v1/ml/predict/tiny", "app", 12, 0, 6),
        ("(others)", "(others)", "(others)", 5, 2, 5),
    ]
    assert told["suppressed"] is True  # yesterday's only caller is in no group and in no total
    assert (told["requests"], told["callers"]) == (17, 11)
    assert "alone" not in json.dumps(told)
    assert "app-0" not in json.dumps(told)


def test_costs_are_measured_time_at_configured_prices(database: Database, models: Path) -> None:
    at = now() - timedelta(minutes=1)
    serve_log(database, at, 100, inference_time_ms=36_000)
    serve_log(database, at, 50, inference_time_ms=0)
    job(database, at, {"actual_cpu_hours": 2.5, "actual_gpu_hours": 0.5})
    job(database, at - timedelta(days=40), {"actual_cpu_hours": 99.0})
    client = TestClient(build(database, models, cpu_hour_cost=4.0, gpu_hour_cost=100.0, currency="EUR"))
    told = data(client, "/api/v1/ml/analytics/costs")
    (tiny,) = told["models"]
    assert (tiny["requests"], tiny["inference_core_seconds"], tiny["inference_cost"]) == (150, 3600.0, 4.0)
    assert (tiny["training_jobs"], tiny["training_cost"]) == (1, 60.0)
    assert (told["total"], told["currency"]) == (64.0, "EUR")
    assert any("Replicas" in line for line in told["left_out"])


@pytest.mark.parametrize(
    ("query", "said"),
    [({"begin": "2026-01-02", "end": "2026-01-01"}, "is after"), ({"begin": "2020-01-01"}, "92 at most")],
)
def test_days_are_bounded(database: Database, models: Path, query: dict[str, str], said: str) -> None:
    answer = TestClient(build(database, models)).get("/api/v1/ml/analytics/usage", params=query)
    assert answer.status_code == 400
    assert said in answer.text


@pytest.mark.parametrize(
    "path", ["monitoring/performance", "monitoring/drift", "monitoring/alerts", "analytics/usage", "analytics/costs"]
)
def test_an_application_may_not_look(database: Database, models: Path, path: str) -> None:
    answer = TestClient(build(database, models, role="app")).get(f"/api/v1/ml/{path}")
    assert answer.status_code == 403
    assert "monitoring:read" in answer.text


def test_the_accuracy_ratio_is_exported_where_there_is_one(database: Database) -> None:
    registry = CollectorRegistry()
    exporter = AccuracyExporter(database, registry)
    exporter.refresh()
    assert registry.get_sample_value("arthaflow_model_accuracy_ratio", {"model": "tiny"}) is None
    judged(database, now().date(), None, 0.9, version="0")  # nobody knows what version 0 promised
    exporter.refresh()
    assert registry.get_sample_value("arthaflow_model_accuracy_ratio", {"model": "tiny"}) is None
    judged(database, now().date(), 0.6, 0.54, version="1")
    judged(database, now().date(), 0.6, 0.57, version="2")
    exporter.refresh()
    assert registry.get_sample_value("arthaflow_model_accuracy_ratio", {"model": "tiny"}) == 0.9
    exporter.refresh(now().date() + timedelta(days=30))  # an old judgement says nothing any more
    assert registry.get_sample_value("arthaflow_model_accuracy_ratio", {"model": "tiny"}) is None
    exporter.start()
    exporter.close()
