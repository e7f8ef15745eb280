"""Finding a version of a model: by the row's UUID, by ``name:version``, or by the name alone."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from components.catalog import get_spec
from components.errors import ArthaflowError, InvalidRequest, UnknownModel
from components.records.tables import ml_models
from inference.gateway.caller import Caller, Forbidden

if TYPE_CHECKING:
    from components.records.database import Database

Row = dict[str, Any]
ENVIRONMENTS = ("production", "staging")
NUMBER = re.compile(r"^v?([1-9][0-9]{0,8})$")
ALIASES = {"production": "deployed", "candidate": "validating"}


class VersionConflict(ArthaflowError):
    """What is asked does not fit how the version stands."""

    status = 409


class Unsupported(InvalidRequest):
    """The value has the right type, but this product has no such thing."""

    status = 422


def find_version(database: Database, reference: str) -> Row:
    """Return the row of a version; of a name alone the one in production, else the newest.

    Raises
    ------
    UnknownModel
        If there is none; the message lists those that there are.
    """
    with database.read() as connection:
        number = _uuid(reference)
        if number is not None:
            row = connection.execute(select(ml_models).where(ml_models.c.id == number)).mappings().one_or_none()
            if row is None:
                raise UnknownModel(f"No version has the id {reference}.", "GET /api/v1/ml/models lists them.")
            return dict(row)
        name, _, version = reference.partition(":")
        rows = versions_of(connection, get_spec(name).name)
    return choose(rows, get_spec(name).name, version)


def choose(rows: Sequence[Row], name: str, version: str) -> Row:
    """Return one of a model's versions: by number (``2`` or ``v2``), by alias, or for empty what serves.

    Raises
    ------
    UnknownModel
        If there is none.
    Unsupported
        If it is written as no version here is.
    """
    known = ", ".join(f"{r['model_version']} ({r['deployment_status']})" for r in rows)
    there = f"It has {known}." if known else f"None is registered yet: train one with POST {JOBS}."
    if not version:
        serving = [row for row in rows if row["is_active"]]
        if not rows:
            raise UnknownModel(f"{name} has no version.", there)
        return (serving or rows)[-1]
    if version in ALIASES:
        found = [row for row in rows if row["deployment_status"] == ALIASES[version]]
    else:
        match = NUMBER.match(version)
        if match is None:
            raise Unsupported(
                f"{version!r:.60} is no version here: versions are whole numbers, counted by the registry.",
                f"Write 2 or v2, or candidate. {there}",
                "version",
            )
        found = [row for row in rows if row["model_version"] == match[1]]
    if not found:
        raise UnknownModel(f"{name} has no version {version!r}.", there)
    return found[-1]


JOBS = "/api/v1/ml/training/jobs"


def versions_of(connection: Connection, name: str) -> list[Row]:
    """Return the versions of a model, oldest first."""
    rows = connection.execute(select(ml_models).where(ml_models.c.model_name == name)).mappings().all()
    return sorted((dict(row) for row in rows), key=lambda r: (len(r["model_version"]), r["model_version"]))


def check_environment(environment: str) -> str:
    """Return an environment.

    Raises
    ------
    Unsupported
        If there is no such one.
    """
    if environment not in ENVIRONMENTS:
        raise Unsupported(
            f"There is no environment {environment!r:.60} here.",
            "Use production (a canary rollout with an analysis at each step) or staging (ready on one machine, without "
            "traffic). Another environment is another installation: deploy there.",
            "environment",
        )
    return environment


def check_four_eyes(caller: Caller, row: Row, environment: str) -> None:
    """Refuse that somebody brings what they made themselves into production, unless they are an admin.

    Raises
    ------
    Forbidden
        With who may.
    """
    if environment == "production" and row["created_by"] == caller.pseudonym and caller.role != "admin":
        raise Forbidden(
            f"You made version {row['model_version']} of {row['model_name']} yourself; whoever deploys approves.",
            "Let another ML engineer or an admin deploy it.",
        )


def _uuid(reference: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(reference)
    except ValueError:
        return None
