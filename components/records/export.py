"""Everything that the records hold about one person, as JSON and CSV that other programs read."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Select, func, or_, select

from components.records.database import Database
from components.records.erasure import Person
from components.records.tables import (
    experiment_assignments,
    experiment_observations,
    feature_values,
    ml_documents,
    ml_predictions,
    ml_training_jobs,
    model_experiments,
    model_serving_logs,
    outcomes,
)
from components.settings import Settings

Row = dict[str, Any]
_INTERNAL = frozenset({"salt", "payload_digest", "chain_seq", "feature_hash"})
"""Columns that say nothing about the person."""


def export(database: Database, user: str, target: Path | io.BytesIO, config: Settings | None = None) -> dict[str, int]:
    """Write one person's data.

    Parameters
    ----------
    database : Database
    user : str
        The user id itself.
    target : Path or BytesIO
        A folder, a file whose name ends in ``.zip``, or memory for a zip.
    config : Settings, optional

    Returns
    -------
    dict
        Rows per table.

    Raises
    ------
    InvalidRequest
        If the user id is empty.
    """
    person = Person.of(user, config)
    counts: dict[str, int] = {}
    if isinstance(target, Path) and target.suffix != ".zip":
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in _files(database, person, counts):
            (target / name).write_bytes(data)
        return counts
    if isinstance(target, Path):
        target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _files(database, person, counts):
            archive.writestr(name, data)
    return counts


def rows_about(database: Database, user: str, most: int, config: Settings | None = None) -> int:
    """Return how many rows the fullest table holds about a person, counted up to one more than ``most``."""
    person = Person.of(user, config)
    with database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(query.order_by(None).limit(most + 1).subquery()))
            for query in _queries(person).values()
        ]
        return max(count.scalar_one() for count in counts)


def _files(database: Database, person: Person, counts: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    with database.read() as connection:
        for table, query in _queries(person).items():
            rows = _rows(connection, query)
            counts[table] = len(rows)
            yield f"{table}.json", orjson.dumps(rows, option=orjson.OPT_INDENT_2)
            yield f"{table}.csv", _csv(rows).encode()
    about = {"exported_at": datetime.now(UTC), "format": "one JSON and one CSV file per table, UTF-8, times in UTC"}
    yield "manifest.json", orjson.dumps({**about, "rows": counts}, option=orjson.OPT_INDENT_2)


def _queries(person: Person) -> dict[str, Select[Any]]:
    mine = select(ml_predictions.c.prediction_id).where(person.predictions())
    asked, value = model_serving_logs.c, feature_values.c
    return {
        "predictions": select(ml_predictions).where(person.predictions()).order_by(ml_predictions.c.created_at),
        "outcomes": select(outcomes).where(outcomes.c.prediction_id.in_(mine)),
        "experiment_assignments": select(experiment_assignments).where(
            experiment_assignments.c.user_pseudonym.in_(person.pseudonyms)
        ),
        "experiment_observations": select(experiment_observations).where(
            experiment_observations.c.user_pseudonym.in_(person.pseudonyms)
        ),
        "reported_outcomes": select(outcomes).where(outcomes.c.reported_by == person.caller),
        "training_jobs": select(ml_training_jobs).where(ml_training_jobs.c.created_by == person.caller),
        "experiments": select(model_experiments).where(model_experiments.c.created_by == person.caller),
        "feature_values": select(feature_values).where(
            value.entity_type == "user", value.entity_id.in_(person.entities)
        ),
        "documents": select(ml_documents).where(person.documents()).order_by(ml_documents.c.created_at),
        "requests": select(model_serving_logs).where(or_(asked.caller == person.caller, asked.user_id == person.user)),
    }


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    found = connection.execute(query).mappings()
    return [{str(name): value for name, value in row.items() if name not in _INTERNAL} for row in found]


def _csv(rows: list[Row]) -> str:
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    # A spreadsheet would compute a text that begins like a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
