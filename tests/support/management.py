"""A small application with the management routes, and versions in the records."""

from __future__ import annotations

import types
import uuid
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.testclient import TestClient
from sqlalchemy import insert

from components.errors import ArthaflowError, InvalidRequest
from components.records.database import Database
from components.records.tables import ml_models, ml_predictions
from inference.gateway.api import admin, automl, features, models, training
from inference.gateway.caller import ROLES, Caller
from inference.gateway.envelope import error_body


class Api:
    """Asks the routes as somebody with a role."""

    def __init__(self, database: Database) -> None:
        self.client = TestClient(application(database), raise_server_exceptions=True)

    def __call__(self, method: str, path: str, *, role: str = "ml_engineer", who: str = "ann", **more: Any) -> Any:
        """Return the response."""
        headers = {"x-role": role, "x-who": who, **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)


def application(database: Database) -> Any:
    """Return an ASGI application whose caller is told by the headers ``x-role`` and ``x-who``."""
    app = FastAPI()
    app.state.services = types.SimpleNamespace(database=database)
    for part in (admin, automl, features, models, training):
        app.include_router(part.router)

    @app.exception_handler(ArthaflowError)
    async def failed(request: Request, error: ArthaflowError) -> Response:
        body, media = error_body(error, request.url.path, request.headers.get("accept", "").encode())
        return Response(body, error.status, media_type=media.decode())

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        told = InvalidRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        body, media = error_body(told, request.url.path, b"")
        return Response(body, 422, media_type=media.decode())

    async def door(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            told = {name.decode(): value.decode() for name, value in scope["headers"]}
            role = told.get("x-role", "public")
            caller = Caller(told.get("x-who", ""), role, ROLES[role])
            scope["state"] = {**scope.get("state", {}), "caller": caller, "began": perf_counter()}
        await app(scope, receive, send)

    return door


def put_version(database: Database, name: str, version: str, status: str = "validating", **more: Any) -> uuid.UUID:
    """Put a version into ml_models; return its id."""
    number = uuid.uuid4()
    values = {
        "id": number,
        "model_name": name,
        "model_version": version,
        "model_type": "time_series",
        "model_file_path": f"/store/{name}/{version}",
        "model_config": {"alpha": 1.0},
        "model_metadata": {"lineage": {"seed": "7"}, "reason": "Promoted: it is better.", "outcome": ""},
        "custom_metrics": {"loss_ratio": 0.5},
        "deployment_status": status,
        "is_active": status == "deployed",
        **more,
    }
    with database.write() as connection:
        connection.execute(insert(ml_models).values(values))
    return number


def put_prediction(database: Database, model_id: uuid.UUID, caller: str, **more: Any) -> str:
    """Put a prediction into the log's table; return its prediction_id."""
    number = uuid.uuid4().hex
    values = {
        "model_id": model_id,
        "prediction_id": number,
        "input_features": {"features": [1.0, 2.0]},
        "output": {"price": 3.0},
        "prediction_value": 3.0,
        "entity_type": "instrument",
        "entity_id": "SP500",
        "model_name": "tiny",
        "model_version": "1",
        "caller": caller,
        "user_pseudonym": "someone",
        "created_at": datetime.now(UTC),
        **more,
    }
    with database.write() as connection:
        connection.execute(insert(ml_predictions).values(values))
    return number
