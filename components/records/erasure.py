"""The right to be forgotten: one person's data leaves every table, and the chain of the audit trail stays valid.

What stays of a prediction says that there was one, when, by which version; not what was asked or answered, nor about
whom. The chain's entries stay as they are: they hold digests only, and without the salt nobody can test a guess
against one.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, text, update

from components.errors import InvalidRequest
from components.records import chain
from components.records.database import Database
from components.records.erased import BLANK, subject
from components.records.keys import audit_key
from components.records.pseudonym import pseudonym
from components.records.quarantine import forget_in
from components.records.tables import (
    experiment_assignments,
    experiment_observations,
    feature_values,
    ml_predictions,
    model_serving_logs,
    outcomes,
)
from components.settings import Settings, settings

log = logging.getLogger(__name__)
PAGE = 500
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


@dataclass
class Erasure:
    """What was erased: rows per table, and when."""

    at: datetime
    predictions: int = 0
    outcomes: int = 0
    experiment_assignments: int = 0
    experiment_observations: int = 0
    feature_values: int = 0
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
    with database.write() as connection:
        chain.lock(connection)
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA secure_delete=ON"))
        report.chain_seq = _request(connection, key, person, reason)
        _predictions(connection, key, person, reason, report)
        _others(connection, person, report)
    if journals is not None:
        report.quarantined = forget_in(journals / "quarantine", {person.user, person.caller})
    for forget in caches:
        forget(person.user)
    report.notes += _scrub(database)
    log.info("erased one person's data: %d predictions, chain entry %d", report.predictions, report.chain_seq)
    return report


def _request(connection: Connection, key: bytes, person: Person, reason: str) -> int:
    asked = [
        chain.event(chain.REQUEST, subject(key, hidden), {"reason": reason}) for hidden in (person.user, person.caller)
    ]
    return chain.append(connection, key, asked).seq


def _predictions(connection: Connection, key: bytes, person: Person, reason: str, report: Erasure) -> None:
    """Empty the person's predictions, page by page, and let the chain say so of each."""
    row = ml_predictions.c
    for names in _pages(connection, person):
        found = outcomes.c.prediction_id.in_(names)
        report.outcomes += connection.execute(delete(outcomes).where(found)).rowcount
        emptied = update(ml_predictions).where(row.prediction_id.in_(names))
        mine = emptied.where(row.caller == person.caller)
        connection.execute(mine.values(caller=None))
        connection.execute(emptied.values(**BLANK, erased_at=report.at, updated_at=report.at))
        chain.append(connection, key, [chain.event(chain.ERASURE, name, {"reason": reason}) for name in names])
        report.predictions += len(names)


def _pages(connection: Connection, person: Person) -> Iterator[list[str]]:
    row = ml_predictions.c
    query = select(row.prediction_id).where(person.predictions(), row.erased_at.is_(None)).limit(PAGE)
    while names := list(connection.execute(query).scalars()):
        yield names


def _others(connection: Connection, person: Person, report: Erasure) -> None:
    def gone(table: Any, *where: ColumnElement[bool]) -> int:
        return int(connection.execute(delete(table).where(*where)).rowcount)

    for table, name in (
        (experiment_assignments, "experiment_assignments"),
        (experiment_observations, "experiment_observations"),
    ):
        setattr(report, name, gone(table, table.c.user_pseudonym == person.user))
    row = feature_values.c
    report.feature_values = gone(feature_values, row.entity_type == "user", row.entity_id.in_(person.entities))
    asked = model_serving_logs.c
    mine = or_(asked.caller == person.caller, asked.user_id == person.user)
    blank = {"caller": None, "user_id": None, "client_ip": None, "trace_id": None, "error_message": None}
    report.requests = connection.execute(update(model_serving_logs).where(mine).values(**blank)).rowcount


def _scrub(database: Database) -> list[str]:
    """Take the old bytes out of the database's files, as far as the database can."""
    if database.dialect == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("ml_predictions", "outcomes", "model_serving_logs", "feature_values"):
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
