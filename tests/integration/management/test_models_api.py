"""Document 1's model routes: how a version is named, what is listed, who may deploy what, and who sees which prediction."""

from __future__ import annotations

import pytest

from components.records.database import Database
from components.records.jobs import list_jobs
from tests.support.management import Api, put_prediction, put_version

MODELS = "/api/v1/ml/models"


def test_versions_are_listed_in_pages_with_what_the_catalogue_says(database: Database, api: Api) -> None:
    for version in range(1, 6):
        put_version(database, "tiny", str(version), "deployed" if version == 5 else "retired")
    put_version(database, "looked_up", "1", model_type="regression")
    first = api("GET", MODELS, params={"limit": 4}).json()["data"]
    rest = api("GET", MODELS, params={"limit": 4, "cursor": first["next_cursor"]}).json()["data"]
    told = [(m["name"], m["version"]) for m in first["models"] + rest["models"]]
    assert sorted(told) == [("looked_up", "1"), *(("tiny", str(v)) for v in range(1, 6))]
    assert rest["next_cursor"] is None
    assert first["models"][-1]["title"] == "Tiny"
    assert "mixed" in first["without_versions"]
    assert "tiny" not in first["without_versions"]
    assert rest["without_versions"] == []
    serving = api("GET", MODELS, params={"name": "tiny", "status": "deployed"}).json()["data"]["models"]
    assert [m["version"] for m in serving] == ["5"]
    assert [m["name"] for m in api("GET", MODELS, params={"type": "regression"}).json()["data"]["models"]] == [
        "looked_up"
    ]


@pytest.mark.parametrize(
    ("reference", "version"), [("tiny", "2"), ("tiny:10", "10"), ("tiny:v1", "1"), ("tiny:candidate", "10")]
)
def test_a_version_is_named_in_several_ways(database: Database, api: Api, reference: str, version: str) -> None:
    put_version(database, "tiny", "1", "retired")
    put_version(database, "tiny", "2", "deployed")
    put_version(database, "tiny", "10")
    found = api("GET", f"{MODELS}/{reference}").json()["data"]
    assert (found["name"], found["version"]) == ("tiny", version)
    again = api("GET", f"{MODELS}/{found['id']}").json()["data"]
    assert again == found


def test_without_one_in_production_a_name_means_the_newest(database: Database, api: Api) -> None:
    put_version(database, "tiny", "9", "retired")
    put_version(database, "tiny", "10", "retired")
    assert api("GET", f"{MODELS}/tiny").json()["data"]["version"] == "10"


@pytest.mark.parametrize(
    ("reference", "status", "words"),
    [
        ("nothing", 404, "There is no model 'nothing'"),
        ("tiny:7", 404, "tiny has no version '7'"),
        ("tiny:v1.2.0", 422, "versions are whole numbers"),
        ("0a5ab43e-4c49-4a18-9e6a-5a28d6e9a4d1", 404, "No version has the id"),
    ],
)
def test_what_there_is_not_is_said(database: Database, api: Api, reference: str, status: int, words: str) -> None:
    put_version(database, "tiny", "1", "deployed")
    answer = api("GET", f"{MODELS}/{reference}")
    assert answer.status_code == status
    assert words in answer.json()["error"]["message"]
    assert answer.json()["error"]["details"]["remedy"]


def test_the_artifacts_address_is_for_those_who_register(database: Database, api: Api) -> None:
    put_version(database, "tiny", "1", "deployed", created_by="ann")
    assert api("GET", f"{MODELS}/tiny").json()["data"]["artifact"] == "/store/tiny/1"
    told = api("GET", f"{MODELS}/tiny", role="app").json()["data"]
    assert told["artifact"] is None
    assert told["disclaimers"] == ["Not investment advice."]
    assert told["lineage"] == {"seed": "7"}


def test_deploying_makes_a_job_and_says_where_to_look(database: Database, api: Api) -> None:
    number = put_version(database, "tiny", "2", created_by="bob")
    body = {"plan": {"steps": [20, 100], "soak_s": 5}}
    answer = api("PUT", f"{MODELS}/{number}/deploy", json=body)
    assert answer.status_code == 202
    ticket = answer.json()["data"]
    assert answer.headers["location"] == f"/api/v1/ml/training/jobs/{ticket['job_id']}" == ticket["location"]
    rows, _ = list_jobs(database)
    assert [(r["job_type"], r["model_name"], r["status"], r["created_by"]) for r in rows] == [
        ("deployment", "tiny", "queued", "ann")
    ]
    assert rows[0]["model_config"] == {"version": "2"}
    assert rows[0]["training_config"] == {"environment": "production", "steps": [20, 100], "soak_s": 5.0}


def test_nobody_deploys_their_own_version_but_an_admin(database: Database, api: Api) -> None:
    put_version(database, "tiny", "2", created_by="ann")
    refused = api("PUT", f"{MODELS}/tiny:2/deploy")
    assert refused.status_code == 403
    assert "You made version 2 of tiny yourself" in refused.json()["error"]["message"]
    assert api("PUT", f"{MODELS}/tiny:2/deploy", json={"environment": "staging"}).status_code == 202
    assert api("PUT", f"{MODELS}/tiny:2/deploy", who="bob").status_code == 202
    assert api("PUT", f"{MODELS}/tiny:2/deploy", role="admin").status_code == 202


