"""The product API as an application meets it: a real gateway process in front of a real predictor."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from inference.gateway.product.documents import ENDPOINTS
from inference.v2 import encode_request
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.predictor import Predictor, tiny_predictor
from tests.support.tiny import tiny_rows

ROUTE = "/api/ml/lab/tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("product-api")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Predictor]:
    with tiny_predictor(folder) as running:
        yield running


@pytest.fixture(scope="module")
def api(folder: Path, server: Predictor) -> Iterator[ProductApi]:
    with product_api(folder, {"tiny": {"url": server.url}}) as running:
        yield running


@pytest.fixture
def app(api: ProductApi) -> Iterator[httpx.Client]:
    with api.client("app") as client:
        yield client


def test_an_answer_is_the_documents_envelope(app: httpx.Client) -> None:
    answer = app.post(ROUTE, json={**ROW, "rsi_14": 41.5})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "success"
    assert set(body["data"]) == {"prices", "model_version", "generated_at"}
    assert body["data"]["model_version"] == body["metadata"]["model_version"] == "4"
    assert body["metadata"]["cached"] is False
    assert body["metadata"]["confidence"] == 0.9
    assert body["metadata"]["disclaimers"] == ["Not investment advice."]
    assert body["metadata"]["processing_time_ms"] > 0
    assert len(body["metadata"]["prediction_id"]) == 36
    assert int(answer.headers["ratelimit-limit"]) == 10_000


def test_the_product_and_v2_agree(app: httpx.Client, server: Predictor) -> None:
    product = app.post(ROUTE, json=ROW).json()["data"]["prices"]
    row = [[ROW["close"], ROW["rsi_14"], ROW["volatility_21"], ROW["volume_ratio"]]]
    asked = {"inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP64", "data": row}]}
    for url in (server.url, str(app.base_url).rstrip("/")):
        direct = app.post(f"{url}/v2/models/tiny/infer", json=asked).json()
        price = next(o for o in direct["outputs"] if o["name"] == "price")
        assert price["data"] == list(product.values())


def test_a_second_question_comes_from_the_cache_and_is_logged_too(app: httpx.Client, api: ProductApi) -> None:
    question = {**ROW, "rsi_14": 33.25}
    first, second = (app.post(ROUTE, json=question).json() for _ in range(2))
    assert [first["metadata"]["cached"], second["metadata"]["cached"]] == [False, True]
    assert first["data"] == second["data"]
    assert first["metadata"]["prediction_id"] != second["metadata"]["prediction_id"]
    reordered = dict(reversed(question.items()))
    assert app.post(ROUTE, json=reordered).json()["metadata"]["cached"] is True
    wanted = {first["metadata"]["prediction_id"], second["metadata"]["prediction_id"]}
    assert wanted <= logged(api, wanted)


def test_get_and_the_base_url_of_document_0(app: httpx.Client) -> None:
    asked = {k: str(v) for k, v in ROW.items()}
    by_query = app.get(ROUTE, params=asked)
    assert by_query.status_code == 200, by_query.text
    assert app.post("/v1/ml/lab/tiny", json=ROW).json()["data"]["prices"] == by_query.json()["data"]["prices"]


def test_a_wrong_request_names_every_field(app: httpx.Client) -> None:
    answer = app.post(ROUTE, json={"close": -1, "rsi_14": "high"})
    assert answer.status_code == 422
    body = answer.json()
    assert body["status"] == "error"
    assert body["error"]["code"] == "INVALID_REQUEST"
    assert {e["field"] for e in body["error"]["details"]["errors"]} == {"close", "rsi_14", "volatility_21"}
    assert body["error"]["details"]["missing_features"] == ["volatility_21"]
    assert "high" not in answer.text, "a refused value may be somebody's"


def test_problem_details_for_those_who_ask(app: httpx.Client) -> None:
    answer = app.post(ROUTE, content=b"{", headers={"accept": "application/problem+json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 400
    assert answer.json()["instance"] == ROUTE


def test_a_body_is_json_whatever_the_client_calls_it(app: httpx.Client) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for path, body in ((ROUTE, ROW), ("/api/ml/batch/predict", {"requests": [{"type": "tiny", **ROW}]})):
        answer = app.post(path, content=orjson.dumps(body), headers=form)
        assert answer.status_code == 200, answer.text
        assert None not in answer.json()["metadata"].values()


def test_batch_answers_each_question_for_itself(app: httpx.Client) -> None:
    questions = [{"type": "tiny", **ROW}, {"type": "tiny", "close": 1.0}, {"type": "sentiment", "entity": "TCS"}]
    for path in ("/api/ml/batch/predict", "/api/v1/ml/predict/batch"):
        answer = app.post(path, json={"requests": questions})
        assert answer.status_code == 200, answer.text
        results = answer.json()["data"]["results"]
        assert [r["request_id"] for r in results] == [0, 1, 2]
        assert [r["status"] for r in results] == ["success", "error", "error"]
        assert results[1]["error"]["code"] == "INVALID_REQUEST"
        assert results[2]["error"]["code"] == "UNKNOWN_MODEL"
        assert results[0]["data"] == app.post(ROUTE, json=ROW).json()["data"]


def test_no_token_no_answer(api: ProductApi) -> None:
    for path in (ROUTE, "/api/ml/batch/predict", "/v2/models/tiny/infer"):
        answer = httpx.post(f"{api.url}{path}", json=ROW, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
    with api.client("app", scopes=["models:read"]) as narrow:
        refused = narrow.post(ROUTE, json=ROW)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
def test_every_row_of_the_documents_is_answered(api: ProductApi, endpoint: Any) -> None:
    """Each documented endpoint is either there (never 404 for the route, never 405, never 500), or says what is."""
    path = endpoint.path.replace("{id}", "00000000-0000-0000-0000-000000000000")
    with api.client("admin") as client:
        answer = client.request(endpoint.method, path, json={} if endpoint.method != "GET" else None)
    body = answer.json()
    code = body.get("error", {}).get("code", "")
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert answer.status_code != 405, answer.text
    assert code != "NO_SUCH_ROUTE", answer.text
    if code == "MODEL_NOT_AVAILABLE":
        assert {"method": "POST", "path": ROUTE, "model": "tiny"} in body["error"]["details"]["available"]


def test_a_dead_model_answers_from_the_cache_and_refuses_what_is_new(tmp_path: Path) -> None:
    known, unknown = {**ROW, "rsi_14": 50.0}, {**ROW, "rsi_14": 51.0}
    with (
        tiny_predictor(tmp_path, "1") as dying,
        product_api(tmp_path, {"tiny": {"url": dying.url}}) as api,
        api.client("app") as client,
    ):
        assert client.post(ROUTE, json=known).status_code == 200
        dying.stop()
        again = client.post(ROUTE, json=known)
        assert again.status_code == 200
        assert again.json()["metadata"]["cached"] is True
        refused = client.post(ROUTE, json=unknown)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1


def test_v2_still_passes_with_binary_tensors(app: httpx.Client) -> None:
    body, headers = encode_request(tiny_rows(3), binary=True)
    answer = app.post("/v2/models/tiny/infer", content=body, headers=headers)
    assert answer.status_code == 200
    assert app.get("/v2/models").json() == {"models": ["tiny"]}


def logged(api: ProductApi, wanted: set[str]) -> set[str]:
    """Return which predictions are in the database, once all wanted ones are or time is up."""
    deadline, found = time.monotonic() + 30, set()
    while time.monotonic() < deadline and not wanted <= found:
        with sqlite3.connect(api.home / "records.db") as connection:
            found = {row[0] for row in connection.execute("SELECT prediction_id FROM ml_predictions")}
        time.sleep(0.1)
    return found
