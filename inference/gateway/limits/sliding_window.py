"""Counts requests of the last hour in minutes, within one process.

A request counts until its minute is an hour old, so that no hour, wherever it begins, holds more than the limit: unlike
a token bucket or a pair of weighted counters, which let through up to twice as many at worst. The price is that an
allowance comes back up to a minute late.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from dataclasses import dataclass

WIDTH_S = 60.0
BUCKETS = 60
MOST_KEYS = 50_000


@dataclass(frozen=True)
class Grant:
    """What was given.

    Attributes
    ----------
    given : int
        Permits, at most as many as were wanted.
    limit, remaining : int
        Permits per hour, and those left.
    reset_s : float
        When the oldest ones come back, seconds.
    lapse_s : float
        When permits that are not used lapse: the end of the minute that they were counted in, seconds.
    """

    given: int
    limit: int
    remaining: int
    reset_s: float
    lapse_s: float


@dataclass
class _Count:
    minutes: deque[list[int]]
    total: int = 0


class SlidingWindow:
    """Counts by key; the key asked longest ago is forgotten first.

    Parameters
    ----------
    most_keys : int
        Keys held.
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self.most_keys = most_keys
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def take(self, key: str, limit: int, wanted: int, now: float) -> Grant:
        """Take up to ``wanted`` permits at time ``now``, seconds."""
        minute = math.floor(now / WIDTH_S)
        count = self._current(key, minute)
        given = max(0, min(wanted, limit - count.total))
        self._add(count, minute, given)
        oldest = count.minutes[0][0] if count.minutes else minute
        return Grant(
            given,
            limit,
            max(0, limit - count.total),
            (oldest + BUCKETS + 1) * WIDTH_S - now,
            (minute + 1) * WIDTH_S - now,
        )

    def note(self, key: str, permits: int, now: float) -> None:
        """Count permits that somebody else gave."""
        minute = math.floor(now / WIDTH_S)
        self._add(self._current(key, minute), minute, permits)

    def _current(self, key: str, minute: int) -> _Count:
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(deque())
            while len(self._counts) > self.most_keys:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(key)
        while count.minutes and minute - count.minutes[0][0] > BUCKETS:
            count.total -= count.minutes.popleft()[1]
        return count

    @staticmethod
    def _add(count: _Count, minute: int, permits: int) -> None:
        if permits <= 0:
            return
        count.total += permits
        if count.minutes and count.minutes[-1][0] >= minute:
            count.minutes[-1][1] += permits
        else:
            count.minutes.append([minute, permits])
