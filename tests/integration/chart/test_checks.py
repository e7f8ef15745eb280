"""Values that are wrong or contradict each other are refused, with a sentence that names the value and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from components.catalog import catalogue
from tests.support.chart import CANARY, STORE, chart, nested, refusal

MODEL = "models.price_forecast"
KNATIVE = {"mode": "Knative", "detectors": {"sink": "service"}}


def canary(**changes: Any) -> dict[str, Any]:
    return nested(f"{MODEL}.canary", {"version": "2", "artifact": f"{STORE}/def/", "percent": 10} | changes)


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown model": (
        [nested("models.price_forcast.version", "1")],
        f"no such model; it has {', '.join(catalogue())}.",
    ),
    "no artifact": (
        [nested(f"{MODEL}.artifact", "")],
        "version 1 but no artifact; `arthaflow values price_forecast --version 1`",
    ),
    "a folder": (
        [nested(f"{MODEL}.artifact", "/home/me/artifacts/1")],
        "/home/me/artifacts/1, which KServe cannot fetch",
    ),
    "another store": (
        [nested(f"{MODEL}.artifact", "s3://other/1/")],
        "s3://other/1/ does not lie in storage.uri s3://arthaflow/artifacts/",
    ),
    "the whole store": ([nested(f"{MODEL}.artifact", "s3://arthaflow/artifacts")], "is the whole store"),
    "no version": ([nested(f"{MODEL}.version", "")], "version"),
    "canary is stable": ([canary(version="1")], "version 1 is stable and canary at once"),
    "same artifact": ([canary(artifact=f"{STORE}/abc")], "the versions 1 and 2 have the same artifact"),
    "canary without artifact": ([canary(artifact="")], "models.price_forecast.canary names version 2 but no artifact"),
    "canary elsewhere": ([canary(artifact="s3://other/2/")], "models.price_forecast.canary.artifact s3://other/2/"),
    "no explainer": (
        [nested("explainers.enabled", False), nested(f"{MODEL}.explainer", True)],
        "explainers.enabled is false",
    ),
    "no detector": (
        [nested("detectors.enabled", False), nested(f"{MODEL}.detector", True)],
        "detectors.enabled is false",
    ),
    "no transformer": ([nested(f"{MODEL}.transformer", True)], "transformers.enabled is false"),
    "no gpu": (
        [nested(f"{MODEL}.gpu", True)],
        "gpu.enabled is false; set gpu.enabled: true, or models.price_forecast.gpu: false",
    ),
    "no gpu for a profile": ([nested(f"{MODEL}.gpuResource", "nvidia.com/mig-1g.18gb")], "gpu.enabled is false"),
    "knative selector": (
        [KNATIVE, nested("gpu.enabled", True), nested(f"{MODEL}.gpu", True)],
        "kubernetes.podspec-nodeselector",
    ),
    "knative runtime class": (
        [
            KNATIVE,
            nested("gpu", {"enabled": True, "runtimeClassName": "nvidia"}),
            nested("knative.features", ["nodeselector", "tolerations"]),
            nested(f"{MODEL}.gpu", True),
        ],
        "kubernetes.podspec-runtimeclassname",
    ),
    "knative keda": ([KNATIVE, nested("autoscaling.kind", "keda")], "keda in Knative mode"),
    "knative grpc": ([KNATIVE, nested("grpc", True)], "grpc is true in Knative mode"),
    "keda without prometheus": (
        [nested("autoscaling", {"kind": "keda", "prometheus": ""})],
        "autoscaling.prometheus is empty",
    ),
    "no domain": ([nested("domain", "")], "domain is empty"),
    "feature store nowhere": ([nested("transformers.enabled", True)], "transformers.secret is empty"),
    "replicas reversed": (
        [nested(MODEL, {"minReplicas": 5, "maxReplicas": 2})],
        "minReplicas is 5, but maxReplicas is 2",
    ),
    "nobody at home": ([nested(f"{MODEL}.minReplicas", 0)], "only Knative mode holds a request"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_contradictions_are_refused_with_a_sentence(name: str) -> None:
    values, sentence = REFUSED[name]
    assert sentence in refusal(*values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mode", "RawDeployment"),
        ("domain", "Models Local"),
        ("imagess", {}),
        ("images.tag", "a/b"),
        ("images.pullPolicy", "Sometimes"),
        ("images.digests", {"predictor-tabular": "sha256:abc"}),
        ("images.digests", {"predictor": f"sha256:{'a' * 64}"}),
        ("storage.uri", "minio://arthaflow"),
        ("storage.endpoint", "minio:9000"),
        ("storage.initializer.memory", "1 GB"),
        ("storage.initializer.cpu", 1),
        (f"{MODEL}.verison", "1"),
        (f"{MODEL}.version", "1.0"),
        (f"{MODEL}.version", "V1"),
        (f"{MODEL}.version", 1.5),
        (f"{MODEL}.canary", {"version": "2"}),
        (f"{MODEL}.canary.percent", 101),
        (f"{MODEL}.canary.percent", -1),
        (f"{MODEL}.canary.percent", "10%"),
        (f"{MODEL}.memory", "512"),
        (f"{MODEL}.memory", "lots"),
        (f"{MODEL}.cpu", "one"),
        (f"{MODEL}.minReplicas", -1),
        (f"{MODEL}.timeout", "30s"),
        (f"{MODEL}.gpuResource", "gpu"),
        ("models.PriceForecast", {}),
        ("grpc", "yes"),
        ("autoscaling.kind", "vpa"),
        ("autoscaling.cpu", 0),
        ("autoscaling.requestsPerSecond", 0),
        ("gpu.resource", "gpu"),
        ("gpu.tolerations", [{"key": "a", "effect": "Never"}]),
        ("knative.features", ["hostnetwork"]),
        ("explainers.kind", "lime"),
        ("explainers.timeout", 0),
        ("detectors.sink", "kafka"),
        ("detectors.tests", ["ks", "ks"]),
        ("transformers.secret", "Feast_Secret"),
        ("gateway.replicas.min", 0),
        ("monitoring.rules.errorRate", 5),
        ("networkPolicy.egressCIDRs", ["10.0.0.0"]),
        ("istio.mtls", "ON"),
        ("externalSecrets.store.kind", "Vault"),
        ("schedules.drift", "hourly"),
        ("schedules.drift", "0 0 * * * *"),
        ("schedules.retraining", {"price_forecast": "weekly"}),
        ("kubeflow.host", "ml-pipeline:8888"),
    ],
)
def test_the_schema_refuses_wrong_values_and_names_the_key(path: str, value: Any) -> None:
    values = [CANARY, nested(path, value)] if ".canary." in path else [nested(path, value)]
    told = refusal(*values)
    assert "don't meet the specifications of the schema" in told
    assert path.rsplit(".", 1)[-1].split(" ")[0] in told or path.rsplit(".", 1)[0] in told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{MODEL}.version", 7),
        (f"{MODEL}.version", "20260101a"),
        (f"{MODEL}.memory", "1500Mi"),
        (f"{MODEL}.cpu", "0.5"),
        ("images.registry", "registry.example.com:5000/team/arthaflow"),
        ("storage", {"endpoint": "", "region": "eu-west-1"}),
        ("schedules.drift", "*/15 6-22 * * MON-FRI"),
    ],
)
def test_the_schema_takes_what_is_right(path: str, value: Any) -> None:
    assert chart(nested("networkPolicy.enabled", False), nested(path, value))


def test_in_knative_mode_a_model_may_sleep_and_needs_no_host() -> None:
    assert chart(KNATIVE, nested(f"{MODEL}.minReplicas", 0), nested("domain", ""), nested("gateway.enabled", False))


def test_a_model_without_version_is_not_served_but_may_be_prepared() -> None:
    prepared = {"models": {"price_forecast": {"minReplicas": 2}}}
    assert "InferenceService" not in chart(prepared, served=False)
