"""Request bodies: read whole before anything is passed on, each within a size and a time, all together within a sum.

The sum is what bounds the gateway's memory. A limit per body alone lets a few clients with large ones have the process
killed, and with it everybody's requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from inference.gateway.problems import BodyTooLarge, BodyTooSlow, ClientGone, GatewayFull, NoUpgrade

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Bodies:
    """The bodies of the requests under way.

    Parameters
    ----------
    largest : int
        Of one body, bytes.
    most : int
        Of all bodies under way, bytes.
    timeout_s : float
        Longest time in which a client sends its body.

    Attributes
    ----------
    held : int
        Bytes that are held now.
    """

    def __init__(self, largest: int, most: int, timeout_s: float) -> None:
        self.largest, self.most, self.timeout_s = largest, most, timeout_s
        self.held = 0

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive, largest: int | None = None) -> AsyncIterator[bytes]:
        """Read a request's body, and hold it until the block ends.

        Parameters
        ----------
        largest : int or None
            Of this body, bytes, where less than ``self.largest`` is enough.

        Raises
        ------
        BodyTooLarge, BodyTooSlow, NoUpgrade, GatewayFull, ClientGone
            If it cannot be read whole.
        """
        told = dict(scope["headers"])
        announced = int(told.get(b"content-length", b"0"))
        if b"upgrade" in told and (announced or b"transfer-encoding" in told):
            raise NoUpgrade(
                f"The gateway does not change to {told[b'upgrade'].decode('latin-1')!r:.40}.",
                "Send the request as plain HTTP/1.1, without Upgrade (Java: HttpClient.Version.HTTP_1_1).",
            )
        largest = min(self.largest, largest or self.largest)
        if announced > largest:
            raise _too_large(announced, largest)
        parts: list[bytes] = []
        try:
            try:
                async with asyncio.timeout(self.timeout_s):
                    await self._collect(receive, parts, largest)
            except TimeoutError as error:
                raise BodyTooSlow(
                    f"The body did not arrive within {self.timeout_s:g} s.", "Send it at once."
                ) from error
            parts[:] = [b"".join(parts)]
            yield parts[0]
        finally:
            self.held -= sum(map(len, parts))

    async def _collect(self, receive: Receive, parts: list[bytes], largest: int) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone("The client closed the connection before its body was complete.")
            part = message.get("body", b"")
            size += len(part)
            if size > largest:
                raise _too_large(size, largest)
            if self.held + len(part) > self.most:
                raise GatewayFull(
                    f"The requests under way hold {self.held} bytes, and the gateway holds no more than {self.most}.",
                    "Send the request again in a second, with fewer rows.",
                )
            self.held += len(part)
            parts.append(part)
            more = bool(message.get("more_body"))


def _too_large(size: int, largest: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body has {size} bytes or more, the limit is {largest}.", "Send fewer rows.")
