"""In Knative mode KServe turns each component into a Knative Service, whose schema knows far fewer fields of a pod."""

from __future__ import annotations

from typing import Any

import yaml

from tests.support.chart import CANARY, chart, nested, profile
from tests.support.helm import objects
from tests.support.manifests import findings, needs_validator

KSERVES_OWN = {
    "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "canaryTrafficPercent", "timeout", "logger",
    "storageContainerName", "annotations",
}  # fmt: skip
"""Fields of a component that are KServe's and no pod's."""
FLAGGED = {
    "nodeSelector",
    "tolerations",
    "runtimeClassName",
    "topologySpreadConstraints",
    "affinity",
    "securityContext",
}
"""Fields that Knative 1.21 refuses unless its ConfigMap config-features allows them."""
EVERYTHING: dict[str, Any] = {
    "transformers": {"enabled": True, "secret": "arthaflow-features"},
    "images": {"pullSecrets": ["registry"]},
}


def knative_services(text: str) -> list[dict[str, Any]]:
    """Return the Knative Service that each component becomes."""
    found = [o for o in objects(text) if o["kind"] == "InferenceService"]
    serving = [o for o in found if o["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Knative"]
    made = []
    for service in serving:
        for part, fields in service["spec"].items():
            pod = {k: v for k, v in fields.items() if k not in KSERVES_OWN} | {"timeoutSeconds": fields["timeout"]}
            metadata = {"name": f"{service['metadata']['name']}-{part}", "namespace": "ml"}
            body = {"metadata": metadata, "spec": {"template": {"spec": pod}}}
            made.append({"apiVersion": "serving.knative.dev/v1", "kind": "Service", **body})
    return made


@needs_validator
def test_components_are_valid_knative_services() -> None:
    made = knative_services(chart(profile("knative"), EVERYTHING, CANARY))
    assert [m["metadata"]["name"].rsplit("-", 1)[1] for m in made] == ["predictor", "transformer", "explainer"]
    assert findings(yaml.safe_dump_all(made)) == []


def test_nothing_that_knative_refuses_by_default_is_asked_for() -> None:
    for made in knative_services(chart(profile("knative"), EVERYTHING)):
        pod = made["spec"]["template"]["spec"]
        assert not FLAGGED & set(pod)
        (container,) = pod["containers"]
        assert len(container["ports"]) == 1
        assert "lifecycle" not in container


@needs_validator
def test_what_the_cluster_allows_is_asked_for() -> None:
    features = ["nodeselector", "tolerations", "runtimeclassname", "topologyspreadconstraints"]
    gpu = {"enabled": True, "nodeSelector": {"a": "b"}, "runtimeClassName": "nvidia"}
    values = [nested("knative.features", features), nested("gpu", gpu), nested("models.price_forecast.gpu", True)]
    made = knative_services(chart(profile("knative"), *values))
    pod = made[0]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"a": "b"}
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["topologySpreadConstraints"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert findings(yaml.safe_dump_all(made)) == []


def test_the_detector_stays_one_deployment_because_its_window_lives_in_memory() -> None:
    found = {o["metadata"]["name"]: o for o in objects(chart(profile("knative"))) if o["kind"] == "InferenceService"}
    annotations = found["price-forecast-detector"]["metadata"]["annotations"]
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
