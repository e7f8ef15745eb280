"""The Kubernetes objects of a rollout, as plain dictionaries; nothing here talks to a cluster.

Standard mode is two InferenceServices behind one weighted HTTPRoute, because KServe 0.20 makes ``spec.canary``
Deployments without splitting traffic, and ignores ``canaryTrafficPercent``. Knative mode is one InferenceService with
``canaryTrafficPercent``. No annotation holds the course: an annotation would make a new Knative revision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from components.errors import ConfigurationError
from components.models.spec import ServingSpec

Manifest = dict[str, Any]
HEADER = "x-model-track"
PORT = 8080


@dataclass(frozen=True)
class KServeSettings:
    """Where and how a model is served on a cluster.

    Attributes
    ----------
    model : str
        Name in the catalogue and on the protocol.
    image : str
        Predictor image, best by digest.
    namespace, service_account : str
        The service account gives access to the artifact store.
    mode : str
        ``Standard`` or ``Knative``.
    hostname : str
        Host of the HTTPRoute; Standard mode only.
    gateway, gateway_namespace : str
        Gateway that the HTTPRoute hangs on.
    serving : ServingSpec
        Replicas, resources and timeout.
    """

    model: str
    image: str
    namespace: str = "default"
    service_account: str = "default"
    mode: Literal["Standard", "Knative"] = "Standard"
    hostname: str = ""
    gateway: str = "kserve-ingress-gateway"
    gateway_namespace: str = "kserve"
    serving: ServingSpec = field(default_factory=ServingSpec)

    def __post_init__(self) -> None:
        if self.mode not in ("Standard", "Knative"):
            raise ConfigurationError(f"The deployment mode {self.mode!r} is unknown.", "Use Standard or Knative.")
        if self.mode == "Standard" and not self.hostname:
            raise ConfigurationError(
                f"The rollout of {self.model} in Standard mode has no hostname.", "Give the host that clients call."
            )

    @property
    def base(self) -> str:
        """The model's name as Kubernetes takes it."""
        return self.model.replace("_", "-").lower()

    @property
    def state_name(self) -> str:
        """Name of the ConfigMap that holds the course."""
        return f"{self.base}-rollout"

    def service_name(self, version: str) -> str:
        """Name of a version's InferenceService (Knative: of the only one)."""
        if self.mode == "Knative":
            return self.base
        name = f"{self.base}-v{version}".lower()
        if len(name) > 40 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
            raise ConfigurationError(
                f"{name!r} cannot be the name of an InferenceService.",
                "Use a version of letters and digits, and at most 40 characters with the model's name.",
            )
        return name


def inference_service(
    settings: KServeSettings, version: str, artifact: str, canary_percent: int | None = None
) -> Manifest:
    """Return the InferenceService of a version.

    Parameters
    ----------
    artifact : str
        URI that KServe's storage initializer can fetch. A slash is added at its end, because the initializer matches a
        plain prefix: ``.../1`` would also fetch ``.../10``.
    canary_percent : int or None
        Knative mode: the share of the newest revision; None to give it everything.
    """
    predictor: Manifest = {
        "serviceAccountName": settings.service_account,
        "minReplicas": settings.serving.min_replicas,
        "maxReplicas": settings.serving.max_replicas,
        "timeout": int(settings.serving.timeout_s),
        "containers": [_container(settings, version, artifact)],
    }
    if canary_percent is not None:
        predictor["canaryTrafficPercent"] = canary_percent
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": settings.service_name(version),
            "namespace": settings.namespace,
            "labels": _labels(settings),
            "annotations": {"serving.kserve.io/deploymentMode": settings.mode},
        },
        "spec": {"predictor": predictor},
    }


def _container(settings: KServeSettings, version: str, artifact: str) -> Manifest:
    container: Manifest = {
        "name": "kserve-container",
        "image": settings.image,
        "args": [
            "--artifact=/mnt/models",
            f"--model_name={settings.model}",
            f"--model_version={version}",
            f"--http_port={PORT}",
        ],
        "env": [
            {"name": "STORAGE_URI", "value": artifact.rstrip("/") + "/"},
            {"name": "PROTOCOL", "value": "v2"},
        ],
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        # KServe's default probe is TCP, which answers before the golden requests have passed.
        "readinessProbe": {
            "httpGet": {"path": f"/v2/models/{settings.model}/ready", "port": PORT},
            "periodSeconds": 5,
            "failureThreshold": 3,
        },
        "resources": {
            "requests": {"cpu": settings.serving.cpu, "memory": settings.serving.memory},
            "limits": {"memory": settings.serving.memory},
        },
    }
    if settings.mode == "Standard":  # Knative drains by itself and has no such field
        # A gateway forgets a pod a little after it is told to stop (kserve#3360).
        container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "10"]}}}
    return container


def http_route(settings: KServeSettings, stable: str, canary: str = "", percent: int = 0) -> Manifest:
    """Return the HTTPRoute that splits the traffic between two versions, with the header that forces the canary."""
    backends = [_backend(settings, stable, 100 - percent)]
    rules: list[Manifest] = []
    if canary:
        backends.append(_backend(settings, canary, percent))
        forced = {"headers": [{"name": HEADER, "value": "canary"}]}
        rules.append({"matches": [forced], "backendRefs": [_backend(settings, canary, 1)]})
    timeout = f"{int(settings.serving.timeout_s)}s"
    rules.append({"backendRefs": backends})
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": settings.base, "namespace": settings.namespace, "labels": _labels(settings)},
        "spec": {
            "parentRefs": [{"name": settings.gateway, "namespace": settings.gateway_namespace}],
            "hostnames": [settings.hostname],
            "rules": [{**rule, "timeouts": {"request": timeout}} for rule in rules],
        },
    }


def rollout_state(settings: KServeSettings, data: dict[str, str]) -> Manifest:
    """Return the ConfigMap that says which versions serve, so that another engine can take over."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": settings.state_name, "namespace": settings.namespace, "labels": _labels(settings)},
        "data": data,
    }


def _backend(settings: KServeSettings, version: str, weight: int) -> Manifest:
    return {"name": f"{settings.service_name(version)}-predictor", "port": 80, "weight": weight}


def _labels(settings: KServeSettings) -> dict[str, str]:
    """Never KServe's own labels: its clean-up deletes what carries them and it does not expect."""
    return {"app.kubernetes.io/part-of": "arthaflow", "arthaflow.io/model": settings.base}
