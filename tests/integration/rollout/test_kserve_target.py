"""The KServe target through the real Kubernetes client; every object it applied is checked against the real schemas."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import yaml

from components.errors import ConfigurationError, ModelUnavailable
from components.models.spec import ServingSpec
from components.rollout.engine import run_rollout
from components.rollout.history import History
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import RolloutPlan
from components.rollout.targets.kserve import KServeTarget
from components.rollout.targets.kserve_manifests import KServeSettings, http_route, inference_service
from components.rollout.targets.kube import ApiServer
from components.rollout.targets.prometheus import Prometheus
from tests.integration.rollout.fake_kubernetes import FakeCluster, fake_cluster

VALIDATOR = Path(__file__).parents[4] / "shared" / "tools" / "validate_manifests.py"
PLAN = RolloutPlan(soak_s=60, interval_s=20, max_wait_s=200)


class Steady:
    """A metrics source and a clock: every window is full; the canary's numbers are ``shift`` times the stable ones."""

    def __init__(self, shift: float = 1.0) -> None:
        self.shift, self.time, self.rng = shift, 1e9, np.random.default_rng(1)

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        scale = self.shift if version == "2" else 1.0
        values = tuple((scale * self.rng.normal(1, 0.01, 500)).tolist())
        return WindowMetrics(version, 500, 0, 0, (5.0,) * 500, values)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def settings(mode: str) -> KServeSettings:
    return KServeSettings(
        model="price_forecast",
        image="registry.local/arthaflow/predictor@sha256:" + "a" * 64,
        namespace="ml",
        service_account="model-reader",
        mode=mode,  # type: ignore[arg-type]
        hostname="price-forecast.example.com" if mode == "Standard" else "",
        serving=ServingSpec(memory="512Mi"),
    )


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with fake_cluster() as cluster:
        yield cluster


def target_on(cluster: FakeCluster, mode: str, steady: Steady) -> KServeTarget:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.host = cluster.url
    target = KServeTarget(ApiServer(ApiClient(configuration)), settings(mode), steady, clock=steady)
    target.begin("1", "s3://models/price_forecast/1")
    return target


def roll(target: KServeTarget, steady: Steady, folder: Path) -> Any:
    return run_rollout(
        target,
        PLAN,
        version="2",
        artifact="s3://models/price_forecast/2",
        history=History(folder / "history.jsonl"),
        clock=steady,
    )


