"""Helm against an API server: an upgrade keeps what a rollout left, and the notes tell what to do next."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.rollout.targets.routes import Split, split
from components.rollout.targets.services import copy_service
from tests.support.api_server import Cluster, kinds_of, served
from tests.support.chart import CANARY, SERVED, STORE, chart, merged, nested
from tests.support.helm import CHART, helm

pytestmark = pytest.mark.slow  # a second for each upgrade: Helm asks for five objects a second
Values = dict[str, Any]
PROMOTED = {"stable": "2", "stable_artifact": f"{STORE}/def/", "phase": "promoted"}
ROLLING = {
    "stable": "1",
    "stable_artifact": f"{STORE}/abc/",
    "canary": "2",
    "canary_artifact": f"{STORE}/def/",
    "percent": "50",
    "phase": "soak",
}
LEAN = {part: {"enabled": False} for part in ("monitoring", "networkPolicy", "schedules", "gateway")}
"""Few objects beside the models'."""
ROLLED_BACK = {"stable": "1", "stable_artifact": f"{STORE}/abc/", "canary": "", "canary_artifact": "", "percent": "0"}


class Release:
    """A release of the chart in a cluster of its own."""

    def __init__(self, cluster: Cluster, config: Path) -> None:
        self.cluster = cluster
        self.config = config

    def upgrade(self, *values: Values) -> str:
        """Install or upgrade; return the notes."""
        file = self.config.parent / "values.yaml"
        file.write_text(yaml.safe_dump(merged(LEAN, *values)), encoding="utf-8")
        options = ("--install", "--disable-openapi-validation", "-n", "ml", "-f", str(file))
        done = helm("upgrade", "af", str(CHART), *options, "--kubeconfig", str(self.config))
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("\nNOTES:\n")[2]

    def remember(self, data: dict[str, str]) -> None:
        """Write down what a rollout did."""
        metadata = {"name": "price-forecast-rollout", "namespace": "ml"}
        self.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def services(self) -> list[str]:
        """Return the names of the versions' InferenceServices."""
        return [name for name in self.cluster.names("InferenceService") if not name.endswith("-detector")]

    def weights(self) -> dict[str, int]:
        """Return the shares of the traffic."""
        route = self.cluster.get("HTTPRoute", "price-forecast")
        assert route is not None
        return {b["name"]: b["weight"] for b in route["spec"]["rules"][-1]["backendRefs"]}

    def detector_reads(self) -> str:
        """Return the artifact that the detector compares with."""
        found = self.cluster.get("InferenceService", "price-forecast-detector")
        assert found is not None
        variables = found["spec"]["predictor"]["containers"][0]["env"]
        return str(next(v["value"] for v in variables if v["name"] == "STORAGE_URI"))


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Release]:
    cluster = Cluster(kinds_of(chart(CANARY)))
    with served(cluster, tmp_path) as config:
        yield Release(cluster, config)


def test_without_a_rollout_the_values_decide(release: Release) -> None:
    release.upgrade(SERVED)
    assert release.services() == ["price-forecast-v1"]
    release.upgrade(SERVED, CANARY)
    assert release.services() == ["price-forecast-v1", "price-forecast-v2"]
    assert release.weights() == {"price-forecast-v1-predictor": 90, "price-forecast-v2-predictor": 10}
    release.upgrade(SERVED)
    assert release.services() == ["price-forecast-v1"]
    assert release.weights() == {"price-forecast-v1-predictor": 100}


def promote(release: Release) -> None:
    """Do to the cluster what `arthaflow rollout` does when version 2 takes over."""
    cluster = release.cluster
    stable = cluster.get("InferenceService", "price-forecast-v1")
    route = cluster.get("HTTPRoute", "price-forecast")
    assert stable is not None
    assert route is not None
    cluster.put(copy_service(copy.deepcopy(stable), "price-forecast-v2", "2", f"{STORE}/def/"))
    cluster.put(split(route, Split("price-forecast-v2")) or route)
    del cluster.held["inferenceservices", "price-forecast-v1"]
    release.remember(PROMOTED)


