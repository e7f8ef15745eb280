"""What the chart makes of a model: an InferenceService per version, its route, its explainer, detector and budget."""

from __future__ import annotations

from typing import Any

import pytest

from inference.options import parse as parse_predictor
from pipelines.chart_models import chart_models
from tests.support.chart import CANARY, STORE, chart, merged, nested, profile
from tests.support.helm import find, objects

Object = dict[str, Any]
SPEC = chart_models()["price_forecast"]
KNATIVE = {"mode": "Knative"}
GPU = {"gpu": {"enabled": True}, "models": {"price_forecast": {"gpu": True}}}
FEATURES = {"transformers": {"enabled": True, "secret": "arthaflow-features"}}


def service(text: str, name: str = "price-forecast-v1") -> Object:
    return find(text, "InferenceService", name)


def container(part: Object) -> Object:
    (only,) = part["containers"]
    return dict(only)


def environment(part: Object) -> dict[str, str]:
    return {e["name"]: e["value"] for e in container(part)["env"]}


@pytest.fixture(scope="module")
def plain() -> str:
    return chart()


@pytest.fixture(scope="module")
def rolling() -> str:
    return chart(CANARY)


def test_a_predictor_gets_its_artifact_by_a_prefix_that_ends_with_a_slash() -> None:
    found = service(chart(nested("models.price_forecast.artifact", f"{STORE}/abc")))
    assert environment(found["spec"]["predictor"]) == {"STORAGE_URI": f"{STORE}/abc/", "PROTOCOL": "v2"}


def test_a_predictors_arguments_are_those_that_the_predictor_takes(plain: str) -> None:
    options = parse_predictor(container(service(plain)["spec"]["predictor"])["args"])
    assert (options.model_name, options.model_version, options.http_port) == ("price_forecast", "1", 8080)
    assert options.grpc_port is None
    assert not options.admin
    assert str(options.artifact) == "/mnt/models"


def test_a_pod_lives_long_enough_to_finish_what_it_has_begun(plain: str) -> None:
    predictor = service(plain)["spec"]["predictor"]
    options = parse_predictor(container(predictor)["args"])
    asleep = container(predictor)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert options.grace_s >= predictor["timeout"] == SPEC["timeout"]
    assert predictor["terminationGracePeriodSeconds"] > asleep + options.drain_s + options.grace_s


def test_probes_ask_for_the_model_and_not_for_the_port(plain: str) -> None:
    for part in ("predictor", "explainer"):
        made = container(service(plain)["spec"][part])
        for probe in ("readinessProbe", "startupProbe"):
            assert made[probe]["httpGet"] == {"path": "/v2/models/price_forecast/ready", "port": 8080}


def test_containers_may_do_nothing_that_they_need_not(rolling: str) -> None:
    services = [o for o in objects(rolling) if o["kind"] == "InferenceService"]
    assert len(services) == 3
    for part in [part for found in services for part in found["spec"].values()]:
        context = container(part)["securityContext"]
        assert context["runAsNonRoot"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(part)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
        assert part["serviceAccountName"] == "arthaflow-models"
        assert part["automountServiceAccountToken"] is False


def test_resources_are_the_specs_and_values_overrule_them(plain: str) -> None:
    resources = container(service(plain)["spec"]["predictor"])["resources"]
    assert resources["requests"] == {"cpu": SPEC["cpu"], "memory": SPEC["memory"]}
    assert set(resources["limits"]) == {"cpu", "memory"}  # KServe fills in one core where a limit is missing
    own = {"models": {"price_forecast": {"cpu": "2500m", "memory": "3Gi", "minReplicas": 6, "timeout": 7}}}
    predictor = service(chart(own))["spec"]["predictor"]
    assert container(predictor)["resources"]["requests"] == {"cpu": "2500m", "memory": "3Gi"}
    assert (predictor["minReplicas"], predictor["maxReplicas"], predictor["timeout"]) == (6, 6, 7)


def test_labels_on_pods_do_not_change_with_the_chart(plain: str) -> None:
    labels = service(plain)["metadata"]["labels"]
    assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels)
    assert not [key for key in labels if key.startswith("serving.kserve.io")]
    assert (labels["arthaflow.io/model"], labels["arthaflow.io/version"]) == ("price-forecast", "1")


