"""Single flight across replicas: one of them holds the lock and computes, the others look again until it has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from inference.gateway.cache.entry import CacheEntry
from inference.gateway.cache.redis_cache import Place, RedisCache
from inference.gateway.cache.redis_link import RedisAway

PAUSE_S = 0.02
LONGEST_PAUSE_S = 0.1


@dataclass
class Turn:
    """What a replica may do about a question.

    Attributes
    ----------
    entry : CacheEntry or None
        Another replica's answer: nothing is left to do.
    place : Place or None
        Where to store the answer; None without Redis.
    stored : bool
        Set it when the answer was stored there, because the lock went with that.
    """

    entry: CacheEntry | None = None
    place: Place | None = None
    stored: bool = False


class SharedFlight:
    """Takes locks in Redis.

    Parameters
    ----------
    redis : RedisCache
    """

    def __init__(self, redis: RedisCache) -> None:
        self.redis = redis
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def enter(
        self, model: str, version: str, key: bytes, fresher_than: float, wait_s: float
    ) -> AsyncIterator[Turn]:
        """Yield another replica's answer, or else a place, with its lock if that was to be had in time.

        Without Redis, neither. A lock is renewed while the block runs, and given back at its end.

        Parameters
        ----------
        fresher_than : float
            Unix time until which the answer must be fresh at least.
        wait_s : float
            How long to wait for another replica; after that this one computes too.
        """
        place = Place(model, version, key, uuid4().hex)
        try:
            entry, ours = await self._wait(place, fresher_than, wait_s)
        except RedisAway:
            yield Turn()
            return
        if not ours:
            yield Turn(entry, None if entry else place)
            return
        turn = Turn(place=place)
        renewing = asyncio.create_task(self._renew(place))
        try:
            yield turn
        finally:
            renewing.cancel()
            if not turn.stored:
                self._later(place)

    async def _wait(self, place: Place, fresher_than: float, wait_s: float) -> tuple[CacheEntry | None, bool]:
        ends, pause = time.monotonic() + wait_s, PAUSE_S
        while True:
            entry, ours = await self.redis.look_or_lock(place, fresher_than)
            if entry is not None or ours or time.monotonic() >= ends:
                return entry, ours
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(1.5 * pause, LONGEST_PAUSE_S)

    async def _renew(self, place: Place) -> None:
        with contextlib.suppress(RedisAway):
            while True:
                await asyncio.sleep(self.redis.lock_ms / 3e3)
                if not await self.redis.renew(place):
                    return

    def _later(self, place: Place) -> None:
        """Give a lock back without anybody waiting for it, also where the request was cancelled."""
        task = asyncio.create_task(self._release(place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _release(self, place: Place) -> None:
        with contextlib.suppress(RedisAway):
            await self.redis.release(place)
