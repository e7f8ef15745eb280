"""The gateway in the chart: what it is told fits the program, its pods are restricted, its callers are checked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from components.settings import Settings
from inference.gateway.app import routers
from inference.gateway.config import GatewaySettings
from inference.gateway.options import parse
from inference.gateway.product.documents import ENDPOINTS
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
    assert (
        pod["securityContext"].items() >= {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}.items()
    )
    assert pod["automountServiceAccountToken"] is False
    (container,), (migration,) = pod["containers"], pod["initContainers"]
    for one in (container, migration):
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert one["resources"]["limits"]["memory"] == one["resources"]["requests"]["memory"]


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


def test_its_route_opens_the_api_and_models_and_nothing_else() -> None:
    route = find(chart(), "HTTPRoute", NAME)["spec"]
    assert route["hostnames"] == ["api.models.local"]
    (rule,) = route["rules"]
    paths = [m["path"]["value"] for m in rule["matches"]]
    offered = {endpoint.path for endpoint in ENDPOINTS}
    offered |= {route.path for router in routers() for route in router.routes if isinstance(route, APIRoute)}
    assert len(offered) > 30
    offered |= {"/v2/models/x/infer", "/v1/models/x:explain", "/openapi.json", "/docs", "/static-offline-docs/x.js"}
    assert not {path for path in offered if not path.startswith(tuple(paths))}
    assert not any(p.startswith(tuple(paths)) for p in ("/metrics", "/healthz", "/ready", "/v2/repository"))
    assert rule["backendRefs"] == [{"name": NAME, "port": 80}]
    assert (
        rule["timeouts"]["request"] == "125s"
    )  # outlasts an explanation, so that the gateway's own answer comes first
    assert not [o for o in objects(chart(KNATIVE)) if o["kind"] == "HTTPRoute"]


def told(container: dict[str, Any], text: str) -> dict[str, str]:
    """The container's environment: settings, and for a secret's key its name."""
    found = {e["name"]: e.get("value") or e["valueFrom"]["secretKeyRef"]["name"] for e in container.get("env", [])}
    for source in container["envFrom"]:
        found |= find(text, "ConfigMap", source["configMapRef"]["name"])["data"]
    return found


def test_its_settings_are_those_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    values = nested(
        "gateway",
        {
            "auth": {"audience": "apps", "adminNetworks": ["10.1.0.0/16"], "trustedProxies": ["10.2.0.0/16"]},
            "limits": {"public": 7},
            "alertmanager": "http://alertmanager.monitoring.svc:9093",
        },
    )
    text = chart(values)
    environment = told(find(text, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0], text)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert all(name.startswith("ARTHAFLOW_") for name in environment)
    settings, records = GatewaySettings(), Settings()
    assert (settings.auth, settings.audience) == ("oidc", "apps")
    assert settings.issuer == "http://keycloak.login.svc:8080/realms/arthaflow"
    assert (settings.admin_networks, settings.trusted_proxies) == ("10.1.0.0/16", "10.2.0.0/16")
    assert (settings.public_per_hour, settings.premium_per_hour) == (7, 10_000)
    assert settings.alertmanager_url == "http://alertmanager.monitoring.svc:9093"
    fields = {f"ARTHAFLOW_GATEWAY_{name.upper()}" for name in GatewaySettings.model_fields}
    fields |= {f"ARTHAFLOW_{name.upper()}" for name in Settings.model_fields}
    assert set(environment) <= fields
    assert records.root == Path("/var/lib/arthaflow")


def test_secrets_come_from_the_secret_and_stand_nowhere() -> None:
    spec = deployment()["template"]["spec"]
    for container in (*spec["initContainers"], *spec["containers"]):
        keys = {e["valueFrom"]["secretKeyRef"]["key"]: e["valueFrom"]["secretKeyRef"] for e in container["env"]}
        assert keys.keys() >= {"ARTHAFLOW_DATABASE_URL", "ARTHAFLOW_PEPPER", "ARTHAFLOW_AUDIT_KEY"}
        assert {k["name"] for k in keys.values()} == {"arthaflow-gateway"}
        assert {name for name, key in keys.items() if key.get("optional")} <= {
            "ARTHAFLOW_REDIS_URL",
            "ARTHAFLOW_GATEWAY_INTERNAL_KEYS",
        }
    assert deployment(nested("gateway.secret", "mine"))["template"]["spec"]["containers"][0]["env"][0]["valueFrom"] == {
        "secretKeyRef": {"name": "mine", "key": "ARTHAFLOW_DATABASE_URL"}
    }


def test_the_schema_is_brought_up_before_the_program_starts() -> None:
    spec = deployment()["template"]["spec"]
    (migration,) = spec["initContainers"]
    assert migration["command"] == ["arthaflow", "records", "migrate"]
    assert migration["image"] == spec["containers"][0]["image"]


def test_its_home_can_be_written_and_outlives_a_killed_container() -> None:
    spec = deployment()["template"]["spec"]
    (container,) = spec["containers"]
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert mounts == {"home": "/var/lib/arthaflow", "tmp": "/tmp"}
    assert next(v for v in spec["volumes"] if v["name"] == "home") == {"name": "home", "emptyDir": {"sizeLimit": "2Gi"}}


def test_with_a_volume_each_replica_keeps_its_journal() -> None:
    values = nested("gateway.journal", {"storage": "4Gi", "storageClass": "fast"})
    text = chart(values)
    spec = find(text, "StatefulSet", NAME)["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "home"
    assert claim["spec"]["resources"]["requests"] == {"storage": "4Gi"}
    assert claim["spec"]["storageClassName"] == "fast"
    assert "home" not in {v["name"] for v in spec["template"]["spec"]["volumes"]}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert find(text, "HorizontalPodAutoscaler", NAME)["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
    assert "Deployment" not in {o["kind"] for o in objects(text) if o["metadata"]["name"] == NAME}


@pytest.mark.parametrize("mode", ["off", False])
def test_without_a_check_of_tokens_no_issuer_is_needed(mode: Any) -> None:
    """YAML reads a bare off as false."""
    values = nested("gateway.auth", {"mode": mode, "issuer": ""})
    settings = find(chart(values), "ConfigMap", f"{NAME}-settings")["data"]
    assert settings["ARTHAFLOW_GATEWAY_AUTH"] == "off"
    assert "ARTHAFLOW_GATEWAY_ISSUER" not in settings


def test_detectors_are_in_the_models_file() -> None:
    entry = models_file()["price_forecast"]
    assert entry.detector_url == "http://price-forecast-detector-predictor.ml.svc.cluster.local"
    assert models_file(nested("detectors.enabled", False))["price_forecast"].detector_url is None


def test_spans_go_to_the_collector_from_everything_that_serves() -> None:
    endpoint = "http://otel.monitoring.svc:4318"
    text = chart(nested("tracing", {"endpoint": endpoint, "ratio": 0.25}), FEATURES, nested("grpc", True))
    served = find(text, "InferenceService", "price-forecast-v1")["spec"]
    detector = find(text, "InferenceService", "price-forecast-detector")["spec"]
    containers = [find(text, "Deployment", NAME)["spec"]["template"]["spec"]["containers"][0]]
    containers += [served[part]["containers"][0] for part in ("predictor", "transformer", "explainer")]
    containers.append(detector["predictor"]["containers"][0])
    for container in containers:
        environment = {e["name"]: e.get("value") for e in container["env"]}
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint
        assert environment["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
        assert environment["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    assert "OTEL" not in chart(FEATURES)


def test_the_worker_of_jobs_submits_to_kubeflow() -> None:
    text = chart()
    pod = find(text, "Deployment", "arthaflow-jobs")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["arthaflow", "jobs", "work"]
    assert container["image"].startswith("arthaflow/train-tabular:")
    environment = {e["name"]: e.get("value") for e in container["env"]}
    assert environment["ARTHAFLOW_JOBS_HOST"] == "http://ml-pipeline.kubeflow.svc:8888"
    assert environment["ARTHAFLOW_ARTIFACT_STORE"] == "s3://arthaflow/artifacts"
    assert pod["automountServiceAccountToken"] is False
    assert "arthaflow-jobs" not in chart(nested("jobs.enabled", False))


def test_it_can_be_left_out() -> None:
    assert NAME not in {o["metadata"]["name"] for o in objects(chart(nested("gateway.enabled", False)))}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (nested("gateway.replicas", {"min": 4, "max": 2}), "gateway.replicas.min is 4, but gateway.replicas.max is 2"),
        (nested("gateway.upstream", "https://gw"), "gateway.upstream"),
        (nested("gateway.upstream", "http://gw/path"), "gateway.upstream"),
        (nested("gateway.cpu", "much"), "gateway.cpu"),
        (nested("gateway.auth.issuer", ""), "gateway.auth.mode is oidc, but gateway.auth.issuer is empty"),
        (nested("gateway.auth.mode", "local"), "gateway.auth.mode"),
        (
            nested("gateway.auth.issuer", "https://login.example.com"),
            "gateway.auth.issuer is https://login.example.com",
        ),
        (nested("gateway.secret", ""), "gateway.secret is empty"),
        (nested("gateway", {"secret": "", "replicas": {"min": 1, "max": 1}}), "gateway.journal.storage too"),
        (
            nested("gateway", {"secret": "", "replicas": {"min": 1, "max": 1}, "journal": {"storage": "2Gi"}}),
            "jobs.enabled is true",
        ),
        (nested("gateway.journal.storage", "much"), "gateway.journal.storage"),
        (nested("tracing.endpoint", "https://otel.example.com"), "tracing.endpoint is https://otel.example.com"),
        (nested("tracing.ratio", 2), "tracing.ratio"),
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
