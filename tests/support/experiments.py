"""A small application with the experiments' routes, and predictions of users in the records."""

from __future__ import annotations

import types
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy import insert

from components.errors import ArthaflowError
from components.records.database import Database
from components.records.pseudonym import pseudonym
from components.records.tables import ml_models, ml_predictions
from inference.gateway.api.experiments import router
from inference.gateway.caller import ROLES, Caller
from inference.gateway.envelope import error_body


def application(database: Database, role: str = "admin") -> Any:
    """Return an ASGI application whose caller has ``role``; the header ``x-role`` changes it."""
    app = FastAPI()
    app.state.services = types.SimpleNamespace(database=database)
    app.include_router(router)

    @app.exception_handler(ArthaflowError)
    async def failed(request: Request, error: ArthaflowError) -> Response:
        body, media = error_body(error, request.url.path, request.headers.get("accept", "").encode())
        return Response(body, error.status, media_type=media.decode())

    async def door(scope: Any, receive: Any, send: Any) -> None:
        told = dict(scope.get("headers", ())).get(b"x-role", role.encode()).decode()
        caller = Caller(pseudonym("tester"), told, ROLES[told])
        scope["state"] = {**scope.get("state", {}), "caller": caller, "began": perf_counter()}
        await app(scope, receive, send)

    return door


def register(database: Database, model: str, versions: Iterable[str]) -> dict[str, uuid.UUID]:
    """Put versions into ml_models; return their ids."""
    ids = {version: uuid.uuid4() for version in versions}
    rows = [
        {
            "id": n,
            "model_name": model,
            "model_version": v,
            "model_type": "regression",
            "model_file_path": "x",
            "model_config": {},
        }
        for v, n in ids.items()
    ]
    with database.write() as connection:
        connection.execute(insert(ml_models), rows)
    return ids


def predict(
    database: Database,
    *,
    model: str,
    experiment: str,
    users: Iterable[tuple[str, str, str]],
    start: datetime,
    apart: timedelta = timedelta(seconds=1),
    **more: Any,
) -> None:
    """Write one logged prediction for each user, variant and version, one after the other from ``start`` on.

    ``more`` are further columns; a list of as many values as users, or one value.
    """
    rows = []
    for index, (user, variant, version) in enumerate(users):
        own = {k: v[index] if isinstance(v, list) else v for k, v in more.items()}
        rows.append(
            {
                "id": uuid.uuid4(),
                "prediction_id": str(uuid.uuid4()),
                "input_features": {},
                "entity_type": "user",
                "entity_id": "x",
                "model_name": model,
                "model_version": version,
                "user_pseudonym": pseudonym(user, "user"),
                "caller": pseudonym("app"),
                "experiment": experiment,
                "variant": variant,
                "created_at": start + index * apart,
                **own,
            }
        )
    with database.write() as connection:
        for at in range(0, len(rows), 2000):
            connection.execute(insert(ml_predictions), rows[at : at + 2000])
