"""manifests/: every folder builds, passes as strictly as an API server, and hangs together with the rest."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.settings import Settings
from pipelines.placement import CONFIG, FEATURE_SECRET, FEATURE_SECRETS, SECRET, SECRETS
from tests.support.handmade import documented_secrets, made_by_hand
from tests.support.helm import CHART
from tests.support.kustomize import (
    FOLDERS,
    MANIFESTS,
    ROOT,
    Object,
    build,
    containers,
    find,
    needs_kubectl,
    objects,
    pod_templates,
    references,
    restricted,
    unmounted,
)
from tests.support.manifests import findings, needs_validator

pytestmark = needs_kubectl
OVERLAYS = [folder for folder in FOLDERS if folder.parent.name == "overlays"]
NAMESPACES = MANIFESTS / "base" / "namespaces"
FOREIGN = {"kubeflow", "kserve", "monitoring"}
"""Namespaces that the installations of Kubeflow Pipelines, KServe and prometheus-operator make."""


def named(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def workloads(folder: Path) -> Iterator[tuple[str, str, Object, Object]]:
    """Yield (title, namespace, workload, pod's spec)."""
    for workload, template in pod_templates(objects(folder)):
        meta = workload["metadata"]
        yield f"{workload['kind']}/{meta['name']}", meta["namespace"], workload, template["spec"]


@needs_validator
@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_folder_builds_and_an_api_server_would_take_it(folder: Path) -> None:
    unknown = "no schema for gateway.envoyproxy.io/v1alpha1 EnvoyProxy"  # Envoy Gateway's schemas are not among ours
    assert [f for f in findings(build(folder)) if not f.endswith(unknown)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_no_object_is_made_twice_and_every_namespace_exists(folder: Path) -> None:
    made = objects(folder)
    keys = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in made]
    assert len(keys) == len(set(keys))
    known = {o["metadata"]["name"] for o in objects(NAMESPACES)} | FOREIGN
    assert {space for kind, space, _ in keys if kind not in ("Namespace", "GatewayClass")} <= known


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_what_a_pod_refers_to_is_made_here_or_by_hand_as_documented(folder: Path) -> None:
    made = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects(folder)}
    secrets = documented_secrets()
    used = set()
    for title, space, workload, pod in workloads(folder):
        for kind, name, key in references(pod):
            if kind == "Secret":
                assert key in secrets.get((space, name), {}), f"{title} wants {key} of the Secret {name} in {space}"
                used.add((space, name))
            else:
                assert (kind, space, name) in made, f"{title} wants {kind} {name} in {space}"
        claims = {t["metadata"]["name"] for t in workload["spec"].get("volumeClaimTemplates", [])}
        assert set(unmounted(pod)) <= claims, title
    for binding in (o for o in objects(folder) if o["kind"] == "RoleBinding"):
        assert ("Role", binding["metadata"]["namespace"], binding["roleRef"]["name"]) in made
    launcher = yaml.safe_load(find(folder, "ConfigMap", "kfp-launcher")["data"]["providers"])
    wanted = launcher["s3"]["default"]["credentials"]["secretRef"]
    assert {wanted["accessKeyKey"], wanted["secretKeyKey"]} <= set(secrets["kubeflow", wanted["secretName"]])
    assert used


def test_what_graphs_take_from_secrets_is_made_by_hand_as_documented() -> None:
    secrets = documented_secrets()
    assert set(SECRETS) <= set(secrets["kubeflow", SECRET])
    assert set(FEATURE_SECRETS) <= set(secrets["kubeflow", FEATURE_SECRET])
    for space in ("arthaflow", "arthaflow-training"):
        assert set(SECRETS) <= set(secrets[space, SECRET])
    assert set(FEATURE_SECRETS) <= set(secrets["arthaflow", FEATURE_SECRET])


