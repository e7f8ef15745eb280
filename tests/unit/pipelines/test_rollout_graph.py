"""The rollout graph as it is compiled: its order, its branches, and what a cluster gives each step."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from kfp import compiler

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.stages.rollout import Asked, percentages
from pipelines.rollout_graph import build_rollout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("graph") / "rollout.yaml"
    compiler.Compiler().compile(build_rollout(get_spec("price_forecast"), steps=(5, 25, 50, 100)), str(path))
    graph: dict[str, Any] = next(yaml.safe_load_all(path.read_text()))
    return graph


def tasks(graph: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = dict(graph["root"]["dag"]["tasks"])
    for component in graph["components"].values():
        found |= component.get("dag", {}).get("tasks", {})
    return found


def test_each_share_is_a_step_that_takes_what_the_one_before_decided(compiled: dict[str, Any]) -> None:
    found = tasks(compiled)
    before = "prepare-rollout"
    for name in ("canary-step", "canary-step-2", "canary-step-3", "canary-step-4"):
        source = found[name]["inputs"]["parameters"]["before"]["taskOutputParameter"]
        assert source["producerTask"] == before
        before = name
    assert compiled["root"]["inputDefinitions"]["parameters"]["steps"]["defaultValue"] == "5,25,50,100"


def test_only_advance_promotes_and_everything_else_rolls_back(compiled: dict[str, Any]) -> None:
    conditions = {n: t["triggerPolicy"].get("condition") for n, t in tasks(compiled).items() if "triggerPolicy" in t}
    last = "inputs.parameter_values['pipelinechannel--canary-step-4-Output'] == 'advance'"
    promoted = [c for c in conditions.values() if c == last]
    refused = [c for c in conditions.values() if c == f"!({last})"]
    assert (len(promoted), len(refused)) == (1, 1)


def test_the_exit_handler_runs_whatever_happens(compiled: dict[str, Any]) -> None:
    policies = [t["triggerPolicy"] for t in tasks(compiled).values() if t.get("triggerPolicy", {}).get("strategy")]
    assert [p["strategy"] for p in policies] == ["ALL_UPSTREAM_TASKS_COMPLETED"]
    assert "finish-rollout" in compiled["root"]["dag"]["tasks"]


def test_nothing_is_cached_and_everything_is_tried_again(compiled: dict[str, Any]) -> None:
    steps = {
        n: t for n, t in tasks(compiled).items() if n.startswith(("canary", "prepare", "promote", "roll-b", "fin"))
    }
    assert len(steps) == 8
    for name, task in steps.items():
        assert not task["cachingOptions"].get("enableCache"), name
        assert task["retryPolicy"]["maxRetryCount"] >= 2, name


def test_a_plan_that_makes_no_sense_is_refused() -> None:
    assert percentages("5, 100") == (5, 100)
    with pytest.raises(ConfigurationError, match="'10,x'"):
        percentages("10,x")
    with pytest.raises(ConfigurationError, match="on_inconclusive is 'shrug'"):
        Asked("price_forecast", on_inconclusive="shrug").plan()
    with pytest.raises(ConfigurationError, match="deployment mode 'RawDeployment'"):
        Asked("price_forecast", mode="RawDeployment").site()
    plan = Asked("price_forecast", steps="20,100", soak_s=1000, max_wait_s=10).plan()
    assert (plan.steps, plan.max_wait_s, plan.interval_s) == ((20, 100), 1000, 30.0)
