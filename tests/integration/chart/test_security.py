"""Who may talk to whom, who may do what, and what a mesh adds: read from the rendered chart."""

from __future__ import annotations

from typing import Any

import pytest

from inference.gateway.options import parse
from tests.support.helm import find, needs_helm, objects, render, template
from tests.support.manifests import findings, needs_validator
from tests.support.network import Pod, allowed

pytestmark = needs_helm

SERVED = (
    "--set-string=models.price_forecast.version=3",
    "--set=models.price_forecast.artifact=s3://arthaflow/artifacts/price_forecast/run/",
)
FEATURES = ("--set=transformers.enabled=true,transformers.secret=feast",)
ISTIO = ("--set=istio.enabled=true",)
JWT = (
    *ISTIO,
    "--set=istio.jwt.enabled=true,istio.jwt.issuer=https://id.example,istio.jwt.jwksUri=https://id.example/k",
)
EXTERNAL = ("--set=externalSecrets.enabled=true,externalSecrets.store.name=vault",)
KNATIVE = ("--set=mode=Knative",)
TUNING = ("--set=kubeflow.tuning.enabled=true",)

PART = {"app.kubernetes.io/part-of": "arthaflow"}


def model_pod(component: str, **more: str) -> Pod:
    """A pod as KServe labels it, with what it copies from the InferenceService."""
    return Pod("ml", {**PART, "component": component, "arthaflow.io/model": "price-forecast", **more})


PREDICTOR = model_pod("predictor")
EXPLAINER = model_pod("explainer")
TRANSFORMER = model_pod("transformer")
DETECTOR = Pod("ml", {**PART, "component": "predictor", "arthaflow.io/role": "detector"})
GATEWAY = Pod("ml", {**PART, "app.kubernetes.io/component": "gateway"})
SCHEDULE = Pod("ml", {**PART, "app.kubernetes.io/component": "schedule"})
JOBS = Pod("ml", {**PART, "app.kubernetes.io/component": "jobs"})
LOGIN = Pod("login", {"app": "keycloak"})
STRANGER = Pod("ml", {"app": "stranger"})
ROUTE = Pod("envoy-gateway-system", {"app.kubernetes.io/name": "envoy"})
MINIO = Pod("arthaflow-storage", {"app.kubernetes.io/name": "minio"})
STORES = Pod("arthaflow-system", {"app.kubernetes.io/name": "redis"})
DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
KFP = Pod("kubeflow", {"app": "ml-pipeline"})
OTHER = Pod("default", {})
ACTIVATOR = Pod("knative-serving", {"app": "activator"})
BROKER = Pod("knative-eventing", {})
ISTIOD = Pod("istio-system", {"app": "istiod"})
INTERNET = Pod(address="203.0.113.7")
COLLECTOR = Pod("monitoring", {"app": "otel"})
PODS = (PREDICTOR, EXPLAINER, TRANSFORMER, DETECTOR, GATEWAY, SCHEDULE, JOBS, STRANGER)

