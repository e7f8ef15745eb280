"""Document 0's info alerts, which are events: a version deployed, a retraining started, an experiment decided."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, or_, select

from components.records.tables import ml_training_jobs, model_deployments, model_experiments, model_serving_logs
from inference.gateway.observed.alert_rules import Alert, alert

RECENT = timedelta(hours=24)
MOST = 100


def recent_events(connection: Connection, now: datetime) -> list[Alert]:
    """Return what happened within a day, the newest first of each kind."""
    begin = now - RECENT
    return [*_deployed(connection, begin), *_retraining(connection, begin), *_decided(connection, begin)]


def last_answer(connection: Connection, model: str, now: datetime) -> datetime | None:
    """Return when a model was last answered for without a failure, within 30 days."""
    s = model_serving_logs.c
    query = select(func.max(s.timestamp)).where(
        s.model_name == model, s.status < 500, s.timestamp >= now - timedelta(days=30)
    )
    found: datetime | None = connection.execute(query).scalar()
    return found


def _deployed(connection: Connection, begin: datetime) -> list[Alert]:
    d = model_deployments.c
    query = select(d.model_name, d.model_version, d.environment, d.deployed_at, d.action).where(
        d.deployed_at >= begin, d.action.in_(("served", "started", "promoted"))
    )
    return [
        alert(
            "ArthaflowNewModelDeployed",
            "info",
            f"Version {version} of {model} {'began as a canary' if action == 'started' else 'is deployed'} ({place})",
            model,
            since=at,
        )
        for model, version, place, at, action in connection.execute(query.order_by(d.deployed_at.desc()).limit(MOST))
    ]


def _retraining(connection: Connection, begin: datetime) -> list[Alert]:
    j = ml_training_jobs.c
    query = select(j.model_name, j.job_name, j.started_at).where(
        j.started_at >= begin, j.job_type.in_(("training", "automl"))
    )
    return [
        alert("ArthaflowRetrainingStarted", "info", f"The training {job} has started", model or None, since=at)
        for model, job, at in connection.execute(query.order_by(j.started_at.desc()).limit(MOST))
    ]


def _decided(connection: Connection, begin: datetime) -> list[Alert]:
    e = model_experiments.c
    ended = or_(
        and_(e.decision.is_not(None), e.decision_date >= begin),
        and_(e.status == "completed", e.updated_at >= begin),
    )
    query = select(e.experiment_name, e.decision, e.winner, e.decision_date, e.updated_at).where(ended)
    return [
        alert(
            "ArthaflowABResultsAvailable",
            "info",
            f"The experiment {name} has a result: {decision or winner or 'completed'}",
            since=decided or updated,
        )
        for name, decision, winner, decided, updated in connection.execute(
            query.order_by(e.updated_at.desc()).limit(MOST)
        )
    ]
