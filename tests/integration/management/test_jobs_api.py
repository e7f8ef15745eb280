"""Training, AutoML, optimisation and document 3's deployment over the API: one row each, however often it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.records.database import Database
from components.records.jobs import NewJob, enqueue, list_jobs
from tests.support.management import Api, put_version

JOBS = "/api/v1/ml/training/jobs"
TRAIN = {"model_name": "tiny", "hyperparameters": {"alpha": 2.0}, "dataset_config": {"until": "2016-12-30"}}
POSTS = [
    (JOBS, TRAIN),
    ("/api/v1/ml/automl/start", {"model_name": "tiny", "trials": 3}),
    ("/api/v1/ml/optimization/hyperparameters", {"model_name": "tiny", "trials": 3}),
    ("/api/v1/ml/models", {"model_name": "tiny", "artifact_uri": "/store/tiny/x"}),
    ("/api/v1/ml/features/compute", {"entity_id": "SP500"}),
    ("/admin/deploy", {"model_name": "tiny", "version": "2", "environment": "production"}),
]


def test_a_training_job_carries_what_was_asked(database: Database, api: Api) -> None:
    answer = api("POST", JOBS, json={**TRAIN, "job_name": "nightly", "compute_resources": {"cpu": 2, "memory": "4GB"}})
    assert answer.status_code == 202
    place = answer.headers["location"]
    job = api("GET", place, role="data_scientist").json()["data"]
    assert (job["job_name"], job["job_type"], job["status"], job["model"]) == ("nightly", "training", "queued", "tiny")
    assert job["model_config"] == {"params": {"alpha": 2.0}}
    assert job["training_config"] == {"seed": 7}
    assert job["dataset_config"] == {"source": "embedded", "bar": "1d", "until": "2016-12-30"}
    assert job["compute_resources"] == {"cpu": 2.0, "memory": "4GB"}


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_config": {"source": "../secrets.csv"}},
        {"dataset_config": {"source": "/etc/passwd"}},
        {"dataset_config": {"bar": "2d"}},
        {"training_config": {"seed": -1}},
        {"hyperparameters": {"alpha": {"deep": 1}}},
        {"policy": "force"},
    ],
)
def test_what_no_job_may_have_is_refused(database: Database, api: Api, change: dict[str, Any]) -> None:
    assert api("POST", JOBS, json={**TRAIN, **change}).status_code == 422
    assert list_jobs(database) == ([], None)


@pytest.mark.parametrize(("path", "body"), POSTS, ids=[path for path, _ in POSTS])
def test_the_same_key_asks_once_and_another_body_is_refused(
    database: Database, api: Api, path: str, body: dict[str, Any]
) -> None:
    put_version(database, "tiny", "2")
    put_version(database, "looked_up", "2")
    sent = {"headers": {"idempotency-key": "k-1"}}
    first, again = api("POST", path, json=body, **sent), api("POST", path, json=body, **sent)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = {**body, "entity_id": "NASDAQ"} if "entity_id" in body else {**body, "model_name": "looked_up"}
    conflict = api("POST", path, json=other, **sent)
    assert conflict.status_code == 409
    assert "'k-1' was used for another request" in conflict.json()["error"]["message"]
    assert api("POST", path, json=body, who="bob", **sent).json()["data"] != first.json()["data"], (
        "a key is its caller's"
    )
    assert api("POST", path, json=body).status_code == 202
    assert len(list_jobs(database)[0]) == 3


def test_the_same_key_sent_at_once_makes_one_job(database: Database) -> None:
    job = NewJob("training", "tiny", "ann")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: enqueue(database, job, "k"), range(16)))
    assert len({row["id"] for row, _ in made}) == 1
    assert sum(not replayed for _, replayed in made) == 1
    assert len(list_jobs(database)[0]) == 1


def test_document_3s_request_is_taken_word_for_word(database: Database, api: Api) -> None:
    put_version(database, "tiny", "1", "deployed")
    put_version(database, "tiny", "2")
    body = {"model_name": "tiny", "version": "v2", "environment": "production"}
    assert api("POST", "/admin/deploy", json=body).status_code == 202
    assert api("POST", "/admin/deploy", json={**body, "version": "candidate"}).status_code == 202
    told = api("POST", "/admin/deploy", json={**body, "version": "v1.2.0"})
    assert told.status_code == 422
    assert "tiny has 1 (deployed), 2 (validating)" in told.json()["error"]["details"]["remedy"].replace("It", "tiny")
    assert api("POST", "/admin/deploy", json={**body, "version": "1"}).status_code == 409
    assert api("POST", "/admin/deploy", json={**body, "version": "3"}).status_code == 404
    assert api("POST", "/admin/deploy", json={**body, "environment": "qa"}).status_code == 422
    assert api("POST", "/admin/deploy", json={**body, "more": 1}).status_code == 422
    assert api("POST", "/admin/deploy", json={"model_name": "tiny"}).status_code == 422
    assert api("POST", "/admin/deploy", json=body, role="data_scientist").status_code == 403
    rows, _ = list_jobs(database)
    assert {row["model_config"]["version"] for row in rows} == {"2"}


def test_jobs_are_listed_by_kind_status_and_model_in_pages(database: Database, api: Api) -> None:
    for _ in range(3):
        api("POST", JOBS, json=TRAIN)
    api("POST", "/api/v1/ml/automl/start", json={"model_name": "looked_up"})
    first = api("GET", JOBS, params={"limit": 3}).json()["data"]
    rest = api("GET", JOBS, params={"limit": 3, "cursor": first["next_cursor"]}).json()["data"]
    assert [j["job_type"] for j in first["jobs"] + rest["jobs"]] == ["automl", "training", "training", "training"]
    assert len(api("GET", JOBS, params={"type": "training"}).json()["data"]["jobs"]) == 3
    assert api("GET", JOBS, params={"status": "running"}).json()["data"]["jobs"] == []
    assert len(api("GET", JOBS, params={"model": "looked_up"}).json()["data"]["jobs"]) == 1
    automl = api("GET", "/api/v1/ml/automl/status").json()["data"]["jobs"]
    one = api("GET", "/api/v1/ml/automl/status", params={"job_id": automl[0]["id"]}).json()["data"]["jobs"]
    assert [j["id"] for j in one] == [automl[0]["id"]]
    wrong = api("GET", "/api/v1/ml/automl/status", params={"job_id": rest["jobs"][0]["id"]})
    assert wrong.status_code == 404
    assert api("GET", JOBS, role="app").status_code == 403


def test_a_waiting_job_is_cancelled_at_once_and_only_once(database: Database, api: Api) -> None:
    place = api("POST", JOBS, json=TRAIN).headers["location"]
    assert api("POST", f"{place}/cancel", role="data_scientist").status_code == 403
    told = api("POST", f"{place}/cancel")
    assert told.status_code == 202
    assert told.json()["data"]["status"] == "cancelled"
    again = api("POST", f"{place}/cancel")
    assert again.status_code == 409
    assert "is cancelled already" in again.json()["error"]["message"]
    assert api("GET", f"{JOBS}/nonsense").status_code == 404
    assert api("POST", f"{JOBS}/0a5ab43e-4c49-4a18-9e6a-5a28d6e9a4d1/cancel").status_code == 404


def test_what_searches_found_is_told(database: Database, api: Api) -> None:
    from sqlalchemy import update

    from components.records.tables import ml_training_jobs

    row, _ = enqueue(database, NewJob("tuning", "tiny", "ann"))
    enqueue(database, NewJob("tuning", "tiny", "ann"))
    tuning = {"best_score": 0.4, "default_score": 0.5, "deflated_score": 0.45, "survives": True, "trials": 3}
    found = {"best_params": {"alpha": 3.0}, "tuning": {**tuning, "sentence": "It survives."}}
    with database.write() as connection:
        change = update(ml_training_jobs).where(ml_training_jobs.c.id == row["id"])
        connection.execute(change.values(status="completed", model_artifacts=found))
    results = api("GET", "/api/v1/ml/optimization/results", params={"model": "tiny"}).json()["data"]["results"]
    assert [(r["job_id"], r["best_params"], r["survives"]) for r in results] == [(str(row["id"]), {"alpha": 3.0}, True)]
