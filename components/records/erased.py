"""Who has been forgotten: what a journal still holds about them goes into the log without what it says.

An ``erasure_request`` in the chain names the person by a keyed hash of the pseudonym, which nobody can trace back who
has not both keys. Every drainer reads these, so that an erasure holds for journals of other machines too.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, select

from components.records.chain import ERASURE, REQUEST, Head, Link, event
from components.records.tables import audit_chain

Row = dict[str, Any]
MEMORY = timedelta(days=30)
"""A request for erasure that is older holds no more for what journals still bring; no journal waits that long."""
BLANK: Row = {
    "input_features": JSON.NULL,
    "output": None,
    "feature_hash": None,
    "prediction_value": None,
    "reference_value": None,
    "prediction_class": None,
    "prediction_probability": None,
    "confidence_interval": None,
    "ensemble_predictions": None,
    "ensemble_weights": None,
    "confidence": None,
    "entity_id": "",
    "symbol": None,
    "portfolio_id": None,
    "actual_value": None,
    "prediction_error": None,
    "is_correct": None,
    "actual_outcome": None,
    "feature_importance": None,
    "shap_values": None,
    "explanation_text": None,
    "user_pseudonym": None,
    "trace_id": None,
    "request_id": None,
    "error": None,
    "salt": None,
}
"""Columns of ``ml_predictions`` that an erasure empties; what stays says that there was a prediction, when, of what."""


def subject(key: bytes, pseudonym: str) -> str:
    """Return by what a forgotten person stands in the chain, 32 hexadecimal digits."""
    return hmac.digest(key, b"erasure\0" + pseudonym.encode(), "sha256").hex()[:32]


class Erased:
    """The erasures that a drainer knows of.

    Parameters
    ----------
    key : bytes
        Of the hash chain.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known = 0
        self._until: dict[str, datetime] = {}

    def refresh(self, connection: Connection, last: Head) -> None:
        """Read what was asked for since the last time; within a transaction that holds the chain's lock."""
        if last.seq <= self._known:
            return
        row = audit_chain.c
        query = select(row.reference, row.at).where(row.kind == REQUEST, row.seq > self._known)
        if not self._known:
            query = query.where(row.at > datetime.now(UTC) - MEMORY)
        for reference, at in connection.execute(query):
            self._until[reference] = max(at, self._until.get(reference, at))
        self._known = last.seq

    def strip(self, row: Row) -> Row:
        """Return a prediction's row as it is stored: emptied where its person was forgotten after it was made."""
        if not self._until or not self._forgotten(row):
            return row
        row["erased_at"] = datetime.now(UTC)
        blank = {name: empty for name, empty in BLANK.items() if name in row}
        return {**row, **blank, "caller": None if self._is_out(row["caller"], row) else row["caller"]}

    def links(self, rows: Iterable[Row]) -> list[Link]:
        """Return the chain's entries that say so."""
        body = {"reason": "arrived from a journal after its person's erasure"}
        return [event(ERASURE, row["prediction_id"], body) for row in rows if row["erased_at"] is not None]

    def _forgotten(self, row: Row) -> bool:
        return self._is_out(row["user_pseudonym"], row) or self._is_out(row["caller"], row)

    def _is_out(self, pseudonym: str | None, row: Row) -> bool:
        until = self._until.get(subject(self._key, pseudonym)) if pseudonym else None
        return until is not None and row["created_at"] <= until
