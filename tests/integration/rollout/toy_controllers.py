"""What KServe and a gateway would report on objects, and the promises that a rollout makes, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.rollout.targets.routes import services_in
from components.rollout.targets.services import readiness

Object = dict[str, Any]


@dataclass
class Behaviour:
    """How the controllers behave.

    Attributes
    ----------
    never_ready : set of str
        InferenceServices (Knative: versions) that fail.
    ready_after_s : float
        Time until a new revision is ready.
    gateway : str
        ``accepts``, ``refuses``, or ``silent``.
    """

    never_ready: set[str] = field(default_factory=set)
    ready_after_s: float = 0.005
    gateway: str = "accepts"


def status_of(kind: str, made: Object, behaviour: Behaviour) -> list[tuple[float, Object]]:
    """Return what is reported on an object, and after how many seconds."""
    if kind == "HTTPRoute":
        return [] if behaviour.gateway == "silent" else [(behaviour.ready_after_s, _route_status(made, behaviour))]
    if kind != "InferenceService":
        return []
    mode = (made["metadata"].get("annotations") or {}).get("serving.kserve.io/deploymentMode", "Standard")
    ready = _service_status(made, True, mode)
    before = made.get("status") or {}
    if not _is_new(before, ready):
        return [(0.0, {**before, "observedGeneration": made["metadata"]["generation"]})] if before else []
    first = (0.0, _service_status(made, False, mode, before))
    names = {made["metadata"]["name"], (made["metadata"].get("labels") or {}).get("arthaflow.io/version")}
    return [first] if names & behaviour.never_ready else [first, (behaviour.ready_after_s, ready)]


def _is_new(before: Object, ready: Object) -> bool:
    """Whether the predictor's template changed; a share of the traffic is none of it."""
    return bool(before.get("template") != ready["template"])


def _service_status(made: Object, ready: bool, mode: str, before: Object | None = None) -> Object:
    generation, name = made["metadata"]["generation"], made["metadata"]["name"]
    template = {k: v for k, v in made["spec"]["predictor"].items() if k != "canaryTrafficPercent"}
    condition = {"type": "Ready", "status": "True"}
    if not ready:
        condition = {
            "type": "Ready",
            "status": "False",
            "reason": "RevisionFailed",
            "message": "golden requests failed",
        }
    status: Object = {"observedGeneration": generation, "conditions": [condition], "template": template}
    if mode == "Knative":
        created = f"{name}-predictor-{generation:05d}"
        predictor = ((before or {}).get("components") or {}).get("predictor") or {}
        last = created if ready else predictor.get("latestReadyRevision")
        status["components"] = {"predictor": {"latestCreatedRevision": created, "latestReadyRevision": last}}
    return status


def _route_status(made: Object, behaviour: Behaviour) -> Object:
    accepted = behaviour.gateway == "accepts"
    condition = {
        "type": "Accepted",
        "status": "True" if accepted else "False",
        "reason": "Accepted" if accepted else "NotAllowedByListeners",
        "message": "",
        "observedGeneration": made["metadata"]["generation"],
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    parent = {"parentRef": made["spec"]["parentRefs"][0], "controllerName": "toy/gateway", "conditions": [condition]}
    return {"parents": [parent]}


def broken_promises(objects: Mapping[tuple[str, str], Object], before: Object | None, made: Object) -> list[str]:
    """Return which promises a cluster's state breaks: what gets traffic is there and ready, and there is one canary."""
    services = {name: o for (kind, name), o in objects.items() if kind == "InferenceService"}
    found = []
    for (kind, _), route in objects.items():
        for name in services_in(route) if kind == "HTTPRoute" else ():
            ready, said = readiness(services.get(name))
            if not ready:
                found.append(f"the route sends traffic to {name}: {said}")
    versions = [n for n, o in services.items() if (o["metadata"].get("labels") or {}).get("arthaflow.io/role") is None]
    if len(versions) > 2:
        found.append(f"{sorted(versions)} exist at once")
    annotations = made["metadata"].get("annotations") or {}
    if before and annotations.get("serving.kserve.io/deploymentMode") == "Knative":
        old, new = before["spec"]["predictor"], made["spec"]["predictor"]
        changed = old.get("containers") != new.get("containers")
        if changed and new.get("canaryTrafficPercent") != 0:
            found.append("a new revision starts with traffic")
        shared = old.get("canaryTrafficPercent") != new.get("canaryTrafficPercent")
        if shared and new.get("canaryTrafficPercent") != 0 and not readiness(before)[0]:
            found.append(f"a revision gets {new.get('canaryTrafficPercent')} % before it is ready")
    return found
