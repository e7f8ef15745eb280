"""The compiled graphs that lie in the repository: fresh, loadable by Kubeflow, and far below a cluster's limits."""

from __future__ import annotations

import filecmp
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from components.catalog import catalogue
from pipelines.compile import BUILDERS, can_build, file_name, write_compiled
from pipelines.graph_arguments import LONGEST

FOLDER = Path(__file__).parents[3] / "manifests" / "pipelines"
ETCD = 1_500_000
"""Bytes of one object in etcd; the Workflow that Kubeflow makes of a graph is about three times its IR."""

FILES = sorted(FOLDER.glob("*.yaml"))


def documents(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    graph, platform = yaml.safe_load_all(path.read_text())
    return graph, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_they_are_as_the_catalogue_says_now(tmp_path: Path) -> None:
    written = write_compiled(tmp_path)
    names = [path.name for path in written]
    assert sorted(names) == [path.name for path in FILES], "run `make manifests`"
    _, stale, missing = filecmp.cmpfiles(tmp_path, FOLDER, names, shallow=False)
    assert not stale + missing, "run `make manifests`"


def test_every_model_is_trained_and_watched() -> None:
    names = {path.name for path in FILES}
    for spec in catalogue().values():
        assert {file_name("train", spec), file_name("drift", spec)} <= names
        assert {file_name(kind, spec) for kind in BUILDERS if can_build(kind, spec)} <= names


def test_they_do_not_depend_on_the_machine_that_writes_them(tmp_path: Path) -> None:
    """Another process, with another hash seed, registry and home, writes the same bytes."""
    code = "import sys; from pathlib import Path; from pipelines.compile import write_compiled; write_compiled(Path(sys.argv[1]))"
    environment = {
        **os.environ, "PYTHONHASHSEED": "4711", "ARTHAFLOW_IMAGE_REGISTRY": "elsewhere.invalid/x",
        "ARTHAFLOW_IMAGE_TAG": "mine", "ARTHAFLOW_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=True, env=environment)
    names = [path.name for path in FILES]
    assert filecmp.cmpfiles(tmp_path / "out", FOLDER, names, shallow=False) == (names, [], [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_kubeflow_can_read_them(path: Path) -> None:
    from kfp import components
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    graph, placed = documents(path)
    spec = json_format.ParseDict(graph, pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == path.stem
    assert components.load_component_from_file(str(path)).name == path.stem
    for executor in placed.values():
        json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    assert set(placed) <= set(graph["deploymentSpec"]["executors"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_they_stay_far_below_a_clusters_limits(path: Path) -> None:
    graph, _ = documents(path)
    assert 3 * path.stat().st_size < ETCD / 2
    for declared in graph["root"].get("inputDefinitions", {}).get("parameters", {}).values():
        assert len(str(declared.get("defaultValue", ""))) < LONGEST / 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_step_runs_a_released_image_with_settings_a_deadline_and_no_secret_in_the_open(path: Path) -> None:
    graph, placed = documents(path)
    for label, executor in graph["deploymentSpec"]["executors"].items():
        container = executor["container"]
        assert re.fullmatch(r"arthaflow/[a-z-]+:\d+\.\d+\.\d+", container["image"]), label
        assert container["resources"]["resourceCpuRequest"], label
        assert container["resources"]["resourceMemoryRequest"], label
        assert "pip install" not in " ".join([*container["command"], *container["args"]])
        assert int(placed[label]["activeDeadlineSeconds"]) > 0, label
        assert [s["configMapName"] for s in placed[label]["configMapAsEnv"]] == ["arthaflow-settings"], label
        assert "arthaflow-s3" in [s["secretName"] for s in placed[label]["secretAsEnv"]], label
    text = path.read_text()
    assert not re.search(r"(?i)(secret_?key|password|token)['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9+/]{20,}", text)
    assert str(Path.home()) not in text
