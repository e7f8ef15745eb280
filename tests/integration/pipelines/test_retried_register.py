"""The register step tried again, as a cluster does after a lost node: one run registers one version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.registry.lineage import Lineage
from components.registry.versions import Registry
from components.settings import Settings, settings
from components.stages.publishing import register
from components.stages.request import Request
from tests.support.tiny import make_tiny_artifact


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    return [make_tiny_artifact(folder / str(n), bias=n * 1e-3).directory for n in range(3)]


def attempt(folder: Path, artifact: Path, run: str) -> str:
    lineage, evaluation, decision = (folder / name for name in ("lineage.json", "evaluation.json", "decision.json"))
    Lineage(run, "d" * 64, "embedded", "1d", "", "", "f" * 64, "7", "{}").write(lineage)
    evaluation.write_text(json.dumps({"metrics": {"rmse": 1.0}}))
    decision.write_text(json.dumps({"reason": "Better than the baseline."}))
    return register(Request("tiny"), artifact, lineage, evaluation, decision, "candidate")


def test_one_run_registers_one_version(artifacts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    settings.cache_clear()
    registry = Registry(Settings(home=tmp_path))
    try:
        assert [attempt(tmp_path, artifacts[0], "run-1") for _ in range(2)] == ["1", "1"]
        assert registry.get("tiny").aliases == ("production",)
        assert [attempt(tmp_path, artifacts[1], "run-2") for _ in range(2)] == ["2", "2"]
        assert registry.get("tiny", "2").aliases == ("candidate",)

        # Killed between the version and its alias: the second attempt sets it.
        registry.delete_alias("tiny", "candidate")
        assert attempt(tmp_path, artifacts[1], "run-2") == "2"
        assert registry.get("tiny", "2").aliases == ("candidate",)

        # A younger run's version has taken the alias since, and keeps it.
        assert attempt(tmp_path, artifacts[2], "run-3") == "3"
        assert attempt(tmp_path, artifacts[1], "run-2") == "2"
        assert [v.version for v in registry.versions("tiny")] == ["1", "2", "3"]
        assert registry.get("tiny", "candidate").version == "3"
    finally:
        settings.cache_clear()
