"""POST and GET of outcomes over HTTP, against real records on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from components.errors import ArthaflowError
from components.records.database import Database
from inference.gateway.api.outcomes import router
from inference.gateway.caller import ROLES, Caller
from inference.gateway.envelope import error_body
from tests.support.records import database, database_url, postgres_server, postgres_url  # noqa: F401
from tests.support.rows import predict

PATH = "/api/v1/ml/outcomes"


def client_of(records: Database, role: str = "app") -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(router)
    app.state.services = SimpleNamespace(database=records)

    @app.exception_handler(ArthaflowError)
    async def refuse(request: Request, error: ArthaflowError) -> Response:
        body, kind = error_body(error, request.url.path, b"")
        return Response(body, error.status, media_type=kind.decode())

    async def door(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"caller": Caller("c" * 32, role, ROLES[role]), "began": time.perf_counter()}
        await app(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://gateway")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_report_says_what_became_of_each_row(database: Database) -> None:  # noqa: F811
    name = predict(database, 10.0)
    rows = [
        {"prediction_id": name, "actual_value": 12, "reference_value": 9, "observed_at": "2026-11-21T15:30:00+05:30"},
        {"prediction_id": "unknown", "actual_class": "high"},
        {"prediction_id": "nothing"},
    ]
    async with client_of(database) as client:
        answer = await client.post(PATH, json={"outcomes": rows})
        data = answer.json()["data"]
        assert answer.status_code == 200
        assert [r["status"] for r in data["results"]] == ["joined", "orphan", "rejected"]
        assert data["counts"] == {"joined": 1, "orphan": 1, "rejected": 1}
        again = await client.post(PATH, json={"outcomes": [{"prediction_id": name, "actual_value": 11}]})
        assert again.json()["data"]["counts"] == {"updated": 1}
        told = (await client.get(f"{PATH}/{name}")).json()["data"]
    first, second = told["outcomes"]
    assert (first["status"], first["actual_value"], first["observed_at"]) == (
        "superseded",
        12.0,
        "2026-11-21T10:00:00.000Z",
    )
    assert (second["status"], second["revision"], second["source"]) == ("joined", 2, "api")


@pytest.mark.anyio
async def test_nothing_reported_is_404(database: Database) -> None:  # noqa: F811
    async with client_of(database) as client:
        for name in ("unknown", "a%00b"):
            answer = await client.get(f"{PATH}/{name}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "UNKNOWN_OUTCOME")


@pytest.mark.anyio
@pytest.mark.parametrize("role", ["data_scientist", "public"])
async def test_the_scope_is_needed(database: Database, role: str) -> None:  # noqa: F811
    async with client_of(database, role) as client:
        answer = await client.post(PATH, json={"outcomes": [{"prediction_id": "x", "actual_value": 1}]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        {"outcomes": []},
        {"outcomes": [{"prediction_id": "x", "actual_value": 1}] * 1001},
        {"outcomes": [{"prediction_id": "", "actual_value": 1}]},
        {"outcomes": [{"prediction_id": "x" * 101, "actual_value": 1}]},
        {"outcomes": [{"prediction_id": "x", "actual_value": 1e10}]},
        {"outcomes": [{"prediction_id": "x", "actual_value": 1, "observed_at": "2026-11-21T10:00:00"}]},
        {"outcomes": [{"prediction_id": "x", "actual_value": 1, "unknown": 1}]},
    ],
)
async def test_what_does_not_fit_the_schema_is_refused(database: Database, body: Any) -> None:  # noqa: F811
    async with client_of(database) as client:
        assert (await client.post(PATH, json=body)).status_code == 422


@pytest.mark.anyio
async def test_a_thousand_rows_at_once(database: Database) -> None:  # noqa: F811
    names = [predict(database, 10.0, prediction_id=f"p{i}") for i in range(20)]
    rows = [{"prediction_id": name, "actual_value": 9} for name in names]
    rows += [{"prediction_id": f"q{i}", "actual_value": 9} for i in range(980)]
    async with client_of(database) as client:
        answer = await client.post(PATH, json={"outcomes": rows})
    assert answer.json()["data"]["counts"] == {"joined": 20, "orphan": 980}
