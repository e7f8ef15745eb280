"""The cache that replicas share, on a real Redis: one computation among processes, and no outage when Redis fails."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from inference.gateway.cache.canonical import canonical_key
from inference.gateway.cache.entry import CacheEntry
from inference.gateway.cache.prediction_cache import Fresh, PredictionCache
from inference.gateway.cache.redis_link import RedisAway
from inference.gateway.config import GatewaySettings
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.problems import ModelDown
from tests.support.redis_server import RedisServer
from tests.support.upstream_server import UpstreamServer, upstream

KEY = canonical_key({"symbol": "SP500"})
PATIENT = {"redis_timeout_s": 5.0}
"""On a busy machine 50 ms may pass between two lines; where no failure is tested, none may be seen."""

REPLICA = """
import asyncio, json, sys
import orjson
from inference.gateway.cache.prediction_cache import Fresh, PredictionCache
from inference.gateway.config import GatewaySettings
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.table import Entry
from tests.support.upstream_server import model_calls

redis, url, key, count = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]), int(sys.argv[4])

async def main():
    metrics = GatewayMetrics()
    cache = PredictionCache(GatewaySettings(), redis, metrics, redis_timeout_s=5.0)
    await cache.start()
    async with model_calls(metrics, m=Entry(url=url)) as calls:
        async def compute():
            response = await calls.infer("m", [], b"1")
            return Fresh(response.body, orjson.loads(response.body)["model_version"])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        found = await asyncio.gather(*(cache.fetch("m", "1", key, 3600, 0, compute) for _ in range(count)))
    print(json.dumps([[f.value.decode(), f.cached] for f in found]), flush=True)
    await cache.close()

