"""InferenceServices as a rollout sees them: what one serves, a copy of it for another version, whether it is ready.

A canary is a copy of the live stable service. Whatever the chart, an operator or a policy gave that one (resources,
node selectors, probes, labels, Helm's ownership), the canary has too; only name, version and artifact differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from components.errors import ConfigurationError
from components.rollout.targets.kube import Object
from components.rollout.targets.names import VERSION_LABEL

STORAGE = "STORAGE_URI"
OWN = frozenset(
    {"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink", "finalizers"}
)
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
VERSION_FLAG = re.compile(r"--model_version=.*")
VERSION_QUERY = re.compile(r'(?<!\w)version="[^"]*"')
"""A version in a Prometheus query, by which KEDA scales."""


def version_of(service: Object) -> str:
    """Return the version that a service's label names.

    Raises
    ------
    ConfigurationError
        If it has no such label.
    """
    version = (service["metadata"].get("labels") or {}).get(VERSION_LABEL)
    if not version:
        raise ConfigurationError(
            f"InferenceService {service['metadata']['name']} has no label {VERSION_LABEL}.",
            "Serve the model with the chart, which sets it.",
        )
    return str(version)


def artifact_of(service: Object) -> str:
    """Return the address of the artifact that a service's predictor loads.

    Raises
    ------
    ConfigurationError
        If its container has no ``STORAGE_URI``.
    """
    found = _storage(service["spec"]["predictor"])
    if found:
        return found
    raise ConfigurationError(
        f"The predictor of InferenceService {service['metadata']['name']} has no {STORAGE}.",
        "Serve the model with the chart, which sets it.",
    )


def folder(artifact: str) -> str:
    """Return an address with one slash at its end: KServe fetches by plain prefix, ``.../1`` would fetch ``.../10``."""
    return artifact.rstrip("/") + "/"


def copy_service(live: Object, name: str, version: str, artifact: str) -> Object:
    """Return a service like ``live`` for another version.

    Parameters
    ----------
    name : str
        Of the copy.
    version, artifact : str
        What it serves.
    """
    old = live["metadata"]["name"]
    kept = {k: v for k, v in live["metadata"].items() if k not in OWN}
    annotations = {k: v for k, v in (kept.get("annotations") or {}).items() if k != LAST_APPLIED}
    copy = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {**kept, "annotations": annotations},
        "spec": live["spec"],
    }
    return repoint(_every_text(copy, _renamer(old, name)), version, artifact)


def repoint(service: Object, version: str, artifact: str, parts: frozenset[str] | None = None) -> Object:
    """Return the same service, for another version and artifact.

    Parameters
    ----------
    parts : frozenset of str, or None
        Which components change (``predictor``, ``explainer``); None for all.
    """
    before = artifact_of(service)
    spec = {
        name: _pointed(part, version, artifact, {before, _storage(part)}) if parts is None or name in parts else part
        for name, part in service["spec"].items()
    }
    return {**service, "metadata": _labelled(service["metadata"], version), "spec": spec}


def _pointed(part: Any, version: str, artifact: str, before: set[str]) -> Any:
    """A component for another version: what is, or lies in, one of the artifacts ``before`` moves to the new one."""
    folders = [folder(address) for address in before if address]

    def edit(text: str) -> str:
        for old in folders:
            if folder(text) == old:
                return folder(artifact)
            if text.startswith(old):
                return folder(artifact) + text[len(old) :]
        if VERSION_FLAG.fullmatch(text):
            return f"--model_version={version}"
        return VERSION_QUERY.sub(f'version="{version}"', text)

    return _labelled(_every_text(part, edit), version)


def _storage(part: Any) -> str:
    for container in (part.get("containers") or []) if isinstance(part, dict) else []:
        for variable in container.get("env") or []:
            if variable.get("name") == STORAGE:
                return str(variable.get("value") or "")
    return ""


def readiness(service: Object | None, generation: int = 0) -> tuple[bool, str]:
    """Return whether a service's newest revision is ready, and what its conditions say.

    Parameters
    ----------
    generation : int
        The generation that must have been seen by the controller; 0 for the object's own.
    """
    if service is None:
        return False, "it does not exist"
    status = service.get("status") or {}
    wanted = generation or service["metadata"].get("generation", 0)
    if not status:
        return False, "no status yet"
    if status.get("observedGeneration", wanted) < wanted:
        return False, "the controller has not seen the change yet"
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    predictor = (status.get("components") or {}).get("predictor") or {}
    created, ready = predictor.get("latestCreatedRevision"), predictor.get("latestReadyRevision")
    if created and created != ready:
        return False, f"revision {created} is not ready{_words(conditions)}"
    for name in ("Ready", "LatestDeploymentReady"):
        condition = conditions.get(name, {"status": "Unknown"} if name == "Ready" else {"status": "True"})
        if condition.get("status") != "True":
            return False, f"{name} is {condition.get('status')}{_words(conditions)}"
    return True, "ready"


def _words(conditions: dict[str, Any]) -> str:
    """What the conditions that are not true say."""
    said = [
        f"{name}: {c.get('reason', '')} {c.get('message', '')}".strip()
        for name, c in sorted(conditions.items())
        if c.get("status") != "True" and (c.get("reason") or c.get("message"))
    ]
    return f" ({'; '.join(said)})" if said else ""


def _renamer(old: str, new: str) -> Callable[[str], str]:
    """Names are whole words: ``price-forecast-v1`` is no part of ``price-forecast-v12``."""
    word = re.compile(rf"(?<![A-Za-z0-9-]){re.escape(old)}(?![A-Za-z0-9])")
    return lambda text: word.sub(new, text)


def _every_text(value: Any, edit: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return edit(value)
    if isinstance(value, list):
        return [_every_text(v, edit) for v in value]
    if isinstance(value, dict):
        return {k: _every_text(v, edit) for k, v in value.items()}
    return value


def _labelled(value: Any, version: str) -> Any:
    """Set the version label wherever it stands: on the object, in pod templates and in selectors."""
    if isinstance(value, list):
        return [_labelled(v, version) for v in value]
    if isinstance(value, dict):
        return {k: version if k == VERSION_LABEL else _labelled(v, version) for k, v in value.items()}
    return value
