"""Ex-post dating of bull, bear and sideways markets, with the time at which each date became certain.

A market turns when it has moved by a fifth against its direction (Lunde and Timmermann 2004,
doi:10.1198/073500104000000136; 20 % either way). Inside a phase, a spell of more than a quarter without a new extreme
in the phase's direction (no new high of a bull market, no new low of a bear market) is sideways. The extremes
themselves belong to the phase.

Dating looks ahead: what a day was is certain once the market makes a new extreme, or has turned. That time is what a
split must purge with.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

REGIMES: Final = ("bull", "sideways", "bear")
BULL, SIDEWAYS, BEAR = range(3)
SWING: Final = 0.2
"""Smallest move between two turning points, decimal: the usual definition of a bear market."""

QUARTER: Final = 63
"""Longest time without a new extreme that still counts as trending, trading days."""

IntArray = npt.NDArray[np.int64]


def date_regimes(
    close: npt.NDArray[np.float64], swing: float = SWING, quarter: int = QUARTER
) -> tuple[IntArray, IntArray]:
    """Date every close.

    Parameters
    ----------
    close : ndarray of shape (times,)
        Positive prices in time order.
    swing : float
        Move that makes a turn, decimal.
    quarter : int
        In times.

    Returns
    -------
    regime : ndarray of int, shape (times,)
        Index into :data:`REGIMES`; -1 where it is not certain yet.
    certain : ndarray of int, shape (times,)
        Index of the time at which the regime became certain, later than the time itself; ``times`` where it is not.
        What comes after that time changes nothing.
    """
    phase, certain = _phases(np.log(close), np.log1p(swing), -np.log1p(-swing))
    regime = phase.copy()
    edges = np.flatnonzero(np.diff(phase)) + 1
    for start, stop in zip([0, *edges], [*edges, len(close)], strict=True):
        if phase[start] >= 0:
            sign = 1.0 if phase[start] == BULL else -1.0
            # One time more: the extreme that ends the last spell of a phase may be where certainty ends.
            _mark_sideways(sign * np.log(close[start : stop + 1]), quarter, regime[start:stop])
    return regime, certain


def _phases(log_close: npt.NDArray[np.float64], up: float, down: float) -> tuple[IntArray, IntArray]:
    """Return the phase of each time (bull, bear or -1), and when it was certain."""
    times = len(log_close)
    phase, certain = np.full(times, -1, dtype=np.int64), np.full(times, times, dtype=np.int64)
    first = _first_turn(log_close, up, down)
    if first is None:
        return phase, certain
    now, extreme, rising = first
    # An extreme belongs to the phase that it ended; the very first day ended none.
    ended = extreme + 1 if extreme else 0
    phase[:ended], phase[ended:now] = (BEAR, BULL) if rising else (BULL, BEAR)
    certain[:now] = now
    extreme = now
    for i in range(now + 1, times):
        back = (log_close[extreme] - log_close[i]) * (1 if rising else -1)
        turned = back >= (down if rising else up)
        if back < 0 or turned:
            phase[extreme] = BULL if rising else BEAR
            rising ^= turned
            # A turn dates what followed the extreme to the new phase, and the extreme itself to the one it ended.
            phase[extreme + 1 : i] = BULL if rising else BEAR
            certain[extreme:i] = i
            extreme = i
    return phase, certain


def _first_turn(log_close: npt.NDArray[np.float64], up: float, down: float) -> tuple[int, int, bool] | None:
    """Return when the first swing was complete, where it began, and whether it rose; None if there was none."""
    high = low = 0
    for i, value in enumerate(log_close):
        high = i if value > log_close[high] else high
        low = i if value < log_close[low] else low
        if value - log_close[low] >= up:
            return i, low, True
        if log_close[high] - value >= down:
            return i, high, False
    return None


def _mark_sideways(path: npt.NDArray[np.float64], quarter: int, regime: IntArray) -> None:
    """Mark, in place, spells between two successive new highs of ``path`` that last longer than a quarter."""
    record = np.maximum.accumulate(path)
    highs = np.flatnonzero(np.concatenate([[True], path[1:] > record[:-1]]))
    for start, stop in pairwise(highs):
        if stop - start > quarter:
            regime[start + 1 : stop] = SIDEWAYS