YES = [
    (ROUTE, PREDICTOR, 8080),
    (ROUTE, PREDICTOR, 9081),
    (ROUTE, EXPLAINER, 8080),
    (ROUTE, TRANSFORMER, 8080),
    (ROUTE, GATEWAY, 8080),
    (GATEWAY, ROUTE, 10080),
    (GATEWAY, ROUTE, 80),
    (GATEWAY, STORES, 5432),
    (GATEWAY, STORES, 6379),
    (GATEWAY, DETECTOR, 8080),
    (GATEWAY, LOGIN, 8080),
    (JOBS, STORES, 5432),
    (JOBS, KFP, 8888),
    (JOBS, MINIO, 9000),
    (EXPLAINER, PREDICTOR, 8080),
    (EXPLAINER, PREDICTOR, 9081),
    (TRANSFORMER, PREDICTOR, 9081),
    (PREDICTOR, DETECTOR, 8080),
    (PREDICTOR, MINIO, 9000),
    (EXPLAINER, MINIO, 9000),
    (DETECTOR, MINIO, 9000),
    (TRANSFORMER, STORES, 6379),
    (TRANSFORMER, STORES, 5432),
    (SCHEDULE, KFP, 8888),
    (PROMETHEUS, PREDICTOR, 8080),
    (PROMETHEUS, EXPLAINER, 8080),
    (PROMETHEUS, DETECTOR, 8080),
    (PROMETHEUS, GATEWAY, 8080),
    (KFP, DETECTOR, 8080),  # the drift graph's question
]
NO = [
    (OTHER, PREDICTOR, 8080),
    (OTHER, GATEWAY, 8080),
    (STRANGER, PREDICTOR, 8080),
    (STRANGER, GATEWAY, 8080),
    (STRANGER, MINIO, 9000),
    (STRANGER, INTERNET, 443),
    (INTERNET, PREDICTOR, 8080),
    (ROUTE, PREDICTOR, 8081),
    (ROUTE, DETECTOR, 8080),
    (ROUTE, SCHEDULE, 8080),
    (GATEWAY, PREDICTOR, 8080),  # it would go around the canary's share
    (GATEWAY, MINIO, 9000),
    (GATEWAY, INTERNET, 443),
    (GATEWAY, KFP, 8888),
    (GATEWAY, LOGIN, 443),
    (JOBS, PREDICTOR, 8080),
    (JOBS, STORES, 6379),
    (JOBS, INTERNET, 443),
    (ROUTE, JOBS, 8080),
    (PROMETHEUS, JOBS, 8080),
    (PREDICTOR, LOGIN, 8080),
    (PREDICTOR, PREDICTOR, 8080),
    (PREDICTOR, EXPLAINER, 8080),
    (PREDICTOR, GATEWAY, 8080),
    (PREDICTOR, MINIO, 9001),
    (PREDICTOR, STORES, 6379),
    (PREDICTOR, KFP, 8888),
    (PREDICTOR, INTERNET, 443),
    (EXPLAINER, DETECTOR, 8080),
    (EXPLAINER, STORES, 5432),
    (DETECTOR, PREDICTOR, 8080),
    (DETECTOR, INTERNET, 443),
    (SCHEDULE, PREDICTOR, 8080),
    (SCHEDULE, MINIO, 9000),
    (SCHEDULE, KFP, 3306),
    (PROMETHEUS, PREDICTOR, 9081),
    (PROMETHEUS, SCHEDULE, 8080),
    (KFP, PREDICTOR, 8080),
]


def policies(*arguments: str) -> list[dict[str, Any]]:
    """The rendered policies of a served price_forecast."""
    return [o for o in objects(template(*SERVED, *arguments)) if o["kind"] == "NetworkPolicy"]


@pytest.fixture(scope="module")
def standard() -> list[dict[str, Any]]:
    return policies(*FEATURES)


@pytest.mark.parametrize(("source", "target", "port"), YES)
def test_what_is_needed_is_allowed(standard: list[dict[str, Any]], source: Pod, target: Pod, port: int) -> None:
    assert allowed(standard, source, target, port)


@pytest.mark.parametrize(("source", "target", "port"), NO)
def test_what_is_not_needed_is_denied(standard: list[dict[str, Any]], source: Pod, target: Pod, port: int) -> None:
    assert not allowed(standard, source, target, port)


@pytest.mark.parametrize("pod", PODS)
def test_every_pod_may_ask_for_names_and_no_more_of_the_system(standard: list[dict[str, Any]], pod: Pod) -> None:
    assert allowed(standard, pod, DNS, 53, "UDP")
    assert allowed(standard, pod, DNS, 53)
    assert not allowed(standard, pod, DNS, 443)
    assert allowed(standard, pod, Pod(address="169.254.20.10"), 53, "UDP")
    assert not allowed(standard, pod, Pod(address="169.254.169.254"), 80)  # a cloud's credentials


def test_without_policies_everybody_talks() -> None:
    rendered = policies("--set=networkPolicy.enabled=false")
    assert rendered == []
    assert allowed(rendered, OTHER, PREDICTOR, 8080)


def test_without_transformers_no_model_reaches_the_feature_store() -> None:
    rendered = policies()
    assert not any(allowed(rendered, pod, STORES, 6379) for pod in PODS if pod is not GATEWAY)


def test_spans_reach_the_collector_where_there_is_one() -> None:
    traced = policies("--set=tracing.endpoint=http://otel.monitoring.svc:4318", *FEATURES)
    for pod in (PREDICTOR, EXPLAINER, TRANSFORMER, DETECTOR, GATEWAY):
        assert allowed(traced, pod, COLLECTOR, 4318)
        assert not allowed(policies(*FEATURES), pod, COLLECTOR, 4318)
    assert not allowed(traced, SCHEDULE, COLLECTOR, 4318)


def test_an_issuer_outside_the_cluster_is_reached_by_its_addresses() -> None:
    issuer = "--set=gateway.auth.issuer=https://login.example.com,networkPolicy.egressCIDRs={203.0.113.0/24}"
    assert allowed(policies(issuer), GATEWAY, INTERNET, 443)
    assert not allowed(policies(issuer), GATEWAY, Pod(address="198.51.100.1"), 443)
    off = policies("--set=gateway.auth.mode=off,gateway.auth.issuer=")
    assert not allowed(off, GATEWAY, LOGIN, 8080)


