"""The whole tuning graph through ``kfp.local``, on real bars with the tiny model, and through the command."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from components.errors import ConfigurationError
from components.registry.artifact import read_artifact
from components.registry.story import story
from components.settings import Settings
from pipelines.local import run_tuning
from pipelines.result import RunResult
from tests.support.tiny import room_environment, test_rooms

pytestmark = pytest.mark.slow
ASKED = {"until": "2004-12-31", "trials": 4}


@pytest.fixture(scope="module", autouse=True)
def rooms() -> Iterator[None]:
    with test_rooms():
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(scope="module")
def first(home: Path, shown: io.StringIO) -> RunResult:
    return run_tuning("tiny", ASKED, home, Console(file=shown, width=120))


def test_the_best_hyper_parameters_are_trained_judged_and_registered(first: RunResult, home: Path) -> None:
    told = json.loads(first.artifacts["conclude/tuning"].read_text())
    assert first.promoted, first.reason
    assert told["trials"] == 4
    artifact = read_artifact(first.artifact)
    assert artifact.metadata["params"]["alpha"] == told["best_params"]["alpha"]
    evaluation = json.loads(first.evaluation.read_text())
    assert evaluation["tuning"]["trials"] == 4
    assert evaluation["tuning"]["deflated_score"] == told["deflated_score"]
    assert [f["fold"] for f in evaluation["folds"]] == [2]
    lineage = json.loads(first.artifacts["conclude/tuned_lineage"].read_text())
    assert json.loads(lineage["tuning"])["survives"] == told["survives"]
    assert json.loads(lineage["params"])["alpha"] == pytest.approx(told["best_params"]["alpha"])
    assert "## Tuning" in first.card.read_text()
    assert told["sentence"].split(";")[0] in first.card.read_text()
    (version,) = story("tiny", Settings(home=home))["versions"]
    assert json.loads(version["lineage"]["params"])["alpha"] == pytest.approx(told["best_params"]["alpha"])


def test_a_person_sees_each_trial(first: RunResult, shown: io.StringIO) -> None:
    text = shown.getvalue()
    assert "· default: " in text
    assert all(f"· trial {n} of 4: " in text for n in (1, 2, 3, 4))
    assert [s for s in first.seconds if s in ("search", "tune", "conclude", "train ridge")] == [
        "search", "tune", "conclude", "train ridge",
    ]  # fmt: skip
    assert first.metrics["conclude"]["trials"] == 4


def test_the_same_search_is_not_made_twice(first: RunResult, home: Path) -> None:
    shown = io.StringIO()
    again = run_tuning("tiny", {**ASKED, "trials": 5}, home, Console(file=shown, width=120))
    assert shown.getvalue().count("from an earlier run") == 5
    one, two = (json.loads(r.artifacts["tune/found"].read_text()) for r in (first, again))
    assert two["trials"][:4] == one["trials"]
    assert len(two["trials"]) == 5


def test_katib_without_a_shared_store_says_so(home: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the artifact store"):
        run_tuning("tiny", {**ASKED, "engine": "katib"}, home, Console(file=io.StringIO()))


def test_the_command_prints_json_alone(home: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "tune",
        "tiny",
        "--trials",
        "4",
        "--until",
        "2004-12-31",
        "--json",
    ]
    environment = {**os.environ, **room_environment(), "ARTHAFLOW_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told = json.loads(done.stdout)
    assert told["tuning"]["trials"] == 4
    assert "default" in done.stderr
