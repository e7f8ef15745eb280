"""Deadlines, retry budgets, the bulkhead's line, and the shedding of load."""

from __future__ import annotations

import asyncio
import time

import pytest

from components.errors import InvalidRequest
from inference.gateway.calls.bulkhead import Bulkhead
from inference.gateway.calls.deadline import asked_for, deadline_of, time_left, within
from inference.gateway.calls.model_calls import unanswered
from inference.gateway.calls.overload import Overload
from inference.gateway.calls.retries import RetryBudget, worth_retrying
from inference.gateway.config import GatewaySettings
from inference.gateway.metrics import GatewayMetrics
from inference.gateway.problems import ModelBusy, ModelDown, ModelSlow, Overloaded, answer
from inference.router.backend import BackendFailed, BackendSlow, Response


def test_the_earlier_of_two_deadlines_holds_and_only_a_clients_is_told_onward() -> None:
    headers = [(b"x-request-timeout-ms", b"250"), (b"a", b"b")]
    own, short = deadline_of([], 30.0), deadline_of(headers, 30.0)
    assert (own.asked, own.allowed_s, own.onward([])) == (False, 30.0, [])
    assert short.asked
    assert short.remaining() <= 0.25
    told = dict(short.onward(headers))
    assert 1 <= int(told[b"x-request-timeout-ms"]) <= 250
    assert deadline_of(headers, 0.1).asked is False  # the model's own is earlier
    with within(0.2), within(60.0):
        assert deadline_of([], 30.0).remaining() <= 0.2
        assert time_left(10.0) <= 0.2
    assert time_left(10.0) == 10.0


@pytest.mark.parametrize("value", [b"0", b"-5", b"1.5", b"soon", b"", b"3600001", b"9" * 400, "٣".encode()])
def test_a_timeout_that_is_none_is_refused_by_its_value(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="X-Request-Timeout-Ms"):
        asked_for([(b"x-request-timeout-ms", value)])


def failed(begun: bool, deliveries: int) -> BackendFailed:
    made = BackendFailed("closed the connection")
    made.begun, made.deliveries = begun, deliveries
    return made


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (failed(False, 0), True),
        (failed(False, 1), True),
        (failed(True, 1), False),
        (failed(False, 2), False),
        (BackendSlow("late"), False),
        (Response(502), True),
        (Response(503), True),
        (Response(503, [(b"retry-after", b"1")]), False),
        (Response(429), False),
        (Response(504), False),
        (Response(500), False),
        (Response(200), False),
    ],
)
def test_only_what_never_began_is_tried_again(outcome: Response | BackendFailed, again: bool) -> None:
    assert worth_retrying(outcome) is again


def test_retries_are_a_tenth_of_requests_in_the_long_run() -> None:
    budget, retries = RetryBudget(), 0
    for _ in range(10_000):
        budget.earn()
        retries += budget.take()
    assert retries == pytest.approx(1000, abs=11)
    assert all(0.0 <= budget.pause() <= budget.pause_s for _ in range(100))


def test_the_line_is_served_in_order_and_no_place_is_lost() -> None:
    async def scenario() -> list[int]:
        head, order = Bulkhead("m", 2, 5, 60.0), []
        go = asyncio.Event()

        async def one(number: int) -> None:
            async with head.enter(60.0):
                order.append(number)
                await go.wait()

        tasks = [asyncio.create_task(one(number)) for number in range(7)]
        await asyncio.sleep(0)
        assert (head.in_flight, head.waiting) == (2, 5)
        with pytest.raises(ModelBusy, match="2 requests under way"):
            async with head.enter(60.0):
                pass
        tasks[3].cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (head.in_flight, head.waiting) == (0, 0)
        return order

    assert asyncio.run(scenario()) == [0, 1, 2, 4, 5, 6]


def test_a_place_that_comes_in_the_moment_of_giving_up_goes_to_the_next() -> None:
    async def scenario() -> None:
        head = Bulkhead("m", 1, 5, 60.0)
        first = head.enter(60.0)
        await first.__aenter__()
        waiting = [asyncio.create_task(head.enter(60.0).__aenter__()) for _ in range(2)]
        await asyncio.sleep(0)
        await first.__aexit__(None, None, None)  # the place is the first waiter's
        waiting[0].cancel()  # who never learns of it
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        await waiting[1]
        assert (head.in_flight, head.waiting) == (1, 0)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_nobody_waits_longer_than_allowed() -> None:
    async def scenario() -> None:
        head = Bulkhead("m", 1, 5, 0.01)
        async with head.enter(60.0):
            for left in (60.0, 0.0):
                with pytest.raises(ModelBusy):
                    async with head.enter(left):
                        pass
        assert (head.in_flight, head.waiting) == (0, 0)

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_full_process_refuses_before_any_work_but_never_health_and_administration() -> None:
    overload = Overload(GatewaySettings(max_in_flight=2), GatewayMetrics())
    with overload.enter("/a"), overload.enter("/b"):
        with pytest.raises(Overloaded) as refused, overload.enter("/c"):
            raise AssertionError("work was done")
        for path in ("/healthz", "/ready", "/metrics", "/admin/deploy"):
            with overload.enter(path):
                assert overload.in_flight == 3
    assert overload.in_flight == 0
    told = answer(refused.value)
    assert (told.status, dict(told.headers)[b"retry-after"]) == (503, b"1")


def test_an_event_loop_that_stays_behind_sheds_and_recovers() -> None:
    async def scenario() -> None:
        metrics = GatewayMetrics()
        overload = Overload(GatewaySettings(), metrics, most_lag_s=0.05)
        await overload.start()
        while overload.lag() <= 0.05:
            time.sleep(0.2)  # blocks the loop
            await asyncio.sleep(0.0)
        with pytest.raises(Overloaded, match="behind"), overload.enter("/a"):
            pass
        assert b'arthaflow_gateway_shed_total{reason="lag"} 1.0' in metrics.render({})
        while overload.lag() > 0.05:
            await asyncio.sleep(0.05)
        with overload.enter("/a"):
            pass
        await overload.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_one_long_pause_is_no_overload() -> None:
    overload = Overload(GatewaySettings(), GatewayMetrics(), most_lag_s=0.5)
    overload._lags.extend([9.0, 9.0, 0.001, 9.0, 9.0])
    assert overload.lag() == 0.001


@pytest.mark.parametrize(
    ("response", "kind", "seconds"),
    [
        (Response(503, [(b"retry-after", b"7")]), ModelDown, 7.0),
        (Response(503, [(b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT")]), ModelDown, 1.0),
        (Response(429, [(b"retry-after", b"2")]), ModelBusy, 2.0),
        (Response(502), ModelDown, 1.0),
        (Response(504), ModelSlow, None),
    ],
)
def test_an_answer_that_answers_nothing_is_an_error_that_keeps_its_retry_after(
    response: Response, kind: type[Exception], seconds: float | None
) -> None:
    found = unanswered("m", response)
    assert type(found) is kind
    assert found is not None
    assert (found.retry_after_s, found.stale_ok) == (seconds, True)


@pytest.mark.parametrize("status", [200, 400, 404, 422, 500])
def test_other_answers_are_answers(status: int) -> None:
    assert unanswered("m", Response(status)) is None
