"""Counts failed authentications per address, so that nobody can try credentials at leisure."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from inference.gateway.limits.refusals import RateLimited

MOST_ADDRESSES = 10_000
WINDOW_S = 60.0


class Failures:
    """Failed authentications by address, within this process.

    Parameters
    ----------
    per_minute : int
        Failures of one address that are tolerated in a window of a minute, which opens with the first of them.
    clock : callable
        Seconds.
    """

    def __init__(self, per_minute: int = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that failed too often.

        Raises
        ------
        RateLimited
            With the seconds until its window ends.
        """
        if not self._counts:
            return
        since, count = self._counts.get(address, (0.0, 0))
        left = since + WINDOW_S - self._clock()
        if count >= self.per_minute and left > 0:
            raise RateLimited(
                f"{count} requests from this address had no valid credentials.", left, limit=self.per_minute
            )

    def note(self, address: str) -> None:
        """Count a failure."""
        now = self._clock()
        since, count = self._counts.pop(address, (now, 0))
        self._counts[address] = (since, count + 1) if now < since + WINDOW_S else (now, 1)
        while len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)