@pytest.mark.parametrize("role", ["app", "data_scientist", "public"])
def test_only_engineers_deploy(database: Database, api: Api, role: str) -> None:
    put_version(database, "tiny", "2")
    for path, body in (("deploy", {}), ("retire", {"reason": "It is old."})):
        answer = api("PUT", f"{MODELS}/tiny:2/{path}", role=role, json=body)
        assert answer.status_code == 403
        assert "models:deploy" in answer.json()["error"]["message"]
    assert list_jobs(database) == ([], None)


def test_what_serves_is_not_retired_and_not_deployed_again(database: Database, api: Api) -> None:
    put_version(database, "tiny", "1", "retired")
    put_version(database, "tiny", "2", "deployed")
    refused = api("PUT", f"{MODELS}/tiny/retire", json={"reason": "It is old."})
    assert refused.status_code == 409
    assert "Deploy another version first" in refused.json()["error"]["details"]["remedy"]
    assert api("PUT", f"{MODELS}/tiny/deploy").status_code == 409
    assert api("PUT", f"{MODELS}/tiny:1/retire", json={"reason": "It is old."}).status_code == 202
    assert api("PUT", f"{MODELS}/tiny:1/retire", json={}).status_code == 422, "a reason is needed"


def test_another_environment_is_refused_with_those_that_there_are(database: Database, api: Api) -> None:
    put_version(database, "tiny", "2")
    refused = api("PUT", f"{MODELS}/tiny:2/deploy", json={"environment": "canada"})
    assert refused.status_code == 422
    assert "Use production" in refused.json()["error"]["details"]["remedy"]


def test_registering_makes_a_job(database: Database, api: Api) -> None:
    answer = api("POST", MODELS, json={"model_name": "tiny", "artifact_uri": "/store/tiny/x"})
    assert answer.status_code == 202
    assert answer.json()["data"]["job_type"] == "registration"
    assert api("POST", MODELS, json={"model_name": "gone", "artifact_uri": "/x"}).status_code == 404
    assert (
        api("POST", MODELS, role="data_scientist", json={"model_name": "tiny", "artifact_uri": "/x"}).status_code == 403
    )


def test_who_sees_what_of_a_prediction(database: Database, api: Api) -> None:
    number = put_version(database, "tiny", "1", "deployed")
    put_prediction(database, number, "ann", entity_type="user", entity_id="u-1")
    put_prediction(database, number, "bob", entity_type="user", entity_id="u-2")
    put_prediction(database, number, "bob")

    def seen(role: str, who: str) -> list[tuple[bool, str | None, float | None, bool, str | None]]:
        rows = api("GET", f"{MODELS}/tiny/predictions", role=role, who=who).json()["data"]["predictions"]
        return [(r["yours"], r["entity_id"], r["value"], r["inputs"] is not None, r["caller"]) for r in rows]

    market = (False, "SP500", 3.0, False, None)
    assert seen("app", "ann") == [market, (False, None, None, False, None), (True, "u-1", 3.0, True, None)]
    assert seen("ml_engineer", "eve") == [market, (False, None, None, False, None), (False, None, None, False, None)]
    assert seen("admin", "eve") == [
        (False, "SP500", 3.0, True, "bob"),
        (False, "u-2", 3.0, True, "bob"),
        (False, "u-1", 3.0, True, "ann"),
    ]


def test_predictions_of_a_name_are_of_all_versions_in_pages(database: Database, api: Api) -> None:
    old, new = put_version(database, "tiny", "1", "retired"), put_version(database, "tiny", "2", "deployed")
    for number, version in ((old, "1"), (new, "2"), (old, "1")):
        put_prediction(database, number, "bob", model_version=version)
    first = api("GET", f"{MODELS}/tiny/predictions", params={"limit": 2}).json()["data"]
    rest = api("GET", f"{MODELS}/tiny/predictions", params={"cursor": first["next_cursor"]}).json()["data"]
    assert [p["model_version"] for p in first["predictions"] + rest["predictions"]] == ["1", "2", "1"]
    one = api("GET", f"{MODELS}/tiny:2/predictions").json()["data"]["predictions"]
    assert [p["model_version"] for p in one] == ["2"]
    wrong = api("GET", f"{MODELS}/tiny/predictions", params={"cursor": "!"})
    assert wrong.status_code == 400
    assert "is no cursor" in wrong.json()["error"]["message"]


def test_performance_has_the_gates_figures_and_those_of_each_period(database: Database, api: Api) -> None:
    from datetime import date

    from sqlalchemy import insert

    from components.records.tables import ml_metrics, model_performance_metrics

    number = put_version(database, "tiny", "1", "deployed")
    with database.write() as connection:
        for day in (1, 2, 3):
            row = {"model_id": number, "metric_date": date(2026, 1, day), "evaluation_period": "daily"}
            connection.execute(insert(model_performance_metrics).values(**row, total_predictions=day))
            connection.execute(insert(ml_metrics).values(model_id=number, metric_name="mae", metric_value=day / 10))
    told = api("GET", f"{MODELS}/tiny/performance", params={"limit": 2}).json()["data"]
    assert told["evaluation"] == {"loss_ratio": 0.5}
    assert [p["total_predictions"] for p in told["periods"]] == [3, 2]
    assert told["periods"][0] == {"metric_date": "2026-01-03", "evaluation_period": "daily", "total_predictions": 3}
    assert told["live"] == [{"metric_name": "mae", "metric_value": 0.3}]
    rest = api("GET", f"{MODELS}/tiny/performance", params={"cursor": told["next_cursor"]}).json()["data"]
    assert [p["total_predictions"] for p in rest["periods"]] == [1]
    weekly = api("GET", f"{MODELS}/tiny/performance", params={"period": "weekly"}).json()["data"]
    assert weekly["periods"] == []
