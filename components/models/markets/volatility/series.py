"""The return series behind overlapping windows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.markets.volatility.inputs import prepare

SAME = 1e-5
"""Returns of windows around different closes differ by their single precision, far below this."""


def return_series(data: Dataset) -> dict[str, FloatArray]:
    """Return each entity's daily log returns in time order, put together from the windows of its rows.

    Rows that purging left out are bridged by the windows after them, where those reach back far enough.
    """
    returns = prepare(data.inputs, 1.0).returns
    series: dict[str, FloatArray] = {}
    for entity in np.unique(data.entities.astype(str)):
        rows = np.flatnonzero(data.entities.astype(str) == entity)
        windows = returns[rows[np.argsort(data.times[rows], kind="stable")]]
        parts = [windows[0], *(b[-_shift(a, b) :] for a, b in pairwise(windows))]
        series[str(entity)] = np.concatenate(parts)
    return series


def _shift(before: FloatArray, after: FloatArray) -> int:
    """Return how many returns of ``after`` lie beyond ``before``; all of them where the windows do not overlap."""
    length = len(before)
    for days in range(1, length):
        if abs(after[length - days - 1] - before[-1]) < SAME and np.allclose(
            before[days:], after[: length - days], rtol=0, atol=SAME
        ):
            return days
    return length
