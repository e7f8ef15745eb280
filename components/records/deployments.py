"""Which version served when, and why: what was decided, beside what the prediction log says was really served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, func, select

from components.errors import InvalidRequest
from components.records.database import Database
from components.records.models import ensure_model
from components.records.tables import ml_models, ml_predictions, model_deployments
from components.records.upsert import insert_missing

Action = Literal["served", "started", "promoted", "rolled_back", "held", "stopped"]
"""``served``: the first version of a model; ``started``: a canary; the others end or stop one."""


@dataclass(frozen=True)
class ServedVersion:
    """One version of a model that was deployed, or answered, at the asked time.

    Attributes
    ----------
    model, version : str
    environment : str
        Where it was deployed; empty where only the prediction log knows of it.
    track : str
        ``stable``, ``canary``, or empty.
    since, until : datetime, optional
        When the deployment began and ended; None: before the first record, and still there.
    end_reason : str
        Why it ended: the rollout's decision.
    actor, reason, history_key : str
        Who or what deployed it, the rollout's decision in a sentence, and where its history is kept.
    gate : str
        Why training's gate let it pass; empty before the registry was mirrored.
    predictions : int
        How many answers the prediction log has from that deployment on that day (UTC), failed ones left out.
    first_at, last_at : datetime, optional
        The first and the last of them.
    """

    model: str
    version: str
    environment: str = ""
    track: str = ""
    since: datetime | None = None
    until: datetime | None = None
    end_reason: str = ""
    actor: str = ""
    reason: str = ""
    history_key: str = ""
    gate: str = ""
    predictions: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


def record_deployment(
    database: Database,
    model: str,
    version: str,
    environment: str,
    actor: str,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    *,
    action: Action = "served",
    previous: str = "",
    history_key: str = "",
) -> bool:
    """Record that a version was deployed, or a canary began or ended; return whether that was news.

    Parameters
    ----------
    environment : str
        ``local``, or the namespace on a cluster.
    actor : str
        The command, the pipeline run, or a caller's pseudonym.
    reason : str
        Why, in a sentence.
    evidence : mapping, optional
        What the decision was made from.
    at : datetime, optional
        Now when None.
    previous : str
        The version that was stable before.
    history_key : str
        The same key is recorded once.

    Raises
    ------
    InvalidRequest
        If the action is unknown.
    """
    if action not in get_args(Action):
        raise InvalidRequest(f"{action!r} is no action of a deployment.", f"Use one of {', '.join(get_args(Action))}.")
    at = at or datetime.now(UTC)
    key = history_key or f"{environment}/{model}/{version}/{action}@{at.astimezone(UTC).isoformat()}"
    with database.write() as connection:
        values = {
            "model_id": ensure_model(connection, model, version),
            "model_name": model,
            "model_version": version,
            "environment": environment,
            "action": action,
            "previous_version": previous or None,
            "actor": actor,
            "reason": reason,
            "evidence": dict(evidence or {}),
            "history_key": key,
            "deployed_at": at,
        }
        return insert_missing(connection, model_deployments, values, ("history_key",))


def served_on(database: Database, model: str, at: date | datetime) -> list[ServedVersion]:
    """Return the versions that were deployed or answered at a moment, or on a day (UTC), and why.

    Deployments are those of the moment (of the whole day, for a date); the prediction log is asked about the day.

    Raises
    ------
    InvalidRequest
        If a moment has no time zone.
    """
    begin, end = _window(at)
    day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    with database.read() as connection:
        rows = connection.execute(
            select(model_deployments)
            .where(model_deployments.c.model_name == model, model_deployments.c.deployed_at < end)
            .order_by(model_deployments.c.deployed_at, model_deployments.c.created_at)
        )
        found = [s for s in deployed([dict(r._mapping) for r in rows]) if s.until is None or s.until >= begin]
        told, gates = _counted(connection, model, day, found), _gates(connection, model)
    return [replace(s, gate=gates.get(s.version, "")) for s in told]


def deployed(events: Iterable[Mapping[str, Any]]) -> list[ServedVersion]:
    """Return the intervals in which versions were deployed, from the rows of one model, oldest first."""
    ended: list[ServedVersion] = []
    tracks: dict[tuple[str, str], ServedVersion] = {}

    def end(event: Mapping[str, Any], track: str) -> None:
        before = tracks.pop((event["environment"], track), None)
        if before is not None:
            ended.append(replace(before, until=event["deployed_at"], end_reason=event["reason"]))

    for event in events:
        place = event["environment"]
        stable, canary = tracks.get((place, "stable")), tracks.get((place, "canary"))
        before = event["previous_version"] or ""
        match event["action"]:
            case "served" | "promoted":
                end(event, "canary")
                end(event, "stable")
                tracks[place, "stable"] = _begun(event, "stable")
            case "started":
                end(event, "canary")
                if stable is None and before:  # it served before anything was recorded
                    tracks[place, "stable"] = ServedVersion(event["model_name"], before, place, "stable")
                tracks[place, "canary"] = _begun(event, "canary")
            case "rolled_back" if canary is not None:
                end(event, "canary")
            case "rolled_back" if stable is not None and stable.version == event["model_version"] and before:
                end(event, "stable")
                tracks[place, "stable"] = replace(_begun(event, "stable"), version=before)
            case "stopped":
                end(event, "canary")
                end(event, "stable")
    return sorted([*ended, *tracks.values()], key=lambda s: (s.since or datetime.min.replace(tzinfo=UTC), s.track))


def _begun(event: Mapping[str, Any], track: str) -> ServedVersion:
    return ServedVersion(
        event["model_name"],
        event["model_version"],
        event["environment"],
        track,
        event["deployed_at"],
        actor=event["actor"],
        reason=event["reason"],
        history_key=event["history_key"],
    )


def _window(at: date | datetime) -> tuple[datetime, datetime]:
    if not isinstance(at, datetime):
        begin = datetime(at.year, at.month, at.day, tzinfo=UTC)
        return begin, begin + timedelta(days=1)
    if at.tzinfo is None:
        raise InvalidRequest(f"{at.isoformat()} has no time zone.", "Write it as 2026-11-21T12:00:00Z.")
    return at.astimezone(UTC), at.astimezone(UTC) + timedelta(microseconds=1)


def _counted(
    connection: Connection, model: str, day: datetime, deployments: Sequence[ServedVersion]
) -> list[ServedVersion]:
    """Return deployments with what the log has of each on that day, and versions that only the log knows.

    An answer that came as its deployment changed counts for the version's last one: clocks differ by that much.
    """
    whole, end = _answered(connection, model, day, day + timedelta(days=1)), day + timedelta(days=1)
    last = {s.version: place for place, s in enumerate(deployments)}
    told = []
    for place, each in enumerate(deployments):
        if place == last[each.version]:
            figures = whole.pop(each.version, {})
            told.append(replace(each, **figures) if figures.get("predictions") else each)
            continue
        since, until = max(each.since or day, day), min(each.until or end, end)
        figures = _answered(connection, model, since, until, each.version).get(each.version, {})
        told.append(replace(each, **figures))
        if figures:
            whole[each.version]["predictions"] -= figures["predictions"]
    return told + [ServedVersion(model, version, **figures) for version, figures in sorted(whole.items())]


def _answered(
    connection: Connection, model: str, begin: datetime, end: datetime, version: str = ""
) -> dict[str, dict[str, Any]]:
    p = ml_predictions.c
    query = (
        select(p.model_version, func.count(), func.min(p.created_at), func.max(p.created_at))
        .where(p.model_name == model, p.created_at >= begin, p.created_at < end)
        .where(func.coalesce(p.error, "") == "")
        .group_by(p.model_version)
    )
    rows = connection.execute(query.where(p.model_version == version) if version else query)
    return {version or "": {"predictions": n, "first_at": first, "last_at": last} for version, n, first, last in rows}


def _gates(connection: Connection, model: str) -> dict[str, str]:
    query = select(ml_models.c.model_version, ml_models.c.model_metadata).where(ml_models.c.model_name == model)
    return {version: (facts or {}).get("reason", "") for version, facts in connection.execute(query)}
