"""After a job: bring the records up to the registry, and say who made and who approved which version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from components.records.tables import ml_models
from pipelines.jobs.context import Asked

if TYPE_CHECKING:
    from components.records.database import Database

MAKERS = ("training", "automl", "registration")


def bring_up(database: Database, asked: Asked, result: Any) -> None:
    """Write what MLflow knows now into ml_models, then what only the job knows.

    Parameters
    ----------
    asked : Asked
        The job.
    result : mapping or None
        What it achieved.
    """
    from components.records.mirror import sync_models

    sync_models(database)
    if not isinstance(result, Mapping) or not result.get("version"):
        return
    row = (ml_models.c.model_name == asked.model) & (ml_models.c.model_version == str(result["version"]))
    values = _known(asked, result)
    if asked.kind in MAKERS:
        row &= ml_models.c.created_by.is_(None)  # who made it once stays who made it
    if values:
        with database.write() as connection:
            connection.execute(update(ml_models).where(row).values(values))
    if asked.kind == "deployment" and result.get("outcome") == "staged":
        from components.records.deployments import record_deployment

        record_deployment(
            database, asked.model, str(result["version"]), "staging", asked.created_by or "worker", result["reason"]
        )


def _known(asked: Asked, result: Mapping[str, Any]) -> dict[str, Any]:
    if asked.kind in MAKERS:
        return {"created_by": asked.created_by or None}
    if asked.kind == "deployment" and result.get("outcome") in ("promoted", "staged"):
        return {"approved_by": asked.created_by or None, "approval_date": datetime.now(UTC)}
    if asked.kind == "retirement":
        return {
            "deployment_status": "retired",
            "status": "deprecated",
            "is_active": False,
            "retirement_date": datetime.now(UTC),
            "retirement_reason": result.get("reason"),
        }
    return {}
