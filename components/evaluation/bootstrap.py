"""Circular block bootstrap of time series: intervals of any statistic, and the test of two Sharpe ratios.

Days follow each other for a reason: volatility clusters. Resampling whole blocks of consecutive times keeps what one
day tells about the next, and drawing them around a circle gives every time the same weight (Politis and Romano 1992, "A
circular block-resampling procedure for stationary data").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected
from components.evaluation.hypothesis_tests import TestResult, bandwidth, newey_west_variance

Vector = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
CHUNK = 2_000_000
"""Resampled times that are held at once."""


def block_indices(times: int, block: int, samples: int, seed: int) -> Iterator[Index]:
    """Draw circular blocks, a chunk of resamples at a time.

    Parameters
    ----------
    times : int
        Length of the series.
    block : int
        Length of a block, in times.
    samples : int
        How many resamples.
    seed : int
        Of the draws.

    Yields
    ------
    ndarray of int, shape (some samples, ceil(times / block) * block)
        Times of each resample, whole blocks: cut it to ``times`` where the length matters.

    Raises
    ------
    DataRejected
        If there are fewer than two blocks in the series, or no resample is asked for.
    """
    if not 1 <= block <= times // 2 or samples < 1:
        raise DataRejected(
            f"{samples} resamples of blocks of {block} from a series of {times} times.",
            "Ask for at least one resample, of blocks that fit twice into the series.",
        )
    generator = np.random.default_rng(seed)
    blocks = math.ceil(times / block)
    step = max(1, CHUNK // (blocks * block))
    for done in range(0, samples, step):
        starts = generator.integers(0, times, (min(step, samples - done), blocks))
        drawn = (starts[..., None] + np.arange(block)) % times
        yield drawn.reshape(len(drawn), -1)


def interval(
    statistic: Callable[[Any], float],
    series: npt.NDArray[Any],
    block: int,
    samples: int,
    seed: int,
    level: float = 0.9,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic of a series.

    Parameters
    ----------
    statistic : callable
        A resampled series, of the shape of ``series``, to a number.
    series : ndarray of shape (times, ...)
        In time order; what stands on one time is resampled together.
    block : int
        Length of a block, in times: at least as long as what clusters.
    samples : int
        Resamples.
    seed : int
        Of the draws.
    level : float
        Nominal coverage, decimal.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Examples
    --------
    >>> interval(lambda x: float(x.mean()), np.ones(100), block=5, samples=50, seed=7)
    (1.0, 1.0)

    Raises
    ------
    DataRejected
        As :func:`block_indices`, or if the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise DataRejected(f"The level of the interval is {level}.", "Give a share between 0 and 1, for example 0.9.")
    values = np.asarray(series)
    drawn = [
        statistic(values[index[: len(values)]])
        for chunk in block_indices(len(values), block, samples, seed)
        for index in chunk
    ]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def sharpe_difference(
    a: npt.NDArray[Any], b: npt.NDArray[Any], block: int, samples: int, seed: int, alpha: float = 0.05
) -> TestResult:
    """Test whether two strategies have the same Sharpe ratio.

    Parameters
    ----------
    a, b : ndarray of shape (times,)
        Returns of both over cash, decimal, at the same times in order.
    block : int
        Length of a block, in times.
    samples : int
        Resamples; the p-value is a multiple of 1 / (samples + 1).
    seed : int
        Of the draws.
    alpha : float
        Significance level of the verdict.

    Returns
    -------
    TestResult
        ``statistic`` is the Sharpe ratio of ``a`` less that of ``b``, per period (times the square root of the periods
        in a year for the annual one), not the studentised one.

    Notes
    -----
    Two-sided studentised bootstrap of Ledoit and Wolf (2008), doi:10.1016/j.jempfin.2008.03.002: the standard error of
    the series is Newey-West's, that of a resample is of its independent blocks (their equation 9).

    Raises
    ------
    DataRejected
        If the series differ in length, or as :func:`block_indices`.
    """
    pair = _pair(a, b)
    null = "both have the same Sharpe ratio"
    name = "Ledoit-Wolf Sharpe difference"
    rows = len(pair)
    if np.ptp(pair, axis=0).min() == 0 or np.ptp(pair[:, 0] - pair[:, 1]) == 0:
        why = f"not defined on {rows} times: a series is constant, or they differ by a constant"
        return TestResult(name, null, None, None, rows, why)
    difference, error = _studentised(pair)
    extreme = 0
    for chunk in block_indices(rows, block, samples, seed):
        drawn, drawn_error = _resampled(pair[chunk], block)
        extreme += int(np.sum(np.abs(drawn - difference) * error >= abs(difference) * drawn_error))
    p_value = (extreme + 1) / (samples + 1)
    how = "differ significantly" if p_value < alpha else "do not differ significantly"
    verdict = f"Sharpe ratios {how}: {difference:+.4f} a period (p = {p_value:.2g})"
    return TestResult(name, null, difference, p_value, rows, verdict)


def _pair(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Vector:
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise DataRejected(
            f"The returns of the two strategies have shapes {np.shape(a)} and {np.shape(b)}.",
            "Give one return per time for both, at the same times.",
        )
    return np.stack([a, b], axis=1).astype(np.float64)


def _influence(pair: Vector) -> tuple[Vector, Vector]:
    """Return Sharpe differences, and what each time (on the second last axis) adds to them in first order."""
    mean = pair.mean(axis=-2)
    variance = pair.var(axis=-2)
    deviation = np.sqrt(variance)
    ratio = mean / deviation
    scaled = (pair - mean[..., None, :]) / deviation[..., None, :]
    # Derivative of mean / deviation with respect to the first two moments, along the centred observations.
    each = scaled - ratio[..., None, :] * (scaled**2 - 1) / 2
    return ratio[..., 0] - ratio[..., 1], each[..., 0] - each[..., 1]


def _studentised(pair: Vector) -> tuple[float, float]:
    difference, each = _influence(pair)
    variance = newey_west_variance(each, bandwidth(len(each), 1))
    return float(difference), math.sqrt(max(variance, 1e-300) / len(each))


def _resampled(drawn: Vector, block: int) -> tuple[Vector, Vector]:
    difference, each = _influence(drawn)
    sums = each.reshape(len(each), -1, block).sum(axis=2)
    error = np.sqrt((sums**2).sum(axis=1)) / each.shape[1]
    return difference, error