def test_kserve_makes_no_route_of_its_own(rolling: str) -> None:
    for found in (o for o in objects(rolling) if o["kind"] == "InferenceService"):
        assert found["metadata"]["labels"]["networking.kserve.io/visibility"] == "cluster-local"


def test_grpc_is_a_second_port() -> None:
    made = container(service(chart({"grpc": True}))["spec"]["predictor"])
    assert [(p["name"], p["containerPort"]) for p in made["ports"]] == [("http1", 8080), ("grpc", 8081)]
    assert parse_predictor(made["args"]).grpc_port == 8081


def test_the_explainer_keeps_the_models_name_whatever_kserve_appends(plain: str) -> None:
    explainer = service(plain)["spec"]["explainer"]
    assert "--protocol_name=price_forecast" in container(explainer)["args"]
    assert environment(explainer)["STORAGE_URI"] == f"{STORE}/abc/"
    assert explainer["timeout"] == 120
    assert explainer["annotations"]["serving.kserve.io/autoscalerClass"] == "none"
    assert (
        "--kind=permutation_shap"
        in container(service(chart(nested("explainers.kind", "permutation_shap")))["spec"]["explainer"])["args"]
    )


@pytest.mark.parametrize("off", ["explainers.enabled", "models.price_forecast.explainer"])
def test_without_explainers_nothing_explains(off: str) -> None:
    text = chart(nested(off, False))
    assert "explainer" not in service(text)["spec"]
    assert not [r for r in find(text, "HTTPRoute", "price-forecast")["spec"]["rules"] if "explain" in str(r)]


def test_requests_go_to_the_detector_which_has_the_stable_artifact(rolling: str) -> None:
    logger = service(rolling)["spec"]["predictor"]["logger"]
    assert logger["url"] == "http://price-forecast-detector-predictor.ml.svc.cluster.local"
    assert logger["mode"] == "request"
    assert logger["metadataAnnotations"] == ["arthaflow.io/version"]
    assert logger["metadataHeaders"] == ["Inference-Header-Content-Length"]
    detector = service(rolling, "price-forecast-detector")
    assert environment(detector["spec"]["predictor"])["STORAGE_URI"] == f"{STORE}/abc/"
    assert "--model_name=price_forecast" in container(detector["spec"]["predictor"])["args"]
    assert detector["spec"]["predictor"]["maxReplicas"] == 1
    assert detector["metadata"]["labels"]["arthaflow.io/role"] == "detector"


def test_requests_go_through_a_broker_where_there_is_one() -> None:
    text = chart(nested("detectors.sink", "broker"), nested("detectors.tests", ["ks", "psi"]))
    logger = service(text)["spec"]["predictor"]["logger"]
    assert (logger["mode"], logger["url"]) == (
        "all",
        "http://broker-ingress.knative-eventing.svc.cluster.local/ml/default",
    )
    trigger = find(text, "Trigger", "price-forecast-detector")["spec"]
    assert trigger["subscriber"]["ref"]["name"] == "price-forecast-detector-predictor"
    detector = service(text, "price-forecast-detector")["spec"]["predictor"]
    assert "--detectors=ks,psi" in container(detector)["args"]


@pytest.mark.parametrize("off", ["detectors.enabled", "models.price_forecast.detector"])
def test_without_detectors_nothing_is_logged(off: str) -> None:
    text = chart(nested(off, False), nested("detectors.sink", "broker"))
    assert "logger" not in service(text)["spec"]["predictor"]
    assert {o["kind"] for o in objects(text)}.isdisjoint({"Trigger"})


def test_a_transformer_stands_in_front_and_reads_its_stores_from_a_secret() -> None:
    text = chart(FEATURES)
    transformer = service(text)["spec"]["transformer"]
    assert container(transformer)["envFrom"] == [{"secretRef": {"name": "arthaflow-features"}}]
    assert environment(transformer)["ARTHAFLOW_FEATURE_SOURCE"] == "postgres"
    assert "--protocol_name=price_forecast" in container(transformer)["args"]
    rules = find(text, "HTTPRoute", "price-forecast")["spec"]["rules"]
    assert rules[-1]["backendRefs"][0]["name"] == "price-forecast-v1-transformer"
    assert "transformer" not in service(chart(FEATURES, nested("models.price_forecast.transformer", False)))["spec"]


