"""Kustomize as a command (`kubectl kustomize`), and what an API server cannot tell about a set of objects."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
FOLDERS = sorted(
    path.parent for part in ("base", "jobs", "overlays") for path in MANIFESTS.glob(f"{part}/*/kustomization.yaml")
)
KUBECTL = shutil.which("kubectl") or ""

needs_kubectl = pytest.mark.skipif(not KUBECTL, reason="no kubectl; `make setup-test` installs it")

Object = dict[str, Any]


@lru_cache
def build(folder: Path) -> str:
    """Build one folder; a failure is the test's failure, with kustomize's words."""
    done = subprocess.run([KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(folder: Path) -> list[Object]:
    """Return the objects of one folder."""
    return [found for found in yaml.load_all(build(folder), Loader=yaml.CSafeLoader) if found]


def find(folder: Path, kind: str, name: str, namespace: str = "") -> Object:
    """Return one object."""
    matching = [
        o
        for o in objects(folder)
        if o["kind"] == kind and o["metadata"]["name"] == name and namespace in ("", o["metadata"].get("namespace"))
    ]
    assert len(matching) == 1, f"{kind}/{name}: {len(matching)} in {folder}"
    return matching[0]


def pod_templates(made: list[Object]) -> Iterator[tuple[Object, Object]]:
    """Yield each workload with its pod template; an InferenceService has one per component."""
    for found in made:
        spec = found.get("spec", {})
        if found["kind"] == "InferenceService":
            for component in ("predictor", "transformer", "explainer"):
                if component in spec:
                    yield found, {"metadata": {"labels": {}}, "spec": spec[component]}
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if found["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"):
            yield found, spec["template"]


def containers(pod: Object) -> list[Object]:
    """Return every container of a pod's spec, those that initialise it first."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def references(pod: Object) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, name, key) of what a pod's spec cannot start without; the key is empty for the whole object."""
    if pod.get("serviceAccountName"):
        yield "ServiceAccount", pod["serviceAccountName"], ""
    for volume in pod.get("volumes", []):
        for kind, field, name in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
            if field in volume and not volume[field].get("optional"):
                yield kind, volume[field][name], ""
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], ""
    for container in containers(pod):
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                if field in source and not source[field].get("optional"):
                    yield kind, source[field]["name"], source[field]["key"]
        for source in container.get("envFrom", []):
            for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                if field in source and not source[field].get("optional"):
                    yield kind, source[field]["name"], ""


def unmounted(pod: Object) -> list[str]:
    """Return the volume mounts without a volume."""
    known = {volume["name"] for volume in pod.get("volumes", [])}
    mounts = {m["name"] for c in containers(pod) for m in c.get("volumeMounts", [])}
    return sorted(mounts - known)


def restricted(pod: Object) -> list[str]:
    """Return what Pod Security's `restricted` level would refuse in a pod's spec.

    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    shared = pod.get("securityContext", {})
    problems = [f"host{n}" for n in ("Network", "PID", "IPC") if pod.get(f"host{n}")]
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        problems += [f"volume {volume['name']}: {kind}" for kind in kinds - allowed]
    for container in containers(pod):
        name, own = container["name"], container.get("securityContext", {})
        settings = {**shared, **own}
        if settings.get("runAsNonRoot") is not True or settings.get("runAsUser") == 0:
            problems.append(f"{name}: runs as root")
        if settings.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            problems.append(f"{name}: no seccomp profile")
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            problems.append(f"{name}: may escalate")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
            problems.append(f"{name}: keeps capabilities")
    return problems
