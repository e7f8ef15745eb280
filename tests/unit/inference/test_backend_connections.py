"""A backend's connections: which are used again, and what is never taken for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from inference.router.backend import Backend, BackendFailed, Response

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def request(reader: asyncio.StreamReader) -> bytes:
    """Read one request; its body is one byte."""
    return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(1)


@asynccontextmanager
async def backend(handler: Handler) -> AsyncIterator[Backend]:
    """A backend whose server handles connections as told."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    made = Backend("", "", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", 1)
    try:
        yield made
    finally:
        made.close()
        server.close()


async def ask(made: Backend) -> Response:
    return await made.send("POST", b"/x", [], b"1", 10.0)


def test_a_deadly_request_is_sent_again_once_and_not_over_every_idle_connection() -> None:
    deadly = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal deadly
        await request(reader)
        if deadly:
            deadly += 1
            return
        together.release()
        await idle.wait()
        writer.write(OK)
        await request(reader)
        deadly += 1

    async def scenario() -> int:
        async with backend(handler) as made:
            first = [asyncio.create_task(ask(made)) for _ in range(5)]
            for _ in first:
                await together.acquire()
            idle.set()
            await asyncio.gather(*first)  # five idle connections, as to five pods
            with pytest.raises(BackendFailed):
                await count(made)
            return deadly - 1

    async def count(made: Backend) -> None:
        nonlocal deadly
        deadly = 1
        await ask(made)

    together, idle = asyncio.Semaphore(0), asyncio.Event()
    assert asyncio.run(scenario()) == 2


def test_an_interim_answer_is_not_the_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK)
        await reader.read()

    async def scenario() -> Response:
        async with backend(handler) as made:
            return await ask(made)

    answer = asyncio.run(scenario())
    assert (answer.status, answer.body, answer.headers) == (200, b"ok", [(b"content-length", b"2")])


@pytest.mark.parametrize("pause", [False, True])
def test_what_nobody_asked_for_answers_no_later_request(pause: bool) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request(reader)
        writer.write(OK if pause else OK + OK.replace(b"ok", b"no"))
        if pause:
            await answered.wait()
            writer.write(OK.replace(b"ok", b"no"))
        assert await reader.read() == b""  # the client closes
        closed.set()

    async def scenario() -> list[Response]:
        async with backend(handler) as made:
            answers = [await ask(made)]
            answered.set()
            await asyncio.wait_for(closed.wait(), 10)
            return [*answers, await ask(made)]

    answered, closed = asyncio.Event(), asyncio.Event()
    answers = asyncio.run(scenario())
    assert [a.body for a in answers] == [b"ok", b"ok"]
    assert all(a.headers == [(b"content-length", b"2")] for a in answers)
    assert connections == 2


def test_a_connection_in_use_while_its_backend_closes_is_closed_after_the_answer() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        asked.set()
        await closing.wait()
        writer.write(OK)
        assert await reader.read() == b""
        closed.set()

    async def scenario() -> Response:
        async with backend(handler) as made:
            asking = asyncio.create_task(ask(made))
            await asked.wait()
            made.close()
            closing.set()
            answer = await asking
            await asyncio.wait_for(closed.wait(), 10)
            return answer

    asked, closing, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    assert asyncio.run(scenario()).body == b"ok"


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert Backend("", "", "http://[::1]:8080", 1).authority == "[::1]:8080"