def test_clients_that_are_named_come_in() -> None:
    rendered = policies("--set=networkPolicy.clientNamespaces={default},grpc=true")
    assert allowed(rendered, OTHER, GATEWAY, 8080)
    assert allowed(rendered, OTHER, PREDICTOR, 8081)
    assert not allowed(rendered, OTHER, DETECTOR, 8080)
    assert not allowed(rendered, ROUTE, PREDICTOR, 8081)


def test_a_store_outside_the_cluster_is_reached_by_its_addresses() -> None:
    rendered = policies("--set=storage.endpoint=https://s3.example.com,networkPolicy.egressCIDRs={203.0.113.0/24}")
    assert allowed(rendered, PREDICTOR, INTERNET, 443)
    assert not allowed(rendered, PREDICTOR, INTERNET, 80)
    assert not allowed(rendered, PREDICTOR, Pod(address="198.51.100.1"), 443)
    assert not allowed(rendered, GATEWAY, INTERNET, 443)
    assert not allowed(rendered, PREDICTOR, MINIO, 9000)


def test_a_broker_stands_between_predictors_and_detectors() -> None:
    rendered = policies("--set=detectors.sink=broker")
    assert allowed(rendered, PREDICTOR, BROKER, 8080)
    assert allowed(rendered, BROKER, DETECTOR, 8080)
    assert not allowed(rendered, PREDICTOR, DETECTOR, 8080)


def test_knative_reaches_its_queue_proxy() -> None:
    rendered = policies(*KNATIVE)
    for port in (8012, 9090):
        assert allowed(rendered, ACTIVATOR, PREDICTOR, port)
        assert not allowed(policies(), ACTIVATOR, PREDICTOR, port)
    assert allowed(rendered, EXPLAINER, ACTIVATOR, 8012)
    assert allowed(rendered, PROMETHEUS, PREDICTOR, 9088)
    assert not allowed(rendered, OTHER, PREDICTOR, 8012)


def test_a_mesh_needs_its_control_plane() -> None:
    rendered = policies(*ISTIO)
    assert allowed(rendered, PREDICTOR, ISTIOD, 15012)
    assert allowed(rendered, PROMETHEUS, PREDICTOR, 15020)
    assert not allowed(rendered, PREDICTOR, ISTIOD, 8080)
    assert not allowed(policies(), PREDICTOR, ISTIOD, 15012)