@needs_validator
def test_secrets_made_by_hand_agree_with_each_other_and_with_the_manifests() -> None:
    assert findings(made_by_hand()) == []
    secrets = documented_secrets()
    assert len({tuple(sorted(data.items())) for (_, name), data in secrets.items() if name == SECRET}) == 1
    features, stores = secrets["kubeflow", FEATURE_SECRET], secrets["arthaflow-system", "arthaflow-postgres"]
    assert features == secrets["arthaflow", FEATURE_SECRET]
    assert features["FEAST_POSTGRES_PASSWORD"] == stores["FEAST_PASSWORD"]
    word = secrets["arthaflow-system", "arthaflow-redis"]["REDIS_PASSWORD"]
    for key, (kind, name) in {
        "FEAST_POSTGRES_HOST": ("Service", "postgres"),
        "FEAST_REDIS_URL": ("Service", "redis"),
    }.items():
        found = find(OVERLAYS[0], kind, name, "arthaflow-system")
        assert features[key].startswith(f"{name}.arthaflow-system.svc")
        if name == "redis":
            assert features[key] == f"{name}.arthaflow-system.svc:{found['spec']['ports'][0]['port']},password={word}"
    passwords = [v for data in secrets.values() for k, v in data.items() if "PASSWORD" in k]
    assert all(re.fullmatch("[0-9a-f]{48}", p) for p in passwords), "some end up in URLs"
    assert len(set(stores.values())) == len(stores)


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_services_monitors_policies_and_budgets_select_something(folder: Path) -> None:
    made = objects(folder)
    templates = [(w["metadata"]["namespace"], t["metadata"]["labels"], t["spec"]) for w, t in pod_templates(made)]
    services = {}
    for found in made:
        space, spec = found["metadata"].get("namespace"), found.get("spec", {})
        if found["kind"] == "Service":
            pods = [p for s, labels, p in templates if s == space and spec["selector"].items() <= labels.items()]
            ports = {port["name"] for pod in pods for c in containers(pod) for port in c.get("ports", [])}
            assert {port["targetPort"] for port in spec["ports"]} <= ports, found["metadata"]
            services[space, found["metadata"]["name"]] = found
        elif found["kind"] in ("PodDisruptionBudget", "NetworkPolicy"):
            wanted = (spec.get("selector") or spec.get("podSelector") or {}).get("matchLabels", {})
            if wanted:
                assert any(s == space and wanted.items() <= labels.items() for s, labels, _ in templates), found
    for found in (o for o in made if o["kind"] == "ServiceMonitor"):
        wanted = found["spec"]["selector"]["matchLabels"].items()
        (service,) = (
            s
            for (space, _), s in services.items()
            if space == found["metadata"]["namespace"] and wanted <= s["metadata"]["labels"].items()
        )
        names = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in found["spec"]["endpoints"]} <= names


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_every_pod_is_restricted_bounded_and_pinned(folder: Path) -> None:
    for title, _, workload, pod in workloads(folder):
        assert restricted(pod) == [], title
        for container in containers(pod):
            assert re.search(r":(?!latest)[\w.-]*\d[\w.-]*$", container["image"]), container["image"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, title
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), title
            assert "memory" in resources["limits"], title
        if workload["kind"] in ("Deployment", "StatefulSet"):
            main = pod["containers"][0]
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(main), title


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_nothing_secret_is_written_down(folder: Path) -> None:
    assert not [o for o in objects(folder) if o["kind"] == "Secret"]
    for title, _, _, pod in workloads(folder):
        for container in containers(pod):
            plain = [v["name"] for v in container.get("env", []) if "value" in v]
            assert not [n for n in plain if re.search("PASSWORD|SECRET|TOKEN|ACCESS_KEY|DATA_SOURCE_PASS", n)], title
            words = " ".join([*container.get("command", []), *container.get("args", [])])
            assert not re.search(r"://[^\s/$:]+:[^\s/$]+@", words), title


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_every_store_keeps_its_volume_and_is_closed_but_to_those_who_need_it(folder: Path) -> None:
    stores = [w for _, _, w, _ in workloads(folder) if w["kind"] == "StatefulSet"]
    assert {s["metadata"]["name"] for s in stores} == {"minio", "postgres", "redis"}
    for store in stores:
        name, space = store["metadata"]["name"], store["metadata"]["namespace"]
        assert store["spec"]["persistentVolumeClaimRetentionPolicy"] == {
            "whenDeleted": "Retain",
            "whenScaled": "Retain",
        }
        policy = find(folder, "NetworkPolicy", name, space)["spec"]
        assert policy["podSelector"]["matchLabels"] == store["spec"]["selector"]["matchLabels"]
        assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
        assert all(rule.get("from") and rule.get("ports") for rule in policy["ingress"]), "open to everyone"
        assert find(folder, "NetworkPolicy", "default-deny", space)["spec"]["podSelector"] == {}
        assert find(folder, "PodDisruptionBudget", name, space)["spec"]["maxUnavailable"] == 0
    assert not [o for o in objects(folder) if o["kind"] == "Namespace"], "deleting an overlay would delete the volumes"