asyncio.run(main())
"""


def run(scenario: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(180):
            return await scenario

    return asyncio.run(bounded())


async def replica(redis_url: str, server: UpstreamServer, count: int) -> asyncio.subprocess.Process:
    """Start a process with a cache of its own, ready to ask at a word."""
    pipe = asyncio.subprocess.PIPE
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-c", REPLICA, redis_url, server.url, KEY.hex(), str(count),
        stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, limit=2**24,
    )  # fmt: skip
    assert made.stdout is not None
    assert await made.stdout.readline() == b"ready\n"
    return made


def tell(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def answers(process: asyncio.subprocess.Process) -> list[tuple[str, bool]]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    await process.wait()
    return [tuple(found) for found in json.loads(line)]


@asynccontextmanager
async def caches(redis_url: str, count: int = 1, **options: float) -> AsyncIterator[list[PredictionCache]]:
    """Caches that share nothing but Redis, as replicas."""
    options = options or PATIENT
    made = [PredictionCache(GatewaySettings(), redis_url, GatewayMetrics(), **options) for _ in range(count)]  # type: ignore[arg-type]
    for cache in made:
        await cache.start()
    try:
        yield made
    finally:
        for cache in made:
            await cache.close()


async def fixed(value: bytes = b"v", version: str = "1") -> Fresh:
    return Fresh(value, version)


async def down() -> Fresh:
    raise ModelDown("gone")


async def never() -> Fresh:
    raise AssertionError("another replica has the answer")


async def settled(until: Callable[[], bool]) -> None:
    while not until():
        await asyncio.sleep(0.01)


def test_two_processes_of_a_hundred_questions_each_cost_one_call(redis_url: str) -> None:
    async def scenario() -> None:
        async with upstream("hold") as server:
            processes = [await replica(redis_url, server, 100) for _ in range(2)]
            for process in processes:
                tell(process)
            await server.wait_for(1)
            await asyncio.sleep(0.5)  # long enough for the other to ask, if it did
            server.released.set()
            found = [answer for process in processes for answer in await answers(process)]
            assert server.asked == 1
            assert len(found) == 200
            assert len({value for value, _ in found}) == 1
            assert [cached for _, cached in found].count(False) == 1

    run(scenario())


def test_a_killed_leader_is_replaced_by_another_process(redis_url: str) -> None:
    async def scenario() -> None:
        async with upstream("hold") as server:
            leader, other = await replica(redis_url, server, 10), await replica(redis_url, server, 10)
            tell(leader)
            await server.wait_for(1)
            tell(other)
            leader.kill()
            await leader.wait()
            await server.wait_for(1)  # its lock ended with nobody to renew it
            server.released.set()
            assert len(await answers(other)) == 10
            assert server.asked == 2

    run(scenario())


def test_what_one_replica_computed_serves_the_others(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url, 2) as (one, other):
            await one.fetch("m", "1", KEY, 3600, 0, lambda: fixed(b"one"))
            found = await other.fetch("m", "1", KEY, 3600, 0, never)
            assert (found.value, found.cached, found.stale) == (b"one", True, False)
            redis_server.client().flushall()
            assert (await other.fetch("m", "1", KEY, 3600, 0, never)).cached  # from its own memory now
            assert not (await other.fetch("m", "2", KEY, 3600, 0, lambda: fixed(version="2"))).cached

    run(scenario())


def test_keys_say_model_and_version_and_live_as_long_as_their_answers(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url) as (one,):
            await one.fetch("m", "1", KEY, 100, 200, lambda: fixed(version="7"))
            client = redis_server.client()
            name = f"arthaflow:cache:m:7:{KEY.hex()}"
            assert client.exists(name)
            assert 290_000 < client.pttl(name) <= 300_000
            assert not client.keys("arthaflow:cache-lock:*")
            entry = CacheEntry.decode(client.get(name))
            assert entry is not None
            assert entry.version == "7"
            assert all(client.pttl(key) > 0 for key in client.keys("*"))  # nothing stays for ever

    run(scenario())


def test_a_lock_is_given_back_by_who_holds_it_and_by_nobody_else(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url) as (one,):
            client, lock = redis_server.client(), f"arthaflow:cache-lock:m:1:{KEY.hex()}"
            with pytest.raises(ModelDown):
                await one.fetch("m", "1", KEY, 3600, 0, down)
            await settled(lambda: not client.exists(lock))

            async def outlived() -> Fresh:
                client.set(lock, "another's")
                return Fresh(b"v", "1")

            await one.fetch("m", "1", KEY, 3600, 0, outlived)
            assert client.get(lock) == b"another's"

    run(scenario())


def test_a_lock_is_renewed_while_its_holder_lives(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url, 2) as (one, other):
            go = asyncio.Event()

            async def slow() -> Fresh:
                await go.wait()
                return Fresh(b"slow", "1")

            leader = asyncio.create_task(one.fetch("m", "1", KEY, 3600, 0, slow))
            client, lock = redis_server.client(), f"arthaflow:cache-lock:m:1:{KEY.hex()}"
            await settled(lambda: bool(client.exists(lock)))
            token = client.get(lock)
            behind = asyncio.create_task(other.fetch("m", "1", KEY, 3600, 0, never))
            await asyncio.sleep(2.0)  # twice the life of a lock
            assert client.get(lock) == token
            go.set()
            assert ((await leader).cached, (await behind).cached) == (False, True)

    run(scenario())


def test_a_stopped_redis_is_no_outage_and_a_started_one_is_found_again(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url) as (one,):
            await one.fetch("m", "1", KEY, 3600, 0, fixed)
            redis_server.stop()
            for number in range(30):
                assert not (await one.fetch("m", "1", canonical_key(number), 3600, 0, fixed)).cached
                assert (await one.fetch("m", "1", canonical_key(number), 3600, 0, never)).cached
            assert one.metrics.redis_up._value.get() == 0
            assert one.metrics.redis_errors._value.get() >= 1
            with pytest.raises(RedisAway):
                await one.forget_where(tag="ann")  # erasure must not claim what it did not do
            redis_server.start()
            await settled(lambda: one.metrics.redis_up._value.get() == 1)
            await one.fetch("m", "1", canonical_key("after"), 3600, 0, fixed)
            assert redis_server.client().exists(f"arthaflow:cache:m:1:{canonical_key('after').hex()}")

    run(scenario())
    assert sum("memory alone" in message for message in caplog.messages) == 1


def test_a_frozen_redis_is_waited_for_once_and_not_by_every_question(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url, redis_timeout_s=0.05) as (one,):
            redis_server.freeze()
            try:
                for number in range(200):
                    assert not (await one.fetch("m", "1", canonical_key(number), 3600, 0, fixed)).cached
                assert one.metrics.redis_errors._value.get() <= 3  # of 400 commands
                assert one.metrics.redis_up._value.get() == 0
            finally:
                redis_server.thaw()
            await settled(lambda: one.metrics.redis_up._value.get() == 1)

    run(scenario())


def test_a_gateway_starts_without_its_redis(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        redis_server.stop()
        async with caches(redis_server.url) as (one,):
            assert not (await one.fetch("m", "1", KEY, 3600, 0, fixed)).cached
            assert (await one.fetch("m", "1", KEY, 3600, 0, never)).cached
        redis_server.start()

    run(scenario())


def test_a_redis_that_refuses_every_write_is_no_outage(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        client = redis_server.client()
        async with caches(redis_server.url) as (one,):
            client.config_set("maxmemory", "1")
            try:
                for number in range(5):
                    assert not (await one.fetch("m", "1", canonical_key(number), 3600, 0, fixed)).cached
            finally:
                client.config_set("maxmemory", "0")

    run(scenario())


def test_another_replicas_answer_stands_in_whatever_its_version(redis_url: str) -> None:
    async def scenario() -> None:
        async with caches(redis_url, 2) as (one, other):
            await one.fetch("m", "1", KEY, 3600, 600, lambda: fixed(b"one", "1"))
            await one.fetch("m", "2", KEY, 3600, 600, lambda: fixed(b"two", "2"))
            found = await other.fetch("m", "3", KEY, 3600, 600, down)
            assert (found.value, found.version, found.stale) == (b"two", "2", True)
            with pytest.raises(ModelDown):
                await other.fetch("m", "3", KEY, 3600, 0, down)

    run(scenario())


def test_erasure_reaches_redis_every_replica_and_what_is_on_its_way(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url, 2) as (one, other):
            for number, tag in enumerate(("ann", "ann", "bob")):
                await one.fetch("m", "1", canonical_key(number), 3600, 0, fixed, tag=tag)
                await other.fetch("m", "1", canonical_key(number), 3600, 0, never, tag=tag)
            go = asyncio.Event()

            async def slow() -> Fresh:
                await go.wait()
                return Fresh(b"ann's", "1")

            coming = asyncio.create_task(other.fetch("m", "1", KEY, 3600, 0, slow, tag="ann"))
            client = redis_server.client()
            await settled(lambda: bool(client.keys("arthaflow:cache-lock:*")))
            await asyncio.sleep(1.1)  # clocks of replicas may differ by a second: an erasure covers that much more
            assert await one.forget_where(tag="ann") >= 2
            go.set()
            assert (await coming).value == b"ann's"
            await settled(lambda: other._shelf("m").drop_tag("ann") == 0 and other._shelf("m").entries == 1)
            await settled(lambda: len(client.keys("arthaflow:cache:m:*")) == 1)
            assert await one.forget("m") == 2
            await settled(lambda: other._shelf("m").entries == 0)
            assert not client.keys("arthaflow:cache:m:*")

    run(scenario())


def test_a_new_answer_is_kept_again_soon_after_an_erasure(redis_server: RedisServer) -> None:
    async def scenario() -> None:
        async with caches(redis_server.url) as (one,):
            await one.forget_where(tag="ann")
            ends = time.monotonic() + 30
            while not redis_server.client().keys("arthaflow:cache:m:*") and time.monotonic() < ends:
                await asyncio.sleep(0.1)
                await one.fetch("m", "1", canonical_key(time.time()), 3600, 0, fixed, tag="ann")
            assert redis_server.client().keys("arthaflow:cache:m:*")

    run(scenario())
