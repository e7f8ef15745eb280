"""Everything about one prediction: what was asked and answered, by which version, why that one, what came of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, select

from components.errors import ArthaflowError, InvalidRequest
from components.records.database import Database
from components.records.deployments import served_on
from components.records.outcomes import history
from components.records.tables import audit_chain, ml_predictions
from components.records.verification import verify
from components.wire import parse_day, parse_moment

_INTERNAL = frozenset({"id", "salt", "model_id"})


class UnknownPrediction(ArthaflowError):
    """The prediction log has no such prediction."""

    status = 404
    code = "UNKNOWN_PREDICTION"


def story(database: Database, key: bytes, prediction_id: str) -> dict[str, Any]:
    """Return everything that the records tell about a prediction.

    Returns
    -------
    dict
        ``prediction`` (its row), ``audit`` (its entry in the chain, and whether both are as they were written),
        ``served`` (the version's deployment then: who, since when, why, what training's gate said), ``outcomes``,
        ``explain`` (how to ask for an explanation).

    Raises
    ------
    UnknownPrediction
        If there is none.
    """
    with database.read() as connection:
        row = _one(connection, prediction_id)
        later = [_plain(found) for found in history(connection, prediction_id)]
    served = served_on(database, row["model_name"] or "", row["created_at"])
    return {
        "prediction": _plain(row),
        "audit": _audit(database, key, row),
        "served": [asdict(found) for found in served if found.version == row["model_version"]],
        "outcomes": later,
        "explain": _hint(row),
    }


def parse_when(text: str) -> date | datetime:
    """Return a date or a moment; today, UTC, for nothing.

    Raises
    ------
    InvalidRequest
        If the text is neither, or a moment without a zone.
    """
    remedy = "Write 2026-11-21, or 2026-11-21T12:00:00Z."
    try:
        if not text:
            return datetime.now(UTC).date()
        return parse_day(text) if len(text) == len("2026-11-21") else parse_moment(text)
    except ValueError as error:
        raise InvalidRequest(f"{text!r:.60} is no date: {error}.", remedy, "at") from error


def _one(connection: Connection, prediction_id: str) -> Any:
    query = select(ml_predictions).where(ml_predictions.c.prediction_id == prediction_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownPrediction(
            f"The prediction log has no {prediction_id!r:.110}.",
            "Take prediction_id of the answer's metadata; one of the last second may be on its way, one that is older "
            "than the retention is gone.",
        )
    return row


def _audit(database: Database, key: bytes, row: Any) -> dict[str, Any]:
    """Return the prediction's entry in the chain; ``sound`` means that both are as they were written."""
    seq, erased = row["chain_seq"] or 0, row["erased_at"] is not None
    with database.read() as connection:
        found = connection.execute(select(audit_chain.c.hash).where(audit_chain.c.seq == seq)).scalar()
    if found is None or seq < 1:
        return {"seq": row["chain_seq"], "sound": False, "erased": erased}
    return {"seq": seq, "hash": found, "sound": verify(database, key, (), seq, seq).ok, "erased": erased}


def _plain(row: Any) -> dict[str, Any]:
    return {str(name): value for name, value in row.items() if name not in _INTERNAL}


def _hint(row: Any) -> str:
    if row["erased_at"] is not None:
        return "Its person's data was erased; nothing is left to explain."
    if row["explanation_text"]:
        return str(row["explanation_text"])
    return f"""POST /api/v1/ml/explain/shap {{"prediction_id": "{row["prediction_id"]}"}}"""
