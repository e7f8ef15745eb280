"""A client's connection: the head of a request is bounded in bytes and in time, which uvicorn leaves open.

Without it one client per file handle can hold the process by sending a header a minute (slowloris), and one client can
fill its memory with a header that never ends, long before anybody is asked who he is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 64 * 1024
"""Bytes of a request line and headers, and of anything else that is no body: trailers, chunk extensions."""

HEAD_S = 10.0
"""Longest time from a request's first byte to the end of its headers."""

TOO_LARGE = b"431 Request Header Fields Too Large"
TOO_SLOW = b"408 Request Timeout"


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's protocol with patience that ends."""

    head_s = HEAD_S

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heading, self._timed, self._taken = False, False, 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request as long as for a next one."""
        super().connection_made(transport)
        self._wait(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what the parser takes without making anything of it, and time a head that is not complete."""
        self._taken += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._taken > MOST_HEAD:
            self._refuse(TOO_LARGE)
        elif self._heading:
            if not self._timed:
                self._wait(self.head_s, timed=True)
        elif self._busy:
            if self._patience is not None:
                self._wait(None)
        elif self._patience is None and self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)  # empty lines are no request

    def on_message_begin(self) -> None:
        """See the parser."""
        self._heading = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See the parser."""
        self._heading, self._taken = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """See the parser."""
        self._taken = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See the parser."""
        self._taken = 0
        super().on_message_complete()

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self, seconds: float | None, *, timed: bool = False) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._timed = timed
        self._patience = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self._busy:
            self._wait(self.head_s, timed=True)
        elif self._heading:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, status: bytes) -> None:
        """Say why, unless another answer is on its way, and close."""
        if not self._busy:
            self.transport.write(b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self.transport.close()
