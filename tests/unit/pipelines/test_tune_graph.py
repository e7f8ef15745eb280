"""The compiled tuning graph, asserted structurally; and its arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.images import image
from pipelines.compile import compile_pipeline
from pipelines.tune import build_tune, tuning_arguments
from tests.support.tiny import test_rooms


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = compile_pipeline("price_forecast", tmp_path_factory.mktemp("compiled"), kind="tune")
    assert path.name == "tune-price-forecast.yaml"
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def graph(documents: list[dict[str, Any]]) -> dict[str, Any]:
    return documents[0]


def tasks(graph: dict[str, Any], start: str) -> dict[str, Any]:
    name = next(n for n in graph["components"] if n.startswith(start))
    found: dict[str, Any] = graph["components"][name]["dag"]["tasks"]
    return found


def test_the_search_lies_between_the_split_and_the_training(graph: dict[str, Any]) -> None:
    body = tasks(graph, "comp-exit-handler")
    after = {name: set(task.get("dependentTasks", [])) for name, task in body.items()}
    assert after["search"] == {"split"}
    assert after["tune"] == {"search"}
    assert after["conclude"] == {"split", "tune"}
    (training,) = (name for name in body if name.startswith("condition"))
    assert "conclude" in after[training]
    inside = tasks(graph, f"comp-{training}")
    assert {"evaluate", "gate", "report"} < set(inside)


def test_only_folds_that_the_search_has_not_seen_are_trained_and_judged_on(graph: dict[str, Any]) -> None:
    (training,) = (t for n, t in tasks(graph, "comp-exit-handler").items() if n.startswith("condition"))
    sources = {
        (a["taskOutputArtifact"]["producerTask"], a["taskOutputArtifact"]["outputArtifactKey"])
        for a in training["inputs"]["artifacts"].values()
    }
    assert ("conclude", "kept_folds") in sources
    assert ("split", "folds") not in sources
    assert ("conclude", "tuned_lineage") in sources
    assert ("split", "lineage") not in sources
    best = [p for p in training["inputs"]["parameters"].values() if "taskOutputParameter" in p]
    assert {p["taskOutputParameter"]["outputParameterKey"] for p in best} == {"best"}


def test_images_and_caching(graph: dict[str, Any]) -> None:
    images = {n: e["container"]["image"] for n, e in graph["deploymentSpec"]["executors"].items()}
    spec = get_spec("price_forecast")
    assert {n for n, i in images.items() if i == image("tune")} == {"exec-tune", "exec-end"}
    assert {n for n, i in images.items() if i == image(spec.training.image)} >= {"exec-search", "exec-train-candidate"}
    body = tasks(graph, "comp-exit-handler")
    assert not any(body[n].get("cachingOptions", {}).get("enableCache") for n in ("search", "tune", "conclude"))


def test_the_parameters_have_defaults_for_a_cluster(graph: dict[str, Any]) -> None:
    given = {k: v.get("defaultValue") for k, v in graph["root"]["inputDefinitions"]["parameters"].items()}
    assert (given["engine"], given["trials"], given["parallel"]) == ("katib", 12, 2)
    assert given["train"] is True


def test_the_exit_step_can_clean_up(graph: dict[str, Any]) -> None:
    end = graph["root"]["dag"]["tasks"]["end"]
    assert end["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert {"engine", "run_id", "status"} <= set(end["inputs"]["parameters"])


def test_component_source_stays_small(graph: dict[str, Any]) -> None:
    for name, executor in graph["deploymentSpec"]["executors"].items():
        assert len(executor["container"]["command"][-1]) < 2500, name


def test_a_model_without_a_search_space_has_no_tuning_graph(tmp_path: Path) -> None:
    with test_rooms(), pytest.raises(ConfigurationError, match="declares nothing to tune"):
        build_tune(get_spec("mixed"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"engine": "hyperopt"}, "Use katib or optuna"),
        ({"trials": 0}, "trials=0"),
        ({"parallel": 0}, "parallel=0"),
        ({"timeout_s": -1}, "timeout_s=-1"),
        ({"trails": 3}, "no argument 'trails'"),
        ({"params": '{"tree_dept": 3}'}, "tree_dept"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        tuning_arguments(get_spec("price_forecast"), given)


def test_nothing_left_to_tune_is_refused() -> None:
    with test_rooms(), pytest.raises(ConfigurationError, match="nothing left to tune"):
        tuning_arguments(get_spec("tiny"), {"params": '{"alpha": 2.0}'})


def test_arguments_are_completed() -> None:
    told = tuning_arguments(get_spec("price_forecast"), {"trials": 5, "engine": "optuna", "until": None})
    assert told["trials"] == 5
    assert told["engine"] == "optuna"
    assert told["horizons"] == list(get_spec("price_forecast").horizons)
    assert "parallel" not in told
