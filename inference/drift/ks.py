"""Two-sample Kolmogorov-Smirnov test of every column, with Holm's correction.

Sources
-------
- M. A. Stephens (1970), JRSS B 32(1), 115-122, doi:10.1111/j.2517-6161.1970.tb00821.x: the finite-sample form of the
  asymptotic p-value.
- S. Holm (1979), Scand. J. Stat. 6(2), 65-70, https://www.jstor.org/stable/4615733: step-down correction, which holds
  the family-wise error rate under any dependence between the columns.
"""

from __future__ import annotations

import numpy as np
from scipy.special import kolmogi, kolmogorov

from inference.drift.result import FloatArray, TestResult


def ks_distance(reference: FloatArray, window: FloatArray) -> float:
    """Return the largest distance between two empirical distribution functions.

    Parameters
    ----------
    reference : ndarray of shape (m,)
    window : ndarray of shape (n,)
    """
    points = np.concatenate([reference, window])
    below_reference = np.searchsorted(np.sort(reference), points, side="right") / len(reference)
    below_window = np.searchsorted(np.sort(window), points, side="right") / len(window)
    return float(np.abs(below_reference - below_window).max())


def stretch(rows: float, reference_rows: float) -> float:
    """Return Stephens' factor that turns a KS distance into a Kolmogorov variate."""
    root = np.sqrt(rows * reference_rows / (rows + reference_rows))
    return float(root + 0.12 + 0.11 / root)


def ks_p_value(distance: float, rows: int, reference_rows: int) -> float:
    """Return the asymptotic p-value of a distance, with Stephens' correction."""
    return float(kolmogorov(distance * stretch(rows, reference_rows)))


def ks_critical(alpha: float, rows: float, reference_rows: float) -> float:
    """Return the distance whose p-value is ``alpha``."""
    return float(kolmogi(alpha)) / stretch(rows, reference_rows)


def holm(p_values: FloatArray) -> FloatArray:
    """Return Holm-adjusted p-values, to be compared with the family-wise level itself.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def ks_test(reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float) -> list[TestResult]:
    """Test every column; ``reference`` is (m, k), ``window`` (n, k)."""
    n, m = len(window), len(reference)
    distances = [ks_distance(reference[:, j], window[:, j]) for j in range(len(columns))]
    adjusted = holm(np.array([ks_p_value(d, n, m) for d in distances]))
    threshold = ks_critical(alpha / len(columns), n, m)
    return [
        TestResult("ks", column, distance, float(p), threshold, alpha, bool(p <= alpha))
        for column, distance, p in zip(columns, distances, adjusted, strict=True)
    ]
