"""Value at risk and expected shortfall of samples, with the standard error that sampling leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Estimate:
    """A figure and its Monte Carlo standard error, in one unit."""

    value: float
    standard_error: float


def value_at_risk(samples: npt.NDArray[np.floating[Any]], level: float) -> Estimate:
    """Return the return that falls short with probability ``level``.

    Parameters
    ----------
    samples : ndarray of shape (samples,)
        Independent returns.
    level : float
        Decimal: 0.05 for the 95 % value at risk.

    Notes
    -----
    The error is a quarter of the distance of the order statistics two binomial standard deviations to either side: the
    distribution-free interval of a quantile, which needs no density.
    """
    n = len(samples)
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    step = math.sqrt(n * level * (1 - level))
    low, high = (ordered[min(max(round(n * level + s * step), 0), n - 1)] for s in (-2, 2))
    return Estimate(float(np.quantile(ordered, level)), float(high - low) / 4)


def expected_shortfall(samples: npt.NDArray[np.floating[Any]], level: float) -> Estimate:
    """Return the mean of the ``level`` share of worst returns.

    Notes
    -----
    Error after Manistre and Hancock (2005), doi:10.1080/10920277.2005.10596207: the variance within the tail, plus that
    of where the tail begins.
    """
    n = len(samples)
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    whole = math.floor(n * level)
    part = n * level - whole
    edge = float(ordered[min(whole, n - 1)])
    value = (float(ordered[:whole].sum()) + part * edge) / (n * level)
    tail = ordered[: max(whole, 1)]
    variance = float(tail.var()) + (1 - level) * (value - edge) ** 2
    return Estimate(value, math.sqrt(variance / (n * level)))


def share(events: npt.NDArray[np.bool_]) -> Estimate:
    """Return the probability of an event, from whether each sample had it."""
    p = float(events.mean())
    return Estimate(p, math.sqrt(p * (1 - p) / len(events)))
