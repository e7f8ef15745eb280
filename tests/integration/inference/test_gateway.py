"""The gateway as a process, in front of real predictors and of upstreams that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from inference.ports import free_port
from inference.v2 import decode_response, encode_request
from tests.support.predictor import Predictor, predictor
from tests.support.tiny import make_tiny_artifact, tiny_rows


class Gateway:
    """A running gateway process over a models file that the test writes."""

    def __init__(self, folder: Path, models: dict[str, dict[str, Any]], *arguments: str) -> None:
        self.file = folder / "models.json"
        self.write(models)
        self.port = free_port()
        command = [sys.executable, "-m", "inference.gateway", "--models", str(self.file), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--reload_seconds", "0.05", "--auth", "off", *arguments]
        environment = {
            **os.environ,
            "ARTHAFLOW_HOME": str(folder / "home"),
            "ARTHAFLOW_GATEWAY_AUTHENTICATED_PER_HOUR": "0",
        }
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30.0, trust_env=False)

    def write(self, models: dict[str, dict[str, Any]]) -> None:
        """Replace the models file as a whole."""
        scratch = self.file.with_name("scratch")
        scratch.write_text(json.dumps({"models": models}))
        scratch.replace(self.file)

    def wait_for(self, models: set[str]) -> None:
        """Wait until the gateway is ready for exactly these models."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            try:
                if set(self.client.get("/ready").json()["models"]) == models:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError("the gateway did not become ready")

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; return the exit code and stderr."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, told = self.process.communicate(timeout=60)
        return self.process.returncode, told


@contextmanager
def gateway(folder: Path, models: dict[str, dict[str, Any]], *arguments: str) -> Iterator[Gateway]:
    """Run a gateway until the block ends."""
    running = Gateway(folder, models, *arguments)
    try:
        running.wait_for(set(models))
        yield running
    finally:
        running.stop()


class Recording(BaseHTTPRequestHandler):
    """An upstream that remembers what it was sent, waits if it is told to, and answers with headers of all kinds."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    hold: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.command == "POST" or "x-model-track" not in self.headers:  # the gateway itself asks for versions
            self.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if b"wait" in body:
            self.hold.wait(30)
        self.send_response(200)
        answer = b'{"outputs": []}'
        for name, value in (("content-type", "application/json"), ("authorization", "echoed"), ("x-internal", "yes")):
            self.send_header(name, value)
        self.send_header("x-model-version", "7")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def recording() -> Iterator[str]:
    """URL of a recording upstream."""
    Recording.seen.clear()
    Recording.hold = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recording)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        Recording.hold.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("artifact") / "a").directory


@pytest.fixture(scope="module")
def tiny(artifact: Path) -> Iterator[Predictor]:
    with predictor(artifact) as running:
        yield running


@pytest.fixture(scope="module")
def front(tiny: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), {"tiny": {"url": tiny.url}}) as running:
        yield running


@pytest.mark.parametrize("binary", [False, True])
def test_an_answer_is_the_models_own_answer(front: Gateway, tiny: Predictor, binary: bool) -> None:
    body, headers = encode_request(tiny_rows(5), binary=binary)
    direct = httpx.post(f"{tiny.url}/v2/models/tiny/infer", content=body, headers=headers)
    passed = front.client.post("/v2/models/tiny/infer", content=body, headers=headers)
    assert passed.status_code == direct.status_code == 200
    assert passed.headers["content-type"] == direct.headers["content-type"]
    (here, _), (there, _) = (decode_response(r.content, r.headers) for r in (passed, direct))
    assert here["price"].shape == (5, 2)
    assert all((here[name] == there[name]).all() for name in there)


def test_metadata_readiness_and_the_list_pass(front: Gateway, tiny: Predictor) -> None:
    assert front.client.get("/v2/models").json() == {"models": ["tiny"]}
    for path in ("/v2/models/tiny", "/v2/models/tiny/ready"):
        assert front.client.get(path).json() == httpx.get(tiny.url + path).json()


def test_a_models_own_refusal_passes_with_its_words(front: Gateway) -> None:
    refused = front.client.post("/v2/models/tiny/infer", content=b"{")
    assert refused.status_code == 400
    assert refused.json()["remedy"]


def test_what_is_not_offered_says_what_is(front: Gateway) -> None:
    unknown = front.client.post("/v2/models/nobody/infer", content=b"{}")
    assert (unknown.status_code, unknown.json()["remedy"]) == (404, "Use one of: tiny.")
    for path in (
        "/v2/repository/models/tiny/load",
        "/v2/repository/models/tiny/unload",
        "/v2/repository/index",
        "/v2/docs",
    ):
        closed = front.client.post(path, content=b"{}")
        assert closed.status_code == 404, path
        assert "/v2/models/<model>/infer" in closed.json()["remedy"]
    wrong = front.client.get("/v2/models/tiny/infer")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "target", ["/v2/models/tiny%2F..%2F..%2Frepository/infer", "/v2/models/tiny/../../repository/models/tiny/load"]
)
def test_no_spelling_of_a_path_reaches_the_repository(front: Gateway, target: str) -> None:
    with socket.create_connection(("127.0.0.1", front.port)) as raw:
        raw.sendall(f"POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}".encode())
        assert raw.makefile("rb").readline().split()[1] == b"404"


def test_a_request_id_is_kept_or_made(front: Gateway) -> None:
    named = front.client.get("/v2/models/tiny", headers={"x-request-id": "order-17"})
    assert named.headers["x-request-id"] == "order-17"
    assert len(front.client.get("/v2/models/tiny").headers["x-request-id"]) == 32


def test_a_body_beyond_the_limit_is_413(tiny: Predictor, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 4096

    with gateway(tmp_path, {"tiny": {"url": tiny.url}}, "--max_body_mb", "0.1") as small:
        for content in (b" " * 200_000, chunks()):
            refused = small.client.post("/v2/models/tiny/infer", content=content)
            assert refused.status_code == 413
            assert "104857" in refused.json()["error"]
        assert small.client.get("/v2/models/tiny/ready").status_code == 200


def raw_post(port: int, model: str, announced: int, body: bytes) -> socket.socket:
    """Start a request whose body may be shorter than it announces."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=30)
    raw.sendall(
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {announced}\r\n\r\n".encode() + body
    )
    return raw


