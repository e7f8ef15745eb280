"""Raw V2 clients have the same protection as applications: the passage before real servers that hang, die and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from inference.gateway.calls.breaker import State
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.passage import Passage
from inference.gateway.table import Entry
from tests.support.upstream_server import Models, upstream

INFER = "/v2/models/{}/infer"


def run(scenario: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(120):
            return await scenario

    return asyncio.run(bounded())


@asynccontextmanager
async def front(**entries: Entry) -> AsyncIterator[tuple[Passage, httpx.AsyncClient]]:
    """The passage to these models, and a client of it."""
    passage = Passage(Models(**entries), GatewayMetrics())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(passage), base_url="http://gateway") as client:
        yield passage, client
    passage.calls.close()


def test_an_open_breaker_answers_at_once_with_the_time_of_the_next_probe() -> None:
    async def scenario() -> None:
        async with (
            upstream() as dead,
            upstream() as well,
            front(dead=Entry(url=dead.url), well=Entry(url=well.url)) as (passage, client),
        ):
            await dead.stop()
            lane = passage.calls.upstreams["dead"].predictions
            while lane.breaker.state is not State.OPEN:
                answer = await client.post(INFER.format("dead"), content=b"1")
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            refused = await client.post(INFER.format("dead"), content=b"1")
            assert refused.status_code == 503
            assert 1 <= int(refused.headers["retry-after"]) <= 2
            assert "left alone" in refused.json()["error"]
            assert (await client.post(INFER.format("well"), content=b"1")).status_code == 200
            assert (await client.get("/v2/models/dead")).status_code == 503
            told = passage.metrics.render(passage.upstreams.in_flight()).decode()
            assert 'arthaflow_gateway_breaker_state{model="dead"} 2.0' in told
            assert 'arthaflow_gateway_breaker_state{model="well"} 0.0' in told

    run(scenario())


def test_a_client_may_shorten_its_time_and_a_bad_number_is_400() -> None:
    async def scenario() -> None:
        async with upstream("hold") as server, front(m=Entry(url=server.url)) as (passage, client):
            short = {"x-request-timeout-ms": "30"}
            for _ in range(10):
                assert (await client.post(INFER.format("m"), content=b"1", headers=short)).status_code == 504
            assert passage.calls.upstreams["m"].predictions.breaker.state is State.CLOSED
            assert all(1 <= int(seen.headers["x-request-timeout-ms"]) <= 30 for seen in server.seen)
            wrong = await client.post(INFER.format("m"), content=b"1", headers={"x-request-timeout-ms": "soon"})
            assert (wrong.status_code, server.asked) == (400, 10)
            assert "X-Request-Timeout-Ms" in wrong.json()["error"]

    run(scenario())


def test_a_models_own_429_and_retry_after_reach_the_client() -> None:
    async def scenario() -> None:
        async with upstream("429") as server, front(m=Entry(url=server.url)) as (_, client):
            server.headers = {"retry-after": "17"}
            answer = await client.post(INFER.format("m"), content=b"1")
            assert (answer.status_code, answer.headers["retry-after"], server.asked) == (429, "17", 1)

    run(scenario())


def test_explanations_that_hang_leave_predictions_alone() -> None:
    async def scenario() -> None:
        async with upstream("hold") as explainer, upstream() as model:
            entry = Entry(url=model.url, explain_url=explainer.url, max_in_flight=2, explain_max_in_flight=2)
            async with front(m=entry) as (_, client):
                path = "/v1/models/m:explain"
                stuck = [asyncio.create_task(client.post(path, content=b"1")) for _ in range(2)]
                await explainer.wait_for(2)
                assert (await client.post(path, content=b"1")).status_code == 503
                assert [(await client.post(INFER.format("m"), content=b"1")).status_code for _ in range(20)] == [
                    200
                ] * 20
                assert not any(task.done() for task in stuck)
                explainer.released.set()
                assert {(await task).status_code for task in stuck} == {200}

    run(scenario())


def test_what_waits_in_line_is_finished_while_the_gateway_drains() -> None:
    async def scenario() -> None:
        async with upstream("hold") as server, front(m=Entry(url=server.url, max_in_flight=2)) as (passage, client):
            bulkhead = passage.calls.upstreams["m"].predictions.bulkhead
            bulkhead.wait_s = 60.0
            asked = [asyncio.create_task(client.post(INFER.format("m"), content=b"1")) for _ in range(4)]
            await server.wait_for(2)
            while bulkhead.waiting < 2:
                await asyncio.sleep(0.01)
            passage.draining = True
            server.released.set()
            found = await asyncio.gather(*asked)
            assert [answer.status_code for answer in found] == [200] * 4
            assert {answer.headers["connection"] for answer in found} == {"close"}
            assert passage.upstreams.in_flight() == {"m": 0}

    run(scenario())
