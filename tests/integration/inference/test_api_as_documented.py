"""The product API does what its OpenAPI document says: examples, methods, refusals, whatever is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from inference.gateway.description import describe
from inference.gateway.openapi import operations
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.predictor import tiny_predictor

pytestmark = pytest.mark.slow
PRICE = "/api/ml/predictions/price"
TINY = "/api/ml/lab/tiny"
EXPERIMENTS = "/api/v1/ml/experiments"
OUTCOMES = "/api/v1/ml/outcomes"
JOBS = "/api/v1/ml/training/jobs"
UNLIMITED = {"ARTHAFLOW_GATEWAY_PREMIUM_PER_HOUR": "0", "ARTHAFLOW_GATEWAY_FAILURES_PER_MINUTE": "100000"}
DOCUMENT = describe()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductApi]:
    folder = tmp_path_factory.mktemp("documented")
    with (
        tiny_predictor(folder) as server,
        product_api(folder, {"tiny": {"url": server.url}}, UNLIMITED) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def client(api: ProductApi) -> Iterator[httpx.Client]:
    with api.client("admin") as made:
        yield made


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in (schema, *schema.get("anyOf", ())):
        name = each.get("$ref", "").rsplit("/", 1)[-1]
        yield DOCUMENT["components"]["schemas"][name] if name else each


def bodies() -> Iterator[Any]:
    for method, path, operation in operations(DOCUMENT):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        examples = [example for each in schemas(schema) for example in each.get("examples", ())]
        for index, example in enumerate(examples):
            yield pytest.param(method, path, operation, example, id=f"{method} {path} {index}")


@pytest.mark.parametrize(("method", "path", "operation", "example"), bodies())
def test_every_example_is_taken(
    client: httpx.Client, method: str, path: str, operation: dict[str, Any], example: dict[str, Any]
) -> None:
    """It succeeds, or what it names is not there on a machine that serves the tiny model only."""
    named = {p["name"]: p["schema"]["examples"][0] for p in operation.get("parameters", ()) if p["in"] == "path"}
    answer = client.request(method, path.format(**named), json=example)
    assert str(answer.status_code) in operation["responses"]
    assert answer.is_success or answer.status_code == 404, answer.text
    if answer.status_code in (201, 202):
        found = client.get(answer.headers["location"])
        assert found.status_code == 200, found.text


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (EXPERIMENTS, "GET, HEAD, POST"),
        (f"{EXPERIMENTS}/plan", "POST"),
        (f"{EXPERIMENTS}/some", "GET, HEAD"),
        (TINY, "GET, HEAD, POST"),
        (PRICE, "POST"),
        ("/api", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_the_right_ones(client: httpx.Client, path: str, methods: str) -> None:
    for method in ("DELETE", "OPTIONS", "PATCH"):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        assert answer.json()["error"]["code"] == "WRONG_METHOD"


@pytest.mark.parametrize("path", ["/healthz", "/ready", "/api", "/openapi.json", EXPERIMENTS, f"{TINY}?close=1"])
def test_head_is_a_get_without_its_body(client: httpx.Client, path: str) -> None:
    asked, headed = client.get(path), client.head(path)
    assert (headed.status_code, headed.headers["content-type"]) == (asked.status_code, asked.headers["content-type"])
    assert headed.content == b""
    assert client.get("/healthz").status_code == 200, "the connection is as it was"


WILD = [
    '"\\ud800"',
    "NaN",
    "Infinity",
    "1e999",
    "-" + "9" * 400,
    "1" * 5000,
    "[" * 3000 + "]" * 3000,
    "\x00",
    '"\x01"',
    "{",
    "",
]


@pytest.mark.parametrize("path", [TINY, f"{EXPERIMENTS}/plan", OUTCOMES, JOBS, "/api/v1/ml/explain/shap"])
@pytest.mark.parametrize("text", WILD, ids=lambda t: repr(t[:12]))
def test_what_is_no_json_is_refused(client: httpx.Client, path: str, text: str) -> None:
    for body in (text, f'{{"parameters": {{"a": {text}}}, "job_name": {text}, "close": {text}}}'):
        answer = client.post(path, content=body.encode(), headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["error"]["details"]["remedy"]


TEXTS = ["\x00", "\x00" * 50, "\U0010ffff" * 90, "'; DROP TABLE ml_predictions; --", "%00", "\u202e", " ", "x" * 3000]


@pytest.mark.parametrize("text", TEXTS, ids=lambda t: repr(t[:12]))
def test_no_text_is_too_much_for_a_column(client: httpx.Client, text: str) -> None:
    outcome = {"prediction_id": f"p{text}", "actual_class": text, "source": text}
    report = {"key": text, "user": text, "metric": text, "value": 1, "segments": {text: text}}
    asked = [
        client.post(OUTCOMES, json={"outcomes": [outcome]}),
        client.post(JOBS, json={"model_name": "price_forecast", "job_name": text, "hyperparameters": {text: text}}),
        client.post(f"{EXPERIMENTS}/plan", json={text: text}),
        client.post(f"{EXPERIMENTS}/some/observations", json={"observations": [report]}),
        client.post(
            EXPERIMENTS, json={**EXAMPLE, "experiment_id": "wild", "layer": text, "overrides": {text: "control"}}
        ),
        client.post("/api/v1/ml/features/compute", json={"entity_id": text, "features": [text]}),
        client.post("/api/v1/ml/models", json={"model_name": "tiny", "artifact_uri": text, "description": text}),
        client.post("/api/v1/ml/audit/export", json={"user_id": text}),
        client.post("/api/v1/ml/audit/erasure", json={"user_id": text, "reason": "because"}),
        client.post(TINY, json={**ROW, "user_id": text}),
        client.post("/api/ml/batch/predict", json={"requests": [{"type": text[:100], text: text}]}),
        client.get("/api/v1/ml/features", params={"group": text, "cursor": text}),
        client.get(JOBS, params={"model": text}),
        client.get("/api/v1/ml/audit/served", params={"model": text, "at": text[:40]}),
        client.get(f"/api/v1/ml/features/{'rsi_14'}/values", params={"entity_id": text, "entity_type": text[:50]}),
    ]
    for answer in asked:
        assert answer.status_code < 500, (answer.request.url.path, answer.text)
        if answer.status_code >= 400:
            assert "sqlite" not in answer.text.lower()
            assert "select " not in answer.text.lower()


EXAMPLE = {
    "model": "tiny",
    "variants": {
        "control": {"model_version": "4", "traffic_split": 0.5},
        "treatment": {"model_version": "5", "traffic_split": 0.5},
    },
    "success_metrics": ["click_rate"],
}


@pytest.mark.parametrize("wild", ["", "%00", "..%2f..%2f", "%ff%fe", "x" * 5000, "🦊", "a:b:c", "{}", "0" * 32])
@pytest.mark.parametrize(
    "path",
    [path for method, path, _ in operations(DOCUMENT) if method == "GET" and "{" in path],
)
def test_no_path_is_too_much(client: httpx.Client, path: str, wild: str) -> None:
    before, _, after = path.partition("{")
    query = {"entity_id": "SP500", "user": "u-17"}
    answer = client.get(before + wild + after.partition("}")[2], params=query)
    assert answer.status_code in (404, 422), answer.text


@pytest.mark.parametrize(
    "query",
    [
        {"end": "0001-01-01"},
        {"begin": "9999-12-31"},
        {"begin": "0", "end": "1"},
        {"begin": "2025-01-01", "end": "2026-01-01"},
        {"begin": "2026-02-30"},
    ],
)
def test_days_far_away_or_apart_are_refused(client: httpx.Client, query: dict[str, str]) -> None:
    for name in ("usage", "costs"):
        assert client.get(f"/api/v1/ml/analytics/{name}", params=query).status_code in (400, 422)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31", "9999-12-31T23:59:59-14:00", "yesterday"])
def test_moments_far_away_are_refused(client: httpx.Client, at: str) -> None:
    assert client.get("/api/v1/ml/audit/served", params={"model": "tiny", "at": at}).status_code == 400
    assert client.post(PRICE, json={"security_id": "SP500", "as_of": at}).status_code in (404, 422)
    values = client.get("/api/v1/ml/features/rsi_14/values", params={"entity_id": "SP500", "from": at})
    assert values.status_code == 422


def test_a_query_reads_numbers_and_a_body_takes_them_literally(client: httpx.Client) -> None:
    asked = client.get(TINY, params=ROW)
    assert asked.status_code == 200
    assert asked.json()["data"] == client.post(TINY, json=ROW).json()["data"]
    refused = client.post(TINY, json={name: str(value) for name, value in ROW.items()})
    assert refused.status_code == 422
    assert {e["field"] for e in refused.json()["error"]["details"]["errors"]} == set(ROW)


def test_nothing_explains_the_tiny_model(client: httpx.Client) -> None:
    answer = client.post("/api/v1/ml/explain/shap", json={"model": "tiny", "instance": {"features": ROW}})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "EXPLAINER_NOT_AVAILABLE"


def test_problem_details_are_what_the_document_says(client: httpx.Client) -> None:
    answer = client.post(PRICE, json={}, headers={"accept": "application/problem+json"})
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "instance", "code", "details"}
    assert told["status"] == answer.status_code
    assert told["instance"] == PRICE


def test_a_wrong_token_is_challenged_everywhere(api: ProductApi) -> None:
    with httpx.Client(base_url=api.url, trust_env=False) as nobody:
        for method, path, operation in operations(DOCUMENT):
            for headers in ({}, {"authorization": "Bearer nonsense"}):
                answer = nobody.request(method, path, headers=headers)
                if not operation["security"]:
                    assert answer.status_code == 200
                    continue
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_log_names_nobody(api: ProductApi, client: httpx.Client) -> None:
    secret = "jane.doe-4711"
    client.post(TINY, json={**ROW, "user_id": secret})
    client.post("/api/v1/ml/audit/export", json={"user_id": secret})
    client.get(f"/{secret}/orders", params={"name": secret})
    client.post(f"{EXPERIMENTS}/plan", json={secret: secret})
    told = api.log.read_text()
    assert secret not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_is_json_whatever_it_is_called(client: httpx.Client, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    body = b'{"baseline": 0.1, "minimum_detectable_effect": 0.02}'
    answer = client.post(f"{EXPERIMENTS}/plan", content=body, headers=headers)
    assert answer.status_code == 200, answer.text


def test_a_huge_body_is_refused_before_it_is_parsed(client: httpx.Client) -> None:
    answer = client.post(f"{EXPERIMENTS}/plan", content=b'{"baseline": [' + b"1," * 3_000_000 + b"1]}")
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "BODY_TOO_LARGE"
