"""The door of a real gateway: who is asked before what, which spellings of a path lead where, what logs hold."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.gateway.defects import where
from inference.v2 import encode_request
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.predictor import Predictor, tiny_predictor
from tests.support.tiny import tiny_rows

ROUTE = "/api/ml/lab/tiny"
MARK = "zq7marker"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Predictor]:
    with tiny_predictor(folder) as running:
        yield running


@pytest.fixture(scope="module")
def api(folder: Path, server: Predictor) -> Iterator[ProductApi]:
    told = {
        "ARTHAFLOW_LOG_FORMAT": "json",
        "ARTHAFLOW_TRACES_FILE": str(folder / "traces.jsonl"),
        "ARTHAFLOW_GATEWAY_FAILURES_PER_MINUTE": "1000",
    }
    with product_api(folder, {"tiny": {"url": server.url, "explains": True}}, told) as running:
        yield running


def raw(api: ProductApi, sent: bytes) -> bytes:
    """Send bytes and return what comes until the gateway has nothing more to say for a moment."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as talking:
        talking.sendall(sent)
        found = b""
        while b"\r\n\r\n" not in found:
            part = talking.recv(65536)
            if not part:
                break
            found += part
        return found


def test_a_stranger_is_refused_before_his_body_is_waited_for(api: ProductApi) -> None:
    for path in (ROUTE, "/v2/models/tiny/infer", "/api/ml/batch/predict"):
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 30000000\r\n\r\n"
        assert raw(api, head.encode()).startswith(b"HTTP/1.1 401"), path


def test_a_v2_endpoint_needs_its_scope(api: ProductApi) -> None:
    body, headers = encode_request(tiny_rows(1), binary=False)
    with api.client("app", scopes=["models:read"]) as reader, api.client("app", scopes=["predict"]) as asker:
        refused = reader.post("/v2/models/tiny/infer", content=body, headers=headers)
        assert refused.status_code == 403
        assert "'predict'" in refused.json()["error"]
        assert reader.get("/v2/models/tiny").status_code == 200
        assert asker.post("/v2/models/tiny/infer", content=body, headers=headers).status_code == 200
        assert asker.get("/v2/models/tiny").status_code == 200
        assert asker.post("/v1/models/tiny:explain", content=body, headers=headers).status_code == 403
    with api.client("app", scopes=["outcomes:write"]) as other:
        assert other.get("/v2/models/tiny").status_code == 403
        assert other.get("/v2/models").status_code == 403


def test_a_proxy_that_is_not_known_opens_no_admin_route(api: ProductApi) -> None:
    with api.client("admin") as admin:
        assert admin.post("/admin/deploy", json={}).status_code not in (401, 403)
        for header in ("x-forwarded-for", "forwarded"):
            refused = admin.post("/admin/deploy", json={}, headers={header: "127.0.0.1"})
            assert refused.status_code == 403
            assert "TRUSTED_PROXIES" in refused.text


@pytest.mark.parametrize(
    "path",
    [
        "/admin/deploy",
        "//admin/deploy",
        "/%61dmin/deploy",
        "/ADMIN/deploy",
        "/admin/deploy/",
        "/admin;x/deploy",
        "/api/%2e%2e/admin/deploy",
        "/v1/ml/../../admin/deploy",
        "/healthz/../admin/deploy",
        "/.well-known/../admin/deploy",
        "/static-offline-docs/..%2f..%2fadmin/deploy",
        "/v2/../admin/deploy",
        "/api/v1/ml/audit/verify",
        "/api/v1/ml//audit/verify",
        "/api/v1/ml/%61udit/verify",
        "/v1/ml/lab/tiny",
        "/v1/ml/%6cab/tiny",
        "/api/ml/lab/tiny/",
        "/api/ml/lab/tiny;x",
    ],
)
def test_no_spelling_of_a_path_opens_what_needs_a_token(api: ProductApi, path: str) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
        sent = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}".encode()
        status = raw(api, sent).split(b" ")[1]
        assert status in (b"401", b"403", b"404"), (method, path, status)


def test_the_alias_reaches_document_0s_routes_and_no_others(api: ProductApi) -> None:
    with api.client("app") as app:
        assert app.post("/v1/ml/lab/tiny", json=ROW).status_code == 200
        for path in ("/v1/mlx/lab/tiny", "/v1/ml", "/v1/ml/v1/ml/lab/tiny", "/v1/ml/../v1/ml/models"):
            assert raw_status(api, app, path) == 404, path


def raw_status(api: ProductApi, app: httpx.Client, path: str) -> int:
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: {app.headers['authorization']}\r\n\r\n"
    return int(raw(api, head.encode()).split(b" ")[1])


def test_two_tokens_are_none(api: ProductApi) -> None:
    good = f"authorization: Bearer {api.token()}\r\n"
    head = f"GET /v2/models HTTP/1.1\r\nhost: x\r\n{good}"
    assert raw(api, f"{head}\r\n".encode()).startswith(b"HTTP/1.1 200")
    for second in (good, "authorization: Bearer x\r\n"):
        assert raw(api, f"{head}{second}\r\n".encode()).startswith(b"HTTP/1.1 401")


