"""Experiments in the records: created, found, stopped, decided."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from components.errors import ArthaflowError, InvalidRequest
from components.experiments.assignment import Slice, free_slice
from components.experiments.design import Design
from components.records.paging import read_page
from components.records.pseudonym import pseudonym
from components.records.tables import model_experiments as table
from inference.gateway.experiments.payloads import ExperimentRequest
from inference.gateway.experiments.versions import settle

if TYPE_CHECKING:
    from components.records.database import Database
    from components.settings import Settings

Row = dict[str, Any]
_LOCK = 0x6578_7065


class UnknownExperiment(ArthaflowError):
    """There is no such experiment."""

    status = 404


class ExperimentConflict(ArthaflowError):
    """An experiment cannot be created or changed as asked, because of what is there."""

    status = 409


def create(database: Database, asked: ExperimentRequest, by: str, config: Settings | None = None) -> Row:
    """Record a new experiment; it assigns users from its start on.

    Raises
    ------
    ExperimentConflict
        If its name is taken, or running experiments of its layer leave too few users.
    UnknownModel, InvalidRequest
        If its versions are unknown, or its end has passed.
    """
    now = datetime.now(UTC)
    start, end = asked.period(now)
    if end <= now:
        raise InvalidRequest(f"{end.isoformat()} has passed.", "Give an end in the future.", "end_date")
    try:
        with database.write() as connection:
            if database.dialect == "postgresql":  # SQLite has one writer anyway
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            model, versions, ids = settle(connection, asked)
            split = asked.split()
            design = Design(
                name=asked.name,
                model=model,
                versions=versions,
                split=split,
                metrics=tuple(asked.metrics()),
                start=start,
                end=end,
                minimum_sample_size=asked.minimum_sample_size,
                minimum_days=asked.minimum_days,
                alpha=asked.alpha,
                layer=asked.layer,
                part=_room(connection, asked, model, versions, start, end),
                overrides={pseudonym(user, "user", config): v for user, v in asked.overrides.items()},
            )
            number = uuid.uuid4()
            connection.execute(insert(table).values(id=number, **_columns(design, asked, ids, by)))
    except IntegrityError as error:
        raise ExperimentConflict(
            f"There is an experiment {asked.name!r} already.", "Give it another experiment_id; names are not reused."
        ) from error
    return find(database, str(number))


def find(database: Database, which: str) -> Row:
    """Return an experiment by its name or its id.

    Raises
    ------
    UnknownExperiment
        If there is none.
    """
    condition = table.c.experiment_name == which
    with contextlib.suppress(ValueError):
        condition = or_(condition, table.c.id == uuid.UUID(which))
    with database.read() as connection:
        row = connection.execute(select(table).where(condition)).mappings().first()
    if row is None:
        raise UnknownExperiment(f"There is no experiment {which!r:.220}.", "See GET /api/v1/ml/experiments.")
    return dict(row)


def page(
    database: Database, *, limit: int = 50, cursor: str = "", model: str = "", status: str = ""
) -> tuple[list[Row], str | None]:
    """Return experiments, the newest first, and the cursor of the next page."""
    query = select(table)
    if model:
        query = query.where(table.c.model_name == model)
    now = datetime.now(UTC)
    going = table.c.status == "running"
    if status == "running":
        query = query.where(going, table.c.end_date > now)
    elif status == "completed":
        query = query.where((table.c.status == "completed") | (going & (table.c.end_date <= now)))
    elif status:
        query = query.where(table.c.status == status)
    with database.read() as connection:
        return read_page(connection, query, table.c.created_at, table.c.id, limit, cursor)


def running(database: Database, now: datetime) -> list[Design]:
    """Return the designs of experiments that run, or start later; oldest first."""
    query = select(table).where(table.c.status == "running", table.c.end_date > now).order_by(table.c.created_at)
    with database.read() as connection:
        return [design_of(dict(row)) for row in connection.execute(query).mappings()]


def design_of(row: Mapping[str, Any]) -> Design:
    """Return an experiment's design."""
    start, end = row["start_date"], row["end_date"]
    return Design.from_config(row["experiment_name"], row["model_name"], start, end, row["config"])


def status_of(row: Mapping[str, Any], now: datetime | None = None) -> str:
    """Return ``running``, ``completed`` or ``stopped``; what runs beyond its end is completed."""
    over = row["status"] == "running" and row["end_date"] <= (now or datetime.now(UTC))
    return "completed" if over else str(row["status"])


def ended_at(row: Mapping[str, Any]) -> datetime:
    """Return when assignment ends or ended: at the planned end, or when it was stopped or decided before."""
    planned: datetime = row["end_date"]
    told = row["config"].get("ended_at")
    return min(planned, datetime.fromisoformat(told)) if told else planned


