"""How many rows a window needs before it may be judged.

Let the two distributions differ by ``d`` at the point where they differ most. There the difference of the empirical
distribution functions is about normal with mean ``d`` and variance at most ``(1/n + 1/m) / 4``, and the KS distance is
never smaller. So the power of the two-sample test with critical distance ``c`` is at least ``Phi((d - c) / sqrt((1/n +
1/m) / 4))``, whatever the shapes. The smallest ``n`` for which this bound reaches the wanted power is therefore on the
safe side.

Source: F. J. Massey (1950), A Note on the Power of a Non-Parametric Test, Ann. Math. Stat. 21(3), 440-443,
doi:10.1214/aoms/1177729805; the two-sample form follows by adding the variances.

The bound takes rows to be independent. Overlapping look-back windows are not: consecutive rows share most of their
history, so a window of n such rows holds less than n rows of information, both sides of the comparison alarm too often,
and thinning (:class:`inference.drift.window.Window`) is the remedy.
"""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtr

from inference.drift.ks import ks_critical

LARGEST = 1_000_000


def ks_power(rows: int, reference_rows: int, effect: float, alpha: float) -> float:
    """Return a lower bound of the probability to detect a KS distance of ``effect`` at level ``alpha``."""
    deviation = sqrt((1 / rows + 1 / reference_rows) / 4)
    return float(ndtr((effect - ks_critical(alpha, rows, reference_rows)) / deviation))


def minimum_rows(reference_rows: int, columns: int, alpha: float, power: float, effect: float) -> int | None:
    """Return the smallest window that reaches the wanted power in each column after correction.

    Parameters
    ----------
    reference_rows : int
        Size of the reference sample.
    columns : int
        Number of columns tested at once; the level per column is ``alpha / columns``, Holm's first step.
    alpha : float
        Family-wise level of the test.
    power : float
        Wanted probability of detection in one drifted column, decimal.
    effect : float
        Smallest KS distance that matters, decimal.

    Returns
    -------
    int or None
        None if no window is large enough, because the reference itself is too small.
    """
    level = alpha / columns
    if reference_rows < 2 or ks_power(LARGEST, reference_rows, effect, level) < power:
        return None
    low, high = 2, LARGEST
    while low < high:
        middle = (low + high) // 2
        if ks_power(middle, reference_rows, effect, level) >= power:
            high = middle
        else:
            low = middle + 1
    return low
