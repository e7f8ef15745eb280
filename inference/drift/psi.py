"""Population stability index of every column.

``PSI = sum_b (p_b - q_b) ln(p_b / q_b)`` over bins that hold equal shares of the reference. The usual rule of thumb
(0.2) knows no sample size: with few rows, PSI is large by chance. Without drift ``PSI / (1/n + 1/m)`` is close to a
chi-squared variate with ``bins - 1`` degrees of freedom, so a column counts as drifted only when PSI is above the rule
*and* above what chance explains.

Source: B. Yurdakul (2018), Statistical Properties of Population Stability Index, Western Michigan University,
https://scholarworks.wmich.edu/dissertations/3208.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, chdtri

from inference.drift.ks import holm
from inference.drift.result import FloatArray, TestResult

BINS = 10


def psi(reference: FloatArray, window: FloatArray, bins: int = BINS) -> tuple[float, int]:
    """Return the index of one column and the number of bins it was computed with.

    Parameters
    ----------
    reference : ndarray of shape (m,)
        Its quantiles are the bin edges. Ties merge bins, so that a column of few values has fewer of them.
    window : ndarray of shape (n,)
        Rows beyond the reference's range fall into the outer bins.

    Notes
    -----
    Half a row is added to each bin (Jeffreys), which keeps the logarithm finite for an empty bin.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins))
    inside = len(edges) + 1
    expected = np.bincount(np.searchsorted(edges, reference, side="left"), minlength=inside) + 0.5
    found = np.bincount(np.searchsorted(edges, window, side="left"), minlength=inside) + 0.5
    q, p = expected / expected.sum(), found / found.sum()
    return float(np.sum((p - q) * np.log(p / q))), inside


def psi_test(
    reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float, threshold: float = 0.2
) -> list[TestResult]:
    """Test every column; ``threshold`` is the rule of thumb."""
    scale = 1 / len(window) + 1 / len(reference)
    indices = [psi(reference[:, j], window[:, j]) for j in range(len(columns))]
    p_values = np.array([float(chdtrc(max(bins - 1, 1), index / scale)) for index, bins in indices])
    results = []
    for column, (index, bins), p in zip(columns, indices, holm(p_values), strict=True):
        chance = float(chdtri(max(bins - 1, 1), alpha / len(columns))) * scale
        drift = bool(p <= alpha and index > threshold)
        results.append(TestResult("psi", column, index, float(p), max(threshold, chance), alpha, drift))
    return results
