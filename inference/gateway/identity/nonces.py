"""Remembers the nonces of signed requests, so that a recorded request cannot be sent again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from typing import Any

from inference.gateway.problems import GatewayFull

logger = logging.getLogger(__name__)

MOST = 500_000
TIMEOUT_S = 0.5
PREFIX = "arthaflow:nonce:"


class Nonces:
    """Nonces used within their signatures' life, in this process, and in Redis for all replicas.

    Parameters
    ----------
    redis_url : str
        Empty: only this process. While Redis is away a replay is noticed only by the replica that saw the original.
    """

    def __init__(self, redis_url: str = "") -> None:
        self._held: OrderedDict[str, float] = OrderedDict()
        self._redis: Any = None
        self._warned = False
        if redis_url:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            self._redis = Redis.from_url(
                redis_url, retry=Retry(NoBackoff(), 0), socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
            )

    async def first_use(self, keyid: str, nonce: str, life_s: float) -> bool:
        """Note a nonce for ``life_s`` seconds; return whether nobody used it before.

        Raises
        ------
        GatewayFull
            So many are remembered that no more can be.
        """
        name = hashlib.sha256(f"{keyid}\0{nonce}".encode()).hexdigest()
        return self._first_here(name, life_s) and await self._first_anywhere(name, life_s)

    async def close(self) -> None:
        """Leave Redis."""
        if self._redis is not None:
            await self._redis.aclose()

    def _first_here(self, name: str, life_s: float) -> bool:
        now = time.monotonic()
        while self._held and next(iter(self._held.values())) <= now:
            self._held.popitem(last=False)
        if self._held.get(name, now) > now:
            return False
        if len(self._held) >= MOST:
            raise GatewayFull("More signed requests than can be told from replays.", "Send fewer per second.")
        self._held[name] = now + life_s
        return True

    async def _first_anywhere(self, name: str, life_s: float) -> bool:
        if self._redis is None:
            return True
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(2 * TIMEOUT_S):
                fresh = await self._redis.set(PREFIX + name, b"", nx=True, px=max(1, int(life_s * 1e3)))
        except (RedisError, OSError, TimeoutError) as error:
            if not self._warned:
                logger.warning("Redis is away (%s): replays are noticed per replica only.", type(error).__name__)
            self._warned = True
            return True
        self._warned = False
        return bool(fresh)
