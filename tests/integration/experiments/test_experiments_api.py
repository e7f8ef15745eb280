"""Experiments over HTTP on SQLite and PostgreSQL: document 0's and 1's payloads, reports, verdicts, decisions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from components.records.database import Database
from components.records.pseudonym import pseudonym
from components.records.tables import experiment_assignments, experiment_observations, ml_predictions, model_experiments
from components.settings import settings
from inference.gateway.experiments import store
from inference.gateway.experiments.assigner import Assigner
from tests.support.experiments import application, predict, register
from tests.support.records import database, database_url, postgres_server, postgres_url

__all__ = ["database", "database_url", "postgres_server", "postgres_url"]

BASE = "/api/v1/ml/experiments"
DOCUMENT_0 = {
    "experiment_id": "recommendation_model_v2",
    "description": "Testing new collaborative filtering layer",
    "variants": {
        "control": {"model_version": "v1.8.0", "traffic_split": 0.5},
        "treatment": {"model_version": "v2.0.0", "traffic_split": 0.5},
    },
    "success_metrics": ["recommendation_click_rate", "investment_conversion_rate", "user_satisfaction_score"],
    "duration_days": 14,
    "minimum_sample_size": 10000,
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def client(database: Database) -> TestClient:
    return TestClient(application(database))


def begun(database: Database, name: str, days: float) -> store.Row:
    """Let an experiment have started ``days`` ago."""
    row = store.find(database, name)
    values = {c: row[c] - timedelta(days=days) for c in ("start_date", "end_date")}
    with database.write() as connection:
        connection.execute(update(model_experiments).where(model_experiments.c.id == row["id"]).values(**values))
    return store.find(database, name)


def variant_users(row: store.Row, amount: int, prefix: str = "u") -> dict[str, str]:
    design = store.design_of(row)
    found = {f"{prefix}{i}": design.variant_of(pseudonym(f"{prefix}{i}", "user")) for i in range(amount)}
    return {user: variant for user, variant in found.items() if variant}


def test_document_0s_payload_is_taken_word_for_word(database: Database, client: TestClient) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    answer = client.post(BASE, json=DOCUMENT_0)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{BASE}/recommendation_model_v2"
    data = answer.json()["data"]
    assert (data["model"], data["status"], data["duration_days"]) == ("recommendations", "running", 14)
    assert data["variants"]["treatment"] == {"model_version": "2.0.0", "traffic_split": 0.5}
    assert data["traffic_allocation"] == {"control": 50, "treatment": 50}
    assert (
        client.get(f"{BASE}/{data['id']}").json()["data"]
        == client.get(f"{BASE}/recommendation_model_v2").json()["data"]
    )
    again = client.post(BASE, json=DOCUMENT_0)
    assert again.status_code == 409, again.text


def test_document_1s_fields_are_the_same_model_behind(database: Database, client: TestClient) -> None:
    ids = register(database, "tiny", ["1", "2"])
    start = datetime.now(UTC) + timedelta(days=1)
    body = {
        "experiment_name": "tiny_2",
        "experiment_description": "x",
        "control_model_id": str(ids["1"]),
        "treatment_model_id": str(ids["2"]),
        "traffic_allocation": {"control": 90, "treatment": 10},
        "success_metrics": ["accuracy", "sharpe_ratio", "user_engagement"],
        "start_date": start.isoformat(),
        "end_date": (start + timedelta(days=7)).isoformat(),
    }
    answer = client.post(BASE, json=body)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert data["variants"]["treatment"] == {"model_version": "2", "traffic_split": 0.1}
    assert data["treatment_model_id"] == str(ids["2"])
    listed = client.get(BASE, params={"model": "tiny", "status": "running"}).json()["data"]
    assert [e["experiment_id"] for e in listed["experiments"]] == ["tiny_2"]
    assert client.get(BASE, params={"status": "completed"}).json()["data"]["experiments"] == []


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (
            {"variants": {**DOCUMENT_0["variants"], "control": {"model_version": "v1.8.0", "traffic_split": 0.6}}},
            422,
            "add up to 1.1",
        ),
        ({"variants": {"control": DOCUMENT_0["variants"]["control"]}}, 422, "control and treatment"),
        (
            {"variants": {**DOCUMENT_0["variants"], "treatment": {"model_version": "v9.9.9", "traffic_split": 0.5}}},
            404,
            "9.9.9",
        ),
        (
            {"variants": {**DOCUMENT_0["variants"], "treatment": {"model_version": "1.8.0", "traffic_split": 0.5}}},
            400,
            "both variants",
        ),
        ({"start_date": "2020-01-01T00:00:00Z"}, 400, "has passed"),
        ({"success_metrics": ["a", "a"]}, 422, "named twice"),
        (
            {"control_model_id": str(uuid.uuid4()), "treatment_model_id": "x", "variants": None},
            404,
            "No model has the id",
        ),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_what_cannot_be_run_is_refused(
    database: Database, client: TestClient, change: dict[str, Any], status: int, words: str
) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    answer = client.post(BASE, json={**DOCUMENT_0, **change})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_experiments_of_one_layer_share_no_user(database: Database, client: TestClient) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0", "3.0.0"])
    for name in ("first", "second"):
        made = client.post(BASE, json={**DOCUMENT_0, "experiment_id": name, "traffic_share": 0.5})
        assert made.status_code == 201, made.text
    third = client.post(BASE, json={**DOCUMENT_0, "experiment_id": "third", "traffic_share": 0.1})
    assert third.status_code == 409
    assert "first, second" in third.text
    first, second = (store.design_of(store.find(database, name)) for name in ("first", "second"))
    both = [(first.variant_of(f"u{i}"), second.variant_of(f"u{i}")) for i in range(2000)]
    assert all((a is None) != (b is None) for a, b in both)
    client.post(f"{BASE}/first/stop", json={"reason": "room"})
    other = {**DOCUMENT_0["variants"], "treatment": {"model_version": "3.0.0", "traffic_split": 0.5}}
    busy = client.post(BASE, json={**DOCUMENT_0, "experiment_id": "fourth", "traffic_share": 0.1, "variants": other})
    assert busy.status_code == 409
    assert "one canary at a time" in busy.text


def test_scopes(database: Database, client: TestClient) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    app, scientist = {"x-role": "app"}, {"x-role": "data_scientist"}
    assert client.get(BASE, headers=app).status_code == 403
    assert client.post(BASE, json=DOCUMENT_0, headers=app).status_code == 403
    assert client.post(BASE, json=DOCUMENT_0, headers=scientist).status_code == 201
    body = {"observations": [{"key": "k", "user": "u", "metric": "user_satisfaction_score", "value": 1}]}
    assert client.post(f"{BASE}/recommendation_model_v2/observations", json=body, headers=scientist).status_code == 403
    assert client.post(f"{BASE}/recommendation_model_v2/observations", json=body, headers=app).status_code == 200


def test_observations_are_taken_once_and_hold_no_user_id(database: Database, client: TestClient) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    client.post(BASE, json=DOCUMENT_0)
    rows = [
        {
            "key": f"k{i}",
            "user": f"someone-{i}",
            "metric": "recommendation_click_rate",
            "value": i % 2,
            "segment": "new",
        }
        for i in range(1000)
    ]
    url = f"{BASE}/recommendation_model_v2/observations"
    assert client.post(url, json={"observations": rows}).json()["data"] == {"accepted": 1000, "duplicates": 0}
    assert client.post(url, json={"observations": rows}).json()["data"] == {"accepted": 0, "duplicates": 1000}
    assert client.post(url, json={"observations": [*rows, {**rows[0], "key": "more"}]}).status_code == 422
    wrong = client.post(url, json={"observations": [{**rows[0], "metric": "clicks", "key": "x"}]})
    assert wrong.status_code == 400
    assert "recommendation_click_rate" in wrong.text
    with database.read() as connection:
        stored = connection.execute(select(experiment_observations)).mappings().all()
    assert len(stored) == 1000
    assert "someone" not in str([dict(r) for r in stored])


def test_from_users_to_a_recorded_decision(database: Database, client: TestClient) -> None:
    """A real effect, two segments, a user's past, a misrouted answer, a tester: numbers, verdict, decision."""
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    body = {**DOCUMENT_0, "minimum_sample_size": 1000, "success_metrics": DOCUMENT_0["success_metrics"][:1]}
    body |= {
        "guardrail_metrics": [{"name": "user_satisfaction_score", "margin": 0.05}],
        "overrides": {"tester": "treatment"},
    }
    client.post(BASE, json=body)
    row = begun(database, "recommendation_model_v2", days=8)
    users, rng = variant_users(row, 2400), np.random.default_rng(3)
    served = [(u, v, {"control": "1.8.0", "treatment": "2.0.0"}[v]) for u, v in users.items()]
    tester = [("tester", "treatment", "2.0.0")]
    lost = "lost"
    lost_variant = store.design_of(row).variant_of(pseudonym(lost, "user"))
    wrong = [(lost, lost_variant, "1.8.0" if lost_variant == "treatment" else "2.0.0")]
    predict(
        database, model="recommendations", experiment=row["experiment_name"], users=[*served, *tester, *wrong],
        start=row["start_date"] + timedelta(minutes=1),
    )  # fmt: skip
    at, reports = row["start_date"] + timedelta(days=2), []
    for index, (user, variant) in enumerate(users.items()):
        past = rng.normal()
        value = 0.8 * past + 0.6 * rng.normal() + (0.2 if variant == "treatment" else 0.0)
        when = (at + timedelta(seconds=index)).isoformat()
        common = {"user": user, "segments": {"tier": "premium" if index % 3 else "free"}, "at": when}
        reports.append(
            {**common, "key": f"c{index}", "metric": "recommendation_click_rate", "value": value, "pre_period": past}
        )
        reports.append(
            {**common, "key": f"s{index}", "metric": "user_satisfaction_score", "value": 4 + 0.2 * rng.normal()}
        )
    for start in range(0, len(reports), 1000):
        taken = client.post(
            f"{BASE}/recommendation_model_v2/observations", json={"observations": reports[start : start + 1000]}
        )
        assert taken.status_code == 200, taken.text
    report = client.get(f"{BASE}/recommendation_model_v2/results", params={"segments": "tier"}).json()["data"]
    primary = report["metrics"][0]
    low, high = primary["test"]["interval"]
    assert low < 0.2 < high
    assert low > 0
    assert primary["cuped"]["variance_reduction"] == pytest.approx(0.64, abs=0.05)
    assert report["left_out"]["testers"] == 1
    assert report["left_out"]["users_with_misrouted_answers_only"] == report["left_out"]["misrouted"] == 1
    assert sum(report["users"].values()) == len(users) + 1
    assert not report["sample_ratio"]["mismatch"]
    assert {s["segment"] for s in report["segments"]} == {"premium", "free"}
    assert report["guardrails"][0]["standing"] == "passed"
    assert report["verdict"]["decision"] == "promote_treatment", report["verdict"]
    assert len(report["path"]) > 5
    with database.read() as connection:
        assigned = connection.execute(select(experiment_assignments)).mappings().all()
    assert {a["user_pseudonym"]: a["variant"] for a in assigned}[pseudonym("u0", "user")] == users["u0"]
    decided = client.post(
        f"{BASE}/recommendation_model_v2/decision", json={"decision": "promote_treatment", "analysis_notes": "clear"}
    ).json()["data"]
    assert (decided["decision"], decided["status"], decided["winner"]) == (
        "promote_treatment",
        "completed",
        "treatment",
    )
    assert decided["statistical_significance"] < 0.05
    assert decided["treatment_performance"]["model_version"] == "2.0.0"
    assert "clear" in decided["analysis_notes"]
    assert client.get(f"{BASE}/recommendation_model_v2/results").json()["data"]["verdict"] == report["verdict"]


