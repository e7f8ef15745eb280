"""The audit routes on a real log and a real cache, in isolation from the door."""

from __future__ import annotations

import asyncio
import io
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.testclient import TestClient

from components.errors import ArthaflowError
from components.records import anchors
from components.records.deployments import record_deployment
from components.records.log import PredictionLog
from components.records.pseudonym import pseudonym
from components.records.tables import audit_chain, ml_predictions
from components.settings import Settings
from inference.gateway.api import audit
from inference.gateway.cache.prediction_cache import Fresh, PredictionCache
from inference.gateway.caller import ROLES, Caller
from inference.gateway.config import GatewaySettings
from inference.gateway.envelope import error_body
from inference.gateway.metrics import GatewayMetrics
from tests.support.prediction_log import entry, journal_folder, logged

PATH = "/api/v1/ml/audit"


def application(shared: Any) -> Any:
    app = FastAPI()
    app.state.services = shared
    app.include_router(audit.router)

    @app.exception_handler(ArthaflowError)
    async def failed(request: Request, error: ArthaflowError) -> Response:
        body, media = error_body(error, request.url.path, b"")
        return Response(body, error.status, media_type=media.decode())

    async def door(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            role = dict(scope["headers"]).get(b"x-role", b"admin").decode()
            scope["state"] = {
                **scope.get("state", {}),
                "caller": Caller("c" * 32, role, ROLES[role]),
                "began": perf_counter(),
            }
        await app(scope, receive, send)

    return door


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, pepper="p" * 32, audit_key="k" * 32)


@pytest.fixture
def shared(config: Settings) -> Iterator[Any]:
    user = pseudonym("user-17", "user", config)
    database = logged(config, [entry(prediction_id="first", user=user), *(entry() for _ in range(4))])
    record_deployment(database, "price_forecast", "3", "local", "rollout", "as good as version 2", action="promoted")
    cache = PredictionCache(GatewaySettings(), "", GatewayMetrics())
    log = PredictionLog(journal_folder(config), config)
    yield types.SimpleNamespace(database=database, cache=cache, log=log)
    database.close()


@pytest.fixture
def client(shared: Any) -> TestClient:
    return TestClient(application(shared))


def data(response: Any) -> Any:
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "success"
    return response.json()["data"]


def test_served(client: TestClient) -> None:
    (version,) = data(client.get(f"{PATH}/served", params={"model": "price_forecast"}))["versions"]
    assert (version["version"], version["reason"], version["predictions"]) == ("3", "as good as version 2", 5)
    refused = client.get(f"{PATH}/served", params={"model": "price_forecast", "at": "2026-11-21T12:00:00"})
    assert (refused.status_code, refused.json()["error"]["details"]["path"]) == (400, "at")


def test_one_prediction(client: TestClient) -> None:
    story = data(client.get(f"{PATH}/predictions/first"))
    assert story["audit"]["sound"] is True
    assert story["prediction"]["input_features"]["symbol"] == "RELIANCE"
    assert [each["version"] for each in story["served"]] == ["3"]
    assert "salt" not in story["prediction"]
    assert client.get(f"{PATH}/predictions/none").status_code == 404


def test_verify_a_range(client: TestClient) -> None:
    whole = data(client.get(f"{PATH}/verify"))
    assert (whole["ok"], whole["first"], whole["last"], whole["anchors"]) == (True, 1, 5, 1)
    part = data(client.get(f"{PATH}/verify", params={"first": 2, "last": 3}))
    assert (part["ok"], part["entries"]) == (True, 2)
    beyond = client.get(f"{PATH}/verify", params={"first": 9_000_000})
    assert (beyond.status_code, beyond.json()["error"]["details"]["remedy"]) == (400, "The chain ends at 5.")


def test_a_log_without_entries_is_sound(client: TestClient, shared: Any) -> None:
    with shared.database.write() as connection:
        connection.execute(audit_chain.delete())
        connection.execute(ml_predictions.delete())
    for path in anchors.files(shared.log.config):
        path.unlink(missing_ok=True)
    empty = data(client.get(f"{PATH}/verify"))
    assert (empty["ok"], empty["entries"]) == (True, 0)


async def _remembered(cache: PredictionCache, tag: str) -> bool:
    async def compute() -> Fresh:
        return Fresh(b"answer", "3")

    return (await cache.fetch("price_forecast", "3", b"key", 60.0, 0.0, compute, tag=tag)).cached


def test_a_large_export_is_left_to_the_command(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.gateway.api.audit.MOST_ROWS", 0)
    refused = client.post(f"{PATH}/export", json={"user_id": "user-17"})
    assert refused.status_code == 409
    assert "arthaflow audit export" in refused.text


def test_export_and_erasure(client: TestClient, shared: Any, config: Settings) -> None:
    tag = pseudonym("user-17", "user", config)
    assert asyncio.run(_remembered(shared.cache, tag)) is False
    assert asyncio.run(_remembered(shared.cache, tag)) is True
    archive = client.post(f"{PATH}/export", json={"user_id": "user-17"})
    assert archive.headers["content-type"] == "application/zip"
    assert b"first" in zipfile.ZipFile(io.BytesIO(archive.content)).read("predictions.json")
    report = data(client.post(f"{PATH}/erasure", json={"user_id": "user-17", "reason": "request of 3 May"}))
    assert (report["predictions"], report["cached"]) == (1, 1)
    assert asyncio.run(_remembered(shared.cache, tag)) is False
    assert data(client.get(f"{PATH}/verify"))["erased"] == 1
    story = data(client.get(f"{PATH}/predictions/first"))
    assert (story["prediction"]["input_features"], story["audit"]["erased"], story["audit"]["sound"]) == (
        None,
        True,
        True,
    )


@pytest.mark.parametrize("role", ["public", "app", "data_scientist", "ml_engineer"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/served?model=price_forecast"),
        ("GET", "/predictions/first"),
        ("GET", "/verify"),
        ("POST", "/export"),
        ("POST", "/erasure"),
    ],
)
def test_administrators_only(client: TestClient, role: str, method: str, path: str) -> None:
    body = {"user_id": "user-17", "reason": "none"}
    response = client.request(method, PATH + path, headers={"x-role": role}, json=body if method == "POST" else None)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_a_reason_that_names_the_person_is_refused(client: TestClient) -> None:
    response = client.post(f"{PATH}/erasure", json={"user_id": "user-17", "reason": "user-17 asked"})
    assert response.status_code == 400
    assert "user-17" not in response.json()["error"]["message"]
