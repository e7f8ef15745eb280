"""Lane: one kind of request to one model, with a bulkhead, a breaker, a retry budget and connections of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from inference.gateway.calls.breaker import Breaker, BreakerPolicy, Outcome
from inference.gateway.calls.bulkhead import Bulkhead
from inference.gateway.calls.deadline import Deadline, deadline_of
from inference.gateway.calls.retries import RetryBudget, worth_retrying
from inference.gateway.problems import ModelDown, ModelSlow
from inference.router.backend import Backend, BackendFailed, BackendSlow, Headers, Response
from inference.telemetry.sending import send

NO_ANSWER = frozenset({502, 503, 504})
"""Statuses that a proxy, or a model that cannot answer now, gives instead of an answer."""

SLOW_SHARE = 0.5
"""Share of the time-out from when on an answer counts as slow."""


@dataclass(frozen=True)
class LaneRules:
    """What a lane allows.

    Attributes
    ----------
    timeout_s : float
        Longest answer, seconds.
    limit : int
        Most requests under way.
    line : int
        Most requests that wait for a place.
    wait_s : float
        Longest such wait, seconds.
    idempotent : bool
        Whether a request may be sent twice.
    guarded : bool
        Whether an open breaker refuses requests. It does not for metadata and readiness, which people ask to find out
        what is wrong.
    """

    timeout_s: float
    limit: int
    line: int
    wait_s: float = 0.1
    idempotent: bool = False
    guarded: bool = True


class Lane:
    """Sends one kind of request to one model.

    Parameters
    ----------
    name : str
        What is asked, for messages: ``Model 'tiny'``.
    backend : Backend
        Its connections.
    rules : LaneRules
    retried : callable
        Called for each retry.
    """

    def __init__(self, name: str, backend: Backend, rules: LaneRules, retried: Callable[[], None]) -> None:
        self.name, self.backend, self.rules, self._retried = name, backend, rules, retried
        self.bulkhead = Bulkhead(name, rules.limit, rules.line, rules.wait_s)
        self.breaker = Breaker(name, BreakerPolicy(slow_s=SLOW_SHARE * rules.timeout_s))
        self.budget = RetryBudget()

    async def ask(self, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        """Send a request and return the answer, whatever its status.

        Raises
        ------
        ModelBusy, ModelSlow, ModelDown, BreakerOpen
            Without an answer.
        InvalidRequest
            If the client's time-out is none.
        """
        deadline = deadline_of(headers, self.rules.timeout_s)
        if self.rules.guarded:
            self.breaker.check()  # before a place in the line is taken
        async with self.bulkhead.enter(deadline.remaining()):
            if not self.rules.guarded:
                return await self._send(method, target, headers, body, deadline)
            permit, outcome = self.breaker.enter(), Outcome.IGNORED
            try:
                response = await self._send(method, target, headers, body, deadline)
                outcome = Outcome.BAD if response.status in NO_ANSWER else Outcome.GOOD
                return response
            except ModelDown:
                outcome = Outcome.BAD
                raise
            except ModelSlow:
                # A client that waits for less than the model may take says nothing about the model.
                short = deadline.asked and deadline.allowed_s < self.breaker.policy.slow_s
                outcome = Outcome.IGNORED if short else Outcome.BAD
                raise
            finally:
                self.breaker.leave(permit, outcome)

    async def _send(self, method: str, target: bytes, headers: Headers, body: bytes, deadline: Deadline) -> Response:
        self.budget.earn()
        outcome = await self._attempt(method, target, headers, body, deadline)
        if self.rules.idempotent and worth_retrying(outcome) and self.budget.take():
            await asyncio.sleep(min(self.budget.pause(), deadline.remaining()))
            self._retried()
            outcome = await self._attempt(method, target, headers, body, deadline)
        if isinstance(outcome, Response):
            return outcome
        raise self._error(outcome, deadline) from outcome

    async def _attempt(
        self, method: str, target: bytes, headers: Headers, body: bytes, deadline: Deadline
    ) -> Response | BackendFailed:
        try:
            return await send(self.backend, method, target, deadline.onward(headers), body, deadline.remaining())
        except BackendFailed as error:
            return error

    def _error(self, failure: BackendFailed, deadline: Deadline) -> ModelSlow | ModelDown:
        if isinstance(failure, BackendSlow):
            allowed = f"{deadline.allowed_s:.3g}" if deadline.asked else f"{deadline.allowed_s:g}"
            slow = ModelSlow(f"{self.name} did not answer within {allowed} s.", "Send fewer rows, or ask again later.")
            slow.own = deadline.asked
            return slow
        return ModelDown(f"{self.name} cannot be reached: its server {failure}.", "Send the request again in a second.")
