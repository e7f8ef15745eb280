"""Performance per period on SQLite and PostgreSQL, from predictions and their outcomes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from components.records.database import Database
from components.records.outcomes import Outcome, report
from components.records.performance import compute_performance, refresh_performance, window
from components.records.tables import model_performance_metrics
from components.records.upkeep import Upkeep
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401
from tests.support.rows import NOON, predict


def metrics(records: Database) -> dict[tuple[str, date], dict[str, Any]]:
    with records.read() as connection:
        rows = connection.execute(select(model_performance_metrics)).mappings()
        return {(row["evaluation_period"], row["metric_date"]): dict(row) for row in rows}


def test_periods_begin_on_their_first_day() -> None:
    assert window("monthly", date(2026, 12, 31)) == (date(2026, 12, 1), date(2027, 1, 1))
    assert window("weekly", date(2027, 1, 1)) == (date(2026, 12, 28), date(2027, 1, 4))


def test_metrics_of_each_period(database: Database) -> None:  # noqa: F811
    one = predict(database, 11.0, reference_value=9.0, prediction_horizon="1d")
    two = predict(database, 8.0, NOON - timedelta(days=2), reference_value=9.0, prediction_horizon="1d")
    predict(database, None, error="The model did not answer.")
    report(database, [Outcome(one, 10.0), Outcome(two, 10.0)])
    assert compute_performance(database, NOON.date()) == 3
    told = metrics(database)
    day, week = told["daily", date(2026, 11, 20)], told["weekly", date(2026, 11, 16)]
    assert (day["total_predictions"], day["successful_predictions"], day["failed_predictions"]) == (2, 1, 1)
    assert (day["mean_absolute_error"], day["accuracy"], day["sharpe_ratio"]) == (1.0, 1.0, None)
    assert (week["mean_absolute_error"], week["accuracy"], week["win_rate"]) == (1.5, 0.5, 50.0)
    assert week["sharpe_ratio"] == pytest.approx(0.0)
    assert told["monthly", date(2026, 11, 1)]["total_predictions"] == 3


def test_a_period_without_outcomes_has_volume_and_nothing_else(database: Database) -> None:  # noqa: F811
    predict(database)
    compute_performance(database, NOON.date(), ("daily",))
    (row,) = metrics(database).values()
    assert row["total_predictions"] == 1
    assert {row[name] for name in ("accuracy", "precision", "mean_absolute_error", "win_rate", "auc_roc")} == {None}


def test_a_late_outcome_changes_the_period_of_its_prediction(database: Database) -> None:  # noqa: F811
    name = predict(database, 11.0, NOON - timedelta(days=40))
    compute_performance(database, (NOON - timedelta(days=40)).date())
    since = datetime.now(UTC)
    assert refresh_performance(database, since) == 0
    report(database, [Outcome(name, 10.0)])
    assert refresh_performance(database, since) == 3
    assert metrics(database)["daily", date(2026, 10, 11)]["mean_absolute_error"] == 1.0
    assert len(metrics(database)) == 3


def test_an_outcome_that_waited_is_joined_by_the_refresh(database: Database) -> None:  # noqa: F811
    report(database, [Outcome("early", 10.0)])
    predict(database, 11.0, prediction_id="early")
    refresh_performance(database, NOON - timedelta(days=1))
    assert metrics(database)["daily", date(2026, 11, 20)]["mean_absolute_error"] == 1.0


def test_upkeep_is_done_when_it_is_due_and_misses_nothing(database: Database) -> None:  # noqa: F811
    made = datetime.now(UTC) - timedelta(days=3)
    name = predict(database, 11.0, made)
    upkeep = Upkeep(database, every_s=3600)
    assert upkeep.run_if_due() == 3
    report(database, [Outcome(name, 10.0)])
    assert upkeep.run_if_due() == 0
    eager = Upkeep(database, every_s=0)
    eager.run_if_due()
    assert metrics(database)["daily", made.date()]["mean_absolute_error"] == 1.0
    report(database, [Outcome(name, 8.0)])
    assert eager.run_if_due() == 3
    assert metrics(database)["daily", made.date()]["mean_absolute_error"] == 3.0


def test_predictions_that_waited_for_the_database_are_counted_on_their_day(database: Database) -> None:  # noqa: F811
    predict(database, at=NOON)
    assert refresh_performance(database, NOON - timedelta(minutes=5)) == 3
    predict(database, at=NOON - timedelta(hours=2))  # out of a journal, long after it was made
    refresh_performance(database, NOON + timedelta(minutes=5))
    with database.read() as connection:
        assert set(connection.execute(select(model_performance_metrics.c.total_predictions)).scalars()) == {2}
