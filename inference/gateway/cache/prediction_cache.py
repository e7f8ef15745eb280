"""PredictionCache: answers are computed once, kept for a while, and stand in, marked stale, for a model that is away.

A question goes to this process's memory, then, as one of all that ask the same here, to Redis, then, as one of all
replicas, to the model. Redis may be away: each replica then serves from memory alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.errors import ArthaflowError
from inference.gateway.background import lasting
from inference.gateway.cache.entry import CacheEntry, Fetched, Fresh
from inference.gateway.cache.erasure import Erasures
from inference.gateway.cache.memory import Shelf
from inference.gateway.cache.metrics import CacheMetrics
from inference.gateway.cache.redis_cache import RedisCache
from inference.gateway.cache.redis_link import RedisAway, RedisLink
from inference.gateway.cache.shared_flight import SharedFlight, Turn
from inference.gateway.cache.single_flight import SingleFlight
from inference.gateway.calls.deadline import time_left
from inference.gateway.problems import ModelSlow

if TYPE_CHECKING:
    from inference.gateway.config import GatewaySettings
    from inference.gateway.metrics import GatewayMetrics

BYTES = 16 * 2**20
"""Most memory that one model's answers take."""

WAIT_S = 30.0
"""Longest wait for another request's computation in this process."""

REPLICA_WAIT_S = 5.0
"""Longest wait for another replica's; after that both compute."""

Compute = Callable[[], Awaitable[Fresh]]


@dataclass(frozen=True)
class _Question:
    model: str
    version: str
    key: bytes
    ttl_s: float
    stale_for_s: float
    compute: Compute
    tag: str


