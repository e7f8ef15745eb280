"""What a client can do to a connection before anybody knows who he is: heads without end, pipelining, strange framing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from inference.gateway.calls import deadline
from inference.gateway.connections import MOST_HEAD, BoundedConnection


class Impatient(BoundedConnection):
    """The gateway's protocol, for a test that cannot wait ten seconds."""

    head_s = 0.3


class Noting:
    """An ASGI application that keeps what it was asked, and answers when it is let."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.left: list[float] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        seconds = deadline.asked_for(scope["headers"])
        with deadline.within(seconds):
            self.left.append(deadline.time_left(1000.0))
            await self.go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(app: Any, protocol: type[BoundedConnection] = BoundedConnection) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        reset_contextvars=True,
        timeout_keep_alive=2,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await running


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await scenario

    asyncio.run(bounded())


async def all_of(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionResetError):
        return await reader.read()
    return b"reset"


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ", b"GET /"],
    ids=["a header that never ends", "a path that never ends"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(sent: bytes) -> None:
    async def scenario() -> None:
        app = Noting()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            for _ in range(MOST_HEAD // 1024 + 2):
                writer.write(b"a" * 1024)
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    await writer.drain()
                await asyncio.sleep(0)
            assert (await all_of(reader)).startswith((b"HTTP/1.1 431", b"reset"))
            assert not app.paths

    run(scenario())


def test_many_headers_within_the_bound_are_no_trouble() -> None:
    async def scenario() -> None:
        app = Noting()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            many = b"".join(b"x-%d: %s\r\n" % (i, b"v" * 100) for i in range(200))
            writer.write(b"GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + many + b"\r\n")
            assert (await all_of(reader)).startswith(b"HTTP/1.1 200")

    run(scenario())


def test_trailers_without_end_close_the_connection() -> None:
    async def scenario() -> None:
        app = Noting()
        app.go.clear()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-end: ")
            for _ in range(16 * MOST_HEAD // 1024):
                writer.write(b"a" * 1024)
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    await writer.drain()
                await asyncio.sleep(0)
            assert await all_of(reader) in (b"", b"reset")
            app.go.set()

    run(scenario())


def test_a_head_that_dawdles_is_told_and_the_connection_closed() -> None:
    async def scenario() -> None:
        app = Noting()
        async with serving(app, Impatient) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /a HTTP/1.1\r\nhost: x\r\n")
            assert (await all_of(reader)).startswith(b"HTTP/1.1 408")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n")  # and on a connection that was used before
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.write(b"GET /c HTTP/1.1\r\nhost:")
            assert (await all_of(reader)).startswith(b"HTTP/1.1 408")
            assert app.paths == ["/b"]

    run(scenario())


def test_a_connection_that_says_nothing_is_closed_like_an_idle_one() -> None:
    async def scenario() -> None:
        async with serving(Noting()) as port:
            silent, _ = await asyncio.open_connection("127.0.0.1", port)
            empty, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
            await empty.readuntil(b"ok")
            writer.write(b"\r\n")
            assert await all_of(silent) == b""
            assert await all_of(empty) == b""

    run(scenario())


def test_an_answer_that_takes_longer_than_a_head_may_is_not_cut() -> None:
    async def scenario() -> None:
        app = Noting()
        app.go.clear()
        async with serving(app, Impatient) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HT")
            await asyncio.sleep(1.0)
            app.go.set()
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    run(scenario())


def test_a_pipelined_request_has_a_deadline_of_its_own() -> None:
    async def scenario() -> None:
        app = Noting()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            first = b"GET /a HTTP/1.1\r\nhost: x\r\nx-request-timeout-ms: 500\r\n\r\n"
            writer.write(first + b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n" + b"GET /c HTTP/1.1\r\nhost: x\r\n\r\n")
            for _ in range(3):
                await reader.readuntil(b"ok")
        assert app.paths == ["/a", "/b", "/c"]
        assert app.left[0] <= 0.5
        assert app.left[1:] == [1000.0, 1000.0]

    run(scenario())


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 3\r\ncontent-length: 4\r\n",
        b"content-length: 3\r\ncontent-length: 3\r\n",
        b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"content-length: +3\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"content-length : 3\r\n",
        b" content-length: 3\r\n",
    ],
)
def test_framing_that_two_servers_may_read_differently_is_refused(head: bytes) -> None:
    async def scenario() -> None:
        app = Noting()
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST /a HTTP/1.1\r\nhost: x\r\n" + head + b"\r\nabcGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
            )
            writer.write_eof()
            told = await all_of(reader)
            assert b"HTTP/1.1 400" in told, told
            assert "/smuggled" not in app.paths

    run(scenario())


@pytest.mark.parametrize("line", [b"OPTIONS * HTTP/1.1", b"CONNECT x:443 HTTP/1.1", b"GET http://x/a HTTP/1.1"])
def test_other_forms_of_a_target_break_nothing(line: bytes) -> None:
    async def scenario() -> None:
        async with serving(Noting()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
            writer.write_eof()
            assert (await all_of(reader)).split(b" ")[1] in (b"200", b"400")

    run(scenario())