def test_namespaces_carry_pod_security_and_katibs_label() -> None:
    labels = {o["metadata"]["name"]: o["metadata"]["labels"] for o in objects(NAMESPACES)}
    assert set(labels) == {"arthaflow", "arthaflow-system", "arthaflow-storage", "arthaflow-training"}
    enforced = {name: own["pod-security.kubernetes.io/enforce"] for name, own in labels.items()}
    assert enforced.pop("arthaflow-training") == "baseline"
    assert set(enforced.values()) == {"restricted"}
    injected = "katib.kubeflow.org/metrics-collector-injection"
    assert [name for name, own in labels.items() if own.get(injected) == "enabled"] == ["arthaflow-training"]


def test_each_namespace_has_a_quota_and_defaults_for_injected_sidecars() -> None:
    made = objects(MANIFESTS / "base" / "quotas")
    own = {o["metadata"]["name"] for o in objects(NAMESPACES)}
    for kind in ("ResourceQuota", "LimitRange"):
        assert {o["metadata"]["namespace"] for o in made if o["kind"] == kind} == own
    for found in (o for o in made if o["kind"] == "LimitRange"):
        (limit,) = found["spec"]["limits"]
        assert {"cpu", "memory"} <= set(limit["defaultRequest"])
        assert "memory" in limit["default"]


def test_the_production_quota_leaves_room_for_its_own_stores() -> None:
    folder = MANIFESTS / "overlays" / "production"
    for space in ("arthaflow-system", "arthaflow-storage"):
        storage = [
            claim["spec"]["resources"]["requests"]["storage"]
            for _, own, w, _ in workloads(folder)
            if own == space
            for claim in w["spec"].get("volumeClaimTemplates", [])
        ]
        hard = find(folder, "ResourceQuota", "arthaflow", space)["spec"]["hard"]
        assert sum(map(gibibytes, storage)) <= gibibytes(hard["requests.storage"])
        memory = [
            c["resources"]["limits"]["memory"]
            for _, own, _, p in workloads(folder)
            if own == space
            for c in containers(p)
        ]
        assert sum(map(gibibytes, memory)) <= gibibytes(hard["limits.memory"])


def gibibytes(quantity: str) -> float:
    """Read a quantity of memory or storage."""
    number, unit = re.fullmatch(r"([\d.]+)(Mi|Gi|Ti)", quantity).groups()  # type: ignore[union-attr]
    return float(number) * {"Mi": 1 / 1024, "Gi": 1.0, "Ti": 1024.0}[unit]


def test_settings_are_the_same_everywhere_and_the_platform_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = objects(MANIFESTS / "base" / "settings")
    assert {o["metadata"]["namespace"] for o in made} == {"kubeflow", "arthaflow-training"}
    first, second = (o["data"] for o in made)
    assert first == second
    for name, value in first.items():
        monkeypatch.setenv(name, value)
    config = Settings()
    assert (config.store_uri, config.mlflow_uri) == (first["ARTHAFLOW_ARTIFACT_STORE"], first["ARTHAFLOW_TRACKING_URI"])
    assert config.s3_endpoint == first["ARTHAFLOW_S3_ENDPOINT"]
    assert set(first) <= set(CONFIG), "a step of a graph takes none but these keys"


