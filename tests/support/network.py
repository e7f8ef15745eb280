"""Answers "may A talk to B on port P" from rendered NetworkPolicies, as a network plugin would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """One end of a connection: a pod, or an address outside the cluster."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def allowed(policies: Iterable[Mapping[str, Any]], source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies let ``source`` open a connection: both ends must agree; an end without policies agrees."""
    policies = list(policies)
    leaves = _agrees(policies, "Egress", source, target, port, protocol)
    return leaves and _agrees(policies, "Ingress", target, source, port, protocol)


def _agrees(policies: list[Mapping[str, Any]], kind: str, own: Pod, other: Pod, port: int, protocol: str) -> bool:
    applying = [p for p in policies if _applies(p, kind, own)]
    side, peers = ("egress", "to") if kind == "Egress" else ("ingress", "from")
    return not applying or any(
        _port_matches(rule.get("ports"), port, protocol) and _peer_matches(rule.get(peers), policy, other)
        for policy in applying
        for rule in policy["spec"].get(side) or []
    )


def _applies(policy: Mapping[str, Any], kind: str, pod: Pod) -> bool:
    spec = policy["spec"]
    here = policy["metadata"]["namespace"] == pod.namespace
    return here and kind in spec["policyTypes"] and matches(spec["podSelector"], pod.labels)


def _port_matches(ports: list[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    if not ports:
        return True
    return any(
        p.get("protocol", "TCP") == protocol and ("port" not in p or p["port"] <= port <= p.get("endPort", p["port"]))
        for p in ports
    )


def _peer_matches(peers: list[Mapping[str, Any]] | None, policy: Mapping[str, Any], other: Pod) -> bool:
    return not peers or any(_is_peer(peer, policy["metadata"]["namespace"], other) for peer in peers)


def _is_peer(peer: Mapping[str, Any], home: str, other: Pod) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = bool(other.address) and ip_address(other.address) in ip_network(block["cidr"])
        return inside and not any(ip_address(other.address) in ip_network(e) for e in block.get("except", []))
    if not other.namespace:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {NAME: other.namespace}):
            return False
    elif other.namespace != home:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    wanted = (labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
    return all(wanted) and all(_expression(e, labels) for e in selector.get("matchExpressions") or [])


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values", [])
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[expression["operator"]]
