"""The whole training graph through ``kfp.local``, on real bars with the tiny model: both branches, failures."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from components import models
from components.catalog import catalogue
from components.data.sources import load_bars
from components.errors import ConfigurationError, DataRejected, OutOfSpace
from components.registry.artifact import read_artifact
from components.registry.story import story
from components.registry.versions import Registry
from components.settings import Settings
from pipelines.local import RunFailed, run_training
from pipelines.result import RunResult

pytestmark = pytest.mark.slow
UNTIL = "2004-12-31"


@pytest.fixture(scope="module")
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def first(home: Path, shown: io.StringIO) -> RunResult:
    before = dict(os.environ)
    result = run_training("tiny", {"until": UNTIL}, home, Console(file=shown, width=100))
    assert dict(os.environ) == before
    return result


def test_the_first_version_is_registered_and_in_production(first: RunResult, home: Path) -> None:
    assert first.promoted, first.reason
    assert first.version == "1"
    assert Registry(Settings(home=home)).get("tiny").version == "1"
    stored = Registry(Settings(home=home)).resolve("tiny")
    assert read_artifact(stored).manifest == read_artifact(first.artifact).manifest
    assert stored.is_relative_to(home / "artifacts")


def test_every_output_is_where_the_result_says(first: RunResult) -> None:
    assert first.report.read_text().startswith("<!doctype html>") or "<html" in first.report.read_text()
    assert first.reason in first.card.read_text()
    assert len(pd.read_parquet(first.backtest)) > 100
    assert json.loads(first.evaluation.read_text())["gate"]
    assert json.loads(first.decision.read_text())["reason"] == first.reason
    assert len(pd.read_parquet(first.bars)) > 1000
    assert "accepted" in first.artifacts["validate/summary"].read_text().lower()
    assert "<" in first.artifacts["validate/page"].read_text()
    assert "<svg" in first.artifacts["evaluate/plots"].read_text()
    assert "ended well" in first.artifacts["finish/summary"].read_text()
    assert first.artifacts["train-candidate/ridge/candidate"].is_dir()
    assert {"ingest", "validate", "split", "train-candidate/ridge", "evaluate", "report"} <= set(first.metrics)
    assert all(np.isfinite(v) for table in first.metrics.values() for v in table.values() if isinstance(v, float))
    assert json.dumps(first.to_dict())


def test_only_the_registering_branch_ran(first: RunResult) -> None:
    steps = [
        "ingest",
        "validate",
        "features",
        "split",
        "train ridge",
        "evaluate",
        "gate",
        "register",
        "report",
        "finish",
    ]
    assert [s for s in first.seconds if s != "total"] == steps


def test_a_person_sees_each_step_and_no_noise(first: RunResult, shown: io.StringIO) -> None:
    lines = shown.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == [s.split()[0] for s in first.seconds if s != "total"]
    assert "Executing task" in (first.directory / "kfp.log").read_text()
    assert not (first.directory / "tmp").exists()


def test_the_lineage_is_in_the_registry_and_in_the_artifact(first: RunResult, home: Path) -> None:
    (version,) = story("tiny", Settings(home=home))["versions"]
    origin = version["lineage"]
    assert origin["run_id"] == first.run_id
    assert origin["until"] == UNTIL
    assert len(origin["data_hash"]) == len(origin["artifact_sha256"]) == 64
    assert not origin.get("feature_hash"), "it takes no stored features"
    assert "numpy==" in origin["libraries"]
    assert origin["git_commit"] != ""
    assert version["reason"] == first.reason
    assert version["metrics"]
    assert read_artifact(first.artifact).metadata["lineage"]["data_hash"] == origin["data_hash"]


def test_a_model_that_does_not_meet_its_gate_is_refused(home: Path, strict: str) -> None:
    result = run_training(strict, {"until": UNTIL}, home, Console(file=io.StringIO()))
    assert not result.promoted
    assert result.version is None
    assert "refuse" in result.seconds
    assert "register" not in result.seconds
    assert "not registered" in result.card.read_text()
    told = story(strict, Settings(home=home))
    assert told["versions"] == []
    assert [r["reason"] for r in told["refused"]] == [result.reason]


@pytest.fixture
def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tiny model behind a gate that nothing passes, in a room of its own."""
    folder = tmp_path / "strictly" / "strict"
    folder.mkdir(parents=True)
    (folder / "spec.py").write_text(STRICT)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    monkeypatch.setenv("ARTHAFLOW_MODEL_PATH", os.pathsep.join([os.environ["ARTHAFLOW_MODEL_PATH"], str(tmp_path)]))
    catalogue.cache_clear()
    yield "strict"
    catalogue.cache_clear()


