"""Overload: refuse early, before any work is done, what this process could only answer late.

Two signs tell it: more requests under way than ``max_in_flight``, and an event loop that comes back late from every
sleep. The smallest delay of the last few counts, as in CoDel (Nichols and Jacobson, doi:10.1145/2208917.2209336): one
long pause, such as a large body's parsing, is no overload; a delay that never goes away is.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from inference.gateway.background import lasting
from inference.gateway.problems import Overloaded

if TYPE_CHECKING:
    from inference.gateway.config import GatewaySettings
    from inference.gateway.metrics import GatewayMetrics

NEVER_SHED = ("/healthz", "/ready", "/metrics", "/admin")
"""What people and the cluster need most when a process is in trouble."""

INTERVAL_S = 0.1
SAMPLES = 5
RETRY_S = 1.0


class Overload:
    """Counts the requests under way, watches the event loop, and refuses.

    Parameters
    ----------
    config : GatewaySettings
        ``max_in_flight`` bounds the requests under way.
    metrics : GatewayMetrics
        Of the process.
    most_lag_s : float
        Delay of the event loop beyond which requests are refused, seconds.

    Attributes
    ----------
    in_flight : int
        Requests under way.
    """

    def __init__(self, config: GatewaySettings, metrics: GatewayMetrics, most_lag_s: float = 0.5) -> None:
        self.most, self.most_lag_s = config.max_in_flight, most_lag_s
        self.in_flight = 0
        self._lags: deque[float] = deque(maxlen=SAMPLES)
        self._watching: asyncio.Task[None] | None = None
        self._shed = Counter(
            "arthaflow_gateway_shed", "Requests refused before any work.", ("reason",), registry=metrics.registry
        )
        lag = Gauge("arthaflow_gateway_loop_lag_seconds", "How late the event loop is.", registry=metrics.registry)
        lag.set_function(self.lag)

    async def start(self) -> None:
        """Watch the event loop until :meth:`close`."""
        self._watching = lasting(self._watch(), "watching the event loop")

    async def close(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
            self._watching = None

    def lag(self) -> float:
        """Return how late the event loop has been at least, lately, seconds."""
        if len(self._lags) < SAMPLES:
            return 0.0
        return min(self._lags)

    @contextmanager
    def enter(self, path: str = "") -> Iterator[None]:
        """Count a request while the block runs.

        Parameters
        ----------
        path : str
            Of the request: health and administration are never refused.

        Raises
        ------
        Overloaded
            Before any work is done.
        """
        if not path.startswith(NEVER_SHED):
            self._admit()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def _admit(self) -> None:
        if self.in_flight >= self.most:
            self._refuse("full", f"The gateway has {self.in_flight} requests under way, the most it may have.")
        lag = self.lag()
        if lag > self.most_lag_s:
            self._refuse("lag", f"The gateway is {lag:.1f} s behind with its work.")

    def _refuse(self, reason: str, problem: str) -> None:
        self._shed.labels(reason).inc()
        error = Overloaded(problem, "Send the request again in a second; add replicas if this stays so.")
        error.retry_after_s = RETRY_S
        raise error

    async def _watch(self) -> None:
        while True:
            due = time.monotonic() + INTERVAL_S
            await asyncio.sleep(INTERVAL_S)
            self._lags.append(max(0.0, time.monotonic() - due))