def test_a_client_that_dawdles_is_told_and_its_connection_closed(tiny: Predictor, tmp_path: Path) -> None:
    models = {"tiny": {"url": tiny.url}}
    with (
        gateway(tmp_path, models, "--body_timeout_seconds", "0.3") as running,
        raw_post(running.port, "tiny", 10, b"{") as raw,
    ):
        answer = raw.makefile("rb").read()  # ends, because the gateway closes
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer


@pytest.mark.parametrize("framing", ["content-length: 60", "transfer-encoding: chunked"])
def test_an_upgrade_does_not_make_a_request_of_a_body(recording: str, tmp_path: Path, framing: str) -> None:
    hidden = "POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\nce-id: hidden\r\n\r\n"
    head = "POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    with (
        gateway(tmp_path, {"m": {"url": recording}}) as running,
        socket.create_connection(("127.0.0.1", running.port), timeout=30) as raw,
    ):
        raw.sendall(f"{head}{framing}\r\n\r\n".encode())
        answer = raw.recv(65536)
        try:
            raw.sendall(hidden.encode())
            answer += raw.makefile("rb").read()
        except ConnectionError:
            pass  # closed already
        plain = running.client.get("/v2/models/m", headers={"connection": "upgrade", "upgrade": "h2c"})
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert plain.status_code == 200  # without a body there is nothing to take for another
    assert [seen[0] for seen in Recording.seen] == ["GET"]


def test_bodies_together_have_a_limit_and_leave_room_when_they_are_done(recording: str, tmp_path: Path) -> None:
    with gateway(tmp_path, {"m": {"url": recording}}, "--max_held_mb", "0.1") as running:
        path = "/v2/models/m/infer"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(
                httpx.post,
                f"http://127.0.0.1:{running.port}{path}",
                content=b"wait" + b" " * 90_000,
                trust_env=False,
                timeout=30,
            )
            while not Recording.seen:
                time.sleep(0.01)
            full = running.client.post(path, content=b" " * 50_000)
            small = running.client.post(path, content=b"{}")
            Recording.hold.set()
            assert waiting.result().status_code == 200
        assert (full.status_code, full.headers["retry-after"], small.status_code) == (503, "1", 200)
        assert "104857" in full.json()["error"]
        assert running.client.post(path, content=b" " * 90_000).status_code == 200
        with raw_post(running.port, "m", 90_000, b" " * 80_000):
            pass  # a client that leaves gives back what it held
        codes = {running.client.post(path, content=b" " * 90_000).status_code for _ in range(20)}
        assert 200 in codes


