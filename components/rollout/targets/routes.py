"""The weighted HTTPRoute of a model: reading who gets traffic, and giving it to others. Pure functions of the object.

Everything else in the route (host, gateway, paths, filters, timeouts) stays as the chart made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from components.errors import ConfigurationError
from components.rollout.targets.kube import Object
from components.rollout.targets.names import HEADER

SPLIT = {"predictor", "transformer"}
EXPLAINER = "explainer"
FORCED = {"type": "Exact", "name": HEADER, "value": "canary"}
DEFAULTS = {"group": "", "kind": "Service", "weight": 1}


@dataclass(frozen=True)
class Split:
    """Who gets the traffic, as names of InferenceServices.

    Attributes
    ----------
    stable : str
        The service of the stable version.
    canary : str
        The canary's; empty for none.
    percent : int
        Its share.
    """

    stable: str
    canary: str = ""
    percent: int = 0


def shares(route: Object) -> dict[str, int]:
    """Return the weight of every InferenceService in the rules that random traffic meets."""
    found: dict[str, int] = {}
    for rule in route["spec"].get("rules") or []:
        if _forced(rule):
            continue
        for backend in rule.get("backendRefs") or []:
            name, suffix = _service(backend["name"])
            if suffix in SPLIT:
                found[name] = max(found.get(name, 0), int(backend.get("weight", 1)))
    return found


def services_in(route: Object) -> set[str]:
    """Return every InferenceService that some rule sends something to."""
    return {
        _service(backend["name"])[0]
        for rule in route["spec"].get("rules") or []
        for backend in rule.get("backendRefs") or []
        if int(backend.get("weight", 1)) > 0
    }


def serving(route: Object) -> str:
    """Return the one InferenceService that gets the traffic.

    Raises
    ------
    ConfigurationError
        If there is none, or more than one.
    """
    name = route["metadata"]["name"]
    weights = {service: weight for service, weight in shares(route).items() if weight > 0}
    if not weights:
        raise ConfigurationError(
            f"HTTPRoute {name} sends traffic to no InferenceService.", "Name a version in the chart's values."
        )
    if len(weights) > 1:
        told = ", ".join(f"{service} {weight}" for service, weight in sorted(weights.items()))
        raise ConfigurationError(
            f"HTTPRoute {name} already splits its traffic ({told}), and no rollout recorded why.",
            "Remove `canary` from the model's values, `helm upgrade`, and roll out again.",
        )
    return next(iter(weights))


def split(route: Object, wanted: Split) -> Object | None:
    """Return the route with the wanted split, or None where it is so already.

    A request with the header ``x-model-track: canary`` goes to the canary as long as there is one, at any share.
    Other explanations stay with the stable version until the canary is promoted: nothing judges an explainer.
    """
    rules = [rule for rule in route["spec"].get("rules") or [] if not _forced(rule)]
    made: list[Any] = []
    if wanted.canary:
        made += [_force(rule, wanted.canary) for rule in rules if _suffixes(rule) & SPLIT]
    for rule in rules:
        if wanted.canary and _suffixes(rule) == {EXPLAINER}:
            made.append(_force(rule, wanted.canary))
        made.append(_weighted(rule, wanted))
    if _plain(made) == _plain(route["spec"].get("rules") or []):
        return None
    return {**route, "spec": {**route["spec"], "rules": made}}


Acceptance = Literal["accepted", "silent", "refused"]


def acceptance(route: Object | None) -> tuple[Acceptance, str]:
    """Return whether the gateways have taken up the newest route, and what they say."""
    if route is None:
        return "refused", "it does not exist"
    parents = (route.get("status") or {}).get("parents") or []
    if not parents:
        return "silent", "no gateway has reported on it"
    for parent in parents:
        conditions = {c["type"]: c for c in parent.get("conditions") or []}
        found, said = _verdict(conditions, int(route["metadata"].get("generation", 0)))
        if found != "accepted":
            return found, f"{parent.get('controllerName', 'the gateway')}: {said}"
    return "accepted", "accepted"


def _verdict(conditions: dict[str, Any], generation: int) -> tuple[Acceptance, str]:
    for kind in ("Accepted", "ResolvedRefs"):
        condition = conditions.get(kind)
        if condition is None and kind == "ResolvedRefs":
            continue  # not every controller reports it
        if condition is None or condition.get("observedGeneration", 0) < generation:
            return "silent", "it has not seen the change yet"
        if condition.get("status") != "True":
            words = f"{condition.get('reason', '')} {condition.get('message', '')}".strip()
            return "refused", f"{kind} is {condition.get('status')}: {words}"
    return "accepted", "accepted"


def _service(backend: str) -> tuple[str, str]:
    name, _, suffix = backend.rpartition("-")
    return (name, suffix) if suffix == EXPLAINER or suffix in SPLIT else (backend, "")


def _suffixes(rule: Any) -> set[str]:
    return {_service(backend["name"])[1] for backend in rule.get("backendRefs") or []}


def _weighted(rule: Any, wanted: Split) -> Any:
    """A rule for traffic that asks for no track; what goes to none of our services stays."""
    suffixes = _suffixes(rule)
    if len(suffixes) != 1 or suffixes == {""}:
        return rule
    first, suffix = rule["backendRefs"][0], suffixes.pop()
    canary = wanted.canary if suffix in SPLIT else ""
    backends = [{**first, "name": f"{wanted.stable}-{suffix}", "weight": 100 - wanted.percent if canary else 100}]
    if canary:
        backends.append({**first, "name": f"{canary}-{suffix}", "weight": wanted.percent})
    if suffix == EXPLAINER:
        backends[0].pop("weight")
    return {**rule, "backendRefs": backends}


def _force(rule: Any, canary: str) -> Any:
    """A copy of a rule for requests that ask for the canary; one that matches more wins over one that matches less."""
    first = {k: v for k, v in rule["backendRefs"][0].items() if k != "weight"}
    matches = [{**match, "headers": [*(match.get("headers") or []), FORCED]} for match in rule.get("matches") or [{}]]
    made = {**rule, "matches": matches, "backendRefs": [{**first, "name": f"{canary}-{_suffixes(rule).pop()}"}]}
    made.pop("name", None)  # names of rules are unique
    return made


def _forced(rule: Any) -> bool:
    headers = [h for match in rule.get("matches") or [] for h in match.get("headers") or []]
    return any(h.get("name", "").lower() == HEADER for h in headers)


def _plain(rules: list[Any]) -> list[Any]:
    """Rules without what the server fills in, so that what it stores equals what was sent."""
    backends = [[{**DEFAULTS, **b} for b in rule.get("backendRefs") or []] for rule in rules]
    matches = [
        [
            {**match, "headers": [{"type": "Exact", **h} for h in match.get("headers") or []]}
            for match in rule.get("matches") or []
        ]
        for rule in rules
    ]
    return [{**r, "backendRefs": b, "matches": m} for r, b, m in zip(rules, backends, matches, strict=True)]
