"""Rollouts record their deployments by themselves; what could not be recorded is repeated from their histories."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import ArthaflowError
from components.settings import Settings, settings

MOMENTS = ("started", "promoted", "rolled_back", "held")
Event = dict[str, Any]
Teller = Callable[[Event], None]


def following(
    model: str, environment: str, key: str, tell: Teller | None = None, config: Settings | None = None
) -> Teller:
    """Return what a rollout tells its events to: the deployments among them are recorded, all are passed on.

    A database that is away fails no rollout: a note says so, and ``arthaflow records sync`` makes up for it.

    Parameters
    ----------
    model : str
    environment : str
        ``local``, or the namespace on a cluster.
    key : str
        Of the rollout's history.
    tell : callable, optional
        Told of every event.
    config : Settings, optional
        Where the records are; the process's settings when None.
    """

    def told(event: Event) -> None:
        if tell is not None:
            tell(event)
        problem = remember(model, environment, key, [event], config) if event["event"] in MOMENTS else ""
        if problem and tell is not None:
            tell({"event": "note", "time": event["time"], "version": event.get("version", ""), "reason": problem})

    return told


def remember(model: str, environment: str, key: str, events: Iterable[Event], config: Settings | None = None) -> str:
    """Record the deployments of a rollout's events; return what went wrong, empty if nothing did."""
    return _attempt(lambda database: record_events(database, model, environment, key, events), config)


def record_events(database: Any, model: str, environment: str, key: str, events: Iterable[Event]) -> int:
    """Record the deployments among the events of one history, each once; return how many were news."""
    from components.records.deployments import record_deployment

    return sum(
        record_deployment(
            database,
            model,
            str(event["version"]),
            environment,
            f"rollout {key}",
            _reason(event),
            _evidence(event),
            datetime.fromtimestamp(event["time"], UTC),
            action=event["event"],
            previous=str(event.get("stable_version", "")),
            history_key=f"{key}#{event['event']}@{event['time']!r}",
        )
        for event in events
        if event["event"] in MOMENTS
    )


def record_start(model: str, version: str, home: Path | None = None) -> None:
    """Record that a model's first version serves on this machine; a database that is away only warns.

    ``home`` is that of its servers, where it is not the process's.
    """

    def write(database: Any) -> None:
        from components.records.deployments import record_deployment

        why = f"Version {version} was started to serve."
        record_deployment(database, model, version, "local", "arthaflow serve", why)

    problem = _attempt(write, at_home(home))
    if problem:
        logging.getLogger(__name__).warning(problem)


def at_home(home: Path | None) -> Settings:
    """Return the process's settings with the home of the servers that are dealt with."""
    return settings().model_copy(update={"home": home}) if home is not None else settings()


def _attempt(write: Callable[[Any], Any], config: Settings | None = None) -> str:
    """Open the records and write; return what went wrong, empty if nothing did."""
    try:
        from sqlalchemy.exc import SQLAlchemyError

        from components.records.database import open_database
    except ModuleNotFoundError as error:
        return f"This deployment is not in the records ({error}): run `arthaflow records sync` where they are kept."
    try:
        database = open_database(config)
        try:
            write(database)
        finally:
            database.close()
    except (ArthaflowError, SQLAlchemyError, OSError) as error:
        return f"This deployment is not in the records: {error} Then run `arthaflow records sync`."
    return ""


def sync_histories(database: Any, config: Settings | None = None) -> int:
    """Record the deployments of every kept history, on this machine and in the archive; return how many were news.

    Local histories are ``<model>-<version>-<time>.jsonl``, archived ones ``<model>/<version>-<run>`` (a cluster's).
    """
    from components.catalog import catalogue
    from components.rollout.archive import open_archive
    from components.rollout.history import read_history

    config = config or settings()
    news = 0
    for path in sorted((config.root / "rollouts").glob("*.jsonl")):
        events = read_history(path)
        model = _model(events) or path.stem.rsplit("-", 2)[0]
        news += record_events(database, model, "local", path.stem, events)
    archive = open_archive(config)
    for model in catalogue():
        for key in archive.keys(model):
            events = archive.read(key)
            news += record_events(database, model, _environment(events), key, events)
    return news


def _model(events: Iterable[Mapping[str, Any]]) -> str:
    return next((str(e["model"]) for e in events if e.get("model")), "")


def _environment(events: Iterable[Mapping[str, Any]]) -> str:
    return next((str(e["environment"]) for e in events if e.get("environment")), "cluster")


def _reason(event: Mapping[str, Any]) -> str:
    if event["event"] == "started":
        return f"The rollout of version {event['version']} began beside version {event.get('stable_version', '')}."
    return str(event.get("reason") or f"The rollout of version {event['version']} ended.")


def _evidence(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("step", "plan", "stable_version") if event.get(name) is not None}
