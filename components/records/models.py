"""The rows of ml_models that others refer to."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, select

from components.records.tables import ml_models
from components.records.upsert import insert_missing

UNKNOWN = "unknown"
"""``model_type`` of a version that was served or reported before MLflow's registry was mirrored."""


def find_model(connection: Connection, model: str, version: str) -> uuid.UUID | None:
    """Return the id of a version's row, or None."""
    query = select(ml_models.c.id).where(ml_models.c.model_name == model, ml_models.c.model_version == version)
    found: uuid.UUID | None = connection.execute(query).scalar()
    return found


def ensure_model(connection: Connection, model: str, version: str) -> uuid.UUID:
    """Return the id of a version's row; one that is missing is made, and filled in by the next mirroring.

    Parameters
    ----------
    connection : Connection
        In a write transaction.
    model, version : str
        As MLflow's registry names them.
    """
    found = find_model(connection, model, version)
    if found is not None:
        return found
    values = {
        "id": uuid.uuid4(),
        "model_name": model,
        "model_version": version,
        "model_type": UNKNOWN,
        "model_file_path": "",
        "model_config": {},
    }
    insert_missing(connection, ml_models, values, ("model_name", "model_version"))
    found = find_model(connection, model, version)
    assert found is not None
    return found
