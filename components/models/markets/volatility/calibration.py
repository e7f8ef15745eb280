"""From a mean variance to what is shown: the median volatility, its interval, and how sure the model is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray
from components.models.markets.volatility.params import TRADING_DAYS

LEAST, MOST = 0.01, 0.99
"""Bounds of the confidence: a validation period proves neither nought nor one."""

STEPS = 30


@dataclass(frozen=True)
class Calibration:
    """Calibration of the errors ``log(realised volatility / root of the forecast variance)``, by horizon.

    Attributes
    ----------
    median : ndarray of shape (horizons,)
        Their median. Realised variance is skewed, so its mean, which QLIKE asks for, lies above its median.
    low, high : ndarray of shape (horizons,)
        Conformal distances from the median down and up.
    sureness : ndarray of shape (horizons, 2)
        Logistic coefficients of the confidence: constant, and disagreement of the members (never positive).
    """

    median: FloatArray
    low: FloatArray
    high: FloatArray
    sureness: FloatArray

    def volatility(self, log_variance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the median volatility and the ends of its interval, annualised percent, each (rows, horizons)."""
        centre = 0.5 * log_variance + self.median
        return annual(centre), annual(centre - self.low), annual(centre + self.high)

    def confidence(self, spread: FloatArray) -> FloatArray:
        """Return the probability that realised volatility ends within the tolerance, shape (rows, horizons)."""
        score = self.sureness[:, 0] + self.sureness[:, 1] * spread
        return np.clip(1 / (1 + np.exp(-score)), LEAST, MOST)


def annual(log_volatility: FloatArray) -> FloatArray:
    """Return the log of a daily volatility (decimal) as annualised percent."""
    volatility: FloatArray = 100 * np.sqrt(TRADING_DAYS) * np.exp(log_volatility)
    return volatility


def fit_calibration(
    log_variance: FloatArray,
    realised: FloatArray,
    spread: FloatArray,
    independent: FloatArray,
    coverage: float,
    tolerance: float,
) -> Calibration:
    """Learn from validation rows.

    Parameters
    ----------
    log_variance, realised : ndarray of shape (rows, horizons)
        Forecast (log) and what came: mean daily variances.
    spread : ndarray of shape (rows, horizons)
        Disagreement of the members.
    independent : ndarray of shape (horizons,)
        Rows whose outcomes do not overlap: what a quantile's finite-sample correction and a prior are to count.
    coverage, tolerance : float
        As in :class:`~components.models.markets.volatility.params.Params`.

    Notes
    -----
    Split conformal (Lei et al. 2018, doi:10.1080/01621459.2017.1307116) at level ``(n + 1) / n`` times the tail, ``n``
    outcomes that do not overlap. Days are not exchangeable, so the coverage is approximate; the evaluation reports what
    came out.
    """
    errors = 0.5 * (np.log(realised) - log_variance)
    median = np.median(errors, axis=0)
    errors = errors - median
    tail = (1 + coverage) / 2
    within = (np.abs(np.expm1(errors)) <= tolerance).astype(np.float64)
    horizons = range(errors.shape[1])
    low = [_quantile(-errors[:, h], tail, independent[h]) for h in horizons]
    high = [_quantile(errors[:, h], tail, independent[h]) for h in horizons]
    sureness = [fit_sureness(spread[:, h], within[:, h], len(errors) / independent[h]) for h in horizons]
    return Calibration(median, np.maximum(low, 0.0), np.maximum(high, 0.0), np.stack(sureness))


def _quantile(scores: FloatArray, level: float, independent: float) -> float:
    return float(np.quantile(scores, min(1.0, level * (independent + 1) / independent)))


def fit_sureness(spread: FloatArray, within: FloatArray, overlap: float) -> FloatArray:
    """Return constant and slope of the confidence; a slope that would reward disagreement is set to nought."""
    ones = np.ones((len(spread), 1))
    both = fit_logistic(np.column_stack([ones, spread]), within, overlap)
    return both if both[1] <= 0 else np.append(fit_logistic(ones, within, overlap), 0.0)


def fit_logistic(columns: FloatArray, outcome: FloatArray, overlap: float) -> FloatArray:
    """Return logistic coefficients with a standard normal prior on all but the first; ``overlap`` rows count as one."""
    beta = np.zeros(columns.shape[1])
    penalty = np.eye(len(beta)) * overlap
    penalty[0, 0] = 1e-6
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-columns @ beta))
        gradient = columns.T @ (outcome - p) - penalty @ beta
        curvature = (columns * (p * (1 - p))[:, None]).T @ columns + penalty
        step = np.linalg.solve(curvature, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta
