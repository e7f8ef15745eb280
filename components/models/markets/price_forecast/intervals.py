"""Intervals: a volatility blend scaled to each horizon, and split-conformal quantiles of the standardised errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.evaluation.conformal import upper_quantile
from components.models.contract import FloatArray


@dataclass(frozen=True)
class Intervals:
    """Calibrated intervals of log returns.

    Attributes
    ----------
    loadings : ndarray, shape (horizons, variances + 1)
        Non-negative loadings on the variance estimates and on the long-run variance.
    long_run : float
        Mean realised variance of one bar on the calibration rows.
    low, high : ndarray, shape (horizons,)
        Standardised distances from the point down to the lower and up to the upper end; each tail has half the miss
        rate.
    tail_95 : ndarray, shape (horizons,)
        Standardised distance from the point that 95 % of the falls stay within, for value at risk.
    """

    loadings: FloatArray
    long_run: float
    low: FloatArray
    high: FloatArray
    tail_95: FloatArray

    def sigma(self, variances: FloatArray, steps: FloatArray) -> FloatArray:
        """Return the volatility of the log return to each horizon, shape (rows, horizons), decimal."""
        return _sigma(variances, self.loadings, self.long_run, steps)


def _sigma(variances: FloatArray, loadings: FloatArray, long_run: float, steps: FloatArray) -> FloatArray:
    # An explicit sum instead of a matrix product: BLAS rounds a batch and its single rows differently.
    total = np.zeros((len(variances), len(steps))) + loadings[:, -1] * long_run
    for k in range(variances.shape[1]):
        total += variances[:, k, None] * loadings[:, k]
    sigma: FloatArray = np.sqrt(total * steps)
    return sigma


def fit_intervals(
    errors: FloatArray, variances: FloatArray, steps: FloatArray, coverage: float, realised: int = 0
) -> Intervals:
    """Fit the volatility blend by quasi-likelihood, then take conformal quantiles of the standardised errors.

    Parameters
    ----------
    errors : ndarray of shape (rows, horizons)
        Log return that came minus the point forecast, on calibration rows.
    variances : ndarray of shape (rows, variances)
        Variance estimates of one bar's log return.
    steps : ndarray of shape (horizons,)
        Bars ahead of each horizon.
    coverage : float
        Nominal coverage, decimal; each tail misses ``(1 - coverage) / 2``.
    realised : int
        Column of ``variances`` whose mean is the long-run variance.

    Notes
    -----
    Split conformal prediction with a normalised score, one-sided per tail: Lei et al. (2018),
    doi:10.1080/01621459.2017.1307116. Daily returns are not exchangeable, so the guarantee is approximate; the
    evaluation reports the coverage that came out. The few loadings are fitted on the same rows as the quantiles.
    """
    long_run = float(variances[:, realised].mean())
    loadings = np.stack([_fit_loadings(errors[:, h] ** 2 / n, variances, long_run) for h, n in enumerate(steps)])
    standard = errors / _sigma(variances, loadings, long_run, steps)
    tail = (1 + coverage) / 2
    return Intervals(
        loadings,
        long_run,
        low=np.maximum(upper_quantile(-standard, tail), 0.0),
        high=np.maximum(upper_quantile(standard, tail), 0.0),
        tail_95=np.maximum(upper_quantile(-standard, 0.95), 0.0),
    )


def _fit_loadings(squares: FloatArray, variances: FloatArray, long_run: float) -> FloatArray:
    """Minimise the Gaussian quasi-likelihood (QLIKE) of squared errors over non-negative loadings."""
    from scipy.optimize import minimize

    columns = np.hstack([variances, np.full((len(variances), 1), long_run)]) / long_run
    squares = squares / long_run

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        variance = columns @ theta
        ratio = squares / variance
        gradient = columns.T @ ((1 - ratio) / variance) / len(squares)
        return float(np.mean(np.log(variance) + ratio)), gradient

    count = columns.shape[1]
    start = np.full(count, 1 / count)
    # The floor keeps the variance positive whatever a caller sends.
    result = minimize(loss, start, jac=True, bounds=[(0.0, None)] * (count - 1) + [(0.01, None)], method="L-BFGS-B")
    loadings: FloatArray = np.asarray(result.x)
    return loadings