STRICT = """
from dataclasses import replace

from components.models.lab.tiny.spec import SPEC as TINY

SPEC = replace(
    TINY,
    name="strict",
    model="components.models.lab.tiny.model:Tiny",
    dataset="components.models.lab.tiny.data:build_dataset",
    gate=replace(TINY.gate, max_rmse_ratio=1e-6),
)
"""


def failing(home: Path, kind: type[Exception], match: str, arguments: dict[str, Any]) -> tuple[str, Path]:
    """Run, expect the error, and check that nothing was registered and that the exit handler ran."""
    config = Settings(home=home)
    before = Registry(config).versions("tiny")
    runs = set((home / "runs").iterdir())
    with pytest.raises(kind, match=match) as caught:
        run_training("tiny", arguments, home, Console(file=io.StringIO()))
    assert Registry(config).versions("tiny") == before
    (run,) = set((home / "runs").iterdir()) - runs
    (summary,) = run.glob("**/finish/summary")
    assert "the run failed" in summary.read_text()
    return str(caught.value), summary


def test_rejected_data_reaches_the_caller_as_one_clear_error(first: RunResult, home: Path, tmp_path: Path) -> None:
    bars = load_bars(until=UNTIL)
    bars.loc[bars.index[::3], "high"] = bars["low"] * 0.5
    bars.to_csv(tmp_path / "bad.csv", index=False)
    message, summary = failing(home, DataRejected, "high", {"source": str(tmp_path / "bad.csv")})
    assert "Traceback" not in message
    assert "**validate**" in summary.read_text()
    assert message in summary.read_text()
    assert story("tiny", Settings(home=home))["failed"][-1]["reason"].startswith("validate: ")


def test_a_killed_step_is_named(first: RunResult, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_hook(tmp_path, monkeypatch, KILLED)
    message, _ = failing(home, RunFailed, "The step 'ingest' failed", {"until": UNTIL})
    assert "the last thing it said" in message
    assert "kfp.log" in message


def test_bad_arguments_are_refused_before_anything_runs(home: Path) -> None:
    runs = set((home / "runs").iterdir()) if (home / "runs").exists() else set()
    with pytest.raises(ConfigurationError, match="no hyper-parameter 'alfa'"):
        run_training("tiny", {"params": {"alfa": 1}}, home)
    assert (set((home / "runs").iterdir()) if (home / "runs").exists() else set()) == runs


def test_a_full_disk_registers_nothing_and_names_the_remedy(
    first: RunResult, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_hook(tmp_path, monkeypatch, FULL_DISK)
    message, summary = failing(home, OutOfSpace, "disk filled up", {"until": UNTIL})
    assert "Free some space" in message
    assert "**evaluate**" in summary.read_text()
    assert Registry(Settings(home=home)).get("tiny").version == "1"


def install_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the steps' processes, and only they, run some code first."""
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


FULL_DISK = '''
"""The kernel refuses to write the assembled model: its golden requests go to /dev/full."""
import pathlib

write = pathlib.Path.write_text


def full(self, *arguments, **options):
    return write(pathlib.Path("/dev/full") if self.name == "golden.json" else self, *arguments, **options)


pathlib.Path.write_text = full
'''
KILLED = '''
"""The process is killed while it loads the data, as by the kernel when memory runs out."""
import os
import signal
import sys


class Killer:
    def find_spec(self, name, path=None, target=None):
        if name == "components.data.sources":
            print("the last thing it said", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


sys.meta_path.insert(0, Killer())
'''
