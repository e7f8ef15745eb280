"""Bulkhead: one model's share of the process, and a short bounded line before it. Nothing is shared between models.

The line takes up bursts. It is short in length and in time, because a request that waits long is better told to come
again: waiting costs its client the same, and the process its memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inference.gateway.problems import ModelBusy


class Bulkhead:
    """Bounds the requests to one model that are under way.

    Parameters
    ----------
    name : str
        What the requests are for, for messages.
    limit : int
        Most requests under way.
    line : int
        Most requests that wait for their turn.
    wait_s : float
        Longest wait, seconds.

    Attributes
    ----------
    in_flight : int
        Requests under way.
    """

    def __init__(self, name: str, limit: int, line: int, wait_s: float) -> None:
        self.name, self.limit, self.line, self.wait_s = name, limit, line, wait_s
        self.in_flight = 0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Requests in the line."""
        return len(self._waiters)

    @asynccontextmanager
    async def enter(self, at_most_s: float) -> AsyncIterator[None]:
        """Hold a place while the block runs; first come, first served.

        Parameters
        ----------
        at_most_s : float
            What is left of the request's deadline, seconds.

        Raises
        ------
        ModelBusy
            If the line is full, or no place became free in time.
        """
        if self.in_flight < self.limit and not self._waiters:
            self.in_flight += 1
        else:
            await self._queue(min(self.wait_s, at_most_s))
        try:
            yield
        finally:
            self._leave()

    async def _queue(self, seconds: float) -> None:
        if len(self._waiters) >= self.line or seconds <= 0:
            raise self._busy()
        turn = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave()  # its turn came in the same moment: hand it on
            else:
                self._waiters.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._busy() from error
            raise

    def _leave(self) -> None:
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)  # the place changes hands, so in_flight stays
                return
        self.in_flight -= 1

    def _busy(self) -> ModelBusy:
        return ModelBusy(
            f"{self.name} has {self.in_flight} requests under way, the most it may have.",
            "Send the request again in a second, or raise its max_in_flight.",
        )
