"""The same count in Redis, for all replicas: one script, so that nothing happens in between; Redis's clock only."""

from __future__ import annotations

import asyncio
from typing import Any

from inference.gateway.limits.sliding_window import BUCKETS, WIDTH_S, Grant

TIMEOUT_S = 0.5
"""Longer than a busy event loop pauses: who takes a pause for an outage lets through more than the limit."""
CONNECTIONS = 16
PREFIX = "arthaflow:rate"

TAKE = """
local limit, wanted = tonumber(ARGV[1]), tonumber(ARGV[2])
local width, buckets, divisor = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('EXISTS', KEYS[2]) == 1 then limit = math.max(1, math.floor(limit / divisor)) end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local minute = math.floor(now / width)
local held = redis.call('HGETALL', KEYS[1])
local used, oldest = 0, minute
for i = 1, #held, 2 do
    local at = tonumber(held[i])
    if minute - at > buckets then
        redis.call('HDEL', KEYS[1], held[i])
    else
        used = used + tonumber(held[i + 1])
        if at < oldest then oldest = at end
    end
end
local given = math.max(0, math.min(wanted, limit - used))
if given > 0 then
    redis.call('HINCRBY', KEYS[1], string.format('%d', minute), given)
    redis.call('PEXPIRE', KEYS[1], string.format('%d', (buckets + 2) * width * 1000))
end
local reset = (oldest + buckets + 1) * width - now
local lapse = (minute + 1) * width - now
return {given, limit, math.max(0, limit - used - given), math.ceil(reset * 1000), math.floor(lapse * 1000)}
"""


class SharedWindow:
    """Counts by key in Redis.

    Parameters
    ----------
    url : str
        ``redis://host:port/0``.
    divisor : int
        What the limit of a punished caller is divided by.
    """

    def __init__(self, url: str, divisor: int) -> None:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=2 * TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
        )
        self._redis: Any = Redis.from_pool(pool)
        self._take = self._redis.register_script(TAKE)
        self._divisor = divisor

    async def take(self, key: str, limit: int, wanted: int) -> Grant:
        """Take up to ``wanted`` permits.

        Raises
        ------
        RedisError, OSError, TimeoutError
            Redis is away.
        """
        async with asyncio.timeout(2 * TIMEOUT_S):
            arguments = [limit, wanted, int(WIDTH_S), BUCKETS, self._divisor]
            told = await self._take(keys=[_count(key), _punished(key)], args=arguments)
        given, limit, remaining, reset_ms, lapse_ms = told
        return Grant(given, limit, remaining, reset_ms / 1e3, lapse_ms / 1e3)

    async def punish(self, key: str, seconds: float) -> None:
        """Divide the limit of a key for a while; raises as :meth:`take` does."""
        async with asyncio.timeout(2 * TIMEOUT_S):
            await self._redis.set(_punished(key), b"", px=max(1, int(seconds * 1e3)))

    async def close(self) -> None:
        """Leave Redis."""
        await self._redis.aclose()


def _count(key: str) -> str:
    return f"{PREFIX}:{{{key}}}:count"


def _punished(key: str) -> str:
    return f"{PREFIX}:{{{key}}}:punished"