def test_an_upgrade_after_a_promotion_takes_the_new_version_over_and_does_not_bring_the_old_one_back(
    release: Release,
) -> None:
    release.upgrade(SERVED)
    promote(release)
    for settings in ({}, nested("models.price_forecast.memory", "2Gi")):
        notes = release.upgrade(SERVED, settings)
        assert release.services() == ["price-forecast-v2"]
        assert release.weights() == {"price-forecast-v2-predictor": 100}
        assert release.detector_reads() == f"{STORE}/def/"
    assert "version 2 serves, as its last rollout left it; version 1 of the values is not used." in notes
    found = release.cluster.get("InferenceService", "price-forecast-v2")
    assert found is not None
    assert found["spec"]["predictor"]["containers"][0]["resources"]["limits"]["memory"] == "2Gi"


def test_an_upgrade_in_the_middle_of_a_rollout_keeps_its_split(release: Release) -> None:
    release.remember(ROLLING)
    other = nested("models.price_forecast.canary", {"version": "9", "artifact": f"{STORE}/xyz/", "percent": 100})
    notes = release.upgrade(SERVED, other)
    assert release.services() == ["price-forecast-v1", "price-forecast-v2"]
    assert release.weights() == {"price-forecast-v1-predictor": 50, "price-forecast-v2-predictor": 50}
    assert release.detector_reads() == f"{STORE}/abc/"
    assert "price_forecast 1 (canary 2 at 50 %)" in notes


def test_a_canary_that_was_rolled_back_does_not_come_back(release: Release) -> None:
    release.remember(ROLLED_BACK)
    release.upgrade(SERVED, CANARY)
    assert release.services() == ["price-forecast-v1"]


def test_in_knative_mode_the_share_is_the_rollouts(release: Release) -> None:
    release.remember(ROLLING)
    release.upgrade(SERVED, {"mode": "Knative"})
    service = release.cluster.get("InferenceService", "price-forecast")
    assert service is not None
    assert service["spec"]["predictor"]["canaryTrafficPercent"] == 50
    assert service["metadata"]["labels"]["arthaflow.io/version"] == "2"


def test_taking_a_model_out_of_the_values_takes_it_away_and_leaves_its_history(release: Release) -> None:
    release.upgrade(SERVED)
    promote(release)
    release.upgrade(SERVED)
    release.upgrade({})
    assert release.cluster.names("InferenceService") == []
    assert release.cluster.get("ConfigMap", "price-forecast-rollout") is not None


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_the_notes_tell_how_to_try_and_roll_out_what_is_served(release: Release, mode: str) -> None:
    credentials = {"name": "arthaflow-s3", "namespace": "ml"}
    release.cluster.put({"apiVersion": "v1", "kind": "Secret", "metadata": credentials})
    notes = release.upgrade(SERVED, {"mode": mode})
    assert "Served: price_forecast 1." in notes
    assert [line.strip()[:2] for line in notes.splitlines() if line.startswith("  ")] == ["1.", "2.", "3."]
    assert "kubectl -n ml wait inferenceservice -l arthaflow.io/model=price-forecast" in notes
    assert ("Host: price-forecast.models.local" in notes) is (mode == "Standard")
    assert "arthaflow rollout start price_forecast --version <next> --target kserve" in notes
    assert "create secret" not in notes


def test_the_notes_begin_at_the_beginning_where_nothing_is_served(release: Release) -> None:
    notes = release.upgrade(nested("storage.initializer.enabled", False))
    assert "The secret arthaflow-s3 is not here yet" in notes
    assert "--from-literal=S3_ENDPOINT=http://minio.arthaflow-storage.svc:9000" in notes
    for command in (
        "arthaflow submit price_forecast",
        "arthaflow values price_forecast --version 1",
        "helm upgrade af",
    ):
        assert command in notes
