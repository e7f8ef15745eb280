"""Bars that should be there and are not: found by the exchange's calendar, filled when the gap is short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.data.bars import PRICES, SESSION_CLOSE, bar_length
from components.data.calendars import sessions


@dataclass(frozen=True)
class Gaps:
    """What is absent.

    Attributes
    ----------
    absent : DataFrame
        ``entity``, ``timestamp`` of every expected bar that is not there, and ``run``, the length of its gap in bars.
    expected : int
        Bars that should be there.
    """

    absent: pd.DataFrame
    expected: int


def find_gaps(bars: pd.DataFrame, bar: str, calendar: str) -> Gaps:
    """Find absent bars between each security's first and last one.

    Daily bars are compared with the exchange's sessions. Intraday bars are compared with the even grid between the
    first and the last bar of each UTC day, so late openings and early closes are no gaps.

    Parameters
    ----------
    bars : DataFrame
        Sorted bars without duplicates.
    calendar : str
        Name of the exchange's calendar; daily bars only.
    """
    parts, expected = [], 0
    held = _sessions(bars, calendar) if bar == "1d" else pd.DatetimeIndex([])
    for entity, group in bars.groupby("entity"):
        stamps = pd.DatetimeIndex(group["timestamp"])
        wanted = held[(held >= stamps[0]) & (held <= stamps[-1])] if bar == "1d" else _intraday(stamps, bar)
        expected += len(wanted)
        missing = ~wanted.isin(stamps)
        parts.append(pd.DataFrame({"entity": entity, "timestamp": wanted[missing], "run": _runs(missing)[missing]}))
    return Gaps(pd.concat(parts, ignore_index=True), expected)


def fill_gaps(bars: pd.DataFrame, gaps: Gaps, max_fill: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Forward-fill gaps of at most ``max_fill`` bars: all prices are the last close, volume is 0.

    Returns
    -------
    bars, filled : DataFrame
        All bars in order, and the entity and timestamp of those that were filled in.
    """
    filled = gaps.absent[gaps.absent["run"] <= max_fill]
    if filled.empty:
        return bars, filled[["entity", "timestamp"]]
    joined = pd.concat([bars, filled[["entity", "timestamp"]]]).sort_values(["entity", "timestamp"], kind="stable")
    joined["close"] = joined.groupby("entity")["close"].ffill()
    for name in PRICES[:3]:
        joined[name] = joined[name].fillna(joined["close"])
    return joined.fillna({"volume": 0.0}).reset_index(drop=True), filled[["entity", "timestamp"]]


def _sessions(bars: pd.DataFrame, calendar: str) -> pd.DatetimeIndex:
    return sessions(calendar, bars["timestamp"].min(), bars["timestamp"].max()).as_unit("ns") + SESSION_CLOSE


def _intraday(stamps: pd.DatetimeIndex, bar: str) -> pd.DatetimeIndex:
    per_day = pd.Series(stamps).groupby(stamps.normalize())
    step = bar_length(bar)
    grids = [pd.date_range(first, last, freq=step) for first, last in zip(per_day.min(), per_day.max(), strict=True)]
    return pd.DatetimeIndex(np.concatenate([g.to_numpy() for g in grids]))


def _runs(missing: np.ndarray) -> np.ndarray:
    """Return, at each true position, the length of the run of trues it belongs to."""
    starts = np.flatnonzero(np.diff(missing.astype(int), prepend=0) == 1)
    ends = np.flatnonzero(np.diff(missing.astype(int), append=0) == -1) + 1
    lengths = np.zeros(len(missing), dtype=int)
    for start, end in zip(starts, ends, strict=True):
        lengths[start:end] = end - start
    return lengths
