"""What really happened, reported later: each outcome joins its prediction, now or when that arrives.

A prediction's error is predicted minus actual value. Whether it was right is told by its class where outcome and
prediction have one, else by the direction from the reference value (today's price) where that is known, else by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, text, update

from components.records.database import Database
from components.records.tables import ml_predictions, outcomes
from components.records.tables.base import utc_now

Status = Literal["joined", "updated", "duplicate", "orphan", "rejected"]
_LOCK = 0x6F7574636F6D65  # any number: reports on PostgreSQL one after the other, as SQLite's lock makes them
SKEW = timedelta(minutes=5)
"""How far ahead of ours a reporter's clock may be."""
MOST_REVISIONS = 500
LARGEST = 1e10
"""Values from here on do not fit the documents' DECIMAL(18, 8)."""


@dataclass(frozen=True)
class Outcome:
    """What really happened.

    Attributes
    ----------
    prediction_id : str
    actual_value : float, optional
        In the unit of the prediction's value.
    actual_class : str, optional
        For a prediction of a class.
    at : datetime, optional
        When it was observed; now when None.
    source : str
        Where it is from.
    reference_value : float, optional
        The value that the prediction started from, where the prediction does not know it.
    """

    prediction_id: str
    actual_value: float | None = None
    actual_class: str | None = None
    at: datetime | None = None
    source: str = "api"
    reference_value: float | None = None


@dataclass(frozen=True)
class Reported:
    """What became of one outcome.

    ``joined``: the prediction has it now. ``updated``: it had another one, which stays in the history. ``duplicate``:
    it had the same. ``orphan``: there is no such prediction yet; kept, and joined when it arrives. ``rejected``: not
    kept.
    """

    prediction_id: str
    status: Status
    message: str = ""


def report(database: Database, rows: Iterable[Outcome], reported_by: str = "") -> list[Reported]:
    """Keep outcomes and join them with their predictions; the same ones can be reported again.

    Parameters
    ----------
    rows : iterable of Outcome
    reported_by : str
        The caller's pseudonym.

    Returns
    -------
    list of Reported
        One per row, in order.
    """
    told = list(rows)
    with database.write() as connection:
        lock(connection)
        names = sorted({row.prediction_id for row in told})
        found, current = _predictions(connection, names), _current(connection, names)
        desk = _Desk(found, current, reported_by)
        answers = [desk.take(row) for row in told]
        desk.write(connection)
    return answers


