"""Document 1's feature routes: definitions with figures, values with their freshness, jobs for the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from components.records.database import Database
from components.records.feature_mirror import FeatureFacts, FeatureStatistics, sync_features
from components.records.jobs import list_jobs
from components.records.tables import feature_values, ml_features
from tests.support.management import Api

FEATURES = "/api/v1/ml/features"
WEEK = timedelta(days=7).total_seconds()


def fact(name: str, kind: str = "numerical", statistics: FeatureStatistics | None = None) -> FeatureFacts:
    group = "price_window" if kind == "embedding" else "price_features"
    logic = {"unit": "index", "ttl_s": WEEK}
    return FeatureFacts(name, group, kind, f"The {name}", "Float64", group, logic, statistics)  # type: ignore[arg-type]


FACTS = [
    fact("rsi_14", statistics=FeatureStatistics(1.0, 99.0, 50.0, 10.0, 0.5)),
    fact("macd"),
    fact("window", "embedding"),
]


def test_features_are_listed_with_figures(database: Database, api: Api) -> None:
    assert sync_features(database, FACTS) == 3
    told = api("GET", FEATURES, role="data_scientist").json()["data"]["features"]
    assert {f["feature_name"] for f in told} == {"rsi_14", "macd", "window"}
    rsi = next(f for f in told if f["feature_name"] == "rsi_14")
    assert (rsi["min_value"], rsi["max_value"], rsi["mean_value"]) == (1.0, 99.0, 50.0)
    assert (rsi["std_deviation"], rsi["null_percentage"], rsi["unit"]) == (10.0, 0.5, "index")
    embedded = api("GET", FEATURES, params={"type": "embedding"}).json()["data"]["features"]
    assert [f["feature_group"] for f in embedded] == ["price_window"]
    assert api("GET", FEATURES, role="app").status_code == 403


def test_what_is_defined_no_more_becomes_inactive_and_what_is_known_stays(database: Database, api: Api) -> None:
    sync_features(database, FACTS)
    with database.write() as connection:
        connection.execute(ml_features.update().values(feature_importance_score=0.25))
    sync_features(database, [fact("rsi_14")])
    told = api("GET", FEATURES).json()["data"]["features"]
    assert [(f["feature_name"], f["feature_importance_score"], f["mean_value"]) for f in told] == [
        ("rsi_14", 0.25, 50.0)
    ]
    gone = api("GET", FEATURES, params={"active": False}).json()["data"]["features"]
    assert {f["feature_name"] for f in gone} == {"macd", "window"}


def test_values_come_in_pages_with_their_freshness(database: Database, api: Api) -> None:
    sync_features(database, FACTS)
    now = datetime.now(UTC)
    with database.write() as connection:
        number = connection.execute(select(ml_features.c.id).where(ml_features.c.feature_name == "rsi_14")).scalar_one()
        for day in range(5):
            row = {"feature_id": number, "entity_type": "instrument", "entity_id": "SP500", "feature_value": 40.0 + day}
            connection.execute(insert(feature_values).values(**row, timestamp=now - timedelta(days=day)))
    asked = {"entity_id": "SP500", "limit": 3}
    first = api("GET", f"{FEATURES}/rsi_14/values", params=asked).json()["data"]
    rest = api("GET", f"{FEATURES}/{number}/values", params={**asked, "cursor": first["next_cursor"]}).json()["data"]
    assert [v["value"] for v in first["values"] + rest["values"]] == [40.0, 41.0, 42.0, 43.0, 44.0]
    assert first["freshness"]["fresh"] is True
    assert first["freshness"]["ttl_s"] == WEEK
    assert 0 <= first["freshness"]["age_s"] < 600
    early = {"entity_id": "SP500", "until": (now - timedelta(days=2)).isoformat()}
    assert [v["value"] for v in api("GET", f"{FEATURES}/rsi_14/values", params=early).json()["data"]["values"]] == [
        42.0,
        43.0,
        44.0,
    ]
    nobody = api("GET", f"{FEATURES}/rsi_14/values", params={"entity_id": "NASDAQ"}).json()["data"]
    assert (nobody["values"], nobody["freshness"]["fresh"]) == ([], False)
    assert api("GET", f"{FEATURES}/rsi_14/values").status_code == 422, "an entity is needed"


def test_an_unknown_feature_offers_the_nearest(database: Database, api: Api) -> None:
    empty = api("GET", f"{FEATURES}/rsi_41/values", params={"entity_id": "SP500"})
    assert "arthaflow jobs work" in empty.json()["error"]["details"]["remedy"]
    sync_features(database, FACTS)
    told = api("GET", f"{FEATURES}/rsi_41/values", params={"entity_id": "SP500"})
    assert told.status_code == 404
    assert "Did you mean 'rsi_14'?" in told.json()["error"]["details"]["remedy"]


def test_computing_makes_a_job(database: Database, api: Api) -> None:
    body = {"entity_type": "instrument", "entity_id": "SP500", "features": ["rsi_14"], "from": "2018-12-01T00:00:00Z"}
    assert api("POST", f"{FEATURES}/compute", json=body).status_code == 202
    rows, _ = list_jobs(database)
    assert rows[0]["job_type"] == "features"
    assert rows[0]["training_config"] == body
    assert rows[0]["dataset_config"] == {"source": "embedded", "bar": "1d"}
    assert api("POST", f"{FEATURES}/compute", json={**body, "entity_type": "user"}).status_code == 422
    assert api("POST", f"{FEATURES}/compute", role="data_scientist", json=body).status_code == 403


@pytest.mark.parametrize("body", [None, {"model_name": "looked_up", "repeats": 3}])
def test_importance_makes_a_job(database: Database, api: Api, body: dict[str, object] | None) -> None:
    sync_features(database, FACTS)
    answer = api("POST", f"{FEATURES}/rsi_14/importance", json=body)
    if body is None:  # the rooms of the tests add a second model that takes stored features
        assert answer.status_code == 422
        assert "price_forecast" in answer.json()["error"]["details"]["remedy"]
        return
    assert answer.status_code == 202
    row = list_jobs(database)[0][0]
    assert (row["job_type"], row["model_name"]) == ("importance", "looked_up")
    assert (row["training_config"]["feature"], row["training_config"]["repeats"]) == ("rsi_14", 3)
