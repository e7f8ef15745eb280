"""Deployments as jobs, behind a real router with real predictors: promoted, staged, taken back, retired."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from components.catalog import get_spec
from components.records.database import Database
from components.records.jobs import JobKind, NewJob, ask_cancel, enqueue, find_job
from components.records.mirror import sync_models
from components.records.tables import ml_models, model_deployments
from components.registry.versions import Registry
from inference.local import LocalServing
from inference.traffic import Traffic
from pipelines.jobs.config import JobSettings
from pipelines.jobs.worker import Worker
from pipelines.stack import Stack
from tests.support.meanwhile import meanwhile
from tests.support.tiny import make_tiny_artifact, tiny_rows

pytestmark = pytest.mark.slow
QUICK = JobSettings(poll_s=0.2, lease_s=30.0, grace_s=10.0)
BIAS = {"1": 0.0, "2": 1e-5, "3": 0.5}
PLAN = {"soak_s": 1.5, "max_wait_s": 60}


@pytest.fixture
def serving(home: Path, records: Database) -> Iterator[LocalServing]:
    """Version 1 serves; 2 predicts nearly the same, 3 is half the price too high."""
    registry = Registry()
    for version, bias in BIAS.items():
        artifact = make_tiny_artifact(home / "made" / version, bias=bias).directory
        registry.register("tiny", artifact, key=version, tags={}, params={}, metrics={})
    sync_models(records)
    serving = LocalServing(home)
    Stack(serving, get_spec("tiny")).start("1", registry.resolve("tiny", "1"), only=())
    yield serving
    serving.stop_all()


def put(records: Database, kind: JobKind, version: str, who: str = "ann", **more: Any) -> str:
    job = NewJob(kind, "tiny", who, model_config={"version": version}, training_config=more)
    return str(enqueue(records, job)[0]["id"])


def work(records: Database, home: Path) -> None:
    Worker(records, home, QUICK, print).work(once=True)


def test_good_is_promoted_bad_is_taken_back_and_who_approved_is_known(
    records: Database, home: Path, serving: LocalServing
) -> None:
    good, bad = put(records, "deployment", "2", **PLAN), put(records, "deployment", "3", **PLAN)
    with Traffic(serving.find("router", "tiny").url, "tiny", tiny_rows(300), rate=150) as traffic:
        work(records, home)
    summary = traffic.stop()
    assert summary.failed == 0, summary.failures
    row = find_job(records, good)
    assert row["status"] == "completed", row["error_message"]
    assert row["model_artifacts"]["outcome"] == "promoted"
    assert "100 % of the traffic" in {s["step"] for s in row["progress"]["steps"]}
    row = find_job(records, bad)
    assert row["status"] == "failed"
    assert "rolled_back" in row["error_message"]
    assert "predictions moved" in row["error_message"]
    assert Registry().get("tiny").version == "2"
    with records.read() as connection:
        told = {r["model_version"]: r for r in connection.execute(select(ml_models)).mappings()}
        actions = list(connection.execute(select(model_deployments.c.action).order_by(model_deployments.c.deployed_at)))
    assert (told["2"]["is_active"], told["2"]["approved_by"]) == (True, "ann")
    assert told["3"]["approved_by"] is None
    assert [a for (a,) in actions] == ["served", "started", "promoted", "started", "rolled_back"]

    serves, retired = put(records, "retirement", "2", reason="Too old."), put(records, "retirement", "1", reason="Old.")
    again = put(records, "deployment", "1", **PLAN)
    work(records, home)
    assert "Version 2 of tiny serves" in find_job(records, serves)["error_message"]
    assert find_job(records, retired)["status"] == "completed"
    assert "was retired" in find_job(records, again)["error_message"]
    with records.read() as connection:
        row = connection.execute(select(ml_models).where(ml_models.c.model_version == "1")).mappings().one()
    assert (row["deployment_status"], row["retirement_reason"]) == ("retired", "Old.")


def test_staging_holds_a_version_ready_without_traffic(records: Database, home: Path, serving: LocalServing) -> None:
    number = put(records, "deployment", "2", environment="staging")
    work(records, home)
    row = find_job(records, number)
    assert row["status"] == "completed", row["error_message"]
    target = Stack(serving, get_spec("tiny")).target
    assert (target.stable_version, target.canary_version, target.canary_percent) == ("1", "2", 0)
    assert row["model_artifacts"]["url"] == serving.find("predictor", "tiny", "2").url
    assert Registry().get("tiny").version == "1"
    put(records, "retirement", "2", reason="Not wanted.")
    work(records, home)
    assert target.canary_version == ""


def test_a_cancelled_deployment_is_taken_back(records: Database, home: Path, serving: LocalServing) -> None:
    number = put(records, "deployment", "2", soak_s=600, max_wait_s=600)
    target = Stack(serving, get_spec("tiny")).target

    def cancel() -> bool:
        started = bool(target.canary_percent)
        if started:
            ask_cancel(records, number)
        return started

    with meanwhile(cancel):
        work(records, home)
    row = find_job(records, number)
    assert row["status"] == "cancelled"
    assert "All traffic goes to version 1" in row["error_message"]
    assert (target.stable_version, target.canary_version) == ("1", "")
    assert [e.key for e in serving.running()] == ["predictor/tiny/1", "router/tiny"]


def test_an_artifact_of_the_store_is_registered_once_it_proved_whole(
    records: Database, home: Path, serving: LocalServing
) -> None:
    from components.registry.store import open_store

    store, registry = open_store(), Registry()
    good = store.put_directory(make_tiny_artifact(home / "made" / "4", bias=2e-5).directory, "tiny/by-hand")
    bad = Path(store.put_directory(make_tiny_artifact(home / "made" / "5", bias=3e-5).directory, "tiny/broken"))
    (bad / "model" / "ridge.json").write_text("{}")
    jobs = [
        str(enqueue(records, NewJob("registration", "tiny", "bob", model_config={"artifact_uri": uri}))[0]["id"])
        for uri in (good, str(bad))
    ]
    work(records, home)
    assert find_job(records, jobs[0])["status"] == "completed", find_job(records, jobs[0])["error_message"]
    assert "ridge.json" in find_job(records, jobs[1])["error_message"]
    assert [v.version for v in registry.versions("tiny")] == ["1", "2", "3", "4"]
    with records.read() as connection:
        row = connection.execute(select(ml_models).where(ml_models.c.model_version == "4")).mappings().one()
    assert (row["created_by"], row["deployment_status"]) == ("bob", "validating")
