"""Predictions for tests of the log, and the ways in which tests write and drain it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from components.records.database import Database, open_database
from components.records.drainer import drain
from components.records.entries import PredictionEntry, ServingEntry
from components.records.framing import frame
from components.records.journal import Journal
from components.records.tables import ml_predictions
from components.settings import Settings


def entry(**changes: Any) -> PredictionEntry:
    """Return a prediction of a price."""
    told: dict[str, Any] = {
        "prediction_id": str(uuid.uuid4()),
        "model": "price_forecast",
        "version": "3",
        "route": "/api/v1/ml/predict/price",
        "inputs": {"symbol": "RELIANCE", "closes": [2451.5, 2460.25, 1e16, -0.0, 1e-9]},
        "output": {"price": 2466.1, "direction": "up"},
        "value": 2466.123456789,
        "confidence": 0.87654,
        "latency_ms": 2.5,
        "caller": "c" * 32,
        "user": "",
        "entity_type": "instrument",
        "entity_id": "RELIANCE",
        "horizon": "1d",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "request_id": "r-1",
        "at": datetime.now(UTC),
        "track": "stable",
    }
    return PredictionEntry(**{**told, **changes})


def request_entry(**changes: Any) -> ServingEntry:
    """Return an answered request."""
    told: dict[str, Any] = {
        "request_id": "r-1",
        "model": "price_forecast",
        "version": "3",
        "endpoint": "/api/v1/ml/predict/price",
        "method": "POST",
        "status": 200,
        "input_bytes": 120,
        "output_bytes": 340,
        "queue_ms": 0.4,
        "inference_ms": 2.5,
        "total_ms": 4.0,
        "caller": "c" * 32,
        "role": "app",
        "client": "203.0.113.0/24",
        "error_type": "",
        "error_message": "",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "at": datetime.now(UTC),
    }
    return ServingEntry(**{**told, **changes})


def journal_folder(config: Settings) -> Path:
    """Return where a process with these settings keeps its journals."""
    return config.root / "gateway" / "journal"


def left_behind(config: Settings, entries: Sequence[PredictionEntry | ServingEntry]) -> Path:
    """Write a journal as a process that died leaves it, and return its folder."""
    journal = Journal(journal_folder(config))
    kinds = [b"P" if isinstance(each, PredictionEntry) else b"S" for each in entries]
    journal.append([frame(kind, orjson.dumps(each)) for kind, each in zip(kinds, entries, strict=True)])
    journal.close()
    return journal.home


def logged(config: Settings, entries: Sequence[PredictionEntry | ServingEntry]) -> Database:
    """Bring predictions into the database the way that a killed process's come there, and return the database."""
    left_behind(config, entries)
    database = open_database(config)
    drain(journal_folder(config), config)
    return database


def prediction_ids(database: Database) -> list[str]:
    """Return the ids of the log, in the chain's order."""
    with database.read() as connection:
        query = select(ml_predictions.c.prediction_id).order_by(ml_predictions.c.chain_seq)
        return list(connection.execute(query).scalars())