def lock(connection: Connection) -> None:
    """Keep others from changing outcomes until the transaction ends; after the chain's lock where both are taken."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def join_orphans(database: Database, limit: int = 10_000) -> int:
    """Join outcomes whose predictions arrived after them; return how many. Those of erased predictions go."""
    with database.write() as connection:
        lock(connection)
        erased = select(ml_predictions.c.id).where(
            ml_predictions.c.prediction_id == outcomes.c.prediction_id, ml_predictions.c.erased_at.is_not(None)
        )
        connection.execute(delete(outcomes).where(outcomes.c.status == "orphan", erased.exists()))
        query = select(outcomes).join(ml_predictions, ml_predictions.c.prediction_id == outcomes.c.prediction_id)
        rows = connection.execute(query.where(outcomes.c.status == "orphan").limit(limit)).mappings().all()
        found = _predictions(connection, [row["prediction_id"] for row in rows])
        _update_predictions(connection, [_joined(found[row["prediction_id"]], row) for row in rows])
        _set_status(connection, [row["id"] for row in rows], "joined")
    return len(rows)


def history(connection: Connection, prediction_id: str) -> list[dict[str, Any]]:
    """Return what was reported for a prediction, oldest first: the newest ``MOST_REVISIONS`` of it."""
    query = select(outcomes).where(outcomes.c.prediction_id == prediction_id).order_by(outcomes.c.revision.desc())
    return [dict(row) for row in connection.execute(query.limit(MOST_REVISIONS)).mappings()][::-1]


class _Desk:
    """Takes outcomes one after the other, and writes what follows from them in four statements."""

    def __init__(
        self, found: Mapping[str, Mapping[str, Any]], current: Mapping[str, Mapping[str, Any]], by: str
    ) -> None:
        self._found, self._current, self._by = found, dict(current), by
        self._new: list[dict[str, Any]] = []
        self._superseded: list[Any] = []
        self._joins: dict[str, dict[str, Any]] = {}

    def take(self, row: Outcome) -> Reported:
        problem = _problem(row)
        if problem:
            return Reported(row.prediction_id, "rejected", problem)
        before, prediction = self._current.get(row.prediction_id), self._found.get(row.prediction_id)
        if prediction is not None and prediction["erased_at"] is not None:
            return Reported(row.prediction_id, "rejected", "The person whom this prediction is about was erased.")
        made = self._row(row, before, known=prediction is not None)
        waited = before is not None and before["status"] == "orphan" and prediction is not None
        if before is not None and _same(before, made) and not waited:
            return Reported(row.prediction_id, "duplicate")
        if before is not None:
            self._supersede(before)
        self._new.append(made)
        self._current[row.prediction_id] = made
        if prediction is None:
            return Reported(row.prediction_id, "orphan", "No such prediction is known yet; it joins when it arrives.")
        self._joins[row.prediction_id] = _joined(prediction, made)
        return Reported(row.prediction_id, "joined" if before is None or waited else "updated")

    def write(self, connection: Connection) -> None:
        _set_status(connection, self._superseded, "superseded")
        if self._new:
            connection.execute(insert(outcomes), self._new)
        _update_predictions(connection, list(self._joins.values()))

    def _row(self, row: Outcome, before: Mapping[str, Any] | None, *, known: bool) -> dict[str, Any]:
        return {
            "prediction_id": row.prediction_id,
            "revision": before["revision"] + 1 if before is not None else 1,
            "actual_value": None if row.actual_value is None else round(row.actual_value, 8),
            "actual_class": row.actual_class,
            "reference_value": None if row.reference_value is None else round(row.reference_value, 8),
            "status": "joined" if known else "orphan",
            "source": row.source,
            "reported_by": self._by or None,
            "observed_at": row.at or datetime.now(UTC),
        }

    def _supersede(self, before: Mapping[str, Any]) -> None:
        if "id" in before:
            self._superseded.append(before["id"])
        else:  # of the same report
            next(row for row in self._new if row is before)["status"] = "superseded"


def _problem(row: Outcome) -> str:
    if row.actual_value is None and row.actual_class is None:
        return "It has neither actual_value nor actual_class."
    for name, value in (("actual_value", row.actual_value), ("reference_value", row.reference_value)):
        if value is not None and not (np.isfinite(value) and abs(value) < LARGEST):
            return f"{name} is {value}: it must be finite and smaller than {LARGEST:g}."
    if row.at is not None and row.at.tzinfo is None:
        return f"observed_at {row.at.isoformat()} has no time zone."
    if row.at is not None and row.at > datetime.now(UTC) + SKEW:
        return f"observed_at {row.at.isoformat()} lies in the future."
    return ""


def _same(before: Mapping[str, Any], made: Mapping[str, Any]) -> bool:
    return all(before[name] == made[name] for name in ("actual_value", "actual_class", "reference_value"))


def _joined(prediction: Any, outcome: Any) -> dict[str, Any]:
    value, actual = prediction["prediction_value"], outcome["actual_value"]
    return {
        "its_id": prediction["prediction_id"],
        "actual_value": actual,
        "actual_outcome": {
            "value": actual,
            "class": outcome["actual_class"],
            "reference": outcome["reference_value"],
            "observed_at": outcome["observed_at"].isoformat(),
            "source": outcome["source"],
        },
        "prediction_error": None if value is None or actual is None else value - actual,
        "is_correct": _correct(prediction, outcome),
    }


def _correct(prediction: Any, outcome: Any) -> bool | None:
    if outcome["actual_class"] is not None and prediction["prediction_class"] is not None:
        return bool(outcome["actual_class"] == prediction["prediction_class"])
    value, actual = prediction["prediction_value"], outcome["actual_value"]
    given = outcome["reference_value"]
    reference = given if given is not None else prediction["reference_value"]
    if value is None or actual is None or reference is None:
        return None
    return bool(np.sign(value - reference) == np.sign(actual - reference))


def _predictions(connection: Connection, names: Sequence[str]) -> dict[str, Any]:
    p = ml_predictions.c
    columns = (p.prediction_id, p.prediction_value, p.prediction_class, p.reference_value, p.erased_at)
    rows = connection.execute(select(*columns).where(p.prediction_id.in_(names))).mappings()
    return {row["prediction_id"]: row for row in rows}


def _current(connection: Connection, names: Sequence[str]) -> dict[str, Any]:
    query = select(outcomes).where(outcomes.c.prediction_id.in_(names), outcomes.c.status != "superseded")
    return {row["prediction_id"]: row for row in connection.execute(query).mappings()}


def _update_predictions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    columns = ("actual_value", "actual_outcome", "prediction_error", "is_correct")
    values: dict[str, Any] = {name: bindparam(name, type_=ml_predictions.c[name].type) for name in columns}
    statement = update(ml_predictions).where(ml_predictions.c.prediction_id == bindparam("its_id"))
    connection.execute(statement.values(updated_at=utc_now(), **values), list(rows))


def _set_status(connection: Connection, ids: Sequence[Any], status: str) -> None:
    if ids:
        connection.execute(update(outcomes).where(outcomes.c.id.in_(ids)).values(status=status))
