"""A model's server that misbehaves as a test tells it: a real HTTP server on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.table import Entry, ModelTable


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class UpstreamServer:
    """What a server does and did.

    Attributes
    ----------
    mode : str
        ``answer``; ``hold`` (until :attr:`released`); ``cut`` (half an answer, then the connection ends); ``drop`` (the
        connection ends without an answer); or a status such as ``503``.
    version : str
        Told in every answer.
    script : list of str
        Modes of the next requests, before ``mode`` counts again.
    """

    mode: str = "answer"
    version: str = "1"
    headers: dict[str, str] = field(default_factory=dict)
    script: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    url: str = ""
    server: asyncio.Server | None = None

    @property
    def asked(self) -> int:
        """How many predictions and explanations were asked for."""
        return sum(seen.method == "POST" for seen in self.seen)

    async def wait_for(self, requests: int) -> None:
        """Wait until so many more requests have come."""
        for _ in range(requests):
            await self.came.acquire()

    async def start(self) -> None:
        """Listen; again on the same port after :meth:`stop`."""
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port, reuse_address=True)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Refuse connections, and end those there are."""
        assert self.server is not None
        self.server.close()
        self._end_all()

    def _end_all(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        method, path, _ = head[0].split()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method, path, headers, body))
        self.came.release()
        mode = self.script.pop(0) if self.script else self.mode
        if mode == "drop":
            return False
        if mode == "hold":
            await self.released.wait()
        status = mode if mode.isdigit() else "200"
        answer = json.dumps({"name": "m", "versions": [self.version], "model_version": self.version}).encode()
        told = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{told}content-length: {len(answer)}\r\n\r\n".encode())
        writer.write(answer[:5] if mode == "cut" else answer)
        await writer.drain()
        return mode != "cut"


@asynccontextmanager
async def upstream(mode: str = "answer", version: str = "1") -> AsyncIterator[UpstreamServer]:
    """Run a server until the block ends."""
    made = UpstreamServer(mode, version)
    await made.start()
    try:
        yield made
    finally:
        made.released.set()
        await made.stop()


class Models(ModelTable):
    """The models file's content without a file."""

    def __init__(self, **entries: Entry) -> None:
        self.entries, self.valid = entries, True


@asynccontextmanager
async def model_calls(metrics: GatewayMetrics | None = None, **entries: Entry) -> AsyncIterator[ModelCalls]:
    """The gateway's way to these models, closed at the end."""
    calls = ModelCalls(Models(**entries), metrics or GatewayMetrics())
    try:
        yield calls
    finally:
        calls.close()
