"""Rows of the product's records, for tests that need some."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert

from components.records.database import Database
from components.records.models import ensure_model
from components.records.tables import ml_predictions

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def predict(database: Database, value: float | None = 10.0, at: datetime = NOON, **more: Any) -> str:
    """Write one prediction of version 1 of the model ``tiny``, and return its id."""
    name = more.pop("prediction_id", None) or str(uuid.uuid4())
    model, version = more.pop("model_name", "tiny"), more.pop("model_version", "1")
    with database.write() as connection:
        row = {
            "model_id": ensure_model(connection, model, version),
            "model_name": model,
            "model_version": version,
            "prediction_id": name,
            "input_features": {"x": 1.5},
            "prediction_value": value,
            "entity_type": "instrument",
            "entity_id": "SP500",
            "created_at": at,
            **more,
        }
        connection.execute(insert(ml_predictions).values(**row))
    return name
