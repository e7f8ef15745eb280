"""The way to the models, against real servers that hang, hang up, die and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from components.errors import UnknownModel
from inference.gateway.calls.breaker import State
from inference.gateway.calls.deadline import within
from inference.gateway.calls.model_calls import ModelCalls
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.problems import BreakerOpen, ModelBusy, ModelDown, ModelSlow
from inference.gateway.table import Entry
from inference.router.backend import Response
from tests.support.upstream_server import model_calls, upstream


def run(scenario: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(120):
            return await scenario

    return asyncio.run(bounded())


async def outcome(asking: Awaitable[Response]) -> int | type[Exception]:
    try:
        return (await asking).status
    except (ModelBusy, ModelDown, ModelSlow, BreakerOpen) as error:
        return type(error)


def breaker(calls: ModelCalls, model: str = "m") -> State:
    return calls.upstreams[model].predictions.breaker.state


async def open_breaker(calls: ModelCalls, model: str = "m") -> None:
    while breaker(calls, model) is not State.OPEN:
        await outcome(calls.infer(model, [], b"1"))


def test_a_model_that_hangs_holds_its_own_places_and_nobody_elses() -> None:
    async def scenario() -> None:
        async with upstream("hold") as hung, upstream() as well:
            entries = {"hung": Entry(url=hung.url, max_in_flight=8), "well": Entry(url=well.url, max_in_flight=8)}
            async with model_calls(**entries) as calls:
                stuck = [asyncio.create_task(outcome(calls.infer("hung", [], b"1"))) for _ in range(8)]
                await hung.wait_for(8)
                for _ in range(50):
                    found = await asyncio.gather(*(outcome(calls.infer("well", [], b"1")) for _ in range(8)))
                    assert found == [200] * 8
                assert not any(task.done() for task in stuck)  # 400 answers came while 8 questions hung
                refused = await asyncio.gather(*(outcome(calls.infer("hung", [], b"1")) for _ in range(20)))
                assert refused == [ModelBusy] * 20
                assert calls.in_flight() == {"hung": 8, "well": 0}
                hung.released.set()
                assert await asyncio.gather(*stuck) == [200] * 8
                assert hung.asked == 8

    run(scenario())


def test_explanations_and_metadata_take_no_place_of_predictions() -> None:
    async def scenario() -> None:
        async with upstream("hold") as explainer, upstream() as model:
            entry = Entry(url=model.url, explain_url=explainer.url, max_in_flight=1, explain_max_in_flight=2)
            async with model_calls(m=entry) as calls:
                stuck = [asyncio.create_task(outcome(calls.explain("m", [], b"1"))) for _ in range(2)]
                await explainer.wait_for(2)
                assert await outcome(calls.explain("m", [], b"1")) is ModelBusy
                assert await outcome(calls.infer("m", [], b"1")) == 200
                assert await outcome(calls.get("m", "/v2/models/m")) == 200
                explainer.released.set()
                assert await asyncio.gather(*stuck) == [200, 200]

    run(scenario())


def test_the_breaker_opens_probes_and_closes_over_a_servers_death_and_return() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        async with upstream() as server, model_calls(metrics, m=Entry(url=server.url)) as calls:
            assert await outcome(calls.infer("m", [], b"1")) == 200
            await server.stop()
            await open_breaker(calls)
            told = metrics.render({}).decode()
            assert 'arthaflow_gateway_breaker_state{model="m"} 2.0' in told
            assert 'arthaflow_gateway_explain_breaker_state{model="m"} 0.0' in told
            with pytest.raises(BreakerOpen) as refused:
                await calls.infer("m", [], b"1")
            assert refused.value.retry_after_s is not None
            await server.start()
            before = server.asked
            assert await outcome(calls.infer("m", [], b"1")) is BreakerOpen  # it is back, but nobody has looked
            assert await outcome(calls.get("m", "/v2/models/m")) == 200  # people may look any time
            assert server.asked == before
            while breaker(calls) is State.OPEN:
                await asyncio.sleep(0.05)
            assert [await outcome(calls.infer("m", [], b"1")) for _ in range(3)] == [200] * 3
            assert breaker(calls) is State.CLOSED
            told = metrics.render({}).decode()
            assert 'arthaflow_gateway_breaker_state{model="m"} 0.0' in told
            assert 'arthaflow_gateway_unanswered_total{model="m",reason="open"} 2.0' in told

    run(scenario())


def test_a_failing_explainer_closes_no_predictions() -> None:
    async def scenario() -> None:
        async with (
            upstream("503") as explainer,
            upstream() as model,
            model_calls(m=Entry(url=model.url, explain_url=explainer.url)) as calls,
        ):
            found = [await outcome(calls.explain("m", [], b"1")) for _ in range(6)]
            assert found == [503] * 5 + [BreakerOpen]
            assert await outcome(calls.infer("m", [], b"1")) == 200

    run(scenario())


def test_a_models_own_errors_do_not_open_the_breaker() -> None:
    async def scenario() -> None:
        async with upstream() as server, model_calls(m=Entry(url=server.url)) as calls:
            for status in ("500", "400", "429"):
                server.mode = status
                assert [await outcome(calls.infer("m", [], b"1")) for _ in range(30)] == [int(status)] * 30
            assert breaker(calls) is State.CLOSED

    run(scenario())


@pytest.mark.parametrize(("mode", "asked"), [("drop", 2), ("502", 2), ("503", 2), ("cut", 1), ("500", 1), ("429", 1)])
def test_a_prediction_is_sent_once_more_only_where_no_answer_began(mode: str, asked: int) -> None:
    async def scenario() -> None:
        async with upstream() as server, model_calls(m=Entry(url=server.url)) as calls:
            server.script = [mode]
            found = await outcome(calls.infer("m", [], b"1"))
            assert server.asked == asked
            assert found == (200 if asked == 2 else ModelDown if mode == "cut" else int(mode))

    run(scenario())


@pytest.mark.parametrize("mode", ["drop", "503"])
def test_an_explanation_is_never_sent_twice(mode: str) -> None:
    async def scenario() -> None:
        async with upstream() as server, model_calls(m=Entry(url=server.url)) as calls:
            server.script = [mode]
            assert await outcome(calls.explain("m", [], b"1")) == (ModelDown if mode == "drop" else 503)
            assert server.asked == 1

    run(scenario())


def test_a_server_that_says_when_to_come_again_is_believed() -> None:
    async def scenario() -> None:
        async with upstream("503") as server, model_calls(m=Entry(url=server.url)) as calls:
            server.headers = {"retry-after": "9"}
            found = await calls.infer("m", [], b"1")
            assert (found.status, dict(found.headers)[b"retry-after"], server.asked) == (503, b"9", 1)

    run(scenario())


def test_a_request_that_kills_servers_is_delivered_no_third_time() -> None:
    async def scenario() -> None:
        async with upstream() as server, model_calls(m=Entry(url=server.url)) as calls:
            assert await outcome(calls.infer("m", [], b"1")) == 200  # leaves an idle connection
            server.mode = "drop"
            assert await outcome(calls.infer("m", [], b"1")) is ModelDown
            assert server.asked == 1 + 2

    run(scenario())


def test_retries_stop_when_their_budget_is_spent() -> None:
    async def scenario() -> None:
        async with upstream("502") as server, model_calls(m=Entry(url=server.url)) as calls:
            lane = calls.upstreams["m"].predictions
            lane.breaker.policy = type(lane.breaker.policy)(in_a_row=10**6, calls=10**6)
            for _ in range(200):
                assert await outcome(calls.infer("m", [], b"1")) == 502
            assert 200 + 20 <= server.asked <= 200 + 31

    run(scenario())


def test_a_clients_deadline_ends_its_call_and_says_nothing_about_the_model() -> None:
    async def scenario() -> None:
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url)) as calls:
            headers = [(b"x-request-timeout-ms", b"20")]
            for _ in range(10):
                with pytest.raises(ModelSlow, match=r"within 0\.02 s"):
                    await calls.infer("m", headers, b"1")
            with within(0.02), pytest.raises(ModelSlow):
                await calls.infer("m", [], b"1")
            assert breaker(calls) is State.CLOSED
            assert all(1 <= int(seen.headers["x-request-timeout-ms"]) <= 20 for seen in server.seen)

    run(scenario())


def test_a_models_own_timeout_opens_the_breaker() -> None:
    async def scenario() -> None:
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url, timeout_s=0.05)) as calls:
            found = [await outcome(calls.infer("m", [], b"1")) for _ in range(6)]
            assert found == [ModelSlow] * 5 + [BreakerOpen]
            assert server.asked == 5

    run(scenario())


def test_a_burst_beyond_the_limit_waits_its_turn() -> None:
    async def scenario() -> None:
        async with upstream("hold") as server, model_calls(m=Entry(url=server.url, max_in_flight=4)) as calls:
            calls.upstreams["m"].predictions.bulkhead.wait_s = 60.0
            asked = [asyncio.create_task(outcome(calls.infer("m", [], b"1"))) for _ in range(9)]
            await server.wait_for(4)
            assert calls.upstreams["m"].predictions.bulkhead.waiting == 4  # and one more found the line full
            server.released.set()
            found = await asyncio.gather(*asked)
            assert (found.count(200), found.count(ModelBusy), server.asked) == (8, 1, 8)

    run(scenario())


def test_a_model_that_leaves_the_table_finishes_what_is_under_way() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        async with (
            upstream("hold") as server,
            upstream(version="2") as other,
            model_calls(metrics, m=Entry(url=server.url)) as calls,
        ):
            held = asyncio.create_task(calls.infer("m", [], b"1"))
            await server.wait_for(1)
            moved = {"m": Entry(url=other.url)}
            calls.table.entries = moved
            calls.update(moved)
            assert b'"2"' in (await calls.infer("m", [], b"1")).body
            server.released.set()
            assert b'"1"' in (await held).body
            calls.table.entries = {}
            calls.update({})
            with pytest.raises(UnknownModel):
                await calls.infer("m", [], b"1")
            assert 'breaker_state{model="m"}' not in metrics.render({}).decode()

    run(scenario())
