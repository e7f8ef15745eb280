"""Which version served on a day, and why: deployments and the prediction log side by side, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from components.errors import InvalidRequest
from components.records.database import Database, open_database
from components.records.deployments import record_deployment, served_on
from components.records.rollouts import following, record_start, sync_histories
from components.records.tables import ml_models
from components.settings import Settings, settings
from inference.ports import free_port
from tests.support.postgres import needs_postgres
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401
from tests.support.rows import predict

MORNING = datetime(2026, 11, 20, 9, tzinfo=UTC)


def at(hours: float) -> datetime:
    return MORNING + timedelta(hours=hours)


def deploy(records: Database, version: str, action: Any, hours: float, reason: str, previous: str = "") -> bool:
    return record_deployment(
        records, "tiny", version, "local", "rollout", reason, at=at(hours), action=action, previous=previous
    )


def told(records: Database, when: date | datetime) -> list[tuple[str, str, str]]:
    return [(s.version, s.track, s.reason) for s in served_on(records, "tiny", when)]


@pytest.fixture
def course(database: Database) -> Database:  # noqa: F811
    """Version 1 served, 2 was promoted, 3 rolled back: each some hours later."""
    deploy(database, "1", "served", 0, "first")
    deploy(database, "2", "started", 2, "began", previous="1")
    deploy(database, "2", "promoted", 3, "two is better")
    deploy(database, "3", "started", 5, "began", previous="2")
    deploy(database, "3", "rolled_back", 6, "three fails")
    return database


@pytest.mark.parametrize(
    ("hours", "want"),
    [
        (-1, []),
        (1, [("1", "stable", "first")]),
        (2.5, [("1", "stable", "first"), ("2", "canary", "began")]),
        (4, [("2", "stable", "two is better")]),
        (5.5, [("2", "stable", "two is better"), ("3", "canary", "began")]),
        (48, [("2", "stable", "two is better")]),
    ],
)
def test_a_moment_has_the_versions_that_were_deployed_then(course: Database, hours: float, want: list[Any]) -> None:
    assert told(course, at(hours)) == want


def test_a_day_has_all_of_them_and_says_why_each_ended(course: Database) -> None:
    found = {(s.version, s.track): s for s in served_on(course, "tiny", MORNING.date())}
    assert list(found) == [("1", "stable"), ("2", "canary"), ("2", "stable"), ("3", "canary")]
    assert found["3", "canary"].end_reason == "three fails"
    assert (found["1", "stable"].since, found["1", "stable"].until) == (at(0), at(3))
    assert found["2", "stable"].until is None
    assert told(course, MORNING.date() - timedelta(days=1)) == []
    assert told(course, MORNING.date() + timedelta(days=9)) == [("2", "stable", "two is better")]


def test_the_prediction_log_says_what_really_answered(course: Database) -> None:
    for hours in (1, 1.5, 2):
        predict(course, at=at(hours))
    predict(course, at=at(1), error="The model did not answer.")
    predict(course, at=at(7), model_version="9")
    predict(course, at=at(30), model_version="2")
    with course.write() as connection:
        connection.execute(
            update(ml_models)
            .where(ml_models.c.model_version == "1")
            .values(model_metadata={"reason": "Promoted: well."})
        )
    found = {(s.version, s.track): s for s in served_on(course, "tiny", MORNING.date())}
    first = found["1", "stable"]
    assert (first.predictions, first.first_at, first.last_at) == (3, at(1), at(2))
    assert first.gate == "Promoted: well."
    assert (found["9", ""].predictions, found["9", ""].reason) == (1, "")
    assert found["2", "stable"].predictions == 0


def test_a_version_in_two_spells_is_not_counted_twice(course: Database) -> None:
    predict(course, at=at(4), model_version="2")
    assert sum(s.predictions for s in served_on(course, "tiny", MORNING.date()) if s.version == "2") == 1


def test_the_same_deployment_is_recorded_once(database: Database) -> None:  # noqa: F811
    assert deploy(database, "1", "served", 0, "first")
    assert not deploy(database, "1", "served", 0, "first")
    assert told(database, at(1)) == [("1", "stable", "first")]


def test_what_makes_no_sense_is_refused(database: Database) -> None:  # noqa: F811
    with pytest.raises(InvalidRequest, match="no action"):
        deploy(database, "1", "thrown away", 0, "")
    with pytest.raises(InvalidRequest, match="no time zone"):
        served_on(database, "tiny", datetime(2026, 11, 20))


EVENTS = [
    {"event": "started", "time": 1795251757.25, "version": "2", "model": "tiny", "stable_version": "1", "plan": {}},
    {"event": "step", "time": 1795251758.0, "version": "2", "step": 50},
    {"event": "promoted", "time": 1795251760.5, "version": "2", "step": 100, "reason": "Within its limits."},
]


@pytest.fixture
def home(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARTHAFLOW_DATABASE_URL", database_url)
    settings.cache_clear()
    return settings()


@pytest.fixture(autouse=True)
def fresh_settings() -> Any:
    yield
    settings.cache_clear()


def test_a_rollout_records_itself_and_its_history_adds_nothing(home: Settings) -> None:
    record_start("tiny", "1")
    passed: list[Any] = []
    tell = following("tiny", "local", "tiny-2-20261121T090237", passed.append)
    for event in EVENTS:
        tell(event)
    assert passed == EVENTS
    folder = home.root / "rollouts"
    folder.mkdir(parents=True)
    lines = "".join(json.dumps(event) + "\n" for event in EVENTS)
    (folder / "tiny-2-20261121T090237.jsonl").write_text(lines)
    records = open_database(home)
    assert sync_histories(records, home) == 0
    found = {s.version: s for s in served_on(records, "tiny", datetime.fromtimestamp(EVENTS[2]["time"] + 1, UTC))}
    assert found["2"].reason == "Within its limits."
    assert found["2"].history_key.startswith("tiny-2-20261121T090237#promoted")
    records.close()


def test_an_archived_history_of_a_cluster_is_recorded_with_its_namespace(home: Settings) -> None:
    folder = home.root / "artifacts" / "rollouts" / "price_forecast"
    folder.mkdir(parents=True)
    events = [{**EVENTS[0], "environment": "prod", "model": "price_forecast"}, *EVENTS[1:]]
    (folder / "2-run-a.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    records = open_database(home)
    assert sync_histories(records, home) == 2
    assert sync_histories(records, home) == 0
    moment = datetime.fromtimestamp(EVENTS[2]["time"] + 1, UTC)
    (found,) = [s for s in served_on(records, "price_forecast", moment) if s.track == "stable"]
    assert (found.version, found.environment) == ("2", "prod")
    records.close()


@needs_postgres
def test_a_database_that_is_away_fails_no_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("ARTHAFLOW_DATABASE_URL", f"postgresql+psycopg://a@127.0.0.1:{free_port()}/x")
    settings.cache_clear()
    passed: list[dict[str, Any]] = []
    following("tiny", "local", "key", passed.append)(EVENTS[2])
    assert [event["event"] for event in passed] == ["promoted", "note"]
    assert "arthaflow records sync" in passed[1]["reason"]
    record_start("tiny", "1")
    assert "not in the records" in caplog.text
