"""The right to be forgotten: one person's data leaves every table, and the chain of the audit trail stays valid.

What stays of a prediction says that there was one, when, by which version; not what was asked or answered, nor about
whom. The chain's entries stay as they are: they hold digests only, and without the salt nobody can test a guess
against one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, text, update

from components.errors import InvalidRequest
from components.records import chain
from components.records import outcomes as reports
from components.records.database import Database
from components.records.erased import BLANK, BLANK_REQUEST, REMAINING, erasure_entry, subject
from components.records.keys import audit_key
from components.records.pseudonym import pseudonym
from components.records.quarantine import forget_in
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
from components.settings import Settings, settings

log = logging.getLogger(__name__)
PAGE = 500
SCRUBBED = (
    *("ml_predictions", "outcomes", "model_serving_logs", "feature_values"),
    *("experiment_assignments", "experiment_observations", "ml_documents"),
)
Forget = Callable[[str], object]
"""Told the pseudonym of who is forgotten."""


@dataclass(frozen=True)
class Person:
    """One person as the tables know them.

    Attributes
    ----------
    user, caller : str
        Pseudonyms as who the data is about, and as who asked.
    entities : tuple of str
        Under which ``entity_id`` of type ``user`` they may stand.
    """

    user: str
    caller: str
    entities: tuple[str, ...]

    @staticmethod
    def of(user: str, config: Settings | None = None) -> Person:
        """Return the person with a user id.

        Raises
        ------
        InvalidRequest
            If there is none.
        """
        if not user.strip():
            raise InvalidRequest("The user id is empty.", "Name the person whose data this is about.", "user_id")
        hidden = pseudonym(user, "user", config)
        return Person(hidden, pseudonym(user, "caller", config), (user, hidden))

    def predictions(self) -> ColumnElement[bool]:
        """Return the condition that a prediction is about, or was asked for by, this person."""
        row = ml_predictions.c
        about = and_(row.entity_type == "user", row.entity_id.in_(self.entities))
        return or_(row.user_pseudonym == self.user, row.caller == self.caller, about)

    def documents(self) -> ColumnElement[bool]:
        """Return the condition that a kept document is about, or was put by, this person."""
        row = ml_documents.c
        about = and_(row.entity_type == "user", row.entity_id.in_(self.entities))
        return or_(row.user_pseudonym == self.user, row.caller == self.caller, about)

    @property
    def pseudonyms(self) -> tuple[str, str]:
        """Both; an experiment takes the caller for the person where a request names none."""
        return self.user, self.caller


@dataclass
class Erasure:
    """What was erased: rows per table, and when."""

    at: datetime
    predictions: int = 0
    outcomes: int = 0
    experiment_assignments: int = 0
    experiment_observations: int = 0
    feature_values: int = 0
    documents: int = 0
    requests: int = 0
    quarantined: int = 0
    chain_seq: int = 0
    notes: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**asdict(self), "at": self.at.isoformat()}


def erase(
    database: Database,
    user: str,
    reason: str,
    config: Settings | None = None,
    *,
    journals: Path | None = None,
    caches: Sequence[Forget] = (),
) -> Erasure:
    """Erase one person's data.

    Parameters
    ----------
    database : Database
    user : str
        The user id itself, as applications know it; it is stored nowhere.
    reason : str
        Why, for the chain; nothing personal.
    config : Settings, optional
    journals : Path, optional
        Folder of the journals. What waits in one is emptied when it is drained, on every machine.
    caches : sequence of callable
        Told the person's pseudonym.

    Returns
    -------
    Erasure

    Raises
    ------
    InvalidRequest
        If the user or the reason is empty, or the reason names the user.
    """
    config = config or settings()
    person, key = Person.of(user, config), audit_key(config)
    if not reason.strip() or user.lower() in reason.lower():
        raise InvalidRequest(
            "The reason is empty, or names the person; it stays in the chain.", "Say why without saying who.", "reason"
        )
    report = Erasure(datetime.now(UTC))
    # Of several transactions, so that nobody waits long. From the first on journals bring nothing of the person any
    # more; an erasure that was interrupted is asked for again, and goes on.
    with _writing(database) as connection:
        report.chain_seq = _request(connection, key, person, reason)
    while _predictions(database, key, person, reason, report):
        pass
    with _writing(database) as connection:
        _others(connection, person, report)
    if journals is not None:
        report.quarantined = forget_in(journals / "quarantine", {person.user, person.caller})
    for forget in caches:
        forget(person.user)
    report.notes += _scrub(database)
    log.info("erased one person's data: %d predictions, chain entry %d", report.predictions, report.chain_seq)
    return report


@contextmanager
def _writing(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        chain.lock(connection)
        # An outcome that is being reported would fill a prediction that is being emptied.
        reports.lock(connection)
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA secure_delete=ON"))
        yield connection


def _request(connection: Connection, key: bytes, person: Person, reason: str) -> int:
    asked = [
        chain.event(chain.REQUEST, subject(key, hidden), {"reason": reason}) for hidden in (person.user, person.caller)
    ]
    return chain.append(connection, key, asked).seq


def _predictions(database: Database, key: bytes, person: Person, reason: str, report: Erasure) -> bool:
    """Empty a page of the person's predictions, and let the chain say so of each; return whether there were any."""
    row = ml_predictions.c
    # One that was emptied for somebody else may name this person as its caller still.
    left = or_(row.erased_at.is_(None), row.caller == person.caller)
    query = select(*(row[name] for name in REMAINING)).where(person.predictions(), left).limit(PAGE)
    with _writing(database) as connection:
        found = [dict(each) for each in connection.execute(query).mappings()]
        names = [each["prediction_id"] for each in found]
        report.outcomes += connection.execute(delete(outcomes).where(outcomes.c.prediction_id.in_(names))).rowcount
        emptied = update(ml_predictions).where(row.prediction_id.in_(names))
        connection.execute(emptied.where(row.caller == person.caller).values(caller=None))
        connection.execute(emptied.values(**BLANK, erased_at=report.at, updated_at=report.at))
        for each in found:
            each["caller"] = None if each["caller"] == person.caller else each["caller"]
        chain.append(connection, key, [erasure_entry(each, reason) for each in found])
    report.predictions += len(found)
    return bool(found)


