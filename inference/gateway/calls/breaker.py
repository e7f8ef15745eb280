"""Circuit breaker (Nygard, Release It!, 2nd ed., 2018): a model that fails is left alone, and asked again with care.

Closed, every request passes and is judged over a rolling window. Open, none passes until a pause is over; the pause
doubles each time the model fails its probes. Half open, a few probes pass and decide.

What counts as failure is that no answer came: refused, lost, too slow, or 502, 503, 504. A model's own 500 counts as an
answer, because one client's strange input must not close the model to everybody.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum

from inference.gateway.problems import BreakerOpen


class State(IntEnum):
    """As the metric tells it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Outcome(Enum):
    """What came of a call; ``ignored`` says nothing about the model, such as a client's own short deadline."""

    GOOD = "good"
    BAD = "bad"
    IGNORED = "ignored"


@dataclass(frozen=True)
class BreakerPolicy:
    """When a breaker opens and closes.

    Attributes
    ----------
    window_s : float
        How far back calls count, seconds.
    calls : int
        Fewest calls in the window that a rate is taken of.
    failure_rate, slow_rate : float
        Shares of failed and of slow calls at which it opens.
    in_a_row : int
        Failures one after another that open it, however few the calls.
    slow_s : float
        From when on an answered call is slow, seconds.
    pause_s, longest_pause_s : float
        First pause, and the longest that doubling leads to, seconds.
    probes : int
        Probes at once, and good ones that close it.
    """

    window_s: float = 30.0
    calls: int = 20
    failure_rate: float = 0.5
    slow_rate: float = 0.8
    in_a_row: int = 5
    slow_s: float = 15.0
    pause_s: float = 2.0
    longest_pause_s: float = 60.0
    probes: int = 2


@dataclass(frozen=True)
class Permit:
    """A call that was let through; ``era`` tells it from calls of an earlier state."""

    era: int
    began: float
    probe: bool


class Breaker:
    """Breaker of one model.

    Parameters
    ----------
    name : str
        What is called, for messages.
    policy : BreakerPolicy
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self, name: str, policy: BreakerPolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name, self.policy, self._clock = name, policy or BreakerPolicy(), clock
        self._state, self._era, self._pause = State.CLOSED, 0, self.policy.pause_s
        self._opened, self._row, self._probing, self._proved = 0.0, 0, 0, 0
        self._calls: deque[tuple[float, bool, bool]] = deque(maxlen=1000)
        self._bad = self._slow = 0

    @property
    def state(self) -> State:
        """The state now."""
        if self._state is State.OPEN and self._clock() >= self._opened + self._pause:
            return State.HALF_OPEN
        return self._state

    def check(self) -> None:
        """Refuse a call that :meth:`enter` would refuse.

        Raises
        ------
        BreakerOpen
            If the model is left alone now, with the time until the next probe.
        """
        if self._state is State.CLOSED:
            return
        left = self._opened + self._pause - self._clock()
        if self._state is State.OPEN and left > 0:
            raise self._refusal(left)
        if self._state is State.HALF_OPEN and self._probing >= self.policy.probes:
            raise self._refusal(1.0)

    def enter(self) -> Permit:
        """Let a call through.

        Raises
        ------
        BreakerOpen
            See :meth:`check`.
        """
        self.check()
        if self._state is State.OPEN:
            self._turn(State.HALF_OPEN)
        probe = self._state is State.HALF_OPEN
        self._probing += probe
        return Permit(self._era, self._clock(), probe)

    def leave(self, permit: Permit, outcome: Outcome) -> None:
        """Judge a call that :meth:`enter` let through."""
        if permit.era != self._era:
            return  # of an earlier state: its news are old
        now = self._clock()
        slow = now - permit.began >= self.policy.slow_s
        if permit.probe:
            self._probing -= 1
            self._judge_probe(outcome, slow)
        elif outcome is not Outcome.IGNORED:
            self._count(now, outcome is Outcome.BAD, slow)

    def _judge_probe(self, outcome: Outcome, slow: bool) -> None:
        if outcome is Outcome.IGNORED:
            return
        if outcome is Outcome.BAD or slow:
            self._pause = min(2 * self._pause, self.policy.longest_pause_s)
            self._turn(State.OPEN)
            return
        self._proved += 1
        if self._proved >= self.policy.probes:
            self._pause = self.policy.pause_s
            self._turn(State.CLOSED)

    def _count(self, now: float, bad: bool, slow: bool) -> None:
        if len(self._calls) == self._calls.maxlen:
            self._forget()
        while self._calls and self._calls[0][0] < now - self.policy.window_s:
            self._forget()
        self._calls.append((now, bad, slow))
        self._bad += bad
        self._slow += slow
        self._row = self._row + 1 if bad else 0
        rules, size = self.policy, len(self._calls)
        often = size >= rules.calls and (self._bad >= rules.failure_rate * size or self._slow >= rules.slow_rate * size)
        if self._row >= rules.in_a_row or often:
            self._turn(State.OPEN)

    def _forget(self) -> None:
        _, bad, slow = self._calls.popleft()
        self._bad -= bad
        self._slow -= slow

    def _turn(self, state: State) -> None:
        self._state, self._era = state, self._era + 1
        self._opened = self._clock()
        self._row = self._probing = self._proved = self._bad = self._slow = 0
        self._calls.clear()

    def _refusal(self, seconds: float) -> BreakerOpen:
        return BreakerOpen(
            f"{self.name} failed so often lately that it is left alone for {seconds:.1f} s.",
            "Send the request again then; look at its server's log if it stays so.",
            seconds,
        )