def test_a_ratio_mismatch_blocks_the_promotion(database: Database, client: TestClient) -> None:
    register(database, "tiny", ["1", "2"])
    client.post(
        BASE,
        json={
            "experiment_id": "lossy", "model": "tiny", "success_metrics": ["score"], "duration_days": 14,
            "variants": {"control": {"model_version": "1", "traffic_split": 50}, "treatment": {"model_version": "v2", "traffic_split": 50}},
        },
    )  # fmt: skip
    row = begun(database, "lossy", days=8)
    users = list(variant_users(row, 3000).items())
    seen = [(u, v, "1" if v == "control" else "2") for i, (u, v) in enumerate(users) if v == "control" or i % 4]
    predict(database, model="tiny", experiment="lossy", users=seen, start=row["start_date"])
    report = client.get(f"{BASE}/lossy/results").json()["data"]
    assert report["sample_ratio"]["mismatch"]
    assert (report["verdict"]["decision"], report["verdict"]["blocked"]) == ("need_more_data", True)
    url, body = f"{BASE}/lossy/decision", {"decision": "promote_treatment"}
    assert client.post(url, json=body).status_code == 409
    assert client.post(url, json={**body, "force": True}).status_code == 409
    forced = client.post(url, json={**body, "force": True, "analysis_notes": "the log lost a day"})
    assert forced.status_code == 200
    assert "Forced. the log lost a day" in forced.json()["data"]["analysis_notes"]


