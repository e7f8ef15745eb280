"""The routers of monitoring and analytics alone, over real records."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import insert
from starlette.types import ASGIApp, Receive, Scope, Send

from components.errors import ArthaflowError
from components.records.database import Database
from components.records.models import ensure_model
from components.records.tables import (
    ml_models,
    ml_predictions,
    ml_training_jobs,
    model_performance_metrics,
    model_serving_logs,
)
from inference.gateway.api import analytics, monitoring
from inference.gateway.caller import ROLES, Caller
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.config import GatewaySettings
from inference.gateway.envelope import error_body
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.table import ModelTable


class Admitted:
    """Lets everybody in as one role."""

    def __init__(self, app: ASGIApp, role: str) -> None:
        self.app, self.role = app, role

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = Caller("c" * 32, self.role, ROLES[self.role])
        scope["state"] = {"caller": caller, "began": time.perf_counter()}
        await self.app(scope, receive, send)


def build(database: Database, models: Path, role: str = "data_scientist", **config: Any) -> ASGIApp:
    """Return the two routers with what they need."""
    table = ModelTable(models)
    app = FastAPI()
    app.include_router(monitoring.router)
    app.include_router(analytics.router)
    app.state.services = SimpleNamespace(
        database=database, table=table, config=GatewaySettings(**config), calls=ModelCalls(table, GatewayMetrics())
    )

    @app.exception_handler(ArthaflowError)
    async def refused(request: Request, error: ArthaflowError) -> Response:
        body, kind = error_body(error, request.url.path, b"")
        return Response(body, error.status, media_type=kind.decode())

    return Admitted(app, role)


def serve_log(database: Database, at: datetime, count: int, **values: Any) -> None:
    """Write so many rows of the access log."""
    base: dict[str, Any] = {
        "model_name": "tiny",
        "model_version": "1",
        "inference_time_ms": 20,
        "total_response_time_ms": 30,
        "status": 200,
        "method": "POST",
        "role": "app",
        "caller": "a" * 32,
        "api_endpoint": "/api/v1/ml/predict/tiny",
        "timestamp": at,
    }
    rows = [{**base, **values, "id": uuid.uuid4(), "request_id": uuid.uuid4().hex} for _ in range(count)]
    with database.write() as connection:
        connection.execute(insert(model_serving_logs), rows)


def predictions(database: Database, at: datetime, count: int, **values: Any) -> None:
    """Write so many predictions."""
    base: dict[str, Any] = {
        "model_name": "tiny",
        "model_version": "1",
        "input_features": {},
        "entity_type": "instrument",
        "entity_id": "X",
        "confidence": 0.75,
        "cached": False,
        "stale": False,
        "created_at": at,
    }
    rows = [{**base, **values, "id": uuid.uuid4(), "prediction_id": uuid.uuid4().hex} for _ in range(count)]
    with database.write() as connection:
        connection.execute(insert(ml_predictions), rows)


def judged(database: Database, day: date, promised: float | None, present: float, version: str = "1") -> None:
    """Write a week of accuracies that ends on a day."""
    with database.write() as connection:
        number = ensure_model(connection, "tiny", version)
        if promised is not None:
            connection.execute(ml_models.update().where(ml_models.c.id == number).values(validation_accuracy=promised))
        rows = [
            {
                "id": uuid.uuid4(),
                "model_id": number,
                "metric_date": day - timedelta(days=i),
                "evaluation_period": "daily",
                "accuracy": present,
                "total_predictions": 100,
            }
            for i in range(3)
        ]
        connection.execute(insert(model_performance_metrics), rows)


def job(database: Database, at: datetime, values: Mapping[str, Any]) -> None:
    """Write one training job."""
    base = {
        "id": uuid.uuid4(),
        "job_name": "training tiny",
        "job_type": "training",
        "model_config": {},
        "training_config": {},
        "dataset_config": {},
        "model_name": "tiny",
        "status": "completed",
        "started_at": at,
        "completed_at": at,
    }
    with database.write() as connection:
        connection.execute(insert(ml_training_jobs), [{**base, **values}])
