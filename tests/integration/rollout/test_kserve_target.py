"""The KServe target through the real Kubernetes client; every object it applied is checked against the real schemas."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