def check_schemas(cluster: FakeCluster) -> None:
    assert cluster.applied
    text = yaml.safe_dump_all(cluster.applied, sort_keys=False)
    result = subprocess.run(
        [sys.executable, str(VALIDATOR), "--require-schema"], input=text, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


needs_schemas = pytest.mark.skipif(not VALIDATOR.is_file(), reason=f"no schemas: {VALIDATOR} is not there")


def weights(manifest: dict[str, Any]) -> dict[str, int]:
    return {b["name"]: b["weight"] for b in manifest["spec"]["rules"][-1]["backendRefs"]}


def of_kind(cluster: FakeCluster, kind: str) -> list[dict[str, Any]]:
    return [m for m in cluster.applied if m["kind"] == kind]


def test_standard_mode_promotes_by_two_services_and_a_route(cluster: FakeCluster, tmp_path: Path) -> None:
    steady = Steady()
    target = target_on(cluster, "Standard", steady)
    result = roll(target, steady, tmp_path)
    assert result.outcome == "promoted", result.reason
    one, two = "price-forecast-v1-predictor", "price-forecast-v2-predictor"
    assert [weights(m) for m in of_kind(cluster, "HTTPRoute")] == [
        {one: 100},
        {one: 100, two: 0},
        {one: 90, two: 10},
        {one: 50, two: 50},
        {one: 0, two: 100},
        {two: 100},
    ]
    assert cluster.deleted == ["price-forecast-v1"]
    assert (target.stable_version, target.canary_version) == ("2", "")


def test_standard_mode_rolls_back_and_removes_the_canary(cluster: FakeCluster, tmp_path: Path) -> None:
    steady = Steady(shift=1.5)
    target = target_on(cluster, "Standard", steady)
    result = roll(target, steady, tmp_path)
    assert (result.outcome, result.step) == ("rolled_back", 10)
    assert weights(of_kind(cluster, "HTTPRoute")[-1]) == {"price-forecast-v1-predictor": 100}
    assert cluster.deleted == ["price-forecast-v2"]
    assert (target.stable_version, target.canary_version) == ("1", "")


def test_a_version_that_never_gets_ready_gets_no_traffic(cluster: FakeCluster, tmp_path: Path) -> None:
    steady = Steady()
    target = target_on(cluster, "Standard", steady)
    cluster.never_ready.add("price-forecast-v2")
    result = roll(target, steady, tmp_path)
    assert result.outcome == "rolled_back"
    assert "the golden requests did not pass" in result.reason
    assert all(weights(m) == {"price-forecast-v1-predictor": 100} for m in of_kind(cluster, "HTTPRoute"))
    assert cluster.deleted == ["price-forecast-v2"]


@pytest.mark.parametrize(
    ("shift", "percents", "serves"),
    [(1.0, [None, 0, 10, 50, 100, None], "2"), (1.5, [None, 0, 10, 0], "1")],
)
def test_knative_mode_moves_the_canary_percentage(
    cluster: FakeCluster, tmp_path: Path, shift: float, percents: list[int | None], serves: str
) -> None:
    steady = Steady(shift)
    target = target_on(cluster, "Knative", steady)
    roll(target, steady, tmp_path)
    services = of_kind(cluster, "InferenceService")
    assert {m["metadata"]["name"] for m in services} == {"price-forecast"}
    assert [m["spec"]["predictor"].get("canaryTrafficPercent") for m in services] == percents
    assert not of_kind(cluster, "HTTPRoute")
    assert target.stable_version == serves


@needs_schemas
@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_what_is_applied_fits_the_schemas(cluster: FakeCluster, tmp_path: Path, mode: str) -> None:
    steady = Steady()
    roll(target_on(cluster, mode, steady), steady, tmp_path)
    check_schemas(cluster)


def test_the_service_carries_what_kserve_needs() -> None:
    manifest = inference_service(settings("Standard"), "7", "s3://models/price_forecast/7")
    container = manifest["spec"]["predictor"]["containers"][0]
    assert {"name": "STORAGE_URI", "value": "s3://models/price_forecast/7/"} in container["env"]  # not .../70 too
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/models/price_forecast/ready"
    assert "--model_name=price_forecast" in container["args"]
    assert not any(k.startswith("serving.kserve.io") for k in manifest["metadata"]["labels"])
    forced = http_route(settings("Standard"), "6", "7", 10)["spec"]["rules"][0]
    assert forced["matches"] == [{"headers": [{"name": "x-model-track", "value": "canary"}]}]
    assert forced["backendRefs"][0]["name"] == "price-forecast-v7-predictor"


@pytest.mark.parametrize("version", ["2.0", "x" * 40, "ü"])
def test_a_version_that_kubernetes_cannot_name_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        inference_service(settings("Standard"), version, "s3://m/1")


def test_standard_mode_needs_a_host() -> None:
    with pytest.raises(ConfigurationError, match="has no hostname"):
        KServeSettings("price_forecast", "image")


class _Prometheus(BaseHTTPRequestHandler):
    queries: list[dict[str, list[str]]] = []  # noqa: RUF012

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        import json

        query = parse_qs(urlsplit(self.path).query)
        self.queries.append(query)
        series = (
            [("le", "0.01", "90"), ("le", "0.1", "98"), ("le", "+Inf", "100")]
            if "bucket" in query["query"][0]
            else [("code", "200", "98.2"), ("code", "500", "1.6"), ("code", "400", "0")]
        )
        result = [{"metric": {name: value}, "value": [0, count]} for name, value, count in series]
        content = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content)


def test_windows_from_prometheus() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Prometheus)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = Prometheus(f"http://127.0.0.1:{server.server_port}", lambda *at: (1.0, 2.0))
        window = source.window("price_forecast", "2", 1000.0, 1060.0)
    finally:
        server.shutdown()
        server.server_close()
    assert (window.requests, window.errors, window.rejected, window.predictions) == (100, 2, 0, (1.0, 2.0))
    assert (window.latency(0.5), window.latency(0.95), window.latency(0.99)) == (10.0, 100.0, 1000.0)
    asked = [q["query"][0] for q in _Prometheus.queries]
    assert asked[0] == 'sum by (code) (increase(arthaflow_requests_total{model="price_forecast",version="2"}[60s]))'
    assert _Prometheus.queries[0]["time"] == ["1060.0"]


def test_a_prometheus_that_is_gone_is_named() -> None:
    with pytest.raises(ModelUnavailable, match=r"Prometheus does not answer at http://127\.0\.0\.1:9"):
        Prometheus("http://127.0.0.1:9").window("m", "1", 0.0, 1.0)


def test_a_cluster_that_is_gone_or_does_not_know_kserve_is_named(cluster: FakeCluster) -> None:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.retries = False
    configuration.host = "http://127.0.0.1:9"
    with pytest.raises(ModelUnavailable, match=r"API server at http://127\.0\.0\.1:9"):
        ApiServer(ApiClient(configuration))
    configuration.host = cluster.url
    with pytest.raises(ConfigurationError, match="does not know Experiment"):
        ApiServer(ApiClient(configuration)).get("kubeflow.org/v1beta1", "Experiment", "x", "ml")
