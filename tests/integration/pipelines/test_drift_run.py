"""The drift graph through ``kfp.local``: a real detector process, and Kubeflow's API for the training run it asks for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from rich.console import Console

from components.errors import ConfigurationError, ModelUnavailable
from inference.cloudevents import REQUEST, Event, binary_headers
from inference.ports import free_port
from inference.v2 import encode_request
from pipelines.local_drift import DriftRun, run_drift_check
from tests.integration.pipelines.fake_kubeflow import FakeKubeflow, fake_kubeflow
from tests.support.surroundings import Server, server
from tests.support.tiny import make_tiny_artifact, tiny_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    artifact = make_tiny_artifact(tmp_path_factory.mktemp("drift") / "tiny").directory
    known = ("--artifact", artifact, "--model_name", "tiny")
    with server("detector", tmp_path_factory.mktemp("logs"), *known) as running:
        yield running


@pytest.fixture
def detector(served: Server) -> Server:
    assert httpx.post(f"{served.url}/v1/drift/reset").status_code == 200
    return served


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubeflow]:
    for name in ("ARTHAFLOW_KFP_HOST", "ARTHAFLOW_KFP_TOKEN", "KF_PIPELINES_SA_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with fake_kubeflow(now=datetime.now(UTC)) as kubeflow:
        yield kubeflow


def send(running: Server, features: np.ndarray[Any, Any], id: str) -> None:
    body, _ = encode_request({"features": features})
    answer = httpx.post(running.url, content=body, headers=binary_headers(Event(id, "test", REQUEST, body), 1e9))
    assert answer.json() == {"taken": 1}


def drifted(running: Server, id: str) -> None:
    rows = tiny_rows(900, seed=21)["features"][400:800].copy()
    rows[:, 2] *= 2.0
    send(running, rows, id)


def check(home: Path, detector: Server, cluster: FakeKubeflow, **more: Any) -> DriftRun:
    arguments = {"url": detector.url, "kfp_host": cluster.url, **more}
    return run_drift_check("tiny", arguments, home, Console(file=io.StringIO()))


def test_too_few_rows_are_said_and_are_no_failure(home: Path, detector: Server, cluster: FakeKubeflow) -> None:
    send(detector, tiny_rows(3)["features"], "few")
    told = check(home, detector, cluster)
    assert told.outcome == "insufficient"
    assert "more to come" in told.sentence
    assert "not enough data to judge" in told.page.read_text()
    assert (told.metrics["rows"], told.metrics["drift"]) == (3.0, 0.0)
    assert (told.summary, told.training_run, cluster.asked) == (None, "", [])


def test_without_drift_nothing_is_asked_of_the_cluster(home: Path, detector: Server, cluster: FakeKubeflow) -> None:
    send(detector, tiny_rows(300, seed=21)["features"], "same")
    told = check(home, detector, cluster)
    assert told.outcome == "no_drift"
    assert told.sentence in told.page.read_text().replace("&lt;", "<")
    assert told.metrics["ks.features.volatility_21"] < 0.2
    assert (told.training_run, cluster.asked) == ("", [])


def test_drift_asks_for_one_training_run(home: Path, detector: Server, cluster: FakeKubeflow) -> None:
    drifted(detector, "moved")
    told = check(home, detector, cluster, arguments=json.dumps({"until": "2016-12-30"}))
    run = cluster.one("runs")
    assert (told.outcome, told.training_run) == ("drift", run["run_id"])
    assert run["display_name"] == f"train tiny for drift {told.run_id}"
    assert run["runtime_config"]["parameters"]["until"] == "2016-12-30"
    assert cluster.one("pipelines")["display_name"] == "train-tiny"
    assert told.metrics["drift"] == 1.0
    page = told.page.read_text()
    assert "features.volatility_21" in page
    assert "<svg" in page
    assert "simulated" not in page.partition("<body>")[2].partition("<script>")[0]
    assert told.summary is not None
    assert told.sentence in told.summary.read_text()
    assert f"{cluster.url}/#/runs/details/{run['run_id']}" in told.summary.read_text()

    # Drift lasts: while the run goes on, and for a day after it was made, no other is asked for.
    again = check(home, detector, cluster)
    assert again.summary is not None
    assert "is under way" in again.summary.read_text()
    run["state"] = "SUCCEEDED"
    later = check(home, detector, cluster)
    assert later.summary is not None
    assert "less than 24 h ago" in later.summary.read_text()
    assert cluster.one("runs") is run
    run["created_at"] = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    assert check(home, detector, cluster).training_run not in ("", run["run_id"])


def test_retraining_can_be_switched_off(home: Path, detector: Server, cluster: FakeKubeflow) -> None:
    drifted(detector, "off")
    told = check(home, detector, cluster, retrain=False)
    assert told.outcome == "drift"
    assert told.summary is not None
    assert "`retrain` is false" in told.summary.read_text()
    assert cluster.asked == []


def test_a_detector_that_does_not_answer_fails_the_run(home: Path, cluster: FakeKubeflow) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ModelUnavailable, match=rf"detector of tiny at '{url}' does not answer.*tiny-detector"):
        run_drift_check("tiny", {"url": url, "kfp_host": cluster.url}, home, Console(file=io.StringIO()))


def test_what_is_no_detector_fails_the_run(home: Path, cluster: FakeKubeflow) -> None:
    with pytest.raises(ModelUnavailable, match="answers 404"):
        run_drift_check("tiny", {"url": cluster.url}, home, Console(file=io.StringIO()))


def test_a_refusal_of_the_cluster_fails_the_run(home: Path, detector: Server, cluster: FakeKubeflow) -> None:
    drifted(detector, "refused")
    cluster.token = "secret"
    with pytest.raises(ConfigurationError, match="answered 401"):
        check(home, detector, cluster)


def test_bad_arguments_are_refused_before_anything_runs(home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no argument 'uri'. Did you mean 'url'\?"):
        run_drift_check("tiny", {"uri": "http://x"}, home)
    with pytest.raises(ConfigurationError, match="retrain takes true or false"):
        run_drift_check("tiny", {"retrain": "perhaps"}, home)