def test_a_route_matches_the_models_paths_and_nothing_else(plain: str) -> None:
    route = find(plain, "HTTPRoute", "price-forecast")["spec"]
    assert route["hostnames"] == ["price-forecast.models.local"]
    assert route["parentRefs"] == [{"name": "kserve-ingress-gateway", "namespace": "kserve"}]
    explain, rest = route["rules"]
    assert explain["matches"][0]["path"] == {"type": "Exact", "value": "/v1/models/price_forecast:explain"}
    assert explain["timeouts"]["request"] == "120s"
    paths = [m["path"] for m in rest["matches"]]
    assert {p["type"] for p in paths} == {"PathPrefix"}
    assert [p["value"] for p in paths] == ["/v2/models/price_forecast", "/v2/health", "/v1/models/price_forecast"]
    assert rest["backendRefs"] == [{"name": "price-forecast-v1-predictor", "port": 80, "weight": 100}]
    assert rest["timeouts"]["request"] == f"{SPEC['timeout']}s"


@pytest.mark.parametrize("percent", [0, 10, 100])
def test_a_rolling_model_is_two_services_behind_one_weighted_route(percent: int) -> None:
    text = chart(CANARY, nested("models.price_forecast.canary.percent", percent))
    stable, canary = service(text), service(text, "price-forecast-v2")
    assert environment(canary["spec"]["predictor"])["STORAGE_URI"] == f"{STORE}/def/"
    assert set(stable["spec"]) == set(canary["spec"])
    rules = find(text, "HTTPRoute", "price-forecast")["spec"]["rules"]
    assert all(
        m["headers"][0] == {"type": "Exact", "name": "x-model-track", "value": "canary"} for m in rules[0]["matches"]
    )
    assert [b["name"] for b in rules[0]["backendRefs"]] == ["price-forecast-v2-predictor"]
    assert {b["name"]: b["weight"] for b in rules[-1]["backendRefs"]} == {
        "price-forecast-v1-predictor": 100 - percent,
        "price-forecast-v2-predictor": percent,
    }


def test_in_knative_mode_one_service_splits_its_own_traffic() -> None:
    text = chart(KNATIVE, CANARY)
    found = service(text, "price-forecast")
    assert found["metadata"]["labels"]["arthaflow.io/version"] == "2"
    for part in found["spec"].values():
        assert part["canaryTrafficPercent"] == 10
    assert environment(found["spec"]["predictor"])["STORAGE_URI"] == f"{STORE}/def/"
    assert not [o for o in objects(text) if o["kind"] == "HTTPRoute"]
    steady = service(chart(KNATIVE), "price-forecast")
    assert "canaryTrafficPercent" not in steady["spec"]["predictor"]
    assert (steady["spec"]["predictor"]["scaleMetric"], steady["spec"]["predictor"]["scaleTarget"]) == ("rps", 50)


def test_pods_are_drained_one_at_a_time_and_the_detector_does_not_count(plain: str) -> None:
    budget = find(plain, "PodDisruptionBudget", "price-forecast")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"] == {"arthaflow.io/model": "price-forecast", "component": "predictor"}
    assert budget["selector"]["matchExpressions"] == [{"key": "arthaflow.io/role", "operator": "DoesNotExist"}]