def test_an_older_client_is_answered_and_left(api: ProductApi) -> None:
    head = f"GET /v2/models HTTP/1.0\r\nauthorization: Bearer {api.token()}\r\n\r\n"
    answer = raw(api, head.encode())
    assert answer.split(b" ")[1] == b"200"
    assert b"connection: close" in answer.lower()


def test_strange_targets_leave_no_traceback(api: ProductApi) -> None:
    for line in ("OPTIONS * HTTP/1.1", "GET http://x HTTP/1.1", "GET ? HTTP/1.1", "GET //// HTTP/1.1"):
        assert raw(api, f"{line}\r\nhost: x\r\n\r\n".encode()).split(b" ")[1] in (b"400", b"401", b"404"), line
    assert "Traceback" not in api.log.read_text()


def test_a_body_that_is_only_announced_is_refused_and_counted_as_nothing(api: ProductApi) -> None:
    head = f"POST {ROUTE} HTTP/1.1\r\nhost: x\r\nx-request-id: announced-9\r\nauthorization: Bearer {api.token()}\r\n"
    assert raw(api, f"{head}content-length: 99999999999\r\n\r\n".encode()).startswith(b"HTTP/1.1 413")
    row = wait_for_row(api, "announced-9")
    assert (row["status"], row["input_size_bytes"]) == (413, 0)


def wait_for_row(api: ProductApi, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with sqlite3.connect(api.home / "records.db") as connection:
            connection.row_factory = sqlite3.Row
            query = "SELECT * FROM model_serving_logs WHERE request_id = ?"
            found = connection.execute(query, (request_id,)).fetchone()
        if found is not None:
            return dict(found)
        time.sleep(0.1)
    raise AssertionError(f"{request_id} is not in the access log")


def test_nothing_of_a_request_stands_in_logs_metrics_or_traces(api: ProductApi, folder: Path) -> None:
    subject = f"{MARK}subject"
    body, headers = encode_request(tiny_rows(1), binary=False)
    with api.client("app", subject=subject) as app:
        secret = app.headers["authorization"].split()[1]
        app.post(ROUTE, json={**ROW, "user_id": f"{MARK}user"})
        app.post(ROUTE, json={**ROW, "user_id": f"{MARK}user", f"{MARK}field": 1})
        app.post(ROUTE, content=f'{{"{MARK}": '.encode())
        app.get(ROUTE, params={**ROW, "user_id": f"{MARK}query"})
        app.get(f"/api/ml/{MARK}path", params={"q": f"{MARK}query"})
        app.get(f"/{MARK}first/x")
        app.post(f"/v2/models/{MARK}model/infer", content=body, headers=headers)
        app.post("/v2/models/tiny/infer", content=body, headers={**headers, "x-odd": f"{MARK}header"})
        app.post("/v2/models/tiny/infer", content=f"{MARK}body".encode())
        app.post("/api/ml/batch/predict", json={"requests": [{"type": f"{MARK}type"}, {"type": "tiny", "close": MARK}]})
        app.request("DELETE", f"/api/{MARK}", headers={"x-request-id": "fine-1"})
    httpx.post(f"{api.url}{ROUTE}?access_token={MARK}token", json={}, trust_env=False)
    httpx.get(f"{api.url}{ROUTE}", headers={"authorization": f"Bearer {MARK}.a.b"}, trust_env=False)
    metrics = httpx.get(f"{api.url}/metrics", trust_env=False).text
    wait_for_row(api, "fine-1")
    time.sleep(6.0)  # spans leave in batches, every five seconds
    traces = (folder / "traces.jsonl").read_text()
    for name, told in (("log", api.log.read_text()), ("metrics", metrics), ("traces", traces)):
        assert MARK not in told, (name, re.findall(rf".{{80}}{MARK}.{{40}}", told)[:3])
        assert secret not in told, name
    assert '"http.route"' in traces
    assert f"GET {ROUTE}" in traces
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    assert {line["service"] for line in lines} <= {"gateway", "drainer"}


def test_names_that_clients_invent_make_no_series(api: ProductApi) -> None:
    def series() -> int:
        return len(httpx.get(f"{api.url}/metrics", trust_env=False).text.splitlines())

    def ask(number: int) -> None:
        with api.client("app") as app:
            app.get(f"/api/ml/made-up-{number}")
            app.get(f"/made-up-{number}")
            app.post(f"/v2/models/made-up-{number}/infer", content=b"{}")
            app.post(f"/v1/models/made-up-{number}:explain", content=b"{}")
            app.post("/api/ml/batch/predict", json={"requests": [{"type": f"made-up-{number}"}]})
            app.request("PATCH", "/v2/models/tiny/infer")

    ask(0)
    before = series()
    for number in range(1, 30):
        ask(number)
    assert series() == before


def test_a_defects_words_stay_out_of_the_log() -> None:
    def break_down() -> None:
        try:
            raise ValueError(MARK)
        except ValueError as error:
            raise RuntimeError(f"while reading {MARK}") from error

    with pytest.raises(RuntimeError) as found:
        break_down()
    told = where(found.value)
    assert MARK not in told.replace('f"while reading {MARK}"', "")
    assert told.startswith("RuntimeError")
    assert "from ValueError" in told
    assert "break_down" in told
