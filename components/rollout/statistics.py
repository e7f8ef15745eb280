"""The few statistics that the judge needs, exact where an exact form exists."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def binomial_bounds(successes: int, trials: int, alpha: float) -> tuple[float, float]:
    """Return one-sided Clopper-Pearson bounds of a probability, each with error ``alpha``.

    Clopper and Pearson (1934), doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    if trials == 0:
        return 0.0, 1.0
    low = float(betaincinv(successes, trials - successes + 1, alpha)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1.0 - alpha)) if successes < trials else 1.0
    return low, high


def excess_p_value(errors: int, trials: int, base_errors: int, base_trials: int) -> float:
    """Return Fisher's one-sided p-value for "the first proportion is not larger than the second".

    0 when there is nothing to compare with: then nothing excuses the errors.
    """
    from scipy.stats import hypergeom

    if base_trials == 0:
        return 0.0
    total, bad = trials + base_trials, errors + base_errors
    return float(hypergeom.sf(errors - 1, total, bad, trials))


def quantile_bounds(ordered: Sequence[float], q: float, alpha: float) -> tuple[float, float]:
    """Return distribution-free one-sided bounds of a quantile from order statistics, each with error ``alpha``.

    Parameters
    ----------
    ordered : sequence of float
        Ascending sample.
    q : float
        Which quantile, decimal.
    alpha : float
        Error of each bound.

    Returns
    -------
    tuple of float
        Minus or plus infinity where the sample is too small for a bound. David and Nagaraja, Order Statistics, 7.1.
    """
    from scipy.special import bdtr

    n = len(ordered)
    if n == 0:
        return -math.inf, math.inf
    below = bdtr(np.arange(n + 1, dtype=float), n, q)  # P(at most k values lie below the quantile)
    lower_rank = int(np.searchsorted(below, alpha, side="right"))
    upper_rank = int(np.searchsorted(below, 1.0 - alpha, side="left")) + 1
    low = ordered[lower_rank - 1] if lower_rank >= 1 else -math.inf
    high = ordered[upper_rank - 1] if upper_rank <= n else math.inf
    return low, high


def moved_share(first: Sequence[float], second: Sequence[float], tolerance: float = 0.0) -> float:
    """Return the share of predictions that must have moved by more than ``tolerance`` between two samples, decimal.

    The two-sample Kolmogorov-Smirnov distance that forgives shifts up to ``tolerance``: the larger of
    ``sup F(x) - G(x + tolerance)`` and ``sup G(x) - F(x + tolerance)``. By Strassen's theorem no pairing of the two
    distributions leaves a smaller share of pairs further apart than ``tolerance``; with tolerance 0 it is the usual
    distance. Strassen (1965), doi:10.1214/aoms/1177700153.
    """
    a, b = np.sort(np.asarray(first, dtype=float)), np.sort(np.asarray(second, dtype=float))
    if not len(a) or not len(b):
        return math.nan
    return max(0.0, _one_sided(a, b, tolerance), _one_sided(b, a, tolerance))


def _one_sided(a: np.ndarray, b: np.ndarray, tolerance: float) -> float:
    """``sup F_a(x) - F_b(x + tolerance)``; the supremum is attained at a point of ``a``."""
    own = np.searchsorted(a, a, side="right") / len(a)
    other = np.searchsorted(b, a + tolerance, side="right") / len(b)
    return float(np.max(own - other))


def distance_margin(first: int, second: int, alpha: float) -> float:
    """Return the half-width of the confidence band around a two-sample Kolmogorov-Smirnov distance.

    ``sqrt(ln(2 / alpha) / (2 n))`` with ``n`` the effective sample: Massart (1990), doi:10.1214/aop/1176990746, and for
    two samples Wei and Dudley (2012), doi:10.1016/j.spl.2011.11.012; asymptotic where the distributions differ.
    """
    n = effective_sample(first, second)
    return math.sqrt(math.log(2.0 / alpha) / (2.0 * n)) if n else math.inf


def effective_sample(first: int, second: int) -> float:
    """Return ``first * second / (first + second)``, the sample size of a two-sample comparison."""
    return first * second / (first + second) if first and second else 0.0
