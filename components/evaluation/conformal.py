"""Split-conformal quantiles with the finite-sample correction. Imports numpy only, because models use it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def upper_quantile(scores: FloatArray, level: float) -> FloatArray:
    """Return per column the ``ceil((n + 1) * level)``-th smallest score.

    A new exchangeable score is at most this value with probability at least ``level``.

    Parameters
    ----------
    scores : ndarray of shape (rows, columns)
        Calibration scores.
    level : float
        Probability, decimal.

    Raises
    ------
    ValueError
        If there are too few rows for the level.

    Notes
    -----
    Vovk, Gammerman and Shafer (2005), doi:10.1007/b106715; Lei et al. (2018), doi:10.1080/01621459.2017.1307116.

    Examples
    --------
    >>> upper_quantile(np.arange(1.0, 20.0)[:, None], 0.9)
    array([18.])
    """
    rows = len(scores)
    rank = int(np.ceil((rows + 1) * level - 1e-9))
    if rank > rows:
        raise ValueError(
            f"{rows} calibration rows are too few for level {level}; {int(np.ceil(level / (1 - level)))} do"
        )
    ordered: FloatArray = np.sort(scores, axis=0)
    quantile: FloatArray = ordered[rank - 1]
    return quantile


def constant_width(errors: FloatArray, coverage: float) -> tuple[FloatArray, FloatArray]:
    """Return per column the distances below and above a point forecast that cover ``coverage`` of the errors.

    Parameters
    ----------
    errors : ndarray of shape (rows, columns)
        Actual minus forecast, on calibration rows.
    coverage : float
        Nominal coverage, decimal; each tail misses half of the rest.
    """
    tail = (1 + coverage) / 2
    return upper_quantile(-errors, tail), upper_quantile(errors, tail)