@pytest.mark.parametrize("folder", OVERLAYS, ids=named)
def test_addresses_name_services_of_the_manifests_and_the_charts_values_agree(folder: Path) -> None:
    services = {
        f"{o['metadata']['name']}.{o['metadata']['namespace']}.svc" for o in objects(folder) if o["kind"] == "Service"
    }
    named_hosts = set(re.findall(r"[\w-]+\.arthaflow-(?:system|storage)\.svc", build(folder)))
    assert named_hosts == services - {"redis.arthaflow-system.svc"}  # Redis stands in the Secret arthaflow-features
    values = yaml.safe_load((ROOT / "charts" / "arthaflow" / "values.yaml").read_text(encoding="utf-8"))
    settings = find(folder, "ConfigMap", "arthaflow-settings", "kubeflow")["data"]
    assert values["storage"]["uri"] == settings["ARTHAFLOW_ARTIFACT_STORE"]
    assert values["storage"]["endpoint"] == settings["ARTHAFLOW_S3_ENDPOINT"]
    assert values["storage"]["region"] == settings["ARTHAFLOW_S3_REGION"]
    assert values["tracking"]["uri"] == settings["ARTHAFLOW_TRACKING_URI"]
    gateway = find(folder, "Gateway", values["route"]["gateway"], values["route"]["namespace"])
    assert gateway["spec"]["gatewayClassName"] == find(folder, "GatewayClass", "arthaflow")["metadata"]["name"]


def test_kserve_takes_the_same_gateway_by_helm_and_by_patch() -> None:
    folder = MANIFESTS / "base" / "kserve"
    values = yaml.safe_load((folder / "values-standard.yaml").read_text(encoding="utf-8"))["kserve"]["controller"]
    patch = yaml.safe_load((folder / "inferenceservice-config.patch.yaml").read_text(encoding="utf-8"))["data"]
    texts = {key: json.loads(text) for key, text in patch.items()}
    gateway = find(folder, "Gateway", "kserve-ingress-gateway")["metadata"]
    address = f"{gateway['namespace']}/{gateway['name']}"
    assert texts["ingress"]["kserveIngressGateway"] == values["gateway"]["ingressGateway"]["kserveGateway"] == address
    assert texts["deploy"]["defaultDeploymentMode"] == values["deploymentMode"] == "Standard"
    assert texts["ingress"]["disableIstioVirtualHost"] is values["gateway"]["disableIstioVirtualHost"] is True
    assert texts["ingress"]["enableGatewayApi"] is values["gateway"]["ingressGateway"]["enableGatewayApi"] is True
    assert texts["ingress"]["ingressDomain"] == values["gateway"]["domain"]


def test_production_speaks_https_with_the_certificate_it_asks_for() -> None:
    folder = MANIFESTS / "overlays" / "production"
    (listener,) = find(folder, "Gateway", "kserve-ingress-gateway")["spec"]["listeners"]
    assert (listener["protocol"], listener["tls"]["mode"]) == ("HTTPS", "Terminate")
    certificate = find(folder, "Certificate", "kserve-ingress-gateway")["spec"]
    assert [ref["name"] for ref in listener["tls"]["certificateRefs"]] == [certificate["secretName"]]
    assert certificate["dnsNames"] == [listener["hostname"]]
    authority = find(folder, "Issuer", certificate["issuerRef"]["name"])["spec"]["ca"]["secretName"]
    assert find(folder, "Certificate", "arthaflow-ca")["spec"]["secretName"] == authority


def test_the_products_gateway_finds_a_plain_listener_in_production() -> None:
    folder = MANIFESTS / "overlays" / "production"
    profile = yaml.safe_load((CHART / "values-production.yaml").read_text(encoding="utf-8"))
    inside = find(folder, "Gateway", profile["route"]["internal"])
    assert inside["metadata"]["namespace"] == yaml.safe_load((CHART / "values.yaml").read_text())["route"]["namespace"]
    assert [(item["protocol"], item["port"]) for item in inside["spec"]["listeners"]] == [("HTTP", 80)]
    named = inside["spec"]["infrastructure"]["parametersRef"]
    proxy = find(folder, named["kind"], named["name"])["spec"]["provider"]["kubernetes"]
    assert proxy["envoyService"]["type"] == "ClusterIP"  # never a load balancer before plain text


