"""Outcomes on SQLite and PostgreSQL: late, repeated, corrected, and before their prediction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from components.records.database import Database
from components.records.outcomes import Outcome, history, join_orphans, report
from components.records.tables import ml_predictions
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401
from tests.support.rows import predict

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)


def prediction(records: Database, name: str) -> dict[str, Any]:
    with records.read() as connection:
        row = connection.execute(select(ml_predictions).where(ml_predictions.c.prediction_id == name)).mappings().one()
    return dict(row)


def statuses(records: Database, *rows: Outcome) -> list[str]:
    return [r.status for r in report(records, rows, "reporter")]


def test_an_outcome_joins_its_prediction(database: Database) -> None:  # noqa: F811
    name = predict(database, 10.0)
    assert statuses(database, Outcome(name, 12.5, at=AT, reference_value=9.0, source="eod")) == ["joined"]
    row = prediction(database, name)
    assert (row["actual_value"], row["prediction_error"], row["is_correct"]) == (12.5, -2.5, True)
    assert row["actual_outcome"]["source"] == "eod"
    assert row["updated_at"] > row["created_at"]


@pytest.mark.parametrize(
    ("more", "outcome", "right"),
    [
        ({}, {"actual_value": 12.0}, None),
        ({"reference_value": 11.0}, {"actual_value": 12.0}, False),
        ({"reference_value": 11.0}, {"actual_value": 12.0, "reference_value": 9.0}, True),
        ({"prediction_class": "high"}, {"actual_class": "high"}, True),
        ({"prediction_class": "high"}, {"actual_class": "low"}, False),
        ({}, {"actual_class": "low"}, None),
    ],
)
def test_what_is_right_is_told_by_the_class_or_the_direction(
    database: Database,  # noqa: F811
    more: dict[str, Any],
    outcome: dict[str, Any],
    right: bool | None,
) -> None:
    name = predict(database, 10.0, **more)
    assert statuses(database, Outcome(name, at=AT, **outcome)) == ["joined"]
    assert prediction(database, name)["is_correct"] is right


def test_the_same_again_changes_nothing_and_another_keeps_history(database: Database) -> None:  # noqa: F811
    name = predict(database, 10.0)
    first = Outcome(name, 12345678.12345678, at=AT)
    assert statuses(database, first, first) == ["joined", "duplicate"]
    assert statuses(database, first) == ["duplicate"]
    assert statuses(database, Outcome(name, 13.0, at=AT), Outcome(name, 14.0, at=AT)) == ["updated", "updated"]
    assert prediction(database, name)["prediction_error"] == -4.0
    with database.read() as connection:
        told = [(r["revision"], r["actual_value"], r["status"]) for r in history(connection, name)]
    assert told == [(1, 12345678.12345678, "superseded"), (2, 13.0, "superseded"), (3, 14.0, "joined")]


def test_an_outcome_waits_for_its_prediction(database: Database) -> None:  # noqa: F811
    assert statuses(database, Outcome("early", 9.0, at=AT), Outcome("never", 9.0, at=AT)) == ["orphan", "orphan"]
    assert statuses(database, Outcome("early", 9.0, at=AT)) == ["duplicate"]
    assert join_orphans(database) == 0
    predict(database, 10.0, prediction_id="early")
    assert join_orphans(database) == 1
    assert join_orphans(database) == 0
    assert prediction(database, "early")["prediction_error"] == 1.0


def test_an_orphan_that_is_reported_again_joins(database: Database) -> None:  # noqa: F811
    assert statuses(database, Outcome("early", 9.0, at=AT)) == ["orphan"]
    predict(database, 10.0, prediction_id="early")
    assert statuses(database, Outcome("early", 9.0, at=AT)) == ["joined"]
    assert prediction(database, "early")["actual_value"] == 9.0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Outcome("p"), "neither"),
        (Outcome("p", float("nan")), "finite"),
        (Outcome("p", 1e10), "smaller"),
        (Outcome("p", 1.0, at=datetime(2026, 1, 1)), "no time zone"),
        (Outcome("p", 1.0, at=datetime.now(UTC) + timedelta(days=1)), "future"),
    ],
)
def test_what_cannot_be_an_outcome_is_told_per_row(database: Database, row: Outcome, why: str) -> None:  # noqa: F811
    name = predict(database)
    bad, good = report(database, [row, Outcome(name, 9.0, at=AT)])
    assert (bad.status, good.status) == ("rejected", "joined")
    assert why in bad.message


def test_reports_at_once_keep_one_history(database: Database) -> None:  # noqa: F811
    name = predict(database, 10.0)
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda n: statuses(database, Outcome(name, float(n), at=AT)), range(12)))
    assert sorted(s for (s,) in done) == ["joined"] + ["updated"] * 11
    with database.read() as connection:
        told = history(connection, name)
    assert [r["revision"] for r in told] == list(range(1, 13))
    assert [r["status"] for r in told] == ["superseded"] * 11 + ["joined"]
    assert prediction(database, name)["actual_value"] == told[-1]["actual_value"]
