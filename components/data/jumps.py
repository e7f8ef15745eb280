"""Bars that deserve a look: extreme changes, splits that nobody adjusted for, moves without volume."""

from __future__ import annotations

import numpy as np
import pandas as pd

SPLITS = ((4, 3), (3, 2), (5, 3), (2, 1), (5, 2), (3, 1), (4, 1), (5, 1), (10, 1), (20, 1))
"""Common ratios of new to old shares; the inverses are reverse splits."""

SPLIT_TOLERANCE = 0.05
"""Largest log distance of the price ratio from a factor."""

CALM = 0.35
"""A split moves the price between bars, not within: the bar's own log range stays below this."""


def extreme_changes(bars: pd.DataFrame, limit: float) -> pd.DataFrame:
    """Return bars whose close changed by more than ``limit`` (decimal) from the bar before; document 2: keep them."""
    change = bars["close"] / bars.groupby("entity")["close"].shift(1) - 1.0
    found = bars.loc[change.abs() > limit, ["entity", "timestamp"]].copy()
    found["detail"] = [f"close changed by {c:+.1%}" for c in change[found.index]]
    return found


def split_like(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars that look like the first after an unadjusted split.

    The open over the previous close is near the inverse of a common split factor, the close agrees with it, and the
    bar itself is calm. A split-adjusted series has none, save a rare crash of exactly that size; hence flagged, not
    rejected.
    """
    previous = bars.groupby("entity")["close"].shift(1)
    gap = np.log(bars["open"] / previous)
    stay = np.log(bars["close"] / previous)
    sizes = np.log([new / old for new, old in SPLITS])
    factors = np.concatenate([-sizes, sizes])
    distance = np.abs(np.asarray(gap)[:, None] - factors)
    nearest = np.nan_to_num(distance, nan=np.inf).argmin(axis=1)
    close_to = np.abs(stay - factors[nearest]) < 2 * SPLIT_TOLERANCE
    calm = np.log(bars["high"] / bars["low"]) < CALM
    hit = (distance.min(axis=1) < SPLIT_TOLERANCE) & close_to & calm
    found: pd.DataFrame = bars.loc[hit, ["entity", "timestamp"]].copy()
    found["detail"] = [
        f"opened at {np.exp(g):.3f} times the last close: like a {_name(n)}"
        for g, n in zip(gap[hit], nearest[hit], strict=True)
    ]
    return found


def silent_moves(bars: pd.DataFrame) -> pd.DataFrame:
    """Return bars that moved without volume, of securities that otherwise have volume."""
    traded = bars.groupby("entity")["volume"].transform("max") > 0
    silent = traded & (bars["volume"] == 0) & (bars["high"] > bars["low"])
    found: pd.DataFrame = bars.loc[silent, ["entity", "timestamp"]].copy()
    found["detail"] = "the price moved but the volume is 0"
    return found


def _name(index: int) -> str:
    new, old = SPLITS[index % len(SPLITS)]
    return f"{new}:{old} split" if index < len(SPLITS) else f"{old}:{new} reverse split"