def stop(database: Database, row: Mapping[str, Any], by: str, reason: str) -> Row:
    """Stop an experiment: from now on nobody is assigned. Stopping it again changes nothing."""
    now = datetime.now(UTC)
    if status_of(row, now) == "running":
        notes = _noted(row, f"Stopped by {by} at {now.isoformat(timespec='seconds')}. {reason}")
        with database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == row["id"], table.c.status == "running")
                .values(status="stopped", analysis_notes=notes, config=_ended(row, now), updated_at=now)
            )
    return find(database, str(row["id"]))


def allow(decision: str, report: Mapping[str, Any], force: bool, notes: str) -> None:
    """Refuse a promotion on numbers that cannot be trusted, unless it is forced with a reason.

    Raises
    ------
    ExperimentConflict
        With what blocks it.
    """
    if decision != "promote_treatment" or not report["verdict"]["blocked"]:
        return
    if force and notes.strip():
        return
    raise ExperimentConflict(
        f"The treatment cannot be promoted: {report['verdict']['reason']}",
        'Find the cause; or send "force": true with the reason in "analysis_notes".',
    )


def record_decision(
    database: Database, row: Mapping[str, Any], by: str, decision: str, notes: str, report: Mapping[str, Any]
) -> Row:
    """Record what was decided, with the report that it was decided on; a final decision ends the experiment."""
    now = datetime.now(UTC)
    told = f"{decision} by {by} at {now.isoformat(timespec='seconds')}; the numbers said "
    told += f"{report['verdict']['decision']}. {notes}"
    primary = next(m for m in report["metrics"] if m["role"] == "primary")["test"]
    values: Row = {
        "decision": decision,
        "decision_date": now,
        "analysis_notes": _noted(row, told),
        "results": dict(report),
        "winner": report["verdict"]["winner"],
        "statistical_significance": primary["p_value"],
        "control_performance": performance(report, "control"),
        "treatment_performance": performance(report, "treatment"),
        "updated_at": now,
    }
    if decision != "need_more_data":
        values["status"] = "completed" if status_of(row, now) != "stopped" else "stopped"
        values["config"] = _ended(row, now)
    with database.write() as connection:
        connection.execute(update(table).where(table.c.id == row["id"]).values(**values))
    return find(database, str(row["id"]))


def performance(report: Mapping[str, Any], variant: str) -> Row:
    """Return a variant's users and means, as document 1's ``control_performance`` holds them."""
    means = {m["name"]: m["test"][variant] for m in report["metrics"]}
    return {"users": report["users"][variant], "model_version": report["variants"][variant]["model_version"], **means}


def _ended(row: Mapping[str, Any], now: datetime) -> Row:
    return {**row["config"], "ended_at": min(now, ended_at(row)).isoformat()}


def _noted(row: Mapping[str, Any], words: str) -> str:
    return "\n".join(filter(None, [row["analysis_notes"], words.strip()]))


def _room(
    connection: Connection,
    asked: ExperimentRequest,
    model: str,
    versions: Mapping[str, str],
    start: datetime,
    end: datetime,
) -> Slice:
    """Return the places of the layer that are free for the whole time.

    One model has one canary: experiments of one model at the same time must compare the same versions.
    """
    query = select(table).where(table.c.status == "running", table.c.end_date > start, table.c.start_date < end)
    others = [design_of(dict(row)) for row in connection.execute(query).mappings()]
    layer = asked.layer or model
    for other in others:
        if other.model == model and dict(other.versions) != dict(versions):
            raise ExperimentConflict(
                f"{other.name!r} compares versions {other.versions['control']} and {other.versions['treatment']} of "
                f"{model} until {other.end.isoformat(timespec='minutes')}, and a model has one canary at a time.",
                "Stop it first, or start later.",
            )
    meeting = [o for o in others if (o.layer or o.model) == layer or o.model == model]
    room = free_slice([o.part for o in meeting], asked.traffic_share)
    if room is None:
        names = ", ".join(sorted(o.name for o in meeting))
        raise ExperimentConflict(
            f"Layer {layer!r} has no {100 * asked.traffic_share:g} % of the users left beside {names}.",
            "Ask for a smaller traffic_share, stop one of them, or start later.",
        )
    return room


def _columns(design: Design, asked: ExperimentRequest, ids: Mapping[str, uuid.UUID | None], by: str) -> Row:
    return {
        "experiment_name": design.name,
        "experiment_description": asked.description or asked.experiment_description,
        "control_model_id": ids["control"],
        "treatment_model_id": ids["treatment"],
        "traffic_allocation": {v: round(100 * share, 6) for v, share in design.split.items()},
        "success_metrics": [m.name for m in design.metrics if m.role != "guardrail"],
        "start_date": design.start,
        "end_date": design.end,
        "status": "running",
        "created_by": by,
        "traffic_split": design.split["treatment"],
        "model_name": design.model,
        "config": design.to_config(),
    }
