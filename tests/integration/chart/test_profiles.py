"""Every profile and every toggle renders what an API server takes: no unknown field, no wrong type, no unknown kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.chart_objects import objects_per_profile
from tests.support.chart import (
    CANARY,
    PROFILES,
    chart,
    chart_file,
    defaults,
    leaves,
    merged,
    nested,
    profile,
    schema_of,
)
from tests.support.helm import AUTH, CHART, HELM, helm, objects
from tests.support.manifests import findings, needs_validator

SCHEMA = json.loads(chart_file("values.schema.json").read_text(encoding="utf-8"))
COMPANIONS: dict[str, dict[str, Any]] = {
    "autoscaling.kind=keda": {},
    "mode=Knative": nested("detectors.sink", "service"),
    "transformers.enabled=True": nested("transformers.secret", "arthaflow-features"),
    "gpu.enabled=True": nested("models.price_forecast.gpu", True),
    "istio.jwt.enabled=True": nested(
        "istio",
        {"enabled": True, "jwt": {"issuer": "https://login.example.com/", "jwksUri": "https://login.example.com/k"}},
    ),
    "externalSecrets.enabled=True": nested("externalSecrets.store.name", "vault"),
}
"""What a toggle cannot be turned without."""
OF_PRODUCTION = {
    "mode": nested("autoscaling.kind", "hpa"),
    "gateway.enabled": nested("istio.jwt.enabled", False),
    "istio.enabled": nested("istio.jwt.enabled", False),
}
"""What cannot stay as production has it when a key is turned."""


def toggles() -> Iterator[tuple[str, Any]]:
    """Yield every other value of every boolean and enumeration of values.yaml."""
    for path, value in leaves(defaults()):
        schema = {} if path.startswith("models") else schema_of(SCHEMA, path)
        if isinstance(value, bool):
            yield path, not value
        else:
            yield from ((path, other) for other in schema.get("enum", []) if other != value)


TOGGLES = list(toggles())


def test_there_are_toggles_of_both_kinds() -> None:
    paths = [path for path, _ in TOGGLES]
    assert {"gpu.enabled", "istio.enabled", "schedules.enabled", "mode", "autoscaling.kind"} <= set(paths)
    assert len(TOGGLES) >= 25


@pytest.mark.parametrize("name", [None, *PROFILES])
def test_every_profile_passes_lint(name: str | None) -> None:
    done = helm(
        "lint",
        str(CHART),
        "--strict",
        "-f",
        str(AUTH),
        *(["-f", str(chart_file(f"values-{name}.yaml"))] if name else []),
    )
    assert done.returncode == 0, done.stdout


@needs_validator
@pytest.mark.parametrize("canary", [{}, CANARY], ids=["stable", "canary"])
@pytest.mark.parametrize("name", [None, *PROFILES])
def test_every_profile_is_valid(name: str | None, canary: dict[str, Any]) -> None:
    values = profile(name) if name else {}
    assert findings(chart(values, canary)) == []


@needs_validator
@pytest.mark.parametrize("name", [None, *PROFILES])
def test_a_profile_without_any_model_is_valid(name: str | None) -> None:
    text = chart(profile(name) if name else {}, served=False)
    assert findings(text) == []
    assert not [o for o in objects(text) if o["kind"] == "InferenceService"]


@needs_validator
@pytest.mark.parametrize(("path", "value"), TOGGLES, ids=[f"{p}={v}" for p, v in TOGGLES])
def test_every_toggle_is_valid(path: str, value: Any) -> None:
    values = merged(COMPANIONS.get(f"{path}={value}", {}), nested(path, value), CANARY)
    assert findings(chart(values)) == []


@needs_validator
@pytest.mark.parametrize(("path", "value"), TOGGLES, ids=[f"{p}={v}" for p, v in TOGGLES])
def test_every_toggle_of_production_is_valid(path: str, value: Any) -> None:
    needed = COMPANIONS.get(f"{path}={value}", {})
    values = merged(profile("production"), OF_PRODUCTION.get(path, {}), needed, nested(path, value))
    assert findings(chart(values)) == []


def test_objects_have_unique_names_and_live_in_the_releases_namespace() -> None:
    found = objects(chart(profile("production"), CANARY))
    names = [(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in found]
    assert len(names) == len(set(names))


def test_the_minimal_profile_asks_for_nothing_but_kserve() -> None:
    groups = {o["apiVersion"].split("/")[0] for o in objects(chart(profile("minimal")))}
    builtin = {"v1", "apps", "policy", "autoscaling", "rbac.authorization.k8s.io", "networking.k8s.io", "batch"}
    assert groups - builtin == {"serving.kserve.io", "gateway.networking.k8s.io"}


def test_objects_are_counted_per_profile_and_kind() -> None:
    counted = objects_per_profile(HELM)
    assert list(counted) == ["default", *PROFILES]
    for name, kinds in counted.items():
        rendered = objects(chart(profile(name) if name in PROFILES else {}))
        assert sum(kinds.values()) == len(rendered), name
        assert kinds["HTTPRoute" if name != "knative" else "InferenceService"] >= 1
