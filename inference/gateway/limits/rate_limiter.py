"""Document 0's rate limits, which hold across replicas."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

from prometheus_client import CollectorRegistry, Gauge

from inference.gateway.caller import Caller
from inference.gateway.config import GatewaySettings
from inference.gateway.identity.networks import share
from inference.gateway.limits.allowance import UNLIMITED, Allowance
from inference.gateway.limits.refusals import RateLimited
from inference.gateway.limits.shared_window import SharedWindow
from inference.gateway.limits.sliding_window import MOST_KEYS, Grant, SlidingWindow

logger = logging.getLogger(__name__)

LEASED_PART = 200
"""Of a limit, one part in this many is fetched from Redis at once: 50 of 10,000, 5 of 1,000, 1 of 100."""
AWAY_S = 2.0
"""How long Redis is left alone after it failed to answer."""
REFUSED_S = 1.0
"""How long a refusal is repeated without asking Redis."""
DIVISOR = 10
PUNISHED_S = 3600.0


@dataclass(slots=True)
class _Lease:
    """Permits fetched and not used yet; without any, a refusal that still holds."""

    left: int
    until: float
    limit: int
    remaining: int
    reset_at: float


class _Turn:
    """Requests of one caller that wait for Redis."""

    def __init__(self) -> None:
        self.lock, self.waiting = asyncio.Lock(), 0


class RateLimiter:
    """Counts each caller's requests of the last hour.

    Public callers are counted by address, others by pseudonym; internal ones are not. With Redis the count is shared by
    all replicas: permits are taken there atomically, a few at a time, and unused ones lapse within a minute, so that
    the limit is never exceeded and at most 0.5 % of it per replica is lost. While Redis is away each replica counts for
    itself, from what it gave before.

    Parameters
    ----------
    config : GatewaySettings
    redis_url : str
        Empty: this process only.
    registry : CollectorRegistry, optional
        Where ``arthaflow_gateway_rate_limiter_alone`` is exported.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        config: GatewaySettings,
        redis_url: str = "",
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = {
            "public": config.public_per_hour,
            "authenticated": config.authenticated_per_hour,
            "premium": config.premium_per_hour,
            "internal": 0,
        }
        self._here = SlidingWindow()
        self._shared = SharedWindow(redis_url, DIVISOR) if redis_url else None
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._turns: dict[str, _Turn] = {}
        self._punished: OrderedDict[str, float] = OrderedDict()
        self._clock = clock
        self._away_until = float("-inf")
        self.alone = Gauge(
            "arthaflow_gateway_rate_limiter_alone",
            "1 while Redis is away, and this replica counts requests by itself.",
            registry=registry or CollectorRegistry(),
        )
        self._warned = False

    async def check(self, caller: Caller, client: str) -> Allowance:
        """Count one request.

        Parameters
        ----------
        caller : Caller
        client : str
            Its address.

        Raises
        ------
        RateLimited
            The caller's rate is used up.
        """
        limit = self._limits[caller.tier]
        if not limit:
            return UNLIMITED
        key = _key(caller, client)
        now = self._clock()
        if self._shared is not None:
            allowance = self._from_lease(key, caller, now)
            if allowance is None and now >= self._away_until:
                allowance = await self._in_turn(self._shared, key, caller, limit)
            if allowance is not None:
                return allowance
        grant = self._here.take(key, self._lowered(key, limit, now), 1, now)
        return _answer(caller, grant.given, grant.limit, grant.remaining, grant.reset_s)

    async def punish(self, caller: Caller, client: str = "", seconds: float = PUNISHED_S) -> None:
        """Divide a caller's rate by ten for an hour, on all replicas."""
        key = _key(caller, client)
        self._leases.pop(key, None)
        self._punished.pop(key, None)
        self._punished[key] = self._clock() + seconds
        while len(self._punished) > MOST_KEYS:
            self._punished.popitem(last=False)
        if self._shared is None:
            return
        from redis.exceptions import RedisError

        try:
            await self._shared.punish(key, seconds)
        except (RedisError, OSError, TimeoutError) as error:
            self._missed(error)

    async def close(self) -> None:
        """Leave Redis."""
        if self._shared is not None:
            await self._shared.close()

    def _from_lease(self, key: str, caller: Caller, now: float) -> Allowance | None:
        lease = self._leases.get(key)
        if lease is None:
            return None
        if now >= lease.until:
            del self._leases[key]
            return None
        if not lease.left:
            if lease.remaining:
                return None
            return _answer(caller, 0, lease.limit, 0, lease.reset_at - now)
        lease.left -= 1
        return Allowance(lease.limit, lease.remaining + lease.left, lease.reset_at - now)

    async def _in_turn(self, shared: SharedWindow, key: str, caller: Caller, limit: int) -> Allowance | None:
        """Ask Redis, one question about a key at a time: who waits meanwhile is served by the next one together."""
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                now = self._clock()
                allowance = self._from_lease(key, caller, now)
                if allowance is not None or now < self._away_until:
                    return allowance
                grant = await self._from_redis(shared, key, limit, max(turn.waiting, limit // LEASED_PART), now)
                return None if grant is None else self._settle(key, caller, grant, now)
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop(key, None)

    async def _from_redis(self, shared: SharedWindow, key: str, limit: int, wanted: int, now: float) -> Grant | None:
        from redis.exceptions import RedisError

        try:
            grant = await shared.take(key, limit, wanted)
        except (RedisError, OSError, TimeoutError) as error:
            self._missed(error)
            return None
        if self._warned:
            logger.warning("Redis answers again: rate limits hold across replicas.")
            self._warned = False
            self.alone.set(0)
        self._here.note(key, grant.given, now)
        return grant

    def _settle(self, key: str, caller: Caller, grant: Grant, now: float) -> Allowance:
        """Use one permit of a grant and keep the others; keep a refusal for a moment."""
        left = max(0, grant.given - 1)
        if left or not grant.given:
            until = now + (grant.lapse_s if left else min(REFUSED_S, grant.reset_s))
            self._leases[key] = _Lease(left, until, grant.limit, grant.remaining, now + grant.reset_s)
            self._leases.move_to_end(key)
            while len(self._leases) > MOST_KEYS:
                self._leases.popitem(last=False)
        return _answer(caller, grant.given, grant.limit, grant.remaining + left, grant.reset_s)

    def _lowered(self, key: str, limit: int, now: float) -> int:
        until = self._punished.get(key) if self._punished else None
        if until is None:
            return limit
        if now >= until:
            del self._punished[key]
            return limit
        return max(1, limit // DIVISOR)

    def _missed(self, error: BaseException) -> None:
        self._away_until = self._clock() + AWAY_S
        self.alone.set(1)
        if not self._warned:
            logger.warning("Redis is away (%s): each replica counts requests by itself.", type(error).__name__)
        self._warned = True


def _key(caller: Caller, client: str) -> str:
    if caller.tier == "public" and client:
        return "public:" + blake2b(share(client).encode(), digest_size=16).hexdigest()
    return caller.pseudonym


def _answer(caller: Caller, given: int, limit: int, remaining: int, reset_s: float) -> Allowance:
    if given:
        return Allowance(limit, remaining, reset_s)
    raise RateLimited(f"The {limit} requests per hour of {caller.tier} callers are used up.", reset_s, limit)
