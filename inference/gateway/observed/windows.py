"""Spans of time that may be asked about, and whole numbers of milliseconds as exact percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, Field

Window = Literal["5m", "15m", "1h", "6h", "24h", "7d", "30d"]
WINDOWS: tuple[Window, ...] = get_args(Window)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Milliseconds(BaseModel):
    """A distribution of times, to the millisecond."""

    average: float = Field(examples=[42.5])
    p50: int = Field(examples=[38])
    p95: int = Field(examples=[97])
    p99: int = Field(examples=[180])


def length(window: Window) -> timedelta:
    """Return how long a window is.

    Examples
    --------
    >>> length("7d").days
    7
    """
    return timedelta(**{_UNITS[window[-1]]: int(window[:-1])})


def since(window: Window, now: datetime) -> datetime:
    """Return when a window that ends now began."""
    return now - length(window)


def distribution(counts: Mapping[int, int]) -> Milliseconds | None:
    """Return average and percentiles of values given as {milliseconds: how many}; None without any.

    A percentile is the smallest value that the share of all values does not exceed (nearest rank).

    Examples
    --------
    >>> distribution({10: 95, 200: 5}).p95
    10
    >>> distribution({10: 95, 200: 5}).p99
    200
    """
    total = sum(counts.values())
    if not total:
        return None
    average = sum(value * count for value, count in counts.items()) / total
    ranks = {name: -(-total * percent // 100) for name, percent in (("p50", 50), ("p95", 95), ("p99", 99))}
    found: dict[str, int] = {}
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        for name, rank in ranks.items():
            if seen >= rank:
                found.setdefault(name, value)
    return Milliseconds(average=round(average, 3), **found)
