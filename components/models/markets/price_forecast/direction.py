"""Direction and its confidence: the probability that the stated direction is right, calibrated on validation rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray

BoolArray = npt.NDArray[np.bool_]


def fit_platt(signal: FloatArray, rose: BoolArray, steps: FloatArray, prior: float = 1.0) -> FloatArray:
    """Fit ``P(up) = sigmoid(a + b * signal)`` per horizon with ``b >= 0``.

    Parameters
    ----------
    signal : ndarray of shape (rows, horizons)
        Point forecast in units of its volatility.
    rose : ndarray of bool, shape (rows, horizons)
        Whether the price ended above the current one.
    steps : ndarray of shape (horizons,)
        Bars ahead; overlapping returns count as ``rows / steps`` independent ones.
    prior : float
        Standard deviation of the normal prior on ``b``, which keeps a lucky validation period from making it steep.

    Returns
    -------
    ndarray of shape (horizons, 2)
        ``a`` and ``b``.

    Notes
    -----
    Platt (1999), Probabilistic outputs for support vector machines.
    """
    from scipy.optimize import minimize

    def fit(x: FloatArray, up: BoolArray, step: float) -> FloatArray:
        y = up.astype(np.float64)

        def loss(theta: FloatArray) -> float:
            logit = theta[0] + theta[1] * x
            fit_term = np.mean(np.logaddexp(0.0, logit) - y * logit)
            return float(fit_term + (theta[1] / prior) ** 2 * step / (2 * len(x)))

        return np.asarray(minimize(loss, np.zeros(2), bounds=[(-2, 2), (0, 10)], method="L-BFGS-B").x)

    return np.stack([fit(signal[:, h], rose[:, h], steps[h]) for h in range(signal.shape[1])])


def judge_direction(
    point: FloatArray, width: FloatArray, platt: FloatArray
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Return the point forecast, the likelier direction, and the calibrated probability that it is right.

    A blend that contradicts the likelier direction is replaced by "no change", so that price, direction and confidence
    never contradict each other and the confidence never lies below one half. That is the sign restriction of Campbell
    and Thompson (2008), doi:10.1093/rfs/hhm055: with so little signal, a forecast of the less likely sign is noise.

    Parameters
    ----------
    point : ndarray of shape (rows, horizons)
        Blended log return, decimal.
    width : ndarray of shape (rows, horizons)
        Volatility that ``platt`` was fitted with.
    platt : ndarray of shape (horizons, 2)
        From :func:`fit_platt`.

    Returns
    -------
    point : ndarray of float64, shape (rows, horizons)
    up : ndarray of bool, shape (rows, horizons)
    confidence : ndarray of float64, shape (rows, horizons)
    """
    rise = 1 / (1 + np.exp(-np.clip(platt[:, 0] + platt[:, 1] * (point / width), -30, 30)))
    up = rise >= 0.5
    kept = np.where(up, np.maximum(point, 0.0), np.minimum(point, 0.0))
    return kept, up, np.where(up, rise, 1 - rise)
