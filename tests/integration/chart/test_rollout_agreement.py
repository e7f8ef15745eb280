"""The chart and `arthaflow rollout` write the same objects, whichever of them makes a canary."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.rollout.targets.routes import Split, serving, split
from components.rollout.targets.services import copy_service, repoint, version_of
from tests.support.chart import CANARY, STORE, chart, nested
from tests.support.helm import find

ALL = {"transformers": {"enabled": True, "secret": "arthaflow-features"}}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "keda": nested("autoscaling.kind", "keda"),
    "transformer": ALL,
    "gpu": {"gpu": {"enabled": True}, "models": {"price_forecast": {"gpu": True}}},
    "no explainer": nested("explainers.enabled", False),
    "broker": nested("detectors.sink", "broker"),
}


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_rollouts_copy_of_the_stable_service_is_the_charts_canary(variant: str) -> None:
    stable = find(chart(VARIANTS[variant]), "InferenceService", "price-forecast-v1")
    wanted = find(chart(VARIANTS[variant], CANARY), "InferenceService", "price-forecast-v2")
    assert plain(copy_service(stable, "price-forecast-v2", "2", f"{STORE}/def/")) == plain(wanted)


@pytest.mark.parametrize("percent", [0, 10, 50])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_rollouts_split_is_the_charts(variant: str, percent: int) -> None:
    route = find(chart(VARIANTS[variant]), "HTTPRoute", "price-forecast")
    assert serving(route) == "price-forecast-v1"
    share = nested("models.price_forecast.canary.percent", percent)
    wanted = find(chart(VARIANTS[variant], CANARY, share), "HTTPRoute", "price-forecast")
    made = split(route, Split("price-forecast-v1", "price-forecast-v2", percent))
    assert made is not None
    assert plain(made["spec"]) == plain(wanted["spec"])


def test_after_a_promotion_the_chart_writes_what_is_there() -> None:
    rolling = find(chart(CANARY), "HTTPRoute", "price-forecast")
    promoted = split(rolling, Split("price-forecast-v2"))
    model = {"version": "2", "artifact": f"{STORE}/def/"}
    wanted = find(chart({"models": {"price_forecast": model}}), "HTTPRoute", "price-forecast")
    assert promoted is not None
    assert plain(promoted["spec"]) == plain(wanted["spec"])


def test_a_new_revision_in_knative_mode_is_the_charts() -> None:
    mode = {"mode": "Knative"}
    stable = find(chart(mode), "InferenceService", "price-forecast")
    wanted = find(chart(mode, CANARY), "InferenceService", "price-forecast")
    made = repoint(stable, "2", f"{STORE}/def/")
    for part in made["spec"].values():
        part["canaryTrafficPercent"] = 10
    assert version_of(wanted) == "2"
    assert plain(made) == plain(wanted)
