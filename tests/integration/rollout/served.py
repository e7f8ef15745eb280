"""A model as the chart serves it, and metrics for its versions: what the tests of rollouts on KServe begin with."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from components.rollout.metrics import WindowMetrics
from components.rollout.targets.kube import KubeClient

Object = dict[str, Any]
MODEL, BASE = "price_forecast", "price-forecast"
HELM = {"meta.helm.sh/release-name": "af", "meta.helm.sh/release-namespace": "ml"}


def artifact(version: str) -> str:
    """Address of a version's artifact."""
    return f"s3://models/price_forecast/run{version}/"


class Steady:
    """Metrics and a clock: every window is full; the canary's numbers are ``shift`` times the stable ones.

    The clock is the machine's, but waiting costs nothing.
    """

    def __init__(self, shift: float = 1.0, requests: int = 500) -> None:
        self.shift, self.requests, self.skipped = shift, requests, 0.0

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        del model, since, until
        scale = self.shift if version == "2" else 1.0
        rng = np.random.default_rng(int(version))
        values = tuple((scale * rng.normal(1, 0.01, self.requests)).tolist())
        return WindowMetrics(version, self.requests, 0, 0, (5.0,) * self.requests, values)

    def now(self) -> float:
        return time.time() + self.skipped

    def sleep(self, seconds: float) -> None:
        self.skipped += seconds


def service(mode: str, version: str = "1") -> Object:
    """The InferenceService of the first version, as the chart renders it (shortened)."""
    name = BASE if mode == "Knative" else f"{BASE}-v{version}"
    labels = {"app.kubernetes.io/part-of": "arthaflow", "arthaflow.io/model": BASE, "arthaflow.io/version": version}
    explainer = {
        "minReplicas": 1,
        "containers": [
            {
                "name": "kserve-container",
                "image": "arthaflow/explainer:1",
                "args": ["--artifact=/mnt/models", "--protocol_name=price_forecast"],
                "env": [{"name": "STORAGE_URI", "value": artifact(version)}],
            }
        ],
    }
    container = {
        "name": "kserve-container",
        "image": "arthaflow/predictor-tabular:1",
        "args": ["--artifact=/mnt/models", f"--model_name={MODEL}", f"--model_version={version}", "--http_port=8080"],
        "env": [{"name": "STORAGE_URI", "value": artifact(version)}, {"name": "PROTOCOL", "value": "v2"}],
        "ports": [{"name": "http1", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": "ml",
            "labels": {**labels, "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"serving.kserve.io/deploymentMode": mode, "arthaflow.io/version": version, **HELM},
        },
        "spec": {
            "predictor": {"minReplicas": 2, "maxReplicas": 4, "timeout": 30, "containers": [container]},
            "explainer": explainer,
        },
    }


def detector() -> Object:
    """The detector's InferenceService."""
    container = {
        "name": "kserve-container",
        "image": "arthaflow/detector:1",
        "env": [{"name": "STORAGE_URI", "value": artifact("1")}],
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": f"{BASE}-detector",
            "namespace": "ml",
            "labels": {"arthaflow.io/model": BASE, "arthaflow.io/role": "detector"},
            "annotations": {"serving.kserve.io/deploymentMode": "Standard", **HELM},
        },
        "spec": {"predictor": {"minReplicas": 1, "containers": [container]}},
    }


def route(version: str = "1") -> Object:
    """The HTTPRoute, as the chart renders it."""
    name = f"{BASE}-v{version}"
    paths = [f"/v2/models/{MODEL}", "/v2/health", f"/v1/models/{MODEL}"]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": BASE, "namespace": "ml", "labels": {"arthaflow.io/model": BASE}},
        "spec": {
            "parentRefs": [{"name": "kserve-ingress-gateway", "namespace": "kserve"}],
            "hostnames": [f"{BASE}.models.local"],
            "rules": [
                {
                    "matches": [{"path": {"type": "Exact", "value": f"/v1/models/{MODEL}:explain"}, "method": "POST"}],
                    "backendRefs": [{"name": f"{name}-explainer", "port": 80}],
                    "timeouts": {"request": "120s"},
                },
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": p}} for p in paths],
                    "backendRefs": [{"name": f"{name}-predictor", "port": 80, "weight": 100}],
                    "timeouts": {"request": "30s"},
                },
            ],
        },
    }


def install(kube: KubeClient, mode: str) -> None:
    """Serve version 1 the way the chart does; the route comes when its backend is ready."""
    from components.rollout.targets.services import readiness
    from components.rollout.targets.waiting import wait_for

    served = kube.create(service(mode))
    kube.create(detector())
    waited = wait_for(kube, "InferenceService", served["metadata"]["name"], readiness, 30.0, Steady())
    assert waited.done, waited.said
    if mode == "Standard":
        kube.create(route())
