"""The queue on SQLite and on PostgreSQL: each job to one worker, a lost worker's job to the next, no two rollouts at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from components.records.database import Database
from components.records.jobs import JobKind, NewJob, ask_cancel, enqueue, find_job
from components.records.tables import ml_training_jobs as jobs
from pipelines.jobs.queue import Claim, LeaseLost, Queue


def put(database: Database, kind: JobKind = "training", model: str = "tiny", **more: Any) -> str:
    return str(enqueue(database, NewJob(kind, model, "ann", **more))[0]["id"])


def claimed(queue: Queue) -> Claim:
    found = queue.claim()
    assert found is not None
    return found


def expire(database: Database, claim: Claim) -> None:
    with database.write() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(jobs).where(jobs.c.id == claim.id).values(leased_until=long_ago))


def test_the_oldest_job_comes_first_with_all_its_arguments(database: Database) -> None:
    config = {"model_config": {"params": {"alpha": 2}}, "training_config": {"seed": 3}, "dataset_config": {"bar": "1d"}}
    first, second = put(database, **config), put(database)
    queue = Queue(database, "w")
    one = claimed(queue)
    assert str(one.id) == one.asked.job_id == first
    assert one.asked.arguments == {"params": {"alpha": 2}, "seed": 3, "bar": "1d"}
    assert (one.asked.kind, one.asked.model, one.asked.attempt, one.asked.created_by) == ("training", "tiny", 1, "ann")
    assert str(claimed(queue).id) == second
    assert queue.claim() is None
    row = find_job(database, first)
    assert (row["status"], row["worker"], row["attempts"]) == ("running", "w", 1)


def test_many_workers_at_once_get_each_job_once(database_url: str) -> None:
    setup = Database(database_url)
    setup.migrate()
    wanted = {put(setup) for _ in range(24)}
    found: list[str] = []

    def work(name: str) -> None:
        own = Database(database_url)
        queue = Queue(own, name)
        while (claim := queue.claim()) is not None:
            found.append(str(claim.id))
            queue.end(claim, "completed")
        own.close()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(wanted)
    assert {find_job(setup, number)["status"] for number in wanted} == {"completed"}
    setup.close()


def test_a_lost_workers_job_is_taken_up_and_the_lost_one_is_refused(database: Database) -> None:
    put(database)
    lost, other = Queue(database, "lost"), Queue(database, "other")
    first = claimed(lost)
    assert other.claim() is None, "its lease holds"
    expire(database, first)
    second = claimed(other)
    assert (second.id, second.asked.attempt, second.lost, second.abandoned) == (first.id, 2, "lost", False)
    for write in (
        lambda: lost.renew(first),
        lambda: lost.end(first, "completed"),
        lambda: lost.hand_back(first),
    ):
        with pytest.raises(LeaseLost):
            write()
    other.end(second, "completed", model_artifacts={"version": "1"})
    assert find_job(database, str(first.id))["model_artifacts"] == {"version": "1"}


def test_after_the_last_attempt_a_job_is_only_taken_back(database: Database) -> None:
    put(database)
    queue = Queue(database, "w", attempts=2)
    for attempt in (1, 2):
        claim = claimed(queue)
        assert (claim.asked.attempt, claim.abandoned) == (attempt, False)
        expire(database, claim)
    last = claimed(queue)
    assert (last.asked.attempt, last.abandoned) == (2, True)


def test_a_deployment_is_begun_once(database: Database) -> None:
    put(database, "deployment")
    queue = Queue(database, "w", attempts=3)
    expire(database, claimed(queue))
    assert claimed(queue).abandoned


def test_two_rollouts_of_one_model_wait_for_one_another(database: Database) -> None:
    first, second = put(database, "deployment"), put(database, "retirement")
    other, training = put(database, "deployment", "looked_up"), put(database)
    queue = Queue(database, "w")
    began = [claimed(queue) for _ in range(3)]
    assert [str(c.id) for c in began] == [first, other, training]
    assert queue.claim() is None, "the model is being deployed"
    queue.end(began[0], "completed")
    assert str(claimed(queue).id) == second


def test_a_job_that_is_handed_back_waits_as_if_it_had_not_been_begun(database: Database) -> None:
    put(database)
    queue = Queue(database, "w")
    first = claimed(queue)
    queue.hand_back(first)
    again = claimed(queue)
    assert (again.id, again.asked.attempt) == (first.id, 1)


def test_renewing_tells_of_a_cancellation_and_keeps_what_is_said(database: Database) -> None:
    number = put(database)
    queue = Queue(database, "w")
    claim = claimed(queue)
    assert queue.renew(claim, progress={"steps": [{"step": "ingest"}]}, log_tail="a line") is False
    assert find_job(database, number)["progress"]["steps"] == [{"step": "ingest"}]
    assert ask_cancel(database, number)["status"] == "running"
    assert queue.renew(claim) is True
    queue.end(claim, "cancelled")
    assert find_job(database, number)["status"] == "cancelled"


def test_a_cancelled_job_of_a_lost_worker_is_not_begun_again(database: Database) -> None:
    number = put(database)
    queue = Queue(database, "w")
    claim = claimed(queue)
    ask_cancel(database, number)
    expire(database, claim)
    assert claimed(queue).cancelled
