"""The count of the last hour, within one process."""

from __future__ import annotations

import asyncio
import random

import pytest

from inference.gateway.caller import Caller
from inference.gateway.config import GatewaySettings
from inference.gateway.limits.rate_limiter import RateLimiter
from inference.gateway.limits.refusals import RateLimited
from inference.gateway.limits.sliding_window import SlidingWindow


@pytest.mark.parametrize("seed", range(5))
def test_no_hour_holds_more_than_the_limit(seed: int) -> None:
    dice, window, limit = random.Random(seed), SlidingWindow(), 40
    now, let = 12_345.0, []
    for _ in range(4000):
        now += dice.choice([0.0, 0.5, 20.0, 400.0])
        if window.take("x", limit, 1, now).given:
            let.append(now)
    for start in range(len(let) - limit):
        assert let[start + limit] - let[start] >= 3600, "more than the limit within an hour"


def test_an_allowance_comes_back_within_a_minute_after_the_hour() -> None:
    window = SlidingWindow()
    assert window.take("x", 2, 5, 119.0).given == 2
    refused = window.take("x", 2, 1, 200.0)
    assert refused.given == 0
    assert not window.take("x", 2, 1, 200.0 + refused.reset_s - 0.01).given
    assert window.take("x", 2, 1, 200.0 + refused.reset_s).given == 1
    assert 3600 <= 200.0 + refused.reset_s - 119.0 <= 3660


def test_memory_is_bounded() -> None:
    window = SlidingWindow(most_keys=10)
    for number in range(1000):
        window.take(str(number), 5, 1, 0.0)
    assert len(window._counts) == 10


@pytest.mark.parametrize(("tier", "limit"), [("public", 100), ("authenticated", 1000), ("premium", 10000)])
def test_the_tiers_of_document_0(tier: str, limit: int) -> None:
    limiter = RateLimiter(GatewaySettings(), clock=lambda: 0.0)
    caller = Caller("x", "app", frozenset(), tier)  # type: ignore[arg-type]

    async def ask() -> None:
        for _ in range(limit):
            await limiter.check(caller, "192.0.2.1")
        with pytest.raises(RateLimited) as refused:
            await limiter.check(caller, "192.0.2.1")
        told = dict(refused.value.headers)
        assert told[b"ratelimit-limit"] == str(limit).encode()
        assert told[b"ratelimit-remaining"] == b"0"
        assert int(told[b"retry-after"]) == refused.value.retry_after_s == 3660
        assert refused.value.status == 429

    asyncio.run(ask())


def test_internal_callers_and_a_limit_of_zero_are_not_counted() -> None:
    limiter = RateLimiter(GatewaySettings(premium_per_hour=0))

    async def ask(tier: str) -> list[tuple[bytes, bytes]]:
        return (await limiter.check(Caller("x", "app", frozenset(), tier), "")).headers()  # type: ignore[arg-type]

    assert asyncio.run(ask("internal")) == asyncio.run(ask("premium")) == []


def test_public_callers_of_one_ipv6_network_share() -> None:
    limiter = RateLimiter(GatewaySettings(public_per_hour=2))

    async def ask() -> None:
        await limiter.check(Caller("a"), "2001:db8::1")
        await limiter.check(Caller("b"), "2001:db8::2")
        with pytest.raises(RateLimited):
            await limiter.check(Caller("c"), "2001:db8::3")
        await limiter.check(Caller("c"), "2001:db8:0:1::3")

    asyncio.run(ask())


def test_a_punished_caller_has_a_tenth_for_an_hour() -> None:
    now = [0.0]
    limiter = RateLimiter(GatewaySettings(), clock=lambda: now[0])
    caller = Caller("x", "app", frozenset(), "authenticated")

    async def ask() -> None:
        await limiter.punish(caller)
        for _ in range(100):
            await limiter.check(caller, "")
        with pytest.raises(RateLimited):
            await limiter.check(caller, "")
        now[0] = 3600.0
        assert (await limiter.check(caller, "")).limit == 1000

    asyncio.run(ask())