def test_the_bucket_policy_lets_nobody_delete_a_backup() -> None:
    policy = json.loads((MANIFESTS / "base" / "storage" / "policy.json").read_text(encoding="utf-8"))
    for statement in policy["Statement"]:
        assert not any(action == "s3:*" for action in statement["Action"])
        if any("arthaflow-backups" in resource for resource in statement["Resource"]):
            assert "s3:DeleteObject" not in statement["Action"]


def test_the_schemas_job_is_of_the_servers_release_and_reaches_its_database() -> None:
    job = find(MANIFESTS / "jobs" / "mlflow-db-upgrade", "Job", "mlflow-db-upgrade")["spec"]["template"]
    server = find(OVERLAYS[0], "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"][0]
    (container,) = job["spec"]["containers"]
    uri = {v["name"]: v.get("value") for v in server["env"]}["MLFLOW_BACKEND_STORE_URI"]
    assert (container["image"], container["command"][-1]) == (server["image"], uri)
    (expression,) = find(OVERLAYS[0], "NetworkPolicy", "postgres")["spec"]["ingress"][0]["from"][0]["podSelector"][
        "matchExpressions"
    ]
    assert job["metadata"]["labels"][expression["key"]] in expression["values"]
    assert restricted(job["spec"]) == []
    for kind, name, key in references(job["spec"]):
        assert (kind, name, key) == ("Secret", "arthaflow-postgres", "MLFLOW_PASSWORD")


@pytest.mark.parametrize("script", sorted(MANIFESTS.glob("base/*/*.sh")), ids=lambda path: path.name)
def test_a_script_is_valid_shell(script: Path) -> None:
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# What mc is asked, and answers as mc does: a rule and an attachment exist from the second time on. MinIO itself is on no index.
MC = """#!/bin/sh
printf '%s\\n' "$*" >> "$STATE/calls"
case "$*" in
  "admin user add"*) cat >> "$STATE/users" ;;
  "ilm rule ls"*) [ -e "$STATE/rule" ] && echo '{"config": {"Rules": [{"Expiration": {"Days": 35}}]}}' ;;
  "ilm rule add"*) touch "$STATE/rule" ;;
  "admin policy attach"*)
    [ -n "${REFUSE:-}" ] && { echo "mc: <ERROR> Access Denied."; exit 1; }
    [ -e "$STATE/attached" ] && { echo "mc: <ERROR> The specified policy change is already in effect."; exit 1; }
    touch "$STATE/attached" ;;
esac
"""


def make_buckets(folder: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    (folder / "mc").write_text(MC, encoding="utf-8")
    (folder / "mc").chmod(0o755)
    words = {"MINIO_ROOT_USER": "root-1", "MINIO_ROOT_PASSWORD": "hidden-root", "MINIO_ENDPOINT": "minio:9000"}
    words |= {"AWS_ACCESS_KEY_ID": "arthaflow", "AWS_SECRET_ACCESS_KEY": "hidden-key", "STATE": str(folder), **changed}
    script = MANIFESTS / "base" / "storage" / "buckets.sh"
    path = f"{folder}:/usr/bin:/bin"
    return subprocess.run(["sh", str(script)], env={"PATH": path, **words}, capture_output=True, text=True, check=False)


def test_the_buckets_job_may_run_twice_and_puts_no_secret_into_arguments(tmp_path: Path) -> None:
    for _ in range(2):
        done = make_buckets(tmp_path)
        assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    assert "hidden" not in calls
    assert (tmp_path / "users").read_text(encoding="utf-8") == "arthaflow\nhidden-key\n" * 2
    assert calls.count("ilm rule add") == 1
    assert calls.count("policy attach") == 2


def test_the_buckets_job_fails_when_minio_refuses(tmp_path: Path) -> None:
    done = make_buckets(tmp_path, REFUSE="1")
    assert (done.returncode, "Access Denied" in done.stderr) == (1, True)