def test_hits_and_errors_come_from_outcomes_that_joined_late(database: Database, client: TestClient) -> None:
    register(database, "tiny", ["1", "2"])
    variants = {
        "control": {"model_version": "1", "traffic_split": 0.5},
        "treatment": {"model_version": "2", "traffic_split": 0.5},
    }
    body = {
        "experiment_id": "late",
        "variants": variants,
        "success_metrics": ["accuracy", "prediction_error"],
        "duration_days": 14,
    }
    client.post(BASE, json=body)
    row = begun(database, "late", days=8)
    rng = np.random.default_rng(4)
    users = [(u, v, "1" if v == "control" else "2") for u, v in variant_users(row, 1500).items() for _ in range(2)]
    right = [bool(rng.random() < (0.5 if v == "control" else 0.65)) for _, v, _ in users]
    predict(database, model="tiny", experiment="late", users=users, start=row["start_date"])
    report = client.get(f"{BASE}/late/results").json()["data"]
    assert report["metrics"][0]["observations"] == 0
    assert report["verdict"]["decision"] == "need_more_data"
    with database.write() as connection:
        rows = connection.execute(select(ml_predictions.c.id).order_by(ml_predictions.c.created_at)).scalars().all()
        for number, hit in zip(rows, right, strict=True):
            values = {"is_correct": hit, "prediction_error": -0.1 if hit else 0.3}
            connection.execute(update(ml_predictions).where(ml_predictions.c.id == number).values(**values))
    report = client.get(f"{BASE}/late/results").json()["data"]
    accuracy, error = report["metrics"]
    assert accuracy["observations"] == 3000
    assert accuracy["test"]["interval"][0] > 0
    assert error["test"]["control"] == pytest.approx(
        np.mean([0.1 if r else 0.3 for r, u in zip(right, users, strict=True) if u[1] == "control"]), abs=1e-6
    )
    assert error["lower_is_better"]
    assert error["test"]["interval"][1] < 0
    assert report["verdict"]["decision"] == "promote_treatment"


