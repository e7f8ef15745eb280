"""What the exit handler makes of a state that the backend tells: Kubeflow's words for success, and its silence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.registry.lineage import PREFIX
from components.registry.tracking import open_client, record_run
from components.settings import settings
from components.stages.ending import ending
from components.stages.publishing import finish


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("ARTHAFLOW_TRACKING_URI", raising=False)
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def verdicts() -> list[str]:
    client = open_client()
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return [row.data.tags[f"{PREFIX}verdict"] for row in client.search_runs([experiment.experiment_id])]


@pytest.mark.parametrize("state", ["SUCCEEDED", "COMPLETE", "CACHED"])
def test_success_has_several_names_and_records_nothing(home: Path, state: str) -> None:
    assert "ended well" in finish("tiny", "run-1", state, "", "")
    assert not list(home.iterdir())


def test_where_the_backend_says_running_the_verdict_decides(home: Path) -> None:
    for run, verdict in (("run-1", "promoted"), ("run-2", "refused"), ("run-3", "failed")):
        record_run("tiny", tags={f"{PREFIX}run_id": run, f"{PREFIX}verdict": verdict})
    assert [ending("tiny", f"run-{n}", "RUNNING") for n in (1, 2, 3, 4)] == ["well", "well", "badly", "badly"]
    assert ending("tiny", "run-1", "FAILED") == "badly"
    assert "the run failed" in finish("tiny", "run-4", "RUNNING", "train", "")
    assert sorted(verdicts()) == ["failed", "failed", "promoted", "refused"]


def test_a_run_that_decides_nothing_is_not_called_failed_on_a_guess(home: Path) -> None:
    assert ending("tiny", "run-1", "RUNNING", decides=False) == "untold"
    told = finish("tiny", "run-1", "RUNNING", "", "", decides=False)
    assert "RUNNING" in told
    assert "failed" not in told
    assert not list(home.iterdir())


def test_without_mlflow_nothing_is_guessed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every call is refused
        monkeypatch.setenv("ARTHAFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        settings.cache_clear()
        assert ending("tiny", "run-1", "RUNNING") == "untold"