def test_only_listed_headers_pass_either_way(recording: str, tmp_path: Path) -> None:
    with gateway(tmp_path, {"m": {"url": recording, "host": "m.models.local"}}) as running:
        sent = {"authorization": "Bearer secret", "cookie": "a=b", "traceparent": "00-a-b-01", "ce-id": "c-1"}
        answer = running.client.post("/v2/models/m/infer", content=b"{}", headers=sent)
    _, path, headers, body = Recording.seen[0]
    assert (path, body, headers["host"]) == ("/v2/models/m/infer", b"{}", "m.models.local")
    assert set(headers) <= {"host", "traceparent", "ce-id", "x-request-id", "content-type", "content-length"}
    assert headers["x-request-id"] == answer.headers["x-request-id"]
    assert answer.headers["x-model-version"] == "7"
    assert not {"authorization", "x-internal", "server"} & set(answer.headers)


def test_a_token_passes_only_where_that_is_asked_for(recording: str, tmp_path: Path) -> None:
    with gateway(tmp_path, {"m": {"url": recording}}, "--forward_authorization") as running:
        running.client.post("/v2/models/m/infer", content=b"{}", headers={"authorization": "Bearer t", "cookie": "a=b"})
    headers = Recording.seen[0][2]
    assert headers["authorization"] == "Bearer t"
    assert "cookie" not in headers


def test_a_model_without_an_explainer_says_so(recording: str, tmp_path: Path) -> None:
    with gateway(tmp_path, {"m": {"url": recording, "explains": False}}) as running:
        answer = running.client.post("/v1/models/m:explain", content=b"{}")
    assert (answer.status_code, Recording.seen) == (404, [])
    assert "has no explainer" in answer.json()["error"]


def test_explanations_go_to_the_explainer(recording: str, tiny: Predictor, tmp_path: Path) -> None:
    entry = {"url": tiny.url, "host": "tiny.models.local", "explain_url": recording, "explain_host": "e.models.local"}
    with gateway(tmp_path, {"tiny": entry}) as running:
        assert running.client.post("/v1/models/tiny:explain", content=b'{"instances": []}').status_code == 200
        told = running.client.get("/metrics").text
    assert [(seen[1], seen[2]["host"]) for seen in Recording.seen] == [("/v1/models/tiny:explain", "e.models.local")]
    assert 'arthaflow_gateway_explain_seconds_count{model="tiny"} 1.0' in told
    assert 'arthaflow_gateway_request_seconds_count{model="tiny"}' not in told


def test_a_slow_model_times_out_and_slows_no_other(recording: str, tiny: Predictor, tmp_path: Path) -> None:
    slow = {"url": recording, "timeout_s": 2.0, "max_in_flight": 16}
    body, headers = encode_request(tiny_rows(1))
    with gateway(tmp_path, {"slow": slow, "tiny": {"url": tiny.url}}) as running, ThreadPoolExecutor(24) as pool:

        def ask_slow(_: int) -> httpx.Response:
            url = f"http://127.0.0.1:{running.port}/v2/models/slow/infer"
            return httpx.post(url, content=b"wait", timeout=60, trust_env=False)

        waiting = [pool.submit(ask_slow, n) for n in range(16)]
        while len(Recording.seen) < 16:
            time.sleep(0.01)
        beside = [running.client.post("/v2/models/tiny/infer", content=body, headers=headers) for _ in range(20)]
        full = ask_slow(0)
        assert not any(w.done() for w in waiting)  # every answer of `tiny` came while all of `slow` waited
        assert {r.status_code for r in beside} == {200}
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        assert "16 requests under way" in full.json()["error"]
        late = [w.result() for w in waiting]
        assert {r.status_code for r in late} == {504}
        assert "within 2 s" in late[0].json()["error"]
        told = running.client.get("/metrics").text
    assert 'arthaflow_gateway_requests_total{code="504",model="slow"} 16.0' in told
    assert 'arthaflow_gateway_requests_total{code="200",model="tiny"} 20.0' in told