class PredictionCache:
    """The cache of one gateway process.

    Parameters
    ----------
    config : GatewaySettings
        ``cache_entries`` bounds a model's answers in this process.
    redis_url : str
        Of the cache that replicas share; empty for none.
    metrics : GatewayMetrics
        Of the process; one cache per registry.
    most_bytes : int
        Bounds a model's answers in this process too.
    redis_timeout_s : float
        Longest wait for Redis, seconds.

    Attributes
    ----------
    metrics : CacheMetrics
    """

    def __init__(
        self,
        config: GatewaySettings,
        redis_url: str,
        metrics: GatewayMetrics,
        *,
        most_bytes: int = BYTES,
        redis_timeout_s: float = 0.05,
    ) -> None:
        self.most, self.most_bytes = config.cache_entries, most_bytes
        self.metrics = CacheMetrics(metrics.registry)
        self._shelves: dict[str, Shelf] = {}
        self._flights: SingleFlight[tuple[CacheEntry, bool]] = SingleFlight()
        self._erasures = Erasures()
        self._link = RedisLink(redis_url, self.metrics, redis_timeout_s) if redis_url else None
        self._redis = RedisCache(self._link) if self._link else None
        self._shared = SharedFlight(self._redis) if self._redis else None
        self._following: asyncio.Task[None] | None = None
        if self._link is None:
            self.metrics.redis_up.set(0)

    async def start(self) -> None:
        """Connect to Redis and follow other replicas' erasures until :meth:`close`; needed only with Redis."""
        if self._link is not None and self._redis is not None:
            await self._link.warm()
            following = self._erasures.follow(self._redis, self._forget_here)
            self._following = lasting(following, "following erasures")

    async def close(self) -> None:
        """Close the connections."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        if self._link is not None:
            await self._link.close()

    async def fetch(
        self,
        model: str,
        version: str,
        key: bytes,
        ttl_s: float,
        stale_for_s: float,
        compute: Compute,
        tag: str = "",
    ) -> Fetched:
        """Return the answer to a question.

        Parameters
        ----------
        model, version : str
            The model, and the version that is expected to answer; what is stored goes by the version that did.
        key : bytes
            Of the canonical input, see :func:`~inference.gateway.cache.canonical.canonical_key`.
        ttl_s, stale_for_s : float
            How long an answer is reused, and for how long after that it may stand in; 0 for never.
        compute : callable
            Asks the model.
        tag : str
            Pseudonym of whose data the answer holds, for :meth:`forget_where`.

        Raises
        ------
        Exception
            Whatever ``compute`` raised, where nothing may stand in.
        """
        now = time.time()
        shelf = self._shelf(model)
        held = shelf.get(version, key, now)
        if held is not None and (not held.due(now) or (model, version, key) in self._flights):
            return self._told(model, held, "hit", now)
        question = _Question(model, version, key, ttl_s, stale_for_s, compute, tag)
        try:
            entry, computed = await self._one_of_many(question, held)
        except ArthaflowError as error:
            if not getattr(error, "stale_ok", False):
                raise
            if held is not None:
                return self._told(model, held, "hit", now)
            last = await self._last_good(question, shelf) if stale_for_s > 0 else None
            if last is None:
                raise
            return self._told(model, last, "stale", time.time())
        return self._told(model, entry, "miss" if computed else "hit", time.time())

    async def forget(self, model: str) -> int:
        """Erase a model's answers everywhere; return how many were erased here and in Redis.

        Raises
        ------
        RedisAway
            If Redis and other replicas could not be told; this process has forgotten all the same.
        """
        count = self._forget_here("model", model)
        return count + (await self._redis.forget_model(model) if self._redis else 0)

    async def forget_where(self, *, tag: str) -> int:
        """Erase the answers with a tag everywhere, also those that are being computed now.

        Raises
        ------
        RedisAway
            See :meth:`forget`.
        """
        count = self._forget_here("tag", tag)
        return count + (await self._redis.forget_tag(tag) if self._redis else 0)

    def version_changed(self, model: str, version: str) -> None:
        """Drop the answers of a model's earlier versions, save those that may stand in for a model that fails."""
        self.metrics.invalidations.labels(model).inc()
        self._shelf(model).drop_others(version)

    def _forget_here(self, kind: str, name: str) -> int:
        self._erasures.note(kind, name)
        if kind == "model":
            return self._shelf(name).clear() if name in self._shelves else 0
        return sum(shelf.drop_tag(name) for shelf in self._shelves.values())

    async def _one_of_many(self, question: _Question, held: CacheEntry | None) -> tuple[CacheEntry, bool]:
        """Return the answer, and whether this request computed it."""
        if question.ttl_s <= 0:
            return await self._compute(question, Turn())
        flight = (question.model, question.version, question.key)
        try:
            (entry, computed), led = await self._flights.run(
                flight, lambda: self._one_of_all(question, held), time_left(WAIT_S)
            )
        except TimeoutError as error:
            raise ModelSlow(
                f"Model {question.model!r} did not answer another request of the same kind in time.", "Ask again later."
            ) from error
        return entry, led and computed

    async def _one_of_all(self, question: _Question, held: CacheEntry | None) -> tuple[CacheEntry, bool]:
        if self._shared is None:
            return await self._compute(question, Turn())
        fresher = max(time.time(), held.fresh_until if held else 0.0)
        wait_s, asked = 0.0 if held else time_left(REPLICA_WAIT_S), time.time()
        async with self._shared.enter(question.model, question.version, question.key, fresher, wait_s) as turn:
            if turn.entry is not None:
                if not self._erasures.since(asked, question.model, turn.entry.tag):
                    self._shelf(question.model).put(question.key, turn.entry)
                return turn.entry, False
            return await self._compute(question, turn)

    async def _compute(self, question: _Question, turn: Turn) -> tuple[CacheEntry, bool]:
        began = time.time()
        fresh = await question.compute()
        now = time.time()
        entry = CacheEntry.make(
            fresh.value, fresh.version, now, question.ttl_s, question.stale_for_s, now - began, question.tag
        )
        if fresh.store and entry.kept_until > now and not self._erasures.since(began, question.model, question.tag):
            self._shelf(question.model).put(question.key, entry)
            await self._share(turn, entry, began)
        return entry, True

    async def _share(self, turn: Turn, entry: CacheEntry, began: float) -> None:
        if self._redis is not None and turn.place is not None:
            with contextlib.suppress(RedisAway):
                await self._redis.store(turn.place, entry, began)
                turn.stored = True

    async def _last_good(self, question: _Question, shelf: Shelf) -> CacheEntry | None:
        now = time.time()
        found = [shelf.newest(question.key, now)]
        if self._redis is not None:
            with contextlib.suppress(RedisAway):
                found.append(await self._redis.newest(question.model, question.key, now))
        allowed = question.ttl_s + question.stale_for_s
        kept = [entry for entry in found if entry is not None and entry.age(now) <= allowed]
        return max(kept, key=lambda entry: entry.stored_at, default=None)

    def _told(self, model: str, entry: CacheEntry, result: str, now: float) -> Fetched:
        self.metrics.count(model, result)
        if result == "miss":
            return Fetched(entry.value, entry.version, cached=False)
        return Fetched(entry.value, entry.version, True, result == "stale", entry.age(now))

    def _shelf(self, model: str) -> Shelf:
        shelf = self._shelves.get(model)
        if shelf is None:
            evicted = self.metrics.evictions.labels(model).inc
            shelf = self._shelves[model] = Shelf(self.most, self.most_bytes, evicted)
            self.metrics.watch(model, shelf)
        return shelf


__all__ = ["Fetched", "Fresh", "PredictionCache"]
