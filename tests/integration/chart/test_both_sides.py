"""The chart's NetworkPolicies and those of manifests/ judged together: a connection needs both ends to agree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import kustomize
from tests.support.chart import SERVED, merged
from tests.support.helm import needs_helm, objects, template
from tests.support.network import Pod, allowed

pytestmark = [needs_helm, kustomize.needs_kubectl]

HERE = "arthaflow"
PART = {"app.kubernetes.io/part-of": "arthaflow"}
PREDICTOR = Pod(HERE, {**PART, "component": "predictor"})
TRANSFORMER = Pod(HERE, {**PART, "component": "transformer"})
DETECTOR = Pod(HERE, {**PART, "component": "predictor", "arthaflow.io/role": "detector"})
GATEWAY = Pod(HERE, {**PART, "app.kubernetes.io/component": "gateway"})
JOBS = Pod(HERE, {**PART, "app.kubernetes.io/component": "jobs"})
SCHEDULE = Pod(HERE, {**PART, "app.kubernetes.io/component": "schedule"})


@pytest.fixture(scope="module")
def around() -> list[dict[str, Any]]:
    return kustomize.objects(kustomize.MANIFESTS / "overlays" / "laptop")


@pytest.fixture(scope="module")
def policies(around: list[dict[str, Any]]) -> list[dict[str, Any]]:
    model = merged(SERVED)["models"]["price_forecast"]
    arguments = [f"--set-string=models.price_forecast.{key}={value}" for key, value in model.items()]
    arguments.append("--set=transformers.enabled=true,transformers.secret=arthaflow-features")
    found = [o for o in [*objects(template(*arguments, namespace=HERE)), *around] if o["kind"] == "NetworkPolicy"]
    assert {o["metadata"]["namespace"] for o in found} >= {HERE, "arthaflow-system", "arthaflow-storage"}
    return found


def pod_of(around: list[dict[str, Any]], name: str) -> Pod:
    """The pods of a workload of manifests/, as they are labelled there."""
    (found,) = [o for o in around if o["kind"] in ("Deployment", "StatefulSet") and o["metadata"]["name"] == name]
    return Pod(found["metadata"]["namespace"], found["spec"]["template"]["metadata"]["labels"])


@pytest.mark.parametrize(
    ("source", "store", "port"),
    [
        (PREDICTOR, "minio", 9000),
        (DETECTOR, "minio", 9000),
        (TRANSFORMER, "redis", 6379),
        (TRANSFORMER, "postgres", 5432),
        (GATEWAY, "redis", 6379),
        (GATEWAY, "postgres", 5432),
        (JOBS, "postgres", 5432),
        (JOBS, "mlflow", 5000),
        (JOBS, "minio", 9000),
    ],
)
def test_models_reach_their_stores(
    around: list[dict[str, Any]], policies: list[dict[str, Any]], source: Pod, store: str, port: int
) -> None:
    assert allowed(policies, source, pod_of(around, store), port)


@pytest.mark.parametrize("source", [PREDICTOR, DETECTOR, SCHEDULE])
@pytest.mark.parametrize(("store", "port"), [("redis", 6379), ("postgres", 5432), ("mlflow", 5000)])
def test_nobody_else_does(
    around: list[dict[str, Any]], policies: list[dict[str, Any]], source: Pod, store: str, port: int
) -> None:
    assert not allowed(policies, source, pod_of(around, store), port)


def test_stores_do_not_call_models(around: list[dict[str, Any]], policies: list[dict[str, Any]]) -> None:
    for store in ("minio", "redis", "postgres", "mlflow"):
        assert not allowed(policies, pod_of(around, store), PREDICTOR, 8080)
