"""Reports of applications about users, taken once each; and who was assigned, kept beside them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from components.errors import InvalidRequest
from components.experiments.design import VARIANTS, Design
from components.records.pseudonym import pseudonym
from components.records.tables import experiment_assignments as assignments
from components.records.tables import experiment_observations as reports
from components.records.tables import ml_predictions as log
from inference.gateway.experiments.gathering import USER
from inference.gateway.experiments.payloads import Observation

if TYPE_CHECKING:
    from components.records.database import Database
    from components.settings import Settings


def observe(
    database: Database, design: Design, number: uuid.UUID, rows: Sequence[Observation], config: Settings | None = None
) -> tuple[int, int]:
    """Keep reports; return how many were new, and how many were known by their key.

    Raises
    ------
    InvalidRequest
        If a metric is none of the experiment's that applications report.
    """
    now = datetime.now(UTC)
    able = [m.name for m in design.metrics if not m.source]
    for index, row in enumerate(rows):
        if row.metric not in able:
            raise InvalidRequest(
                f"{row.metric!r} is no metric of {design.name} that is reported.",
                f"Report one of: {', '.join(able) or 'none; its metrics come from the prediction log'}.",
                f"observations[{index}].metric",
            )
    values = [
        {
            "id": uuid.uuid4(),
            "experiment_id": number,
            "observation_key": row.key,
            "user_pseudonym": pseudonym(row.user, "user", config),
            "metric": row.metric,
            "value": row.value,
            "weight": row.weight,
            "pre_period": row.pre_period,
            "segments": row.labels() or None,
            "observed_at": row.at or now,
        }
        for row in rows
    ]
    with database.write() as connection:
        before = _count(connection, number)
        connection.execute(_unless_there(database, reports), values)
        new = _count(connection, number) - before
    return new, len(values) - new


def materialise(database: Database, design: Design, number: uuid.UUID) -> None:
    """Keep everybody's first exposure in experiment_assignments, from the prediction log; off the hot path."""
    query = (
        select(USER, func.min(log.c.variant), func.min(log.c.created_at), func.count(log.c.variant.distinct()))
        .where(log.c.experiment == design.name, log.c.erased_at.is_(None), log.c.variant.in_(VARIANTS))
        .group_by(USER)
    )
    with database.read() as connection:
        seen = [tuple(row) for row in connection.execute(query) if row[0]]
        query = select(assignments.c.user_pseudonym).where(assignments.c.experiment_id == number)
        known = set(connection.execute(query).scalars())
    new = [_assigned(number, *row) for row in seen if row[0] not in known]
    if new:
        with database.write() as connection:
            connection.execute(_unless_there(database, assignments), new)


def _assigned(number: uuid.UUID, user: str, variant: str, first: datetime, variants: int) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "experiment_id": number,
        "user_pseudonym": user,
        "variant": variant,
        "excluded": variants > 1,
        "assigned_at": first if first.tzinfo else first.replace(tzinfo=UTC),
    }


def _unless_there(database: Database, table: Any) -> Insert:
    if database.dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def _count(connection: Connection, number: uuid.UUID) -> int:
    query = select(func.count()).select_from(reports).where(reports.c.experiment_id == number)
    return int(connection.execute(query).scalar_one())
