"""The link to Redis: never waited for longer than a blink, and left alone while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from components.errors import ArthaflowError
from inference.gateway.background import lasting
from inference.gateway.cache.metrics import CacheMetrics

T = TypeVar("T")
LOG = logging.getLogger("arthaflow.gateway")
TIMEOUT_S = 0.05
PROBE_S = 0.5
QUIET_S = 60.0
CONNECTIONS = 64


class RedisAway(ArthaflowError):
    """Redis does not answer. Serving goes on without it; only erasure must know."""

    status = 503
    retry_after_s = 5.0


class RedisLink:
    """Commands to Redis with a short time-out.

    Parameters
    ----------
    url : str
        ``redis://host:port/0``, ``rediss://``.
    metrics : CacheMetrics
    timeout_s : float
        Longest wait for an answer, seconds.

    Attributes
    ----------
    client : Redis
        For building commands that go through :meth:`ask`.
    up : bool
        Whether it answered last.
    """

    def __init__(self, url: str, metrics: CacheMetrics, timeout_s: float = TIMEOUT_S) -> None:
        parts = urlsplit(url)
        self.where = f"{parts.hostname}:{parts.port or 6379}"
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=PROBE_S,
            socket_connect_timeout=PROBE_S,
            retry=Retry(NoBackoff(), 0),
        )
        self.client = Redis(connection_pool=pool)
        self.timeout_s, self.metrics = timeout_s, metrics
        self.up, self._quiet_until = True, 0.0
        self.metrics.redis_up.set(1)
        self._probing: asyncio.Task[None] | None = None

    async def ask(self, command: Callable[[], Awaitable[T]]) -> T:
        """Run a command.

        Raises
        ------
        RedisAway
            At once while it is away; else after ``timeout_s``, and then it is.
        """
        if not self.up:
            raise self._away()
        try:
            return await _within(command, self.timeout_s)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._lost(error)
            raise self._away() from error

    async def warm(self) -> None:
        """Connect before the first request needs it; a Redis that is away is looked for in the background."""
        if not await self._answers():
            self._lost(None)

    async def close(self) -> None:
        """Close every connection."""
        if self._probing is not None:
            self._probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._probing
        await self.client.aclose(close_connection_pool=True)

    def _lost(self, error: BaseException | None) -> None:
        self.metrics.redis_errors.inc()
        if not self.up:
            return
        self.up = False
        self.metrics.redis_up.set(0)
        why = f" ({type(error).__name__})" if error else ""
        if time.monotonic() > self._quiet_until:  # one that answers only PING would fill the log
            self._quiet_until = time.monotonic() + QUIET_S
            LOG.warning("Redis at %s does not answer%s; each replica's memory alone is the cache.", self.where, why)
        self._probing = lasting(self._probe(), "looking for Redis")

    async def _probe(self) -> None:
        await asyncio.sleep(PROBE_S)
        while not await self._answers():
            await asyncio.sleep(PROBE_S)
        self.up = True
        self.metrics.redis_up.set(1)
        LOG.info("Redis at %s answers again; replicas share their cache.", self.where)

    async def _answers(self) -> bool:
        try:
            await _within(lambda: self.client.execute_command("PING"), PROBE_S)  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            return False
        return True

    def _away(self) -> RedisAway:
        return RedisAway(f"Redis at {self.where} does not answer.", "Try again when it is back.")


async def _within(command: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Run a command with a time-out, and let no cancellation get lost.

    redis-py 7.4 swallows one that comes while it looks for a connection, and answers as if nothing had been asked.
    """
    task = asyncio.current_task()
    cancelled = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(seconds):
            return await command()
    finally:
        if task and task.cancelling() > cancelled:
            raise asyncio.CancelledError
