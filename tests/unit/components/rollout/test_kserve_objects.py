"""Copying an InferenceService and splitting an HTTPRoute, as pure functions; and the record of a rollout."""

from __future__ import annotations

import copy

import pytest

from components.errors import ConfigurationError, DataRejected
from components.rollout.plan import RolloutPlan
from components.rollout.state import RolloutState
from components.rollout.targets.routes import Split, acceptance, serving, shares, split
from components.rollout.targets.services import artifact_of, copy_service, readiness, repoint
from tests.integration.rollout.served import BASE, route, service

ONE, TWO = f"{BASE}-v1", f"{BASE}-v2"


def test_a_copy_changes_names_as_whole_words_versions_and_addresses_only() -> None:
    live = service("Standard")
    predictor = live["spec"]["predictor"]
    predictor["containers"][0]["env"] += [
        {"name": "SELF", "value": f"http://{ONE}-predictor.ml"},
        {"name": "OTHER", "value": f"{ONE}2 and s3://models/price_forecast/run10/"},
        {"name": "BESIDE", "value": "s3://models/price_forecast/run1/extra.json"},
    ]
    predictor["autoScaling"] = {
        "metrics": [{"external": {"metric": {"query": 'sum(rate(x{model="m",version="1"}[1m]))'}}}]
    }
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 3, "managedFields": []}
    live["status"] = {"conditions": []}
    before = copy.deepcopy(live)
    made = copy_service(live, TWO, "2", "s3://models/price_forecast/run2")
    env = {e["name"]: e["value"] for e in made["spec"]["predictor"]["containers"][0]["env"]}
    assert env == {
        "STORAGE_URI": "s3://models/price_forecast/run2/",
        "PROTOCOL": "v2",
        "SELF": f"http://{TWO}-predictor.ml",
        "OTHER": f"{ONE}2 and s3://models/price_forecast/run10/",
        "BESIDE": "s3://models/price_forecast/run2/extra.json",
    }
    assert 'version="2"' in str(made["spec"]["predictor"]["autoScaling"])
    assert not {"uid", "resourceVersion", "generation", "managedFields"} & set(made["metadata"])
    assert "status" not in made
    assert live == before


def test_repointing_one_part_leaves_the_others() -> None:
    made = repoint(service("Knative"), "2", "s3://m/2", frozenset({"predictor"}))
    assert artifact_of(made) == "s3://m/2/"
    assert made["spec"]["explainer"] == service("Knative")["spec"]["explainer"]
    again = repoint(made, "2", "s3://m/2")
    assert again["spec"]["explainer"]["containers"][0]["env"][0]["value"] == "s3://m/2/"


def test_a_split_and_back_is_the_route_it_was() -> None:
    first = route()
    shared = split(first, Split(ONE, TWO, 10))
    assert shared is not None
    assert shares(shared) == {ONE: 90, TWO: 10}
    assert len(shared["spec"]["rules"]) == 4
    assert split(shared, Split(ONE, TWO, 10)) is None
    back = split(shared, Split(ONE))
    assert back is not None
    assert back["spec"] == first["spec"]
    alone = split(shared, Split(TWO))
    assert alone is not None
    assert alone["spec"] == route("2")["spec"]


def test_a_rule_to_somewhere_else_is_left_alone() -> None:
    other = {"matches": [{"path": {"value": "/"}}], "backendRefs": [{"name": "maintenance", "port": 80}]}
    first = route()
    first["spec"]["rules"].append(other)
    made = split(first, Split(ONE, TWO, 50))
    assert made is not None
    assert made["spec"]["rules"][-1] == other


def test_a_route_that_is_split_already_or_serves_nothing_is_refused() -> None:
    made = split(route(), Split(ONE, TWO, 30))
    assert made is not None
    with pytest.raises(
        ConfigurationError, match=r"already splits its traffic \(price-forecast-v1 70, price-forecast-v2 30\)"
    ):
        serving(made)
    made["spec"]["rules"] = []
    with pytest.raises(ConfigurationError, match="sends traffic to no InferenceService"):
        serving(made)


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ({"type": "Accepted", "status": "True", "observedGeneration": 4}, "accepted"),
        ({"type": "Accepted", "status": "True", "observedGeneration": 3}, "silent"),
        ({"type": "Accepted", "status": "False", "observedGeneration": 4, "reason": "NoMatchingParent"}, "refused"),
        ({"type": "ResolvedRefs", "status": "True", "observedGeneration": 4}, "silent"),
    ],
)
def test_what_a_gateway_says_counts_for_the_newest_route_only(condition: dict[str, object], verdict: str) -> None:
    made = route()
    made["metadata"]["generation"] = 4
    made["status"] = {"parents": [{"controllerName": "x", "conditions": [condition]}]}
    assert acceptance(made)[0] == verdict


@pytest.mark.parametrize(
    ("status", "ready", "said"),
    [
        ({}, False, "no status yet"),
        ({"observedGeneration": 1}, False, "not seen the change"),
        ({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]}, True, "ready"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": "no GPU"}]},
            False,
            "Ready is False (Ready: X no GPU)",
        ),
        (
            {
                "conditions": [{"type": "Ready", "status": "True"}],
                "components": {"predictor": {"latestCreatedRevision": "r2", "latestReadyRevision": "r1"}},
            },
            False,
            "revision r2 is not ready",
        ),
    ],
)
def test_readiness_is_of_the_newest_revision(status: dict[str, object], ready: bool, said: str) -> None:
    made = service("Standard")
    made["metadata"]["generation"] = 2
    found, words = readiness({**made, "status": status})
    assert found is ready
    assert said in words


def test_a_state_survives_its_record() -> None:
    state = RolloutState(
        "1", "s3://m/1/", "2", "s3://m/2/", 50, "step", 12.5, 10, (1.0, 2.0), "", "why", RolloutPlan(), "run", "m/2-run"
    )
    assert RolloutState.from_data(state.to_data()) == state
    assert all(isinstance(v, str) for v in state.to_data().values())
    assert RolloutState.from_data(state.rest().to_data()) == state.rest()
    assert state.to_data()["percent"] == "50"
    for broken in ({"phase": "dreaming"}, {"percent": "many"}, {"plan": "{"}):
        with pytest.raises(DataRejected, match="cannot be read"):
            RolloutState.from_data({**state.to_data(), **broken})
