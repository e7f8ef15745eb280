"""The cache of one process before real servers: stampedes, versions, what may stand in, erasure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from components.errors import InvalidRequest
from inference.gateway.cache.canonical import canonical_key
from inference.gateway.cache.entry import CacheEntry
from inference.gateway.cache.prediction_cache import Fetched, Fresh, PredictionCache
from inference.gateway.cache.versions import VersionWatch
from inference.gateway.calls.breaker import State
from inference.gateway.calls.deadline import time_left, within
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.config import GatewaySettings
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.problems import ModelDown, ModelSlow, Unanswered
from inference.gateway.table import Entry
from inference.router.backend import Headers, Response
from tests.support.upstream_server import Models, model_calls, upstream

KEY = canonical_key({"symbol": "SP500"})


def run(scenario: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(120):
            return await scenario

    return asyncio.run(bounded())


def cache(metrics: GatewayMetrics | None = None, **config: int) -> PredictionCache:
    return PredictionCache(GatewaySettings(**config), "", metrics or GatewayMetrics())


def asks(calls: ModelCalls, model: str = "m", body: bytes = b"1") -> Callable[[], Awaitable[Fresh]]:
    async def compute() -> Fresh:
        response = await calls.infer(model, [], body)
        return Fresh(response.body, orjson.loads(response.body)["model_version"])

    return compute


async def fixed(value: bytes = b"v", version: str = "1", store: bool = True) -> Fresh:
    return Fresh(value, version, store)


async def fail(error: Exception) -> Fresh:
    raise error


def test_two_hundred_equal_questions_cost_one_call() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        made = cache(metrics)
        async with upstream("hold") as server, model_calls(metrics, m=Entry(url=server.url)) as calls:
            asked = [asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, asks(calls))) for _ in range(200)]
            await server.wait_for(1)
            server.released.set()
            found = await asyncio.gather(*asked)
            assert server.asked == 1
            assert len({f.value for f in found}) == 1
            assert [f.cached for f in found].count(False) == 1
            later = await made.fetch("m", "1", KEY, 3600, 0, asks(calls))
            assert (later.cached, later.version, server.asked) == (True, "1", 1)
        told = metrics.render({}).decode()
        assert 'arthaflow_gateway_cache_requests_total{model="m",result="hit"} 200.0' in told
        assert 'arthaflow_gateway_cache_requests_total{model="m",result="miss"} 1.0' in told
        assert 'arthaflow_gateway_cache_entries{model="m"} 1.0' in told

    run(scenario())


def test_different_questions_wait_for_nobody() -> None:
    async def scenario() -> None:
        made, go = cache(), asyncio.Event()

        async def slow() -> Fresh:
            await go.wait()
            return Fresh(b"slow", "1")

        waiting = asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, slow))
        await asyncio.sleep(0)
        for model, version, key in (("m", "1", b"other"), ("m", "2", KEY), ("n", "1", KEY)):
            assert not (await made.fetch(model, version, key, 3600, 0, fixed)).cached
        assert not waiting.done()
        go.set()
        assert (await waiting).value == b"slow"

    run(scenario())


def test_a_leader_whose_client_leaves_leaves_the_question_to_another() -> None:
    async def scenario() -> None:
        made = cache()
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url)) as calls:
            asked = [asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, asks(calls))) for _ in range(20)]
            await server.wait_for(1)
            asked[0].cancel()
            await server.wait_for(1)
            server.released.set()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert isinstance(found[0], asyncio.CancelledError)
            assert all(isinstance(f, Fetched) for f in found[1:])
            assert server.asked == 2

    run(scenario())


def test_a_leaders_own_short_deadline_does_not_fail_those_behind_it() -> None:
    async def scenario() -> None:
        made = cache()
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url)) as calls:

            async def impatient() -> Fetched:
                with within(0.05):
                    return await made.fetch("m", "1", KEY, 3600, 0, asks(calls))

            leader = asyncio.create_task(impatient())
            await server.wait_for(1)
            behind = [asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, asks(calls))) for _ in range(20)]
            with pytest.raises(ModelSlow):
                await leader
            await server.wait_for(1)
            server.released.set()
            assert {f.value for f in await asyncio.gather(*behind)} == {(await behind[0]).value}
            assert server.asked == 2

    run(scenario())


def test_one_short_deadline_after_another_fails_nobody_who_has_more_time() -> None:
    async def scenario() -> None:
        made = cache()
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url)) as calls:

            async def impatient(seconds: float) -> Fetched:
                with within(seconds):
                    return await made.fetch("m", "1", KEY, 3600, 0, asks(calls))

            hasty = [asyncio.create_task(impatient(seconds)) for seconds in (0.05, 0.2, 0.35)]
            await server.wait_for(1)
            behind = [asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, asks(calls))) for _ in range(20)]
            for task in hasty:
                with pytest.raises(ModelSlow):
                    await task
            await server.wait_for(1)
            server.released.set()
            assert {f.version for f in await asyncio.gather(*behind)} == {"1"}
            assert server.asked <= 4

    run(scenario())


def test_a_question_about_versions_has_no_deadline_of_a_request() -> None:
    class Noting(ModelCalls):
        left: float | None = None

        async def get(self, model: str, path: str, headers: Headers | None = None) -> Response:
            self.left = time_left(1000.0)
            return Response(200, [], b'{"versions": ["2"]}')

    async def scenario() -> None:
        table = Models(m=Entry(url="http://127.0.0.1:9"))
        calls = Noting(table, GatewayMetrics())
        watch = VersionWatch(calls, cache())
        with within(0.01):
            watch.note("m", "2")
            while calls.left is None:
                await asyncio.sleep(0)
        assert calls.left == 1000.0
        await watch.close()
        calls.close()

    run(scenario())


def test_a_follower_waits_no_longer_than_its_own_deadline() -> None:
    async def scenario() -> None:
        made, go = cache(), asyncio.Event()

        async def slow() -> Fresh:
            await go.wait()
            return Fresh(b"v", "1")

        leader = asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, slow))
        await asyncio.sleep(0)
        with within(0.02), pytest.raises(ModelSlow, match="another request"):
            await made.fetch("m", "1", KEY, 3600, 0, slow)
        go.set()
        assert (await leader).value == b"v"

    run(scenario())


def test_a_dead_model_is_asked_twice_for_two_hundred_questions() -> None:
    async def scenario() -> None:
        made, computed = cache(), 0

        async def dead() -> Fresh:
            nonlocal computed
            computed += 1
            await asyncio.sleep(0)
            raise ModelDown("gone")

        asked = [made.fetch("m", "1", KEY, 3600, 0, dead) for _ in range(200)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(f, ModelDown) for f in found)
        assert computed == 2

    run(scenario())


def test_a_wrong_question_is_refused_to_all_who_ask_it_at_once() -> None:
    async def scenario() -> None:
        made, computed = cache(), 0

        async def wrong() -> Fresh:
            nonlocal computed
            computed += 1
            await asyncio.sleep(0)
            raise InvalidRequest("no such symbol")

        found = await asyncio.gather(
            *(made.fetch("m", "1", KEY, 3600, 9, wrong) for _ in range(9)), return_exceptions=True
        )
        assert all(isinstance(f, InvalidRequest) for f in found)
        assert computed == 1
        assert not (await made.fetch("m", "1", KEY, 3600, 9, fixed)).cached  # a refusal is not kept

    run(scenario())


def test_a_last_good_answer_stands_in_where_that_is_allowed_and_says_so() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        made = cache(metrics)
        async with upstream() as server, model_calls(metrics, m=Entry(url=server.url)) as calls:
            first = await made.fetch("m", "1", KEY, 0.05, 3600, asks(calls))
            other = canonical_key({"symbol": "VIX"})
            await made.fetch("m", "1", other, 0.05, 0, asks(calls, body=b"2"))
            await asyncio.sleep(0.06)
            await server.stop()
            stale = await made.fetch("m", "1", KEY, 0.05, 3600, asks(calls))
            assert (stale.value, stale.version, stale.stale, stale.cached) == (first.value, "1", True, True)
            assert stale.age_s >= 0.06
            for ttl, stale_for, key in ((0.05, 0, KEY), (0.05, 3600, canonical_key("never asked")), (0.05, 0, other)):
                with pytest.raises(ModelDown):
                    await made.fetch("m", "1", key, ttl, stale_for, asks(calls))
            lane = calls.upstreams["m"].predictions
            while lane.breaker.state is not State.OPEN:
                assert (await made.fetch("m", "1", KEY, 0.05, 3600, asks(calls))).stale
            asked = server.asked
            assert (await made.fetch("m", "1", KEY, 0.05, 3600, asks(calls))).stale  # the breaker is open
            assert server.asked == asked
        assert b'arthaflow_gateway_cache_requests_total{model="m",result="stale"}' in metrics.render({})

    run(scenario())


def test_a_wrong_request_gets_no_stale_answer_and_neither_does_a_defect() -> None:
    async def scenario() -> None:
        made = cache()
        await made.fetch("m", "1", KEY, 0, 3600, fixed)
        for error in (InvalidRequest("bad"), ValueError("a defect")):
            with pytest.raises(type(error)):
                await made.fetch("m", "1", KEY, 0, 3600, lambda error=error: fail(error))  # type: ignore[misc]
        assert (await made.fetch("m", "1", KEY, 0, 3600, lambda: fail(Unanswered("busy")))).stale

    run(scenario())


def test_too_old_an_answer_stands_in_no_more() -> None:
    async def scenario() -> None:
        made = cache()
        shelf = made._shelf("m")
        now = time.time()
        shelf.put(KEY, CacheEntry(b"old", "1", now - 100, now - 90, now + 1000))
        assert (await made.fetch("m", "1", KEY, 10, 200, lambda: fail(ModelDown("x")))).value == b"old"
        with pytest.raises(ModelDown):
            await made.fetch("m", "1", KEY, 10, 80, lambda: fail(ModelDown("x")))

    run(scenario())


def test_an_earlier_versions_answer_stands_in_only_when_the_new_one_cannot_answer() -> None:
    async def scenario() -> None:
        made = cache()
        await made.fetch("m", "1", KEY, 3600, 600, lambda: fixed(b"one", "1"))
        assert (await made.fetch("m", "2", KEY, 3600, 600, lambda: fail(ModelDown("x")))) == Fetched(
            b"one", "1", True, True, pytest.approx(0, abs=60)
        )
        assert (await made.fetch("m", "2", KEY, 3600, 600, lambda: fixed(b"two", "2"))).value == b"two"
        assert (await made.fetch("m", "3", KEY, 3600, 600, lambda: fail(ModelDown("x")))).value == b"two"

    run(scenario())


def test_the_version_that_answered_decides_where_an_answer_is_kept() -> None:
    async def scenario() -> None:
        made = cache()
        found = await made.fetch("m", "1", KEY, 3600, 0, lambda: fixed(b"canary", "2"))
        assert (found.version, found.cached) == ("2", False)
        assert (await made.fetch("m", "1", KEY, 3600, 0, lambda: fixed(b"stable", "1"))).value == b"stable"
        assert (await made.fetch("m", "2", KEY, 3600, 0, fixed)).value == b"canary"
        assert (await made.fetch("m", "1", KEY, 3600, 0, fixed)).value == b"stable"

    run(scenario())


def test_zero_keeps_nothing_and_neither_does_an_answer_that_says_so() -> None:
    async def scenario() -> None:
        made = cache()
        for _ in range(2):
            assert not (await made.fetch("m", "1", KEY, 0, 0, fixed)).cached
            assert not (await made.fetch("n", "1", KEY, 60, 60, lambda: fixed(store=False))).cached
        assert made._shelf("m").entries + made._shelf("n").entries == 0

    run(scenario())


def test_each_model_has_its_own_bound() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        made = cache(metrics, cache_entries=50)
        await made.fetch("quiet", "1", KEY, 3600, 0, fixed)
        for number in range(500):
            await made.fetch("busy", "1", canonical_key(number), 3600, 0, fixed)
            assert made._shelf("busy").entries <= 50
        assert (await made.fetch("quiet", "1", KEY, 3600, 0, fixed)).cached
        told = metrics.render({}).decode()
        assert 'arthaflow_gateway_cache_evictions_total{model="busy"} 450.0' in told
        assert 'arthaflow_gateway_cache_evictions_total{model="quiet"} 0.0' in told

    run(scenario())


def test_one_request_renews_an_answer_while_the_others_take_it() -> None:
    async def scenario() -> None:
        made, go, computed = cache(), asyncio.Event(), 0

        async def renew() -> Fresh:
            nonlocal computed
            computed += 1
            await go.wait()
            return Fresh(b"new", "1")

        now = time.time()
        # So dear a computation that the next request renews it, an hour before its end.
        made._shelf("m").put(KEY, CacheEntry(b"held", "1", now, now + 3600, now + 3600, cost_s=1e12))
        leader = asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, renew))
        await asyncio.sleep(0)
        others = [await made.fetch("m", "1", KEY, 3600, 0, renew) for _ in range(50)]
        assert {(o.value, o.stale) for o in others} == {(b"held", False)}
        go.set()
        assert ((await leader).value, computed) == (b"new", 1)

    run(scenario())


def test_a_renewal_that_fails_leaves_the_answer_that_is_still_good() -> None:
    async def scenario() -> None:
        made, now = cache(), time.time()
        made._shelf("m").put(KEY, CacheEntry(b"held", "1", now, now + 3600, now + 3600, cost_s=1e12))
        found = await made.fetch("m", "1", KEY, 3600, 0, lambda: fail(ModelDown("x")))
        assert (found.value, found.cached, found.stale) == (b"held", True, False)

    run(scenario())


def test_erasure_takes_one_persons_answers_also_one_that_is_on_its_way() -> None:
    async def scenario() -> None:
        made, go = cache(), asyncio.Event()

        async def slow() -> Fresh:
            await go.wait()
            return Fresh(b"ann's", "1")

        for number, tag in enumerate(("ann", "ann", "bob", "")):
            await made.fetch("m", "1", canonical_key(number), 3600, 0, fixed, tag=tag)
        await made.fetch("n", "1", KEY, 3600, 600, fixed, tag="ann")
        coming = asyncio.create_task(made.fetch("m", "1", KEY, 3600, 0, slow, tag="ann"))
        await asyncio.sleep(0)
        assert await made.forget_where(tag="ann") == 3
        go.set()
        assert (await coming).value == b"ann's"
        assert made._shelf("m").entries == 2
        with pytest.raises(ModelDown):
            await made.fetch("n", "1", KEY, 3600, 600, lambda: fail(ModelDown("x")), tag="ann")
        await made.fetch("m", "1", KEY, 3600, 0, fixed, tag="ann")  # after the erasure, a new answer is kept again
        assert await made.forget("m") == 3
        assert await made.forget("nobody knows it") == 0

    run(scenario())


async def settled(until: Callable[[], bool]) -> None:
    while not until():
        await asyncio.sleep(0.01)


def test_a_version_change_is_noticed_by_an_answer_at_once() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        made = cache(metrics)
        async with upstream(version="1") as server, model_calls(metrics, m=Entry(url=server.url)) as calls:
            watch = VersionWatch(calls, made, every_s=3600)
            await watch.start()
            assert (watch.current("m"), server.seen[0].headers["x-model-track"]) == ("1", "stable")
            await made.fetch("m", watch.current("m"), KEY, 3600, 0, asks(calls))
            server.version = "2"
            found = await made.fetch("m", watch.current("m"), canonical_key("other"), 3600, 0, asks(calls))
            watch.note("m", found.version)
            assert watch.current("m") == "2"
            renewed = await made.fetch("m", watch.current("m"), KEY, 3600, 0, asks(calls))
            assert (renewed.version, renewed.cached) == ("2", False)
            await settled(lambda: made._shelf("m").entries == 2)
            assert b'arthaflow_gateway_cache_invalidations_total{model="m"} 1.0' in metrics.render({})
            await watch.close()

    run(scenario())


def test_a_version_change_is_noticed_without_any_answer() -> None:
    async def scenario() -> None:
        made = cache()
        async with upstream(version="1") as server, model_calls(m=Entry(url=server.url)) as calls:
            watch = VersionWatch(calls, made, every_s=0.02)
            await watch.start()
            await made.fetch("m", watch.current("m"), KEY, 3600, 0, asks(calls))
            server.version = "2"
            await settled(lambda: watch.current("m") == "2")
            assert made._shelf("m").entries == 0
            await server.stop()
            await asyncio.sleep(0.1)
            assert watch.current("m") == "2"  # a model that is away keeps what is known of it
            await watch.close()

    run(scenario())


def test_a_canarys_answers_do_not_pass_for_a_version_change() -> None:
    async def scenario() -> None:
        made = cache()
        async with upstream(version="1") as server, model_calls(m=Entry(url=server.url)) as calls:
            watch = VersionWatch(calls, made, every_s=3600)
            await watch.start()
            await made.fetch("m", "1", KEY, 3600, 0, asks(calls))
            watch.note("m", "2", "canary")
            assert (watch.current("m"), watch.current("m", "canary")) == ("1", "2")
            watch.note("m", "2")  # no track told, but a canary's version
            assert watch.current("m") == "1"
            watch.note("m", "3")  # never seen: counts until the metadata says otherwise
            assert watch.current("m") == "3"
            await settled(lambda: watch.current("m") == "1")
            assert (await made.fetch("m", "1", KEY, 3600, 0, asks(calls))).cached  # nothing was dropped
            server.headers = {"x-model-track": "stable"}
            await watch.poll()
            assert watch.current("m", "canary") == ""  # the canary is gone
            await watch.close()

    run(scenario())


def test_a_model_that_says_nothing_delays_no_others_version() -> None:
    async def scenario() -> None:
        made = cache()
        async with (
            upstream("hold") as frozen,
            upstream(version="1") as server,
            model_calls(frozen=Entry(url=frozen.url), m=Entry(url=server.url)) as calls,
        ):
            watch = VersionWatch(calls, made, every_s=0.05)
            await watch.start()
            assert watch.current("m") == "1"
            for version in ("2", "3"):
                server.version = version
                while watch.current("m") != version:
                    await asyncio.sleep(0.01)
            await watch.close()

    run(scenario())
