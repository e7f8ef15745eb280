"""The worker with real jobs: the lab model trained and registered, cancelled, killed, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from components.records.database import Database
from components.records.jobs import JobKind, NewJob, ask_cancel, enqueue, find_job
from components.records.tables import feature_values, ml_features, ml_models
from components.registry.versions import Registry
from pipelines.jobs.config import JobSettings
from pipelines.jobs.worker import Worker

pytestmark = pytest.mark.slow
QUICK = JobSettings(poll_s=0.2, lease_s=5.0, grace_s=5.0, drain_s=0.0)


def put(records: Database, kind: JobKind, model: str = "tiny", **arguments: Any) -> str:
    return str(enqueue(records, NewJob(kind, model, "ann", training_config=arguments))[0]["id"])


def run(records: Database, home: Path, config: JobSettings = QUICK) -> list[str]:
    said: list[str] = []
    Worker(records, home, config, said.append).work(once=True)
    return said


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


@contextmanager
def worker_process(home: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "jobs", "work", "--no-sync"]
    settings = {"ARTHAFLOW_JOBS_POLL_S": "0.2", "ARTHAFLOW_JOBS_LEASE_S": "3", **environment}
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def job_processes(number: str) -> list[psutil.Process]:
    """Return the processes of a job's attempt, and all that descend from them or are in its group."""
    found = []
    for process in psutil.process_iter():
        try:
            if number in " ".join(process.cmdline()):
                found += [process, *process.children(recursive=True)]
        except psutil.Error:
            continue
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def step_of(records: Database, number: str) -> str:
    steps = (find_job(records, number)["progress"] or {}).get("steps", [])
    return str(steps[-1]["step"]) if steps else ""


def test_training_registers_a_version_and_the_records_know_it(records: Database, home: Path) -> None:
    number = put(records, "training", params={"alpha": 2.0})
    refused = put(records, "training", params={"nonsense": 1})
    run(records, home)
    row = find_job(records, number)
    assert row["status"] == "completed", row["error_message"]
    assert row["model_artifacts"]["version"] == "1"
    assert row["model_artifacts"]["lineage"]["run_id"] == f"job-{number[:13]}-1"
    assert row["final_metrics"]["loss_ratio"] < 1
    assert Path(row["best_model_path"], "manifest.json").is_file()
    assert {s["step"] for s in row["progress"]["steps"]} >= {"ingest", "train ridge", "gate", "register"}
    assert all(s["state"] == "done" for s in row["progress"]["steps"])
    used = row["progress"]["usage"]
    assert used["cpu_hours"] > 0
    assert used["peak_memory_bytes"] > 2**24
    assert used["cost_usd"] == pytest.approx(used["cpu_hours"] * 0.04 + used["memory_gb_hours"] * 0.005, rel=0.01)
    with records.read() as connection:
        made = connection.execute(select(ml_models)).mappings().one()
    assert (made["model_version"], made["created_by"], made["deployment_status"]) == ("1", "ann", "deployed")
    told = find_job(records, refused)
    assert told["status"] == "failed"
    assert "'tiny' has no hyper-parameter 'nonsense'" in told["error_message"]
    assert "Traceback" in told["error_traceback"]


