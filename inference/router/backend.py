"""A backend of the router: a keep-alive pool of HTTP/1.1 connections, and nothing that a predictor does not need."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

CONNECT_TIMEOUT_S = 2.0
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
"""Headers that end at a proxy (RFC 9110, section 7.6.1)."""

Headers = list[tuple[bytes, bytes]]


class BackendFailed(Exception):
    """A backend gave no complete answer: refused, lost or too slow.

    Attributes
    ----------
    begun : bool
        Whether a part of an answer had come.
    deliveries : int
        How often the request was written to a connection.
    """

    begun = False
    deliveries = 0


class BackendSlow(BackendFailed):
    """A backend accepted the request and gave no complete answer in time."""


@dataclass
class Response:
    """A backend's complete answer."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.started = False
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, data: bytes) -> asyncio.Future[Response]:
        """Write a request; the future resolves with the complete answer."""
        assert self._transport is not None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._response, self._parts, self.started = Response(), [], False
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._waiter

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._waiter.done():
            self.close()  # nobody asked: what comes now must never be taken for the answer to the next request
            return
        self.started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"sent no valid HTTP ({error})")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self._fail(f"closed the connection ({error or 'end of stream'})")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._response.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # interim: the answer is still to come (RFC 9110, section 15.2)
            self._response, self._parts = Response(), []
            return
        if self._waiter is None or self._waiter.done():
            self.close()  # a second answer in the same segment
            return
        answer, self._response = self._response, Response()
        answer.status, answer.body = status, b"".join(self._parts)
        if not self._parser.should_keep_alive():
            self.close()
        self._waiter.set_result(answer)

    def _fail(self, why: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(BackendFailed(why))


class Backend:
    """One version behind the router.

    Parameters
    ----------
    track, version : str
        ``stable`` or ``canary``, and the version.
    url : str
        ``http://host:port``.
    weight : int
        Share of the traffic, relative to the sum of the weights.
    authority : str
        Host header, where it is not the host of ``url``: a Gateway routes by it.
    """

    def __init__(self, track: str, version: str, url: str, weight: int, authority: str = "") -> None:
        parts = urlsplit(url)
        self.track, self.version, self.url, self.weight = track, version, url, weight
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        literal = f"[{self.host}]" if ":" in self.host else self.host  # IPv6, as RFC 9112 writes it
        self.authority = authority or f"{literal}:{self.port}"
        self.inflight = 0
        self._idle: list[_Connection] = []
        self._closed = False

    async def send(self, method: str, target: bytes, headers: Headers, body: bytes, timeout: float) -> Response:
        """Forward a request and return the answer.

        Raises
        ------
        BackendSlow
            Without a complete answer within ``timeout`` seconds.
        BackendFailed
            If it refuses the connection or closes it before the answer is complete.
        """
        head = [method.encode(), b" ", target, b" HTTP/1.1\r\nhost: ", self.authority.encode(), b"\r\n"]
        for name, value in headers:
            if name not in HOP_BY_HOP and name not in (b"host", b"content-length", b"expect"):
                head += [name, b": ", value, b"\r\n"]
        head.append(b"content-length: %d\r\n\r\n" % len(body))
        self.inflight += 1
        try:
            return await asyncio.wait_for(self._exchange(b"".join(head) + body), timeout)
        except TimeoutError as error:
            raise BackendSlow(f"did not answer within {timeout:g} s") from error
        finally:
            self.inflight -= 1

    async def _exchange(self, data: bytes) -> Response:
        delivered = 0
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            try:
                return await self._use(connection, data)
            except BackendFailed:
                if connection.started:
                    raise
                delivered = 1
                # An idle connection that the server closed meanwhile: no answer was begun, a fresh one decides. Only
                # one: a request that kills its server must not go on to the pods behind every other idle connection.
                break
        try:
            return await self._use(await self._connect(), data)
        except BackendFailed as error:
            error.deliveries += delivered
            raise

    async def _use(self, connection: _Connection, data: bytes) -> Response:
        try:
            response = await connection.send(data)
        except BackendFailed as error:
            error.begun, error.deliveries = connection.started, 1
            raise
        except asyncio.CancelledError:
            connection.close()  # its answer may still come: never reuse it
            raise
        if self._closed:
            connection.close()
        elif not connection.closed:
            self._idle.append(connection)
        return response

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(_Connection, self.host, self.port)
        except OSError as error:  # includes TimeoutError
            raise BackendFailed(f"does not accept connections ({error or 'timeout'})") from error
        return connection

    def close(self) -> None:
        """Close idle connections; requests in flight finish, and their connections close with them."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle.clear()
