"""Horizons by name: their length in bars and their order. Also the choice of the security that a chart shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

BARS = {
    "bar": 1.0,
    "minute": 0.003,
    "hour": 0.15,
    "day": 1.0,
    "week": 5.0,
    "month": 21.0,
    "quarter": 63.0,
    "year": 252.0,
}


def horizon_bars(name: str) -> float:
    """Return the usual length of a horizon in daily bars: ``1_month`` is 21; unknown names count as infinite."""
    amount, _, unit = str(name).partition("_")
    return (float(amount) if amount.isdigit() else 1.0) * BARS.get(unit.rstrip("s"), float("inf"))


def order_horizons(names: Iterable[str]) -> list[str]:
    """Return the distinct names, shortest horizon first."""
    return sorted(dict.fromkeys(str(name) for name in names), key=horizon_bars)


def pick_entity(frame: pd.DataFrame, entity: str = "") -> str:
    """Return ``entity`` if the frame has it, else the one with most rows (the first by name among equals)."""
    counts = frame["entity"].astype(str).value_counts()
    return entity if entity in counts.index else str(counts[counts == counts.max()].index.min())
