"""The compiled training graph, asserted structurally."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.errors import ConfigurationError, UnknownModel
from components.images import image
from components.stages.request import Request
from pipelines.cluster_options import ClusterOptions, Toleration, read_labels, read_tolerations
from pipelines.compile import compile_pipeline
from tests.support.tiny import test_rooms

EXECUTORS = {
    "exec-ingest", "exec-validate", "exec-features", "exec-split", "exec-train-candidate", "exec-evaluate", "exec-gate",
    "exec-register", "exec-refuse", "exec-report", "exec-finish",
}  # fmt: skip
HEAVY = {"exec-train-candidate", "exec-evaluate"}
TRIED_AGAIN = {"ingest", "validate", "features", "split", "train-candidate", "evaluate", "gate", "register", "report"}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = compile_pipeline("price_forecast", tmp_path_factory.mktemp("compiled"))
    assert path.name == "train-price-forecast.yaml"
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def graph(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return documents[0]


def tasks(graph: dict[str, Any], component: str) -> dict[str, Any]:
    found: dict[str, Any] = graph["components"][component]["dag"]["tasks"]
    return found


def every_task(graph: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for dag in (graph["root"], *graph["components"].values()):
        yield from dag.get("dag", {}).get("tasks", {}).items()


def test_it_has_the_steps_and_nothing_else(graph: dict[str, Any]) -> None:
    assert graph["pipelineInfo"]["name"] == "train-price-forecast"
    assert set(graph["deploymentSpec"]["executors"]) == EXECUTORS


def test_the_parameters_and_their_defaults_follow_from_the_spec(graph: dict[str, Any]) -> None:
    given = {k: v.get("defaultValue") for k, v in graph["root"]["inputDefinitions"]["parameters"].items()}
    assert given == {
        "model": "price_forecast",
        "source": "embedded",
        "bar": "1d",
        "until": "",
        "as_of": "",
        "horizons": list(get_spec("price_forecast").horizons),
        "candidates": Request("price_forecast").candidates(),
        "params": "{}",
        "seed": 7.0,
        "policy": "gate",
        "alias": "candidate",
    }


def test_the_exit_handler_runs_whatever_happens(graph: dict[str, Any]) -> None:
    finish = graph["root"]["dag"]["tasks"]["finish"]
    assert finish["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert finish["dependentTasks"] == ["exit-handler-1"]
    assert any("taskFinalStatus" in value for value in finish["inputs"]["parameters"].values())


def test_the_order_of_the_steps(graph: dict[str, Any]) -> None:
    body = tasks(graph, "comp-exit-handler-1")
    after = {name: set(task.get("dependentTasks", [])) for name, task in body.items()}
    assert after == {
        "ingest": set(),
        "validate": {"ingest"},
        "features": {"ingest", "validate"},
        "split": {"features", "validate"},
        "for-loop-2": {"split"},
        "evaluate": {"for-loop-2", "split", "validate"},
        "gate": {"evaluate"},
        "condition-branches-3": {"evaluate", "gate", "split"},
        "report": {"condition-branches-3", "evaluate", "gate", "split", "validate"},
    }


def test_candidates_are_trained_side_by_side_and_collected(graph: dict[str, Any]) -> None:
    loop = tasks(graph, "comp-exit-handler-1")["for-loop-2"]
    assert loop["parameterIterator"]["items"]["inputParameter"].endswith("candidates")
    assert loop["taskInfo"]["name"].startswith("for-loop-"), "backends look a named loop's outputs up in vain"
    assert set(tasks(graph, "comp-for-loop-2")) == {"train-candidate"}
    members = graph["components"]["comp-evaluate"]["inputDefinitions"]["artifacts"]["candidates"]
    assert members["isArtifactList"]
    assert members["artifactType"]["schemaTitle"] == "system.Model"


def test_the_gate_decides_between_register_and_refuse(graph: dict[str, Any]) -> None:
    branches = tasks(graph, "comp-condition-branches-3")
    conditions = [branch["triggerPolicy"]["condition"] for branch in branches.values()]
    assert [c.startswith("!") for c in conditions] == [False, True]
    assert all("gate-promote'] == true" in c for c in conditions)
    inside = [set(tasks(graph, branch["componentRef"]["name"])) for branch in branches.values()]
    assert inside == [{"register"}, {"refuse"}]


def test_outputs_are_typed_so_that_the_interface_shows_them(graph: dict[str, Any]) -> None:
    kinds: dict[str, set[str]] = {}
    for name, component in graph["components"].items():
        artifacts = component.get("outputDefinitions", {}).get("artifacts", {})
        for artifact in artifacts.values():
            kinds.setdefault(name, set()).add(artifact["artifactType"]["schemaTitle"])
    assert {"system.HTML", "system.Markdown", "system.Dataset", "system.Metrics"} == kinds["comp-validate"]
    assert {"system.HTML", "system.Metrics", "system.Model", "system.Dataset"} < kinds["comp-evaluate"]
    assert {"system.Model", "system.Metrics"} == kinds["comp-train-candidate"]
    assert {"system.HTML", "system.Markdown", "system.Metrics"} == kinds["comp-report"]
    assert {"system.Markdown"} == kinds["comp-finish"]


def test_no_step_is_cached_because_the_key_knows_names_and_no_content(graph: dict[str, Any]) -> None:
    steps = {name: task for name, task in every_task(graph) if f"exec-{name}" in EXECUTORS}
    assert len(steps) == len(EXECUTORS)
    assert not {name for name, task in steps.items() if task.get("cachingOptions", {}).get("enableCache")}


def test_steps_that_may_run_twice_are_tried_again_after_a_pause(graph: dict[str, Any]) -> None:
    tried = {name: task["retryPolicy"] for name, task in every_task(graph) if "retryPolicy" in task}
    assert set(tried) == TRIED_AGAIN
    for name, policy in tried.items():
        assert (policy["maxRetryCount"], policy["backoffDuration"], policy["backoffFactor"]) == (2, "30s", 2.0)
        seconds = get_spec("price_forecast").training.timeout_s if f"exec-{name}" in HEAVY else 3600
        # Argo measures it from the first start: a shorter one would give a long step no second attempt.
        assert int(policy["backoffMaxDuration"].removesuffix("s")) > 3 * seconds


def test_one_machine_tries_once() -> None:
    from pipelines.placement import without_retries
    from pipelines.train import build

    spec = without_retries(build(get_spec("price_forecast"))).pipeline_spec  # type: ignore[attr-defined]
    tasks_ = [t for c in (spec.root, *spec.components.values()) for t in c.dag.tasks.values()]
    assert len(tasks_) > len(EXECUTORS)
    assert not any(task.HasField("retry_policy") for task in tasks_)


def test_every_step_names_its_image_and_installs_nothing(graph: dict[str, Any]) -> None:
    for name, executor in graph["deploymentSpec"]["executors"].items():
        container = executor["container"]
        words = " ".join([*container["command"], *container["args"]])
        assert container["image"] == image("train-tensorflow" if name in HEAVY else "train-tabular"), name
        assert "pip install" not in words
        assert "pip download" not in words
        assert container["resources"]["memoryRequest"] or container["resources"]["resourceMemoryRequest"]


def test_every_step_has_a_deadline(documents: list[dict[str, Any]]) -> None:
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    seconds = {name: int(executor["activeDeadlineSeconds"]) for name, executor in platform.items()}
    training = get_spec("price_forecast").training.timeout_s
    assert seconds == {name: training if name in HEAVY else 3600 for name in EXECUTORS}


def test_component_source_stays_small(graph: dict[str, Any]) -> None:
    for name, executor in graph["deploymentSpec"]["executors"].items():
        source = executor["container"]["command"][-1]
        assert "def " in source
        assert len(source) < 2500, f"{name} has {len(source)} characters: move its work into components.stages"


def test_settings_reach_the_steps_by_reference_and_no_secret_is_written(documents: list[dict[str, Any]]) -> None:
    platform = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(platform) == EXECUTORS
    for name, executor in platform.items():
        secrets = {
            s["secretName"]: {k["secretKey"]: k["envVar"] for k in s["keyToEnv"]} for s in executor["secretAsEnv"]
        }
        expected = {"arthaflow-s3", "arthaflow-features"} if name == "exec-features" else {"arthaflow-s3"}
        assert set(secrets) == expected
        assert secrets["arthaflow-s3"] == {k: k for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        assert all(s["optional"] for s in executor["secretAsEnv"])
        (config,) = executor["configMapAsEnv"]
        assert (config["configMapName"], config["optional"]) == ("arthaflow-settings", True)
    text = yaml.safe_dump_all(documents)
    assert not re.search(r"(?i)(secret_key|password|token)['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9+/]{8,}", text)


def test_the_file_is_loadable_by_kubeflow(tmp_path: Path) -> None:
    from kfp import components

    loaded = components.load_component_from_file(str(compile_pipeline("price_forecast", tmp_path / "x.yaml")))
    assert loaded.name == "train-price-forecast"


def test_another_model_gets_its_graph_from_its_spec_alone(tmp_path: Path) -> None:
    with test_rooms():
        document = next(yaml.safe_load_all(compile_pipeline("tiny", tmp_path).read_text()))
        spec = get_spec("tiny")
    parameters = document["root"]["inputDefinitions"]["parameters"]
    assert parameters["model"]["defaultValue"] == "tiny"
    assert parameters["horizons"]["defaultValue"] == list(spec.horizons)


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="price_forecasts"):
        compile_pipeline("price_forecasts", tmp_path)


def test_an_accelerator_reaches_the_training_steps_only(tmp_path: Path) -> None:
    options = ClusterOptions(
        node_selector={"pool": "ml"},
        accelerator_selector={"nvidia.com/gpu.present": "true"},
        tolerations=(Toleration("dedicated", "ml", "NoSchedule"),),
        pull_secrets=("registry",),
        accelerator="nvidia.com/mig-1g.10gb",
    )
    text = compile_pipeline("price_forecast", tmp_path, options=options).read_text()
    graph, platform = yaml.safe_load_all(text)
    executors = graph["deploymentSpec"]["executors"]
    asked = {n: e["container"]["resources"].get("accelerator", {}).get("resourceType") for n, e in executors.items()}
    assert asked == {n: "nvidia.com/mig-1g.10gb" if n in HEAVY else None for n in EXECUTORS}
    for name, placed in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
        gpu = {"nvidia.com/gpu.present": "true"} if name in HEAVY else {}
        assert placed["nodeSelector"]["labels"] == {"pool": "ml", **gpu}
        dedicated = {"key": "dedicated", "operator": "Equal", "value": "ml", "effect": "NoSchedule"}
        own = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if name in HEAVY else []
        assert placed["tolerations"] == [*own, dedicated]
        assert [s["secretName"] for s in placed["imagePullSecret"]] == ["registry"]
        assert placed["configMapAsEnv"]
        assert placed["secretAsEnv"]


@pytest.mark.parametrize("switch", [True, False])
def test_the_caching_switch_reaches_every_step(tmp_path: Path, switch: bool) -> None:
    path = compile_pipeline("price_forecast", tmp_path, options=ClusterOptions(caching=switch))
    graph = next(yaml.safe_load_all(path.read_text()))
    steps = [task for name, task in every_task(graph) if f"exec-{name}" in EXECUTORS]
    assert {bool(task.get("cachingOptions", {}).get("enableCache")) for task in steps} == {switch}


@pytest.mark.parametrize("text", ["pool", "=x", "pool=a b", "-pool=a"])
def test_a_node_selector_that_is_no_label_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(text))):
        read_labels([text])


@pytest.mark.parametrize("text", ["", "a=b:Never", "a b"])
def test_a_toleration_that_is_no_taint_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"NoSchedule"):
        read_tolerations([text])


def test_tolerations_are_read_as_taints_are_written() -> None:
    assert read_tolerations(["a", "b=c", "nvidia.com/gpu=x:NoExecute", "d:NoSchedule"]) == (
        Toleration("a"),
        Toleration("b", "c"),
        Toleration("nvidia.com/gpu", "x", "NoExecute"),
        Toleration("d", "", "NoSchedule"),
    )


def test_an_accelerator_that_is_no_resource_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'gpu'.*nvidia\.com/gpu"):
        compile_pipeline("price_forecast", tmp_path, options=ClusterOptions(accelerator="gpu"))


def test_an_unknown_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'serve'.*train, tune, drift, rollout"):
        compile_pipeline("price_forecast", tmp_path, "serve")