def _others(connection: Connection, person: Person, report: Erasure) -> None:
    def gone(table: Any, *where: ColumnElement[bool]) -> int:
        return int(connection.execute(delete(table).where(*where)).rowcount)

    for table, name in (
        (experiment_assignments, "experiment_assignments"),
        (experiment_observations, "experiment_observations"),
    ):
        setattr(report, name, gone(table, table.c.user_pseudonym.in_(person.pseudonyms)))
    row = feature_values.c
    report.feature_values = gone(feature_values, row.entity_type == "user", row.entity_id.in_(person.entities))
    report.documents = gone(ml_documents, person.documents())
    asked = model_serving_logs.c
    mine = or_(asked.caller == person.caller, asked.user_id == person.user)
    report.requests = connection.execute(update(model_serving_logs).where(mine).values(**BLANK_REQUEST)).rowcount
    for column in (outcomes.c.reported_by, ml_training_jobs.c.created_by, model_experiments.c.created_by):
        connection.execute(update(column.table).where(column == person.caller).values({column.key: None}))
    _overrides(connection, person)


def _overrides(connection: Connection, person: Person) -> None:
    """Take the person out of the experiments that were told their variant by hand."""
    table = model_experiments.c
    for number, config in connection.execute(select(table.id, table.config)).all():
        fixed = (config or {}).get("overrides") or {}
        if fixed.keys() & set(person.pseudonyms):
            kept = {name: variant for name, variant in fixed.items() if name not in person.pseudonyms}
            changed = update(model_experiments).where(table.id == number)
            connection.execute(changed.values(config={**config, "overrides": kept}))


def _scrub(database: Database) -> list[str]:
    """Take the old bytes out of the database's files, as far as the database can."""
    if database.dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in SCRUBBED:
                connection.exec_driver_sql(f"VACUUM {table}")
        return ["PostgreSQL overwrites freed space as it reuses it; write-ahead log and backups age out."]
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.close()
    except sqlite3.OperationalError as error:
        return [f"SQLite's file still holds old bytes ({error}): run VACUUM when nobody else uses it."]
    finally:
        raw.close()
    return ["SQLite's write-ahead log is in use and keeps old bytes until it is not."] if busy else []
