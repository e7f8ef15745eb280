"""Performance per period on SQLite and PostgreSQL, from predictions and their outcomes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from components.records.accuracy_ratio import accuracy_ratio
from components.records.database import Database
from components.records.outcomes import Outcome, report
from components.records.performance import compute_performance, refresh_performance, window
from components.records.tables import ml_models, model_performance_metrics
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


def trained(records: Database, **columns: Any) -> None:
    with records.write() as connection:
        connection.execute(update(ml_models).where(ml_models.c.model_name == "tiny").values(**columns))


def test_the_ratio_compares_accuracies_and_waits_for_enough(database: Database) -> None:  # noqa: F811
    names = [predict(database, 11.0, reference_value=10.0) for _ in range(40)]
    trained(database, validation_accuracy=0.8)
    report(database, [Outcome(name, 12.0) for name in names[:29]])
    assert accuracy_ratio(database, "tiny", "1", NOON + timedelta(days=1)) is None
    report(database, [Outcome(name, 9.0) for name in names[29:]])
    found = accuracy_ratio(database, "tiny", "1", NOON + timedelta(days=1))
    assert found is not None
    assert (found.kind, found.outcomes, found.recent) == ("accuracy", 40, 29 / 40)
    assert found.value == pytest.approx(29 / 40 / 0.8)
    assert accuracy_ratio(database, "tiny", "1", NOON + timedelta(days=60)) is None


@pytest.mark.parametrize(("actual", "value"), [(12.0, 0.5), (11.0, 10.0)])
def test_without_an_accuracy_errors_of_one_name_are_compared(database: Database, actual: float, value: float) -> None:  # noqa: F811
    names = [predict(database, 11.0) for _ in range(30)]
    trained(database, custom_metrics={"mean_absolute_error": 0.5, "1_day_mae": 0.001})
    report(database, [Outcome(name, actual) for name in names])
    found = accuracy_ratio(database, "tiny", "1", NOON + timedelta(days=1))
    assert found is not None
    assert (found.kind, found.value) == ("mean_absolute_error", value)
