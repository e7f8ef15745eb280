"""Rate limits over replicas that share a real Redis, and without it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from inference.gateway.caller import Caller
from inference.gateway.config import GatewaySettings
from inference.gateway.limits import shared_window
from inference.gateway.limits.rate_limiter import DIVISOR, LEASED_PART, RateLimiter
from inference.gateway.limits.refusals import RateLimited
from tests.support.redis_server import RedisServer, redis_process, redis_server, redis_url

__all__ = ["redis_process", "redis_server", "redis_url"]

APP = Caller("a" * 32, "app", frozenset({"predict"}), "authenticated")
PREMIUM = Caller("b" * 32, "app", frozenset({"predict"}), "premium")
PUBLIC = Caller("c" * 32)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Redis however busy this machine is, where a test counts exactly."""
    monkeypatch.setattr(shared_window, "TIMEOUT_S", 60.0)


class Clock:
    """A limiter's clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def admitted(limiters: list[RateLimiter], caller: Caller, tries: int, client: str = "192.0.2.1") -> int:
    """How many of so many requests, spread over the replicas, are let through."""
    count = 0
    for number in range(tries):
        try:
            await limiters[number % len(limiters)].check(caller, client)
            count += 1
        except RateLimited:
            pass
    return count


def config(**values: int) -> GatewaySettings:
    return GatewaySettings(**values)


@pytest.mark.usefixtures("patient")
def test_two_replicas_share_one_allowance(redis_url: str) -> None:
    async def go() -> None:
        first, second = RateLimiter(config(), redis_url), RateLimiter(config(), redis_url)
        assert await admitted([first, second], APP, 1100) == 1000
        assert await admitted([first], PUBLIC, 110) == 100
        assert await admitted([second], PUBLIC, 10) == 0
        assert await admitted([second], PUBLIC, 10, "198.51.100.9") == 10
        await asyncio.gather(first.close(), second.close())

    asyncio.run(go())


@pytest.mark.usefixtures("patient")
def test_a_crowd_at_once_gets_no_more_than_the_limit(redis_url: str) -> None:
    async def go() -> None:
        replicas = [RateLimiter(config(premium_per_hour=2000), redis_url) for _ in range(4)]
        answers = await asyncio.gather(
            *(replicas[n % 4].check(PREMIUM, "") for n in range(2600)), return_exceptions=True
        )
        let = sum(not isinstance(answer, Exception) for answer in answers)
        assert all(isinstance(a, RateLimited) for a in answers if isinstance(a, Exception))
        assert let <= 2000
        let += await admitted(replicas, PREMIUM, 100)
        assert 2000 - 4 * (2000 // LEASED_PART) <= let <= 2000
        for replica in replicas:
            await replica.close()

    asyncio.run(go())


def test_no_address_stands_in_redis(redis_server: RedisServer) -> None:
    async def go() -> None:
        limiter = RateLimiter(config(), redis_server.url)
        await limiter.check(PUBLIC, "192.0.2.77")
        await limiter.close()

    asyncio.run(go())
    names = redis_server.client().keys("*")
    assert len(names) == 1
    assert b"192.0.2" not in names[0]
    assert 0 < redis_server.client().ttl(names[0]) <= 3720


@pytest.mark.usefixtures("patient")
def test_redis_killed_midway_is_no_outage(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        clock = Clock()
        limiter = RateLimiter(config(public_per_hour=50), redis_server.url, clock=clock)
        assert await admitted([limiter], PUBLIC, 20) == 20
        redis_server.stop()
        with caplog.at_level(logging.WARNING):
            # What it gave while Redis was there counts on: 30 are left of this replica's 50.
            assert await admitted([limiter], PUBLIC, 60) == 30
            clock.now += 5
            assert await admitted([limiter], PUBLIC, 5) == 0
        assert sum("Redis is away" in record.message for record in caplog.records) == 1
        assert limiter.alone._value.get() == 1
        redis_server.start()
        clock.now += 5
        assert await admitted([limiter], PUBLIC, 60) == 50
        assert limiter.alone._value.get() == 0
        await limiter.close()

    asyncio.run(go())


def test_a_frozen_redis_delays_one_request_and_no_other(redis_server: RedisServer) -> None:
    async def go() -> None:
        clock = Clock()
        limiter = RateLimiter(config(), redis_server.url, clock=clock)
        await limiter.check(PUBLIC, "192.0.2.1")
        redis_server.freeze()
        for _ in range(20):
            await limiter.check(PUBLIC, "192.0.2.1")
        assert limiter.alone._value.get() == 1
        redis_server.thaw()
        clock.now += 5
        await limiter.check(PUBLIC, "192.0.2.1")
        assert limiter.alone._value.get() == 0
        await limiter.close()

    asyncio.run(go())


@pytest.mark.usefixtures("patient")
def test_a_punished_caller_has_a_tenth_on_every_replica(redis_url: str) -> None:
    async def go() -> None:
        first, second = RateLimiter(config(), redis_url), RateLimiter(config(), redis_url)
        await second.check(APP, "")
        await first.punish(APP)
        assert await admitted([first, second], APP, 300) <= 1000 // DIVISOR
        other = Caller("d" * 32, "app", frozenset(), "authenticated")
        assert (await second.check(other, "")).limit == 1000
        await asyncio.gather(first.close(), second.close())

    asyncio.run(go())


@pytest.mark.usefixtures("patient")
def test_answers_say_what_is_left(redis_url: str) -> None:
    async def go() -> None:
        for limiter in (RateLimiter(config(), redis_url), RateLimiter(config())):
            seen = [await limiter.check(PREMIUM, "") for _ in range(25)]
            assert [allowance.remaining for allowance in seen] == list(range(9999, 9974, -1))
            told = dict(seen[0].headers())
            assert told[b"ratelimit-limit"] == b"10000"
            assert told[b"ratelimit-remaining"] == b"9999"
            assert 3600 < int(told[b"ratelimit-reset"]) <= 3660
            await limiter.close()

    asyncio.run(go())
