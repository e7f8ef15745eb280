"""Who has been forgotten: what a journal still holds about them goes into the log without what it says.

An ``erasure_request`` in the chain names the person by a keyed hash of the pseudonym, which nobody can trace back who
has not both keys. Every drainer reads these, so that an erasure holds for journals of other machines too.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, select

from components.records.chain import ERASURE, REQUEST, Head, Link, event
from components.records.payload import COLUMNS, body_digest, told
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
BLANK_REQUEST: Row = {"caller": None, "user_id": None, "client_ip": None, "trace_id": None, "error_message": None}
"""Columns of ``model_serving_logs`` that an erasure empties."""
REMAINING = tuple(name for name in COLUMNS if name not in BLANK)
"""Columns of ``ml_predictions`` that the chain's erasure entry vouches for from then on."""


def erasure_entry(row: Mapping[str, Any], reason: str) -> Link:
    """Return the chain's entry for an emptied prediction: why, and the digest of what remains of it."""
    return event(ERASURE, row["prediction_id"], {"reason": reason, "remains": remains_digest(row)})


def remains_digest(row: Mapping[str, Any]) -> str:
    """Return the digest of what remains of an emptied prediction; nothing of it is anybody's secret."""
    return body_digest(told(row, REMAINING))


def left_over(row: Mapping[str, Any]) -> list[str]:
    """Return the columns of a prediction that is said to be emptied, and holds something still."""
    return [name for name, empty in BLANK.items() if row[name] not in (None, empty)]


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
        if row["erased_at"] is None:
            if not self._until or not self._forgotten(row):
                return row
            row["erased_at"] = datetime.now(UTC)
            if self._is_out(row["caller"], row["created_at"]):
                row["caller"] = None
        return {**row, **{name: empty for name, empty in BLANK.items() if name in row}}

    def strip_request(self, row: Row) -> Row:
        """Return a request's row as it is stored: emptied where its caller was forgotten after it was made."""
        if not self._until or not self._is_out(row["caller"], row["timestamp"]):
            return row
        return {**row, **{name: empty for name, empty in BLANK_REQUEST.items() if name in row}}

    def links(self, rows: Iterable[Row]) -> list[Link]:
        """Return the chain's entries that say so."""
        reason = "arrived from a journal after its person's erasure"
        return [erasure_entry(row, reason) for row in rows if row["erased_at"] is not None]

    def _forgotten(self, row: Row) -> bool:
        return any(self._is_out(row[name], row["created_at"]) for name in ("user_pseudonym", "caller"))

    def _is_out(self, pseudonym: str | None, at: datetime) -> bool:
        until = self._until.get(subject(self._key, pseudonym)) if pseudonym else None
        return until is not None and at <= until
