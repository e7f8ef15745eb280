"""The compiled drift graph, asserted structurally."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.images import image
from pipelines.compile import compile_pipeline
from pipelines.drift import detector_url

EXECUTORS = {"exec-ask-detector", "exec-request-retraining"}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = compile_pipeline("price_forecast", tmp_path_factory.mktemp("compiled"), "drift")
    assert path.name == "drift-price-forecast.yaml"
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def graph(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return documents[0]


def test_the_parameters_and_their_defaults(graph: dict[str, Any]) -> None:
    given = {k: v.get("defaultValue") for k, v in graph["root"]["inputDefinitions"]["parameters"].items()}
    assert given == {
        "model": "price_forecast",
        "url": "http://price-forecast-detector-predictor.arthaflow.svc",
        "retrain": True,
        "pause_hours": 24.0,
        "arguments": "{}",
        "kfp_host": "",
        "namespace": "",
        "experiment": "arthaflow",
    }
    assert detector_url(get_spec("price_forecast"), "quants").endswith("-predictor.quants.svc")


def test_only_drift_asks_for_training(graph: dict[str, Any]) -> None:
    assert graph["pipelineInfo"]["name"] == "drift-price-forecast"
    body = graph["root"]["dag"]["tasks"]
    assert set(body) == {"ask-detector", "condition-1"}
    branch = body["condition-1"]
    assert branch["triggerPolicy"]["condition"].endswith("ask-detector-Output'] == true")
    inside = graph["components"][branch["componentRef"]["name"]]["dag"]["tasks"]
    assert set(inside) == {"request-retraining"}
    # The sentence travels in the verdict: a parameter has its limits on a cluster.
    assert set(inside["request-retraining"]["inputs"]["artifacts"]) == {"verdict"}


def test_what_the_interface_shows(graph: dict[str, Any]) -> None:
    outputs = graph["components"]["comp-ask-detector"]["outputDefinitions"]
    kinds = {name: a["artifactType"]["schemaTitle"] for name, a in outputs["artifacts"].items()}
    assert kinds == {"verdict": "system.Artifact", "page": "system.HTML", "metrics": "system.Metrics"}
    assert outputs["parameters"]["Output"]["parameterType"] == "BOOLEAN"


def test_each_step_is_small_placed_and_never_cached(documents: list[dict[str, Any]]) -> None:
    graph, platform = documents
    executors = graph["deploymentSpec"]["executors"]
    placed = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == set(placed) == EXECUTORS
    assert {e["container"]["image"] for e in executors.values()} == {image("train-tabular")}
    for component in (graph["root"], *graph["components"].values()):
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            if f"exec-{name}" in EXECUTORS:
                assert not task.get("cachingOptions", {}).get("enableCache")
                assert task["retryPolicy"]["maxRetryCount"] == 2
    for step in placed.values():
        assert int(step["activeDeadlineSeconds"]) == 3600
        (settings,) = step["configMapAsEnv"]
        names = {pair["configMapKey"] for pair in settings["keyToEnv"]}
        assert {"ARTHAFLOW_KFP_HOST", "ARTHAFLOW_IMAGE_REGISTRY", "ARTHAFLOW_NODE_SELECTOR"} <= names


def test_another_model_gets_its_graph_from_its_spec_alone(tmp_path: Path) -> None:
    from tests.support.tiny import test_rooms

    with test_rooms():
        document = next(yaml.safe_load_all(compile_pipeline("tiny", tmp_path, "drift").read_text()))
    assert document["root"]["inputDefinitions"]["parameters"]["url"]["defaultValue"].startswith("http://tiny-detector-")
