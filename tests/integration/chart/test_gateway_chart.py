"""The gateway in the chart: what it is told fits the program, its pods are restricted, its route opens two paths."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from inference.gateway.options import parse
from inference.gateway.table import Entry, read_entries
from tests.support.chart import CANARY, chart, nested, refusal
from tests.support.helm import find, needs_helm, objects
from tests.support.manifests import findings, needs_validator

pytestmark = needs_helm

NAME = "arthaflow-gateway"
KNATIVE = nested("mode", "Knative")
FEATURES = {"transformers": {"enabled": True, "secret": "feast"}}


def models_file(*values: Any, served: bool = True) -> dict[str, Entry]:
    """The rendered models file, read by the program that will read it."""
    data = find(chart(*values, served=served), "ConfigMap", NAME)["data"]
    return read_entries(data["models.json"].encode(), Path("models.json"))


def deployment(*values: Any) -> dict[str, Any]:
    """The rendered Deployment's spec."""
    spec: dict[str, Any] = find(chart(*values), "Deployment", NAME)["spec"]
    return spec


def test_requests_go_through_the_weighted_route() -> None:
    text = chart(CANARY)
    entry = models_file(CANARY)["price_forecast"]
    route = find(text, "HTTPRoute", "price-forecast")["spec"]
    assert [entry.host] == route["hostnames"]
    assert sorted(b.get("weight", 0) for b in route["rules"][-1]["backendRefs"]) == [10, 90]
    assert entry.url == "http://envoy-kserve-kserve-ingress-gateway-deaaa49b.envoy-gateway-system.svc.cluster.local"
    assert entry.explain_url is None  # the same route sends explanations to the explainer
    assert (entry.timeout_s, entry.explain_timeout_s, entry.explains) == (30, 120, True)


def test_a_long_name_is_cut_as_envoy_gateway_cuts_it() -> None:
    """48 characters before the hash, none of them a trailing dash (its GetHashedName)."""
    values = {"route": {"namespace": "n" * 23, "gateway": f"{'g' * 23}-x"}}
    url = models_file(values)["price_forecast"].url
    digest = hashlib.sha256(f"{'n' * 23}/{'g' * 23}-x".encode()).hexdigest()[:8]
    assert url == f"http://envoy-{'n' * 23}-{'g' * 23}-{digest}.envoy-gateway-system.svc.cluster.local"


def test_a_second_gateway_takes_the_requests_from_inside_the_cluster() -> None:
    """Where the first speaks HTTPS alone, no plain request would reach a model."""
    inside = nested("route.internal", "inside")
    assert models_file(inside)["price_forecast"].url.startswith("http://envoy-kserve-inside-")
    text = chart(inside)
    parents = find(text, "HTTPRoute", "price-forecast")["spec"]["parentRefs"]
    assert [p["name"] for p in parents] == ["kserve-ingress-gateway", "inside"]
    (only,) = find(text, "HTTPRoute", NAME)["spec"]["parentRefs"]
    assert only["name"] == "kserve-ingress-gateway"  # the applications come from outside


def test_where_the_gateway_of_the_route_answers_can_be_said() -> None:
    assert (
        models_file(nested("gateway.upstream", "http://gw.edge.svc:8000"))["price_forecast"].url
        == "http://gw.edge.svc:8000"
    )
    istio = models_file(nested("istio.enabled", True))["price_forecast"].url
    assert istio == "http://kserve-ingress-gateway-istio.kserve.svc.cluster.local"
    policy = find(chart(nested("gateway.upstream", "http://gw.edge.svc:8000")), "NetworkPolicy", NAME)["spec"]
    assert 8000 in [p["port"] for p in policy["egress"][0]["ports"]]


@pytest.mark.parametrize(("values", "component"), [({}, "predictor"), (FEATURES, "transformer")])
def test_knative_splits_behind_a_services_own_address(values: Any, component: str) -> None:
    entry = models_file(KNATIVE, values)["price_forecast"]
    assert entry.url == f"http://price-forecast-{component}.ml.svc.cluster.local"
    assert entry.host == f"price-forecast-{component}.ml.svc.cluster.local"
    assert entry.explain_url == "http://price-forecast-explainer.ml.svc.cluster.local"


