"""Erasures: what was erased lately, so that nothing computed before comes back, and other replicas' erasures."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from inference.gateway.cache.redis_cache import RedisCache
from inference.gateway.cache.redis_link import RedisAway

KEPT_S = 600.0
EVERY_S = 1.0


class Erasures:
    """What was erased in the last ten minutes, which is longer than any computation."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str], float] = {}

    def note(self, kind: str, name: str) -> None:
        """Remember an erasure: kind ``model`` or ``tag``."""
        now = time.time()
        self._times = {k: at for k, at in self._times.items() if at > now - KEPT_S}
        self._times[kind, name] = now

    def since(self, began: float, model: str, tag: str) -> bool:
        """Return whether a model or a tag was erased since a Unix time."""
        if not self._times:
            return False
        return any(self._times.get(what, 0.0) >= began for what in (("model", model), ("tag", tag)))

    async def follow(self, redis: RedisCache, forget: Callable[[str, str], int]) -> None:
        """Forget in this process what other replicas erase, at most :data:`EVERY_S` seconds later."""
        last = ""
        while True:
            with contextlib.suppress(RedisAway):
                last, erased = await redis.forgotten_since(last)
                for kind, name in erased:
                    forget(kind, name)
            await asyncio.sleep(EVERY_S)
