"""Drawdowns: how far below its peak a value is, and how long until it has regained it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]


def drawdown(values: Floats) -> Floats:
    """Return the loss from the highest value so far, decimal and never negative.

    Parameters
    ----------
    values : ndarray of shape (times, ...)
        Prices or wealth, positive.
    """
    peak = np.maximum.accumulate(values, axis=0)
    fallen: Floats = 1 - values / peak
    return fallen


def max_drawdown(wealth: Floats) -> Floats:
    """Return the deepest drawdown of each path that starts at 1, decimal, shape (paths,).

    Parameters
    ----------
    wealth : ndarray of shape (days, paths)
        What 1 has become; the start itself is not among the days.
    """
    peak = np.ones(wealth.shape[1], dtype=wealth.dtype)
    lowest = np.ones_like(peak)
    for values in wealth:
        np.maximum(peak, values, out=peak)
        np.minimum(lowest, values / peak, out=lowest)
    deepest: Floats = 1 - lowest
    return deepest


def recovery_times(values: npt.ArrayLike, depth: float) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """Return how long each drawdown of at least ``depth`` took from there to the old peak.

    Parameters
    ----------
    values : array of shape (times,)
        Prices of one asset or index, positive.
    depth : float
        Decimal, above 0.

    Returns
    -------
    durations : ndarray of shape (episodes,)
        Periods from the first time the drawdown was that deep.
    observed : ndarray of bool, shape (episodes,)
        False where the values end before the peak is regained: the true time is longer (censored).
    """
    fallen = drawdown(np.asarray(values, dtype=np.float64))
    # A spell runs from one peak to the next; its number is that of the peak it began at.
    peaks = np.flatnonzero(fallen <= 0)
    spell = np.searchsorted(peaks, np.arange(len(fallen)), side="right")
    deep = np.flatnonzero(fallen >= depth)
    number, first = np.unique(spell[deep], return_index=True)
    observed: npt.NDArray[np.bool_] = number < len(peaks)
    ends = np.append(peaks, len(fallen) - 1)[number]
    return (ends - deep[first]).astype(np.float64), observed


def survival(durations: npt.ArrayLike, observed: npt.ArrayLike, at: npt.ArrayLike) -> Vector:
    """Return the share that lasts longer than each of the given times, with censored durations allowed for.

    Kaplan and Meier (1958), doi:10.1080/01621459.1958.10501452.

    Parameters
    ----------
    durations : array of shape (episodes,)
    observed : array of bool, shape (episodes,)
        Whether the duration ended, or only its watching.
    at : array of shape (times,)
        Times, in the unit of the durations.

    Returns
    -------
    ndarray of shape (times,)
        1 where there are no episodes.
    """
    lasted, ended = np.asarray(durations, np.float64), np.asarray(observed, np.bool_)
    times = np.unique(lasted[ended])
    at_risk = (lasted[None, :] >= times[:, None]).sum(axis=1)
    ends = ((lasted[None, :] == times[:, None]) & ended[None, :]).sum(axis=1)
    left = np.concatenate([[1.0], np.cumprod(1 - ends / at_risk)])
    found: Vector = left[np.searchsorted(times, np.asarray(at, np.float64), side="right")]
    return found