def test_a_search_a_feature_and_its_importance(records: Database, home: Path) -> None:
    search = put(records, "automl", trials=2)
    values = put(records, "features", "", entity_type="instrument", entity_id="SP500", features=["rsi_14", "window"])
    run(records, home)
    found = find_job(records, search)
    assert found["status"] == "completed", found["error_message"]
    assert found["model_artifacts"]["best_params"].keys() == {"alpha"}
    assert found["model_artifacts"]["tuning"]["trials"] == 2
    assert found["model_artifacts"]["version"] == "1"
    assert find_job(records, values)["status"] == "completed", find_job(records, values)["error_message"]
    with records.read() as connection:
        rsi = connection.execute(select(ml_features).where(ml_features.c.feature_name == "rsi_14")).mappings().one()
        stored = connection.execute(select(feature_values)).mappings().all()
    assert 0 <= rsi["min_value"] < rsi["mean_value"] < rsi["max_value"] <= 100
    assert {(v["entity_id"], v["feature_vector"] is None) for v in stored} == {("SP500", True), ("SP500", False)}
    asked = {"feature": "rsi_14", "feature_id": str(rsi["id"]), "repeats": 2}
    scored, other = put(records, "importance", **asked), put(records, "importance", **{**asked, "feature": "macd"})
    run(records, home)
    result = find_job(records, scored)["model_artifacts"]
    assert result["importance"] > 0.1, "the generated returns follow it"
    with records.read() as connection:
        kept = connection.execute(select(ml_features).where(ml_features.c.id == rsi["id"])).mappings().one()
    assert kept["feature_importance_score"] == pytest.approx(result["importance"], abs=1e-5)
    assert "tiny does not take the feature 'macd'" in find_job(records, other)["error_message"]


def test_cancelling_ends_every_process_of_a_running_job(records: Database, home: Path) -> None:
    number = put(records, "training")
    with worker_process(home) as worker:
        until(lambda: step_of(records, number))
        processes = until(lambda: found if len(found := job_processes(number)) > 1 else None)
        ask_cancel(records, number)
        until(lambda: find_job(records, number)["status"] == "cancelled")
        assert not alive(processes)
        assert worker.poll() is None, "the worker goes on"
    row = find_job(records, number)
    assert row["progress"]["steps"], "what it had done is kept"
    assert Registry().versions("tiny") == []


def test_a_killed_workers_job_is_taken_up_and_registers_once(records: Database, home: Path) -> None:
    number = put(records, "training")
    with worker_process(home) as worker:
        until(lambda: step_of(records, number))
        processes = job_processes(number)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        until(lambda: not alive(processes), 20)
    assert find_job(records, number)["status"] == "running"
    until(lambda: run(records, home))
    row = find_job(records, number)
    assert (row["status"], row["attempts"]) == ("completed", 2)
    assert [v.tags["run_id"] for v in Registry().versions("tiny")] == [f"job-{number[:13]}-2"]


def test_a_worker_that_is_stopped_hands_its_job_back(records: Database, home: Path) -> None:
    number = put(records, "training")
    with worker_process(home, ARTHAFLOW_JOBS_DRAIN_S="0") as worker:
        until(lambda: step_of(records, number))
        processes = job_processes(number)
        worker.terminate()
        assert worker.wait(60) == 0
    assert not alive(processes)
    row = find_job(records, number)
    assert (row["status"], row["attempts"], row["worker"]) == ("queued", 0, None)


def test_after_its_last_attempt_a_lost_job_has_failed_with_a_reason(records: Database, home: Path) -> None:
    number = put(records, "training")
    with worker_process(home, ARTHAFLOW_JOBS_ATTEMPTS="1") as worker:
        until(lambda: step_of(records, number))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    once = QUICK.model_copy(update={"attempts": 1})
    until(lambda: run(records, home, once))
    row = find_job(records, number)
    assert row["status"] == "failed"
    assert "was lost in attempt 1, which was the last" in row["error_message"]


def test_what_an_earlier_attempt_registered_is_the_answer(records: Database, home: Path) -> None:
    """Killed between registering and saying so, a job must not make a second version."""
    from sqlalchemy import update

    from components.records.tables import ml_training_jobs

    number = put(records, "training")
    run(records, home)
    with records.write() as connection:
        connection.execute(update(ml_training_jobs).values(status="running", leased_until=None, model_artifacts=None))
    run(records, home)
    row = find_job(records, number)
    assert (row["status"], row["attempts"], row["model_artifacts"]["version"]) == ("completed", 2, "1")
    assert len(Registry().versions("tiny")) == 1
