"""Jobs whose graph runs on a cluster: submitted once, followed, terminated; against a server that speaks Kubeflow's API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.records.database import Database
from components.records.jobs import NewJob, ask_cancel, enqueue, find_job
from components.registry.versions import Registry
from pipelines.jobs.config import JobSettings
from pipelines.jobs.worker import Worker
from tests.integration.pipelines.fake_kubeflow import FakeKubeflow, fake_kubeflow
from tests.support.meanwhile import meanwhile
from tests.support.tiny import make_tiny_artifact

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[FakeKubeflow]:
    for name in ("ARTHAFLOW_KFP_TOKEN", "KF_PIPELINES_SA_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))  # the client keeps its context there
    with fake_kubeflow() as served:
        told = {"TARGET": "kubeflow", "HOST": served.url, "RUN_POLL_S": "0.2", "POLL_S": "0.2"}
        for name, value in told.items():
            monkeypatch.setenv(f"ARTHAFLOW_JOBS_{name}", value)
        yield served


def put(records: Database) -> str:
    job = NewJob("training", "tiny", "ann", model_config={"params": {"alpha": 2.0}})
    return str(enqueue(records, job)[0]["id"])


def work(records: Database, home: Path) -> None:
    Worker(records, home, JobSettings(), print).work(once=True)


def test_a_training_job_is_a_run_that_is_followed_to_its_end(
    records: Database, home: Path, cluster: FakeKubeflow
) -> None:
    number = put(records)
    work(records, home)
    row, run = find_job(records, number), cluster.one("runs")
    assert row["status"] == "completed", row["error_message"]
    assert run["display_name"] == f"train tiny job {number}"
    assert run["runtime_config"]["parameters"]["params"] == '{"alpha": 2.0}'
    assert row["model_artifacts"]["run_id"] == run["run_id"]
    assert row["model_artifacts"]["version"] is None, "the pretended cluster trains nothing"
    assert {s["state"] for s in row["progress"]["steps"]} == {"succeeded"}


def test_what_the_run_registered_is_the_jobs_result(records: Database, home: Path, cluster: FakeKubeflow) -> None:
    number = put(records)

    def register() -> bool:  # as the run's own step does on the cluster
        for run in cluster.all("runs"):
            artifact = make_tiny_artifact(home / "made").directory
            tags = {"arthaflow.run_id": run["run_id"], "arthaflow.reason": "Promoted."}
            Registry().register("tiny", artifact, key="1", tags=tags, params={}, metrics={"loss_ratio": 0.5})
            cluster.busy = False
            return True
        return False

    cluster.busy = True
    with meanwhile(register):
        work(records, home)
    row = find_job(records, number)
    assert row["status"] == "completed", row["error_message"]
    assert (row["model_artifacts"]["version"], row["final_metrics"]) == ("1", {"loss_ratio": 0.5})


def test_a_failed_step_is_the_jobs_reason(records: Database, home: Path, cluster: FakeKubeflow) -> None:
    cluster.fail_in, cluster.reason = "validate", "The bars have gaps."
    number = put(records)
    work(records, home)
    row = find_job(records, number)
    assert row["status"] == "failed"
    assert "The bars have gaps." in row["error_message"]


def test_a_cancelled_job_terminates_its_run(records: Database, home: Path, cluster: FakeKubeflow) -> None:
    cluster.busy = True
    number = put(records)

    def cancel() -> bool:
        started = bool(cluster.all("runs"))
        if started:
            ask_cancel(records, number)
        return started

    with meanwhile(cancel):
        work(records, home)
    assert find_job(records, number)["status"] == "cancelled"
    assert any(method == "POST" and path.endswith(":terminate") for method, path, _ in cluster.asked)
