"""One trace and one request id through a real gateway and a real predictor, over the product API and raw V2."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.gateway import ROW, product_api
from tests.support.predictor import predictor
from tests.support.tiny import make_tiny_artifact

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SUBJECT = "alice@example.com"
Span = dict[str, Any]


def attributes(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = span["attributes"]
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Span], list[dict[str, Any]], str]:
    """Spans, log lines and metrics of a gateway that answered a prediction twice, a refusal and a raw V2 request."""
    folder = tmp_path_factory.mktemp("traced")
    file = folder / "traces.jsonl"
    environment = {"ARTHAFLOW_TRACES_FILE": str(file), "ARTHAFLOW_LOG_FORMAT": "json"}
    artifact = make_tiny_artifact(folder / "artifact").directory
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARTHAFLOW_TRACES_FILE", str(file))
        with predictor(artifact) as model:
            entry = {"url": model.url, "explains": False}
            with product_api(folder, {"tiny": entry}, environment) as api:
                with api.client(subject=SUBJECT) as client:
                    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "order-17"}
                    for _ in range(2):  # the second is the cache's
                        answer = client.post("/api/ml/lab/tiny", json=ROW, headers=headers)
                        assert answer.status_code == 200, answer.text
                    raw = client.get("/v2/models/tiny", headers=headers)
                    assert raw.status_code == 200
                    client.get("/api/nothing/here", headers=headers)
                    metrics = client.get("/metrics").text
                assert httpx.get(f"{api.url}/ready").status_code == 200
                assert api.stop() == 0
                log = api.log.read_text()
            model.stop()
    spans = [json.loads(line) for line in file.read_text().splitlines()]
    return spans, [json.loads(line) for line in log.splitlines()], metrics


def test_one_trace_leads_from_the_client_to_the_model(told: tuple[list[Span], Any, str]) -> None:
    spans = [s for s in told[0] if s["context"]["trace_id"] == f"0x{TRACE}"]
    by_id = {s["context"]["span_id"]: s for s in spans}
    doors = [s for s in spans if s["name"] == "POST /api/ml/lab/tiny"]
    assert len(doors) == 2
    assert {s["parent_id"] for s in doors} == {f"0x{PARENT}"}
    assert {attributes(s)["http.response.status_code"] for s in doors} == {200}
    (server,) = [s for s in spans if s["name"] == "POST /v2/models/{model}/infer" and s["kind"] == "SpanKind.SERVER"]
    assert server["resource"]["attributes"]["service.name"] == "arthaflow-predictor"
    way = []
    here: Span | None = server
    while here is not None:
        way.append((here["name"], here["kind"], here["resource"]["attributes"]["service.name"]))
        here = by_id.get(here["parent_id"])
    assert [name for name, _, _ in way] == [
        "POST /v2/models/{model}/infer",
        "POST /v2/models/{model}/infer",
        "cache",
        "POST /api/ml/lab/tiny",
    ]
    assert [kind.removeprefix("SpanKind.") for _, kind, _ in way] == ["SERVER", "CLIENT", "INTERNAL", "SERVER"]
    steps = [s["name"] for s in spans if s["parent_id"] == server["context"]["span_id"]]
    assert sorted(steps) == ["decode", "encode", "predict", "validate"]


def test_spans_name_routes_and_never_people_tokens_or_inputs(told: tuple[list[Span], Any, str]) -> None:
    text = json.dumps([{**s, "resource": None} for s in told[0]])
    for secret in (SUBJECT, "Bearer", "rsi_14", "eyJ", "/api/nothing"):
        assert secret not in text, secret
    assert {s["name"] for s in told[0]} >= {"GET unmatched", "GET /v2"}
    assert not any("ready" in s["name"] and s["kind"] == "SpanKind.SERVER" and "gateway" in
                   s["resource"]["attributes"]["service.name"] for s in told[0])  # fmt: skip


def test_logs_are_json(told: tuple[Any, list[dict[str, Any]], str]) -> None:
    lines = told[1]
    assert lines
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert {line["service"] for line in lines} == {"gateway", "drainer"}  # the child that writes the log is of one form


def test_what_the_gateway_asks_by_itself_makes_no_traces(told: tuple[list[Span], Any, str]) -> None:
    """It asks models for their versions every few seconds."""
    alone = {s["name"] for s in told[0] if s["parent_id"] is None}
    assert alone <= {"predict batch"}


def test_metrics_count_by_route(told: tuple[Any, Any, str]) -> None:
    counted = 'arthaflow_gateway_product_requests_total{code="200",model="tiny",route="/api/ml/lab/tiny"} 2.0'
    assert counted in told[2]
    assert 'arthaflow_gateway_cache_requests_total{model="tiny",result="hit"} 1.0' in told[2]
    assert "arthaflow_gateway_build_info" in told[2]
    assert "arthaflow_gateway_requests_in_flight 0.0" in told[2]  # the page of metrics itself is not counted
    assert "arthaflow_gateway_log_backlog_bytes" in told[2]
    assert SUBJECT not in told[2]
