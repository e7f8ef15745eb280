"""model_performance_metrics: per version and day, week or month, how busy it was and how good it turned out to be.

A period holds the predictions that were made in it; its figures are computed again as their outcomes arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, case, func, select

from components.records.database import Database
from components.records.figures import Joined, figures
from components.records.models import ensure_model
from components.records.outcomes import join_orphans
from components.records.tables import ml_predictions, model_performance_metrics, outcomes
from components.records.upsert import upsert

Period = Literal["daily", "weekly", "monthly"]
PERIODS: tuple[Period, ...] = ("daily", "weekly", "monthly")
ONE_DAY = frozenset({"1d", "1_day"})
LATE_DAYS = 1
"""How long predictions may have waited in a journal, and are still counted on the day they were made."""
_p = ml_predictions.c


def window(period: Period, day: date) -> tuple[date, date]:
    """Return the first day of the period that ``day`` lies in, and the first day after it.

    Examples
    --------
    >>> window("weekly", date(2026, 11, 21))
    (datetime.date(2026, 11, 16), datetime.date(2026, 11, 23))
    """
    if period == "daily":
        return day, day + timedelta(days=1)
    if period == "weekly":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def compute_performance(database: Database, day: date, periods: tuple[Period, ...] = PERIODS) -> int:
    """Compute the metrics of the periods that ``day`` (UTC) lies in, for every version that answered in them.

    Returns
    -------
    int
        How many rows were written.
    """
    written = 0
    for period in periods:
        first, after = window(period, day)
        begin, end = _midnight(first), _midnight(after)
        with database.read() as connection:
            told = {
                key: counts | _figures(connection, *key, begin, end) for key, counts in _volume(connection, begin, end)
            }
        with database.write() as connection:
            for (model, version), values in told.items():
                row = {
                    "model_id": ensure_model(connection, model, version),
                    "metric_date": first,
                    "evaluation_period": period,
                    **values,
                }
                upsert(connection, model_performance_metrics, row, ("model_id", "metric_date", "evaluation_period"))
        written += len(told)
    return written


def refresh_performance(database: Database, since: datetime) -> int:
    """Join what waits, then compute every period whose predictions or outcomes changed since then.

    Returns
    -------
    int
        How many rows were written.
    """
    join_orphans(database)
    day = func.date(_p.created_at)
    made = select(day).where(_p.created_at >= since)
    told = select(day).join(outcomes, outcomes.c.prediction_id == _p.prediction_id)
    told = told.where(outcomes.c.updated_at >= since)
    with database.read() as connection:
        days = {date.fromisoformat(str(found)) for found in connection.execute(made.union(told)).scalars()}
    days |= {(since - timedelta(days=back)).date() for back in range(LATE_DAYS + 1)}
    todo = {(period, window(period, found)[0]) for found in days for period in PERIODS}
    return sum(compute_performance(database, first, (period,)) for period, first in sorted(todo))


def _volume(connection: Connection, begin: datetime, end: datetime) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    failed = func.sum(case((func.coalesce(_p.error, "") != "", 1), else_=0))
    rows = connection.execute(
        select(_p.model_name, _p.model_version, func.count(), failed)
        .where(_p.created_at >= begin, _p.created_at < end, _p.model_name.is_not(None), _p.model_version.is_not(None))
        .group_by(_p.model_name, _p.model_version)
    )
    return [
        (
            (model, version),
            {
                "total_predictions": total,
                "failed_predictions": int(bad),
                "successful_predictions": total - int(bad),
            },
        )
        for model, version, total, bad in rows
    ]


def _figures(connection: Connection, model: str, version: str, begin: datetime, end: datetime) -> dict[str, Any]:
    return figures(read_joined(connection, model, version, begin, end))


def read_joined(connection: Connection, model: str, version: str, begin: datetime, end: datetime) -> Joined:
    """Return the predictions of a version made from ``begin`` to before ``end`` whose outcome is known."""
    rows = connection.execute(
        select(
            _p.prediction_value,
            outcomes.c.actual_value,
            func.coalesce(outcomes.c.reference_value, _p.reference_value),
            _p.confidence,
            _p.prediction_class,
            outcomes.c.actual_class,
            _p.created_at,
            _p.prediction_horizon,
        )
        .join(outcomes, outcomes.c.prediction_id == _p.prediction_id)
        .where(
            _p.model_name == model,
            _p.model_version == version,
            _p.created_at >= begin,
            _p.created_at < end,
            # Not a plain comparison: SQLite would look every outcome up by its status, for every prediction.
            func.lower(outcomes.c.status) == "joined",
        )
    ).all()
    columns = list(zip(*rows, strict=True)) or [()] * 8
    predicted, actual, reference, confidence, predicted_class, actual_class, made, horizon = columns
    return Joined(
        predicted=_floats(predicted),
        actual=_floats(actual),
        reference=_floats(reference),
        confidence=_floats(confidence),
        predicted_class=_objects(predicted_class),
        actual_class=_objects(actual_class),
        day=np.array([at.date() for at in made], dtype="datetime64[D]"),
        one_day=np.array([h in ONE_DAY for h in horizon], dtype=bool),
    )


def _floats(values: Sequence[float | None]) -> Any:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _objects(values: Sequence[Any]) -> Any:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
