"""The proxy against backends that misbehave on the wire: refused, cut off, hung, closing; over real sockets."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from components.rollout.metrics import WindowMetrics
from inference.router.app import Proxy
from inference.router.metrics import RouterMetrics
from inference.router.quantity import Cell, Message, Quantity
from inference.router.recorder import Recorder
from inference.router.table import RoutingTable

INFER = "/v2/models/m/infer"
REQUEST = {"inputs": [{"name": "x", "shape": [2, 3], "datatype": "FP64", "data": [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]}]}
ANSWER = {"outputs": [{"name": "y", "shape": [2, 1], "datatype": "FP64", "data": [10.0, 20.0]}]}
QUANTITY = Quantity(Cell("y", 0), Cell("x", 1))

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


def http(status: int, body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def answering(data: bytes, close: bool = False) -> Handler:
    """A backend that answers every request with ``data``, and closes the connection afterwards if asked to."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(data)
                await writer.drain()
                if close:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    return handle


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


GOOD = answering(http(200, ANSWER))


class Bench:
    """A proxy in this process with its backends."""

    def __init__(self, folder: Path, **options: float) -> None:
        self.table = RoutingTable(folder / "weights.json", seed=1)
        self.recorder = Recorder(folder / "requests.db", QUANTITY)
        patience = {"timeout_s": 0.5, "impatience_s": 0.2, "patience_s": 0.3, **options}
        self.proxy = Proxy("m", self.table, self.recorder, RouterMetrics(), **patience)

    async def post(self, body: Any = REQUEST, path: str = INFER, track: str = "") -> tuple[int, dict[str, str], Any]:
        sent: list[Any] = []
        data = json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [
            (b"x-model-track", track.encode()),
            (b"connection", b"close"),
            (b"content-type", b"application/json"),
        ]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await self.proxy(scope, receive, send)
        answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], answered, json.loads(sent[1]["body"])

    def window(self, version: str) -> WindowMetrics:
        return self.recorder.window(version, 0.0, math.inf)


@asynccontextmanager
async def bench(folder: Path, stable: Handler | None, canary: Handler | None, **options: float) -> AsyncIterator[Bench]:
    """Backends with weight 1 for the canary and 0 for stable, so that every request meets the canary first."""
    made, servers, table = Bench(folder, **options), [], {}
    for version, track, handler in (("1", "stable", stable), ("2", "canary", canary)):
        port = 1  # nobody listens there
        if handler is not None:
            servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
            port = servers[-1].sockets[0].getsockname()[1]
        table[track] = {"url": f"http://127.0.0.1:{port}", "version": version, "weight": int(track == "canary")}
    made.table.replace(table)
    try:
        yield made
    finally:
        for backend in made.table.backends.values():
            backend.close()
        for server in servers:
            server.close()
        made.recorder.close()


BAD: dict[str, Handler | None] = {
    "refuses": None,
    "hangs": hanging,
    "answers 500": answering(http(500, {"error": "x"})),
    "answers 503": answering(http(503, {"error": "loading"})),
    "cuts off": answering(http(200, ANSWER)[:-9], close=True),
    "speaks no http": answering(b"SSH-2.0-OpenSSH\r\n\r\n"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_canary_costs_no_request_and_is_blamed(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, GOOD, BAD[how]) as router:
            answers = await asyncio.gather(*(router.post() for _ in range(20)))
            assert [(a[0], a[1]["x-model-version"]) for a in answers] == [(200, "1")] * 20
            assert all(a[2] == ANSWER for a in answers)
            assert (router.window("2").requests, router.window("2").errors) == (20, 20)
            assert router.window("1").requests == 0  # its answers were retries, and no random sample

    asyncio.run(scenario())


def test_a_server_that_closes_idle_connections_costs_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, None, answering(http(200, ANSWER), close=True)) as router:
            for _ in range(20):
                assert (await router.post())[0] == 200
            assert router.window("2").errors == 0

    asyncio.run(scenario())


def test_connections_are_kept_and_the_number_is_measured(tmp_path: Path) -> None:
    opened = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await GOOD(reader, writer)

    async def scenario() -> None:
        async with bench(tmp_path, None, counting) as router:
            for _ in range(10):
                await router.post()
            assert opened == 1
            assert router.window("2").predictions == (10.0 / 5.0,) * 10

    asyncio.run(scenario())


def test_without_another_backend_the_error_names_the_version(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, None, None) as router:
            status, headers, body = await router.post()
            assert status == 503
            assert headers["retry-after"] == "1"
            assert "does not accept connections" in body["error"]

    asyncio.run(scenario())


def test_its_own_error_is_passed_on_when_nobody_does_better(tmp_path: Path) -> None:
    failing = answering(http(500, {"error": "division by zero"}))

    async def scenario() -> None:
        async with bench(tmp_path, failing, failing) as router:
            status, _, body = await router.post()
            assert (status, body) == (500, {"error": "division by zero"})

    asyncio.run(scenario())


def test_a_forced_request_is_not_answered_by_the_other_version(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, GOOD, BAD["answers 500"]) as router:
            assert (await router.post(track="canary"))[0] == 500
            assert (await router.post(track="stable"))[0] == 200
            assert router.window("2").requests == 0

    asyncio.run(scenario())


def test_an_empty_table_and_a_foreign_path_are_explained(tmp_path: Path) -> None:
    async def scenario() -> None:
        router = Bench(tmp_path)
        assert (await router.post())[0] == 503
        status, _, body = await router.post(path="/v2/models/m2/infer")
        assert (status, "It routes /v2/models/m/infer" in body["error"]) == (404, True)
        router.recorder.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("request_body", "answer", "expected"),
    [
        (REQUEST, {"outputs": [{"name": "y", "data": [[10.0], [20.0]]}]}, (2.0, False)),
        ({"inputs": [{"name": "b", "data": [4.0]}]}, ANSWER, (2.5, False)),
        ({"inputs": [{"name": "x.b", "data": [[4.0]]}]}, ANSWER, (2.5, False)),
        ({"inputs": [{"name": "other", "data": [4.0]}]}, ANSWER, (None, False)),
        (REQUEST, {"outputs": [{"name": "z", "data": [1.0]}]}, (None, False)),
        (REQUEST, {"outputs": [{"name": "y", "data": [None, 1.0]}]}, (None, True)),
        ([1], ANSWER, (None, False)),
        (REQUEST, "text", (None, False)),
    ],
)
def test_the_number_is_read_from_every_form(
    request_body: Any, answer: Any, expected: tuple[float | None, bool]
) -> None:

    quantity = Quantity.from_json(Quantity(Cell("y", 0, "a"), Cell("x", 1, "b")).to_json())
    messages = [Message(json.dumps(m).encode(), {}) for m in (request_body, answer)]
    assert quantity.measure(*messages) == expected
