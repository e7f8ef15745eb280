"""Records of a journal as rows of the database, with exactly the values that the database will hold."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, Column, MetaData, String, Table, Text

from components.records.canonical import canonical
from components.records.payload import payload_digest
from components.records.tables import ml_predictions, model_serving_logs
from components.records.tables.types import Decimal, Name, Prose

Row = dict[str, Any]
FindModel = Callable[[str, str], uuid.UUID | None]
"""Name and version to the row of ``ml_models``."""


def _plain(table: Table) -> Table:
    """Return a table with plain text columns: its rows' texts fit already, and need not be looked at again."""
    kinds = {Name: String, Prose: Text}
    columns = [Column(column.name, kinds.get(type(column.type), column.type), key=column.key) for column in table.c]
    return Table(table.name, MetaData(), *columns)


PREDICTIONS, REQUESTS = _plain(ml_predictions), _plain(model_serving_logs)
_WIDTHS = {
    table.name: {column.key: column.type for column in table.c if isinstance(column.type, Name)}
    for table in (ml_predictions, model_serving_logs)
}
_DECIMALS = {column.key: column.type for column in ml_predictions.c if isinstance(column.type, Decimal)}
_MOST_ID = 2**31 - 1


def prediction_row(told: Mapping[str, Any], find: FindModel) -> Row:
    """Return a prediction's row, digest and salt included, ``chain_seq`` not yet.

    Parameters
    ----------
    told : mapping
        A :class:`~components.records.entries.PredictionEntry` as JSON.
    find : callable

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is none.
    """
    at = _moment(told["at"])
    entity_type, entity_id = told["entity_type"] or "", told["entity_id"] or ""
    row = {
        "id": uuid.uuid4(),
        "model_id": find(told["model"], told["version"]),
        "prediction_id": told["prediction_id"],
        "input_features": told["inputs"],
        "feature_hash": _hash_of(told["inputs"]),
        "prediction_value": told["value"],
        "reference_value": told.get("reference"),
        "confidence": told["confidence"],
        "inference_time_ms": round(told["latency_ms"]),
        "symbol": entity_id if entity_type == "instrument" and len(entity_id) <= 10 else None,
        "portfolio_id": _number(entity_id) if entity_type == "portfolio" else None,
        "prediction_type": told["model"],
        "output": told["output"],
        "model_name": told["model"],
        "model_version": told["version"],
        "latency_ms": float(told["latency_ms"]),
        "caller": told["caller"],
        "user_pseudonym": told["user"] or None,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "prediction_horizon": told["horizon"],
        "trace_id": told["trace_id"],
        "request_id": told["request_id"],
        "route": told["route"],
        "track": told["track"],
        "cached": told["cached"],
        "stale": told["stale"],
        "experiment": told["experiment"] or None,
        "variant": told["variant"] or None,
        "error": told["error"] or None,
        "created_at": at,
        "updated_at": at,
        "erased_at": None,
        "salt": os.urandom(16).hex(),
    }
    _fit(row, "ml_predictions")
    for name in ("prediction_value", "reference_value", "confidence"):
        row[name] = _DECIMALS[name].fit(row[name])
    row["payload_digest"] = payload_digest(row)
    if row["input_features"] is None:
        row["input_features"] = JSON.NULL
    return row


def serving_row(told: Mapping[str, Any], find: FindModel) -> Row:
    """Return the row of a :class:`~components.records.entries.ServingEntry` as JSON; raises likewise."""
    row = {
        "id": uuid.uuid4(),
        "model_id": find(told["model"], told["version"]),
        "request_id": told["request_id"],
        "input_size_bytes": told["input_bytes"],
        "output_size_bytes": told["output_bytes"],
        "inference_time_ms": round(told["inference_ms"]),
        "queue_time_ms": round(told["queue_ms"]),
        "total_response_time_ms": round(told["total_ms"]),
        "error_occurred": bool(told["error_type"]) or told["status"] >= 500,
        "error_type": told["error_type"] or None,
        "error_message": told["error_message"] or None,
        "api_endpoint": told["endpoint"],
        "client_ip": told["client"] or None,
        "model_name": told["model"] or None,
        "model_version": told["version"] or None,
        "method": told["method"],
        "status": told["status"],
        "caller": told["caller"],
        "role": told["role"],
        "trace_id": told["trace_id"],
        "timestamp": _moment(told["at"]),
    }
    _fit(row, "model_serving_logs")
    return row


def _fit(row: Row, table: str) -> None:
    for name, kind in _WIDTHS[table].items():
        value = row.get(name)
        if value is not None and (len(value) > kind.length or "\0" in value):
            row[name] = kind.fit(value)


def _hash_of(inputs: Any) -> str:
    return hashlib.sha256(canonical(inputs)).hexdigest()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= _MOST_ID else None