def test_a_killed_model_is_503_until_it_is_back(artifact: Path, tiny: Predictor, tmp_path: Path) -> None:
    mortal = Predictor(artifact, "--model_name", "mortal")
    replacement = Predictor(artifact, "--model_name", "mortal")
    body, headers = encode_request(tiny_rows(1))
    try:
        mortal.wait_ready()
        with gateway(tmp_path, {"mortal": {"url": mortal.url}, "tiny": {"url": tiny.url}}) as running:
            path = "/v2/models/mortal/infer"
            assert running.client.post(path, content=body, headers=headers).status_code == 200
            mortal.process.kill()
            mortal.process.wait()
            down = running.client.post(path, content=body, headers=headers)
            assert (down.status_code, down.headers["retry-after"]) == (503, "1")
            assert "mortal" in down.json()["error"]
            assert down.json()["remedy"]
            assert running.client.get("/ready").status_code == 200
            assert running.client.post("/v2/models/tiny/infer", content=body, headers=headers).status_code == 200
            replacement.wait_ready()
            running.write({"mortal": {"url": replacement.url}})
            running.wait_for({"mortal"})
            assert running.client.get("/v2/models/tiny/ready").status_code == 404
            assert running.client.post(path, content=body, headers=headers).status_code == 200
    finally:
        mortal.stop()
        replacement.stop()


def test_the_models_file_is_followed_and_a_bad_one_changes_nothing(tiny: Predictor, tmp_path: Path) -> None:
    with gateway(tmp_path, {}) as running:
        missing = running.client.get("/v2/models/tiny/ready")
        assert missing.status_code == 404
        assert "No model is served yet" in missing.json()["remedy"]
        running.write({"tiny": {"url": tiny.url}})
        running.wait_for({"tiny"})
        assert running.client.get("/v2/models/tiny/ready").status_code == 200
        running.write({"tiny": {"url": "nonsense"}})
        deadline = time.monotonic() + 30
        while "arthaflow_gateway_models_file_valid 0.0" not in running.client.get("/metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert running.client.get("/v2/models/tiny/ready").status_code == 200
        _, told = running.stop()
    assert "nonsense" in told


def test_an_unknown_models_name_makes_no_label(front: Gateway) -> None:
    for number in range(5):
        front.client.get(f"/v2/models/made-up-{number}")
    told = front.client.get("/metrics").text
    assert "made-up" not in told
    assert 'arthaflow_gateway_requests_total{code="404",model="unknown"}' in told


def test_a_stop_finishes_what_is_under_way_and_says_not_ready_first(recording: str, tmp_path: Path) -> None:
    running = Gateway(tmp_path, {"m": {"url": recording}}, "--drain_seconds", "3")
    try:
        running.wait_for({"m"})
        with ThreadPoolExecutor(1) as pool:
            url = f"http://127.0.0.1:{running.port}/v2/models/m/infer"
            held = pool.submit(httpx.post, url, content=b"wait", timeout=60, trust_env=False)
            while not Recording.seen:
                time.sleep(0.01)
            running.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 2.5
            while running.client.get("/ready").status_code != 503:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            during = running.client.post("/v2/models/m/infer", content=b"{}")
            assert (during.status_code, during.headers["connection"]) == (200, "close")
            Recording.hold.set()
            assert held.result().status_code == 200
        running.process.wait(30)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{running.port}/ready", trust_env=False)
    finally:
        code, told = running.stop()
    assert code == 0, told
    assert "Traceback" not in told


def test_no_request_is_lost_when_the_gateway_is_replaced(tiny: Predictor, tmp_path: Path) -> None:
    """Clients with connections of their own ask without a pause while the process is told to stop."""
    body, headers = encode_request(tiny_rows(1))
    # Two seconds: a client that a busy machine holds up for longer than the drain may write to a closed connection.
    running = Gateway(tmp_path, {"tiny": {"url": tiny.url}}, "--drain_seconds", "2")
    running.wait_for({"tiny"})

    async def ask(count: list[int]) -> list[int]:
        codes = []
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            while True:
                try:
                    url = f"http://127.0.0.1:{running.port}/v2/models/tiny/infer"
                    codes.append((await client.post(url, content=body, headers=headers)).status_code)
                    count[0] += 1
                except httpx.ConnectError:
                    return codes  # refused cleanly: the process is gone

    async def burst() -> list[int]:
        count = [0]
        asking = [asyncio.create_task(ask(count)) for _ in range(8)]
        while count[0] < 50:
            await asyncio.sleep(0.01)
        running.process.send_signal(signal.SIGTERM)
        return [code for codes in await asyncio.gather(*asking) for code in codes]

    try:
        codes = asyncio.run(burst())
        assert len(codes) > 50
        assert set(codes) == {200}
    finally:
        assert running.stop()[0] == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("models: {", "not YAML"), ("{}", "models"), ("models: 3", "models")],
)
def test_a_bad_models_file_at_the_start_is_one_message(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "models.yaml"
    if content is not None:
        path.write_text(content)
    command = [sys.executable, "-m", "inference.gateway", "--models", str(path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