def test_planner(client: TestClient) -> None:
    body = {"minimum_detectable_effect": 0.02, "baseline": 0.1, "daily_users": 1000}
    plan = client.post(f"{BASE}/plan", json=body).json()["data"]
    assert plan["fixed_users"] < plan["expected_users"] < plan["sequential_users"]
    wrong = client.post(f"{BASE}/plan", json={"minimum_detectable_effect": 0.02})
    assert wrong.status_code == 400
    assert "standard deviation" in wrong.text


def test_assigner_is_sticky_over_restarts_and_sees_stops(database: Database, client: TestClient) -> None:
    register(database, "recommendations", ["1.8.0", "2.0.0"])
    client.post(BASE, json={**DOCUMENT_0, "overrides": {"tester": "treatment"}})
    first, second = Assigner(database, refresh_s=0.05), Assigner(database)
    first.start()
    second.refresh()
    users = [pseudonym(f"u{i}", "user") for i in range(500)]
    given = [first.assign("recommendations", u) for u in users]
    assert given == [second.assign("recommendations", u) for u in users]
    assert {(a.variant, a.track, a.version) for a in given if a} == {
        ("control", "stable", "1.8.0"),
        ("treatment", "canary", "2.0.0"),
    }
    assert first.assign("other", users[0]) is None
    tester = first.assign("recommendations", pseudonym("tester", "user"))
    assert tester is not None
    assert tester.variant == "treatment"
    shown = client.get(f"{BASE}/recommendation_model_v2/assignment", params={"user": "u0"}).json()["data"]
    assert shown["variant"] == given[0].variant  # type: ignore[union-attr]
    assert (
        client.post(f"{BASE}/recommendation_model_v2/stop", json={"reason": "enough"}).json()["data"]["status"]
        == "stopped"
    )
    second.refresh()
    assert second.assign("recommendations", users[0]) is None
    first.close()
    assert (
        client.get(f"{BASE}/recommendation_model_v2/assignment", params={"user": "u0"}).json()["data"]["variant"]
        is None
    )