def test_a_model_without_an_explainer_says_so() -> None:
    assert not models_file(nested("explainers.enabled", False))["price_forecast"].explains


def test_no_model_is_a_valid_file_too() -> None:
    assert models_file(served=False) == {}


def test_the_program_takes_its_arguments() -> None:
    pod = deployment()["template"]["spec"]
    container = pod["containers"][0]
    assert container["command"] == ["python", "-m", "inference.gateway"]
    options = parse(container["args"])
    mount = next(m for m in container["volumeMounts"] if m["name"] == "models")
    assert options.models == Path(mount["mountPath"]) / "models.json"
    assert "subPath" not in mount  # such a mount never changes
    assert options.port == container["ports"][0]["containerPort"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + options.drain_s + options.grace_s


def test_a_changed_model_restarts_it_and_an_unrelated_value_does_not() -> None:
    def checksum(*values: Any) -> str:
        found: str = deployment(*values)["template"]["metadata"]["annotations"]["checksum/models"]
        return found

    assert checksum() == checksum(nested("gpu.enabled", True))
    assert checksum() != checksum(nested("domain", "example.com"))
    labels = deployment()["template"]["metadata"]["labels"]
    assert not any("version" in key or "chart" in key for key in labels)


def test_its_pods_pass_the_restricted_standard() -> None:
    pod = deployment()["template"]["spec"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]


def test_probes_ask_what_the_program_answers() -> None:
    container = deployment()["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == container["startupProbe"]["httpGet"]["path"] == "/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_pods_are_spread_and_never_all_taken_at_once() -> None:
    spec = deployment()
    selector = spec["selector"]["matchLabels"]
    assert spec["template"]["metadata"]["labels"].items() >= selector.items()
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {s["topologyKey"] for s in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(s["labelSelector"]["matchLabels"] == selector for s in spread)
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    text = chart()
    assert find(text, "PodDisruptionBudget", NAME)["spec"]["selector"]["matchLabels"] == selector
    assert find(text, "Service", NAME)["spec"]["selector"] == selector


def test_replicas_belong_to_the_autoscaler_where_there_is_one() -> None:
    text = chart(nested("gateway.replicas", {"min": 3, "max": 9}))
    scaler = find(text, "HorizontalPodAutoscaler", NAME)["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert "replicas" not in find(text, "Deployment", NAME)["spec"]
    fixed = chart(nested("autoscaling.kind", "none"))
    assert find(fixed, "Deployment", NAME)["spec"]["replicas"] == 2
    assert not [o for o in objects(fixed) if o["kind"] == "HorizontalPodAutoscaler"]


def test_its_route_opens_models_and_nothing_else() -> None:
    route = find(chart(), "HTTPRoute", NAME)["spec"]
    assert route["hostnames"] == ["api.models.local"]
    (rule,) = route["rules"]
    assert [m["path"]["value"] for m in rule["matches"]] == ["/v2/models", "/v1/models"]
    assert rule["backendRefs"] == [{"name": NAME, "port": 80}]
    assert (
        rule["timeouts"]["request"] == "125s"
    )  # outlasts an explanation, so that the gateway's own answer comes first
    assert not [o for o in objects(chart(KNATIVE)) if o["kind"] == "HTTPRoute"]


def test_it_can_be_left_out() -> None:
    assert NAME not in {o["metadata"]["name"] for o in objects(chart(nested("gateway.enabled", False)))}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (nested("gateway.replicas", {"min": 4, "max": 2}), "gateway.replicas.min is 4, but gateway.replicas.max is 2"),
        (nested("gateway.upstream", "https://gw"), "gateway.upstream"),
        (nested("gateway.upstream", "http://gw/path"), "gateway.upstream"),
        (nested("gateway.cpu", "much"), "gateway.cpu"),
    ],
)
def test_wrong_values_are_refused(values: Any, said: str) -> None:
    assert said in refusal(values)


@needs_validator
@pytest.mark.parametrize(
    "values",
    [{}, CANARY, KNATIVE, nested("autoscaling.kind", "none"), nested("images.pullSecrets", ["registry"]), FEATURES],
)
def test_what_is_rendered_is_valid(values: Any) -> None:
    text = chart(values)
    assert findings(text) == []
    assert json.loads(find(text, "ConfigMap", NAME)["data"]["models.json"])["models"]
