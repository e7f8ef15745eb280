"""The breaker's states, on a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.gateway.calls.breaker import Breaker, BreakerPolicy, Outcome, State
from inference.gateway.problems import BreakerOpen

GOOD, BAD, IGNORED = Outcome.GOOD, Outcome.BAD, Outcome.IGNORED


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def made(**policy: float) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker("Model 'm'", BreakerPolicy(**policy), clock), clock  # type: ignore[arg-type]


def call(breaker: Breaker, outcome: Outcome, clock: Clock | None = None, took: float = 0.0) -> None:
    permit = breaker.enter()
    if clock:
        clock.now += took
    breaker.leave(permit, outcome)


def opened(**policy: float) -> tuple[Breaker, Clock]:
    breaker, clock = made(**policy)
    for _ in range(5):
        call(breaker, BAD)
    assert breaker.state is State.OPEN
    return breaker, clock


def test_failures_in_a_row_open_it_and_it_says_until_when() -> None:
    breaker, clock = opened(pause_s=4.0)
    clock.now += 1.0
    with pytest.raises(BreakerOpen, match="Model 'm'") as refused:
        breaker.enter()
    assert refused.value.retry_after_s == pytest.approx(3.0)
    assert (refused.value.status, refused.value.stale_ok) == (503, True)


def test_a_good_answer_ends_the_row_but_the_rate_still_counts() -> None:
    breaker, _ = made(calls=20)
    for _ in range(4):
        for outcome in (BAD, BAD, BAD, BAD, GOOD):
            assert breaker.state is State.CLOSED
            call(breaker, outcome)
    assert breaker.state is State.OPEN  # 16 of 20


def test_a_share_of_failures_below_the_rate_keeps_it_closed() -> None:
    breaker, _ = made()
    for _ in range(200):
        for outcome in (BAD, GOOD, GOOD):
            call(breaker, outcome)
    assert breaker.state is State.CLOSED


def test_what_lies_before_the_window_counts_no_more() -> None:
    breaker, clock = made(window_s=30.0, calls=20)
    for _ in range(9):
        call(breaker, BAD)
        call(breaker, GOOD)
    clock.now += 31.0
    for _ in range(10):
        call(breaker, GOOD)
        call(breaker, GOOD)
        call(breaker, BAD)
    assert breaker.state is State.CLOSED


def test_slow_answers_open_it_too() -> None:
    breaker, clock = made(slow_s=1.0, calls=10, window_s=1e6)
    for _ in range(10):
        assert breaker.state is State.CLOSED
        call(breaker, GOOD, clock, took=1.5)
    assert breaker.state is State.OPEN


def test_what_says_nothing_about_the_model_is_not_counted() -> None:
    breaker, _ = made()
    for _ in range(1000):
        call(breaker, IGNORED)
    assert breaker.state is State.CLOSED


def test_half_open_lets_only_probes_through_and_good_ones_close_it() -> None:
    breaker, clock = opened(pause_s=2.0, probes=2)
    clock.now += 2.0
    assert breaker.state is State.HALF_OPEN
    probes = [breaker.enter(), breaker.enter()]
    with pytest.raises(BreakerOpen):
        breaker.enter()
    for probe in probes:
        assert breaker.state is State.HALF_OPEN
        breaker.leave(probe, GOOD)
    assert breaker.state is State.CLOSED
    call(breaker, BAD)
    assert breaker.state is State.CLOSED  # old failures are forgotten


def test_a_bad_probe_opens_it_for_twice_as_long_up_to_a_bound() -> None:
    breaker, clock = opened(pause_s=2.0, longest_pause_s=6.0)
    for pause in (2.0, 4.0, 6.0, 6.0):
        clock.now += pause - 0.01
        with pytest.raises(BreakerOpen):
            breaker.enter()
        clock.now += 0.01
        call(breaker, BAD)
        assert breaker.state is State.OPEN
    clock.now += 6.0
    call(breaker, GOOD)
    call(breaker, GOOD)
    for _ in range(5):
        call(breaker, BAD)
    clock.now += 2.0
    assert breaker.state is State.HALF_OPEN  # the pause is the first one again


def test_a_probe_that_was_given_up_makes_room_for_another() -> None:
    breaker, clock = opened(pause_s=2.0, probes=1)
    clock.now += 2.0
    call(breaker, IGNORED)
    call(breaker, GOOD)
    assert breaker.state is State.CLOSED


def test_calls_from_before_the_opening_change_nothing_after_it() -> None:
    breaker, clock = made(pause_s=2.0, probes=1)
    early = [breaker.enter() for _ in range(10)]
    for permit in early[:5]:
        breaker.leave(permit, BAD)
    clock.now += 2.0
    probe = breaker.enter()
    for permit in early[5:]:
        breaker.leave(permit, BAD)
    assert breaker.state is State.HALF_OPEN
    breaker.leave(probe, GOOD)
    assert breaker.state is State.CLOSED


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.floats(0, 5)), max_size=200))
def test_it_never_stays_shut_and_its_counts_agree(history: list[tuple[Outcome, float]]) -> None:
    breaker, clock = made(longest_pause_s=8.0, slow_s=4.0)
    for outcome, took in history:
        try:
            call(breaker, outcome, clock, took)
        except BreakerOpen as refused:
            clock.now += min(refused.retry_after_s or 0.0, 8.0)
        assert breaker._bad == sum(bad for _, bad, _ in breaker._calls)
        assert breaker._slow == sum(slow for _, _, slow in breaker._calls)
    clock.now += 8.0
    for _ in range(2):
        call(breaker, GOOD)
    assert breaker.state is State.CLOSED