def test_pods_spread_over_hosts_and_zones(plain: str) -> None:
    spread = service(plain)["spec"]["predictor"]["topologySpreadConstraints"]
    assert [s["topologyKey"] for s in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    strategy = service(plain)["spec"]["predictor"]["deploymentStrategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize(
    ("values", "resource"),
    [
        ({}, "nvidia.com/gpu"),
        (nested("gpu.resource", "nvidia.com/mig-1g.18gb"), "nvidia.com/mig-1g.18gb"),
        (nested("models.price_forecast.gpuResource", "nvidia.com/mig-3g.71gb"), "nvidia.com/mig-3g.71gb"),
    ],
)
def test_a_model_on_an_accelerator_never_waits_for_a_second_one(values: Object, resource: str) -> None:
    text = chart(GPU, nested("gpu.runtimeClassName", "nvidia"), nested("gpu.tag", "1-cuda"), values)
    predictor = service(text)["spec"]["predictor"]
    assert container(predictor)["resources"]["limits"][resource] == "1"
    assert container(predictor)["image"] == "arthaflow/predictor-tabular:1-cuda"
    assert predictor["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert predictor["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert predictor["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert predictor["runtimeClassName"] == "nvidia"
    assert "nodeSelector" not in service(text)["spec"]["explainer"]


def test_gpu_nodes_are_left_to_models_that_ask_for_them() -> None:
    predictor = service(chart(nested("gpu.enabled", True)))["spec"]["predictor"]
    assert not {"nodeSelector", "tolerations", "runtimeClassName"} & set(predictor)


def test_keda_scales_by_the_requests_of_this_versions_pods() -> None:
    predictor = service(chart(nested("autoscaling.kind", "keda")))["spec"]["predictor"]
    (metric,) = predictor["autoScaling"]["metrics"]
    query = metric["external"]["metric"]["query"]
    assert query == 'sum(rate(arthaflow_requests_total{namespace="ml",pod=~"price-forecast-v1-predictor-.*"}[1m]))'
    assert metric["external"]["target"] == {"type": "Value", "value": "50"}
    assert "scaleMetric" not in predictor


def test_hpa_scales_by_processors_and_none_not_at_all(plain: str) -> None:
    found = service(plain)
    assert found["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "hpa"
    assert (found["spec"]["predictor"]["scaleMetric"], found["spec"]["predictor"]["scaleTarget"]) == ("cpu", 70)
    fixed = service(chart(nested("autoscaling.kind", "none")))["spec"]["predictor"]
    assert fixed["minReplicas"] == fixed["maxReplicas"] == SPEC["minReplicas"]


def test_a_digest_pins_an_image() -> None:
    digest = f"sha256:{'a' * 64}"
    text = chart({"images": {"registry": "r.example.com/af", "digests": {"predictor-tabular": digest}}})
    assert container(service(text)["spec"]["predictor"])["image"] == f"r.example.com/af/predictor-tabular@{digest}"
    assert container(service(text)["spec"]["explainer"])["image"] == "r.example.com/af/explainer:0.1.0"


def test_endpoint_and_credentials_come_with_a_container_of_our_own(plain: str) -> None:
    account = find(plain, "ServiceAccount", "arthaflow-models")
    assert account["secrets"] == [{"name": "arthaflow-s3"}]
    made = find(plain, "ClusterStorageContainer", "arthaflow-ml-af")
    assert made["spec"]["supportedUriFormats"] == [{"prefix": "s3://arthaflow/artifacts/"}]
    told = {e["name"]: e.get("value") for e in made["spec"]["container"]["env"]}
    assert told["AWS_ENDPOINT_URL"] == "http://minio.arthaflow-storage.svc:9000"
    assert told["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required"
    assert not [o for o in objects(plain) if o["kind"] == "Secret"]


def test_a_pod_that_is_made_before_the_secret_waits_for_it() -> None:
    made = find(chart(nested("storage.secret", "late")), "ClusterStorageContainer", "arthaflow-ml-af")
    asked = [e["valueFrom"]["secretKeyRef"] for e in made["spec"]["container"]["env"] if "valueFrom" in e]
    assert asked == [{"name": "late", "key": key} for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]


@pytest.mark.parametrize("mode", ["Standard", "Knative"])
def test_whoever_fetches_an_artifact_names_the_container_it_fetches_with(mode: str) -> None:
    """Of two that fit an address KServe takes any, and its own knows neither the endpoint nor the credentials."""
    text = chart(profile("knative") if mode == "Knative" else {}, CANARY)
    fetching = [
        part
        for made in objects(text)
        if made["kind"] == "InferenceService"
        for part in made["spec"].values()
        if "STORAGE_URI" in environment(part)
    ]
    named = "internal.serving.kserve.io/storage-container-name"
    told = [part.get("storageContainerName") or part["annotations"][named] for part in fetching]
    assert told == ["arthaflow-ml-af"] * (5 if mode == "Standard" else 3)


def test_without_a_container_of_our_own_none_is_named() -> None:
    text = chart(nested("storage.initializer.enabled", False))
    assert "ClusterStorageContainer" not in text
    assert "storageContainerName" not in text
    assert "storage-container-name" not in text


def test_pods_are_found_by_annotation_only_without_an_operator(plain: str) -> None:
    assert "prometheus.io/scrape" not in service(plain)["metadata"]["annotations"]
    bare = chart(merged(nested("monitoring.enabled", False)))
    assert service(bare)["metadata"]["annotations"]["prometheus.io/port"] == "8080"