def rules(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Every rule of every role: (kind, name, rule)."""
    roles = [o for o in objects(text) if o["kind"] in ("Role", "ClusterRole")]
    return [(o["kind"], o["metadata"]["name"], rule) for o in roles for rule in o["rules"]]


@pytest.mark.parametrize("mode", [(), KNATIVE])
def test_rights_are_small(mode: tuple[str, ...]) -> None:
    found = rules(template(*SERVED, *FEATURES, *JWT, *EXTERNAL, *TUNING, *mode))
    assert {kind for kind, _, _ in found} == {"Role"}
    for _, name, rule in found:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], name
        assert not {"secrets", "pods", "pods/exec", "serviceaccounts", "roles", "rolebindings"} & set(rule["resources"])
        if set(rule["resources"]) & {"configmaps", "leases", "httproutes"} and rule["verbs"] != ["create"]:
            assert rule["resourceNames"], (name, rule)


def test_a_rollout_has_what_its_client_calls() -> None:
    """The kinds and verbs of components/rollout/targets/kube.py, on the names it uses."""
    from components.rollout.targets.kube import PATHS

    found = rules(template(*SERVED))

    def may(group: str, resource: str, verb: str, name: str) -> bool:
        return any(
            group in r["apiGroups"]
            and resource in r["resources"]
            and verb in r["verbs"]
            and (name in r["resourceNames"] if "resourceNames" in r else True)
            for _, role, r in found
            if role == "arthaflow-rollout"
        )

    names = {"InferenceService": "price-forecast-v4", "HTTPRoute": "price-forecast"}
    for kind, (path, resource) in PATHS.items():
        group = path.split("/")[2] if path.startswith("/apis/") else ""
        verbs = {"get", "update"} if kind == "HTTPRoute" else {"get", "create", "update", "delete", "watch"}
        for verb in verbs:
            assert may(group, resource, verb, names.get(kind, "price-forecast-rollout")), (kind, verb)
    assert not may("", "configmaps", "get", "kube-root-ca.crt")
    assert not may("gateway.networking.k8s.io", "httproutes", "update", "arthaflow-gateway")
    assert not may("gateway.networking.k8s.io", "httproutes", "create", "price-forecast")


def test_rights_go_to_the_account_of_graphs() -> None:
    text = template(*SERVED, "--set=kubeflow.namespace=kf,kubeflow.serviceAccount=runner", *TUNING)
    runner = {"kind": "ServiceAccount", "name": "runner", "namespace": "kf"}
    assert runner in find(text, "RoleBinding", "arthaflow-rollout")["subjects"]
    tuning = find(text, "RoleBinding", "arthaflow-tuning-ml")
    assert (tuning["metadata"]["namespace"], tuning["subjects"]) == ("arthaflow-training", [runner])


def test_no_pod_gets_a_token() -> None:
    found = objects(template(*SERVED, *FEATURES))
    accounts = [o for o in found if o["kind"] == "ServiceAccount"]
    assert {o["metadata"]["name"] for o in accounts} >= {
        "arthaflow-gateway",
        "arthaflow-rollout",
        "arthaflow-schedules",
    }
    assert all(o["automountServiceAccountToken"] is False for o in accounts)


def test_strict_tls_leaves_metrics_to_prometheus_and_nothing_else() -> None:
    text = template(*SERVED, *ISTIO)
    assert find(text, "PeerAuthentication", "arthaflow")["spec"] == {"mtls": {"mode": "STRICT"}}
    ports = find(text, "PeerAuthentication", "arthaflow-metrics")["spec"]
    assert ports["portLevelMtls"] == {"8080": {"mode": "PERMISSIVE"}}
    plain = find(text, "AuthorizationPolicy", "arthaflow-plain-text")["spec"]
    assert plain["selector"] == ports["selector"]  # whoever takes plain text is guarded
    assert plain["action"] == "DENY"
    (rule,) = plain["rules"]
    assert rule["from"] == [{"source": {"notPrincipals": ["*"]}}]
    assert [r["operation"] for r in rule["to"]] == [{"notPaths": ["/metrics", "/v1/drift"]}, {"notMethods": ["GET"]}]


def test_the_repository_is_denied_to_everybody_in_a_mesh() -> None:
    spec = find(template(*SERVED, *ISTIO), "AuthorizationPolicy", "arthaflow-repository")["spec"]
    assert "selector" not in spec
    assert "from" not in spec["rules"][0]
    assert {"/v2/repository/*", "/inference.GRPCInferenceService/RepositoryModelLoad"} <= set(
        spec["rules"][0]["to"][0]["operation"]["paths"]
    )


def test_no_route_and_no_predictor_opens_the_repository() -> None:
    found = objects(template(*SERVED))
    for route in (o for o in found if o["kind"] == "HTTPRoute"):
        paths = [m["path"]["value"] for r in route["spec"]["rules"] for m in r["matches"]]
        assert paths
        assert not any("/v2/repository/models/x/load".startswith(p.rstrip("/")) for p in paths), route["metadata"][
            "name"
        ]
    for service in (o for o in found if o["kind"] == "InferenceService"):
        for container in service["spec"]["predictor"]["containers"]:
            assert "--admin" not in container["args"]


def test_a_permissive_mesh_and_none() -> None:
    kinds = {o["kind"] for o in objects(template(*SERVED))}
    assert not kinds & {"PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication", "DestinationRule"}
    text = template(*SERVED, *ISTIO, "--set=istio.mtls=PERMISSIVE")
    names = {o["metadata"]["name"] for o in objects(text) if o["kind"] in ("PeerAuthentication", "AuthorizationPolicy")}
    assert names == {"arthaflow", "arthaflow-repository"}


def test_tokens_are_asked_for_at_the_gateway_and_at_the_models() -> None:
    text = template(*SERVED, *JWT, "--set=istio.jwt.audiences={apps}")
    authentication = find(text, "RequestAuthentication", "arthaflow-tokens")["spec"]
    (rule,) = authentication["jwtRules"]
    assert (rule["issuer"], rule["jwksUri"]) == ("https://id.example", "https://id.example/k")
    assert rule["audiences"] == ["apps"]
    assert rule["forwardOriginalToken"] is True  # the gateway passes it on to models, which ask for it too
    policy = find(text, "AuthorizationPolicy", "arthaflow-tokens")["spec"]
    assert policy["selector"] == authentication["selector"] == {"matchLabels": PART}
    (asked,) = policy["rules"]
    assert asked["from"][0]["source"]["notRequestPrincipals"] == ["*"]
    assert asked["from"][0]["source"]["notPrincipals"] == ["*/ns/ml/sa/arthaflow-models"]
    assert asked["to"] == [{"operation": {"notPaths": ["/healthz", "/ready", "/metrics", "/v1/drift"]}}]
    for arguments, passes in ((JWT, True), (ISTIO, False)):
        container = find(template(*SERVED, *arguments), "Deployment", "arthaflow-gateway")["spec"]["template"]["spec"]
        assert parse(container["containers"][0]["args"]).forward_token is passes


def test_knatives_probes_bring_no_token() -> None:
    policy = find(template(*SERVED, *JWT, *KNATIVE), "AuthorizationPolicy", "arthaflow-tokens")["spec"]
    assert policy["selector"]["matchLabels"] == {**PART, "app.kubernetes.io/component": "gateway"}


def test_envoy_lets_go_of_idle_connections_before_the_servers_do() -> None:
    rule = find(template(*SERVED, *ISTIO), "DestinationRule", "arthaflow-idle")["spec"]
    assert rule["host"] == "*.ml.svc.cluster.local"
    assert rule["trafficPolicy"]["connectionPool"]["http"]["idleTimeout"] == "60s"  # the servers' is 65


def test_secrets_come_from_a_store() -> None:
    text = template(*SERVED, *EXTERNAL, *FEATURES)
    keys = find(text, "ExternalSecret", "arthaflow-s3")["spec"]["data"]
    assert {k["secretKey"] for k in keys} == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert {k["remoteRef"]["key"] for k in keys} == {"arthaflow/s3"}
    assert find(text, "ExternalSecret", "feast")["spec"]["dataFrom"] == [{"extract": {"key": "arthaflow/features"}}]
    assert find(text, "ExternalSecret", "arthaflow-gateway")["spec"]["dataFrom"] == [
        {"extract": {"key": "arthaflow/gateway"}}
    ]
    assert not [o for o in objects(template(*SERVED)) if o["kind"] in ("ExternalSecret", "Secret")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set=istio.enabled=true,istio.jwt.enabled=true,istio.jwt.jwksUri=https://k",), "istio.jwt.issuer is empty"),
        (("--set=istio.enabled=true,istio.jwt.enabled=true,istio.jwt.issuer=i",), "istio.jwt.jwksUri is empty"),
        (("--set=istio.jwt.enabled=true,istio.jwt.issuer=i",), "set istio.enabled: true"),
        (("--set=externalSecrets.enabled=true",), "externalSecrets.store.name is empty"),
        ((*EXTERNAL, "--set=transformers.enabled=true,transformers.secret=arthaflow-s3"), "both arthaflow-s3"),
        (("--set=storage.endpoint=https://s3.example.com",), "networkPolicy.egressCIDRs is empty"),
        (("--set=storage.endpoint=",), "networkPolicy.egressCIDRs is empty"),
        (("--set=kubeflow.host=https://kfp.example.com",), "kubeflow.host is https://kfp.example.com"),
        (("--set-json=networkPolicy.ingressNamespaces=[]",), "networkPolicy.ingressNamespaces is empty"),
        ((*FEATURES, "--set-json=networkPolicy.systemNamespaces=[]"), "networkPolicy.systemNamespaces is empty"),
    ],
)
def test_contradictions_are_refused_with_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    done = render(*SERVED, *arguments)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments", ["--set=istio.mtls=OFF", "--set=networkPolicy.egressCIDRs={somewhere}", "--set=istio.jwt.key=x"]
)
def test_wrong_values_are_refused_by_the_schema(arguments: str) -> None:
    done = render(*SERVED, arguments)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


@needs_validator
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        FEATURES,
        ISTIO,
        (*ISTIO, "--set=istio.mtls=PERMISSIVE"),
        JWT,
        EXTERNAL,
        (*EXTERNAL, *FEATURES),
        TUNING,
        KNATIVE,
        (*KNATIVE, *JWT),
        ("--set=networkPolicy.enabled=false",),
        ("--set=detectors.sink=broker",),
        ("--set=detectors.enabled=false",),
        ("--set=explainers.enabled=false",),
        ("--set=gateway.enabled=false",),
        ("--set=schedules.enabled=false",),
        ("--set=rollouts.enabled=false",),
        ("--set=networkPolicy.clientNamespaces={a,b},grpc=true",),
        ("--set=storage.endpoint=https://s3.example.com,networkPolicy.egressCIDRs={203.0.113.0/24,2001:db8::/32}",),
    ],
)
def test_every_toggle_is_valid(arguments: tuple[str, ...]) -> None:
    assert findings(template(*SERVED, *arguments)) == []
