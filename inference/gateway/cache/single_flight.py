"""Single flight: of all that ask the same at the same time, one computes and the others wait for it.

A leader that fails for a reason of its own (its client went, its deadline passed) fails nobody behind it: one of them
leads. Where the model fails one of them tries, once, and a second failure is everybody's answer, so that a dead model
is asked twice and not two hundred times.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from inference.gateway.problems import Unanswered

T = TypeVar("T")


@dataclass(frozen=True)
class _Landed(Generic[T]):
    """How a flight ended: a value, an error, or neither where its leader was cancelled."""

    value: T | None = None
    error: Exception | None = None
    cancelled: bool = False


class SingleFlight(Generic[T]):
    """The computations under way in this process.

    Parameters
    ----------
    second_tries : int
        How many failed leaders one follower outlasts before it takes the failure as its own.
    """

    def __init__(self, second_tries: int = 1) -> None:
        self.second_tries = second_tries
        self._flights: dict[Hashable, asyncio.Future[_Landed[T]]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._flights

    async def run(self, key: Hashable, compute: Callable[[], Awaitable[T]], wait_s: float) -> tuple[T, bool]:
        """Return the value for a key, and whether this call computed it.

        Parameters
        ----------
        key : hashable
            What is asked.
        compute : callable
            Computes it, if this call leads.
        wait_s : float
            Longest wait for others, seconds.

        Raises
        ------
        TimeoutError
            If others did not finish in time.
        Exception
            Whatever the computation raised.
        """
        failures, ends = 0, asyncio.get_running_loop().time() + wait_s
        while True:
            flight = self._flights.get(key)
            if flight is None:
                return await self._lead(key, compute), True
            async with asyncio.timeout_at(ends):
                landed = await asyncio.shield(flight)
            if landed.cancelled or _own(landed.error):
                continue
            if landed.error is None:
                return landed.value, False  # type: ignore[return-value]  # set wherever there is no error
            failures += 1
            if failures > self.second_tries or not _worth_trying(landed.error):
                raise landed.error

    async def _lead(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        value: T | None = None
        try:
            value = await compute()
            return value
        finally:
            error = sys.exception()
            del self._flights[key]
            failed = error if isinstance(error, Exception) else None
            flight.set_result(_Landed(value, failed, cancelled=error is not failed))


def _own(error: Exception | None) -> bool:
    return isinstance(error, Unanswered) and error.own


def _worth_trying(error: Exception) -> bool:
    """Return whether the same question may fare better: not where it was wrong, and not where nobody is let through."""
    return isinstance(error, Unanswered) and not error.for_all
