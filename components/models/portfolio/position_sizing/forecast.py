"""Volatility of the coming month: a log-linear variance of what is known, fitted by quasi-likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from components.models.contract import FloatArray

REFERENCE_VIX = 20.0
LOWEST = 0.01
"""Annualised volatility below which a security counts as not moving, decimal."""


@dataclass(frozen=True)
class VarianceForecast:
    """``variance = exp(c0 + c1 log recent^2 + c2 log long^2 + c3 log vix^2)``, everything annualised decimals.

    Attributes
    ----------
    coefficients : ndarray of shape (4,)
    """

    coefficients: FloatArray

    def volatility(self, recent: FloatArray, long_run: FloatArray, vix: FloatArray) -> FloatArray:
        """Return forecast volatilities of the shape that the arguments broadcast to, annualised decimals.

        Parameters
        ----------
        recent, long_run : ndarray
            Annualised decimals.
        vix : ndarray
            Volatility points.
        """
        c = self.coefficients
        logs = (np.log(np.maximum(v, LOWEST)) for v in (recent, long_run, vix / REFERENCE_VIX))
        total = c[0] / 2
        for slope, value in zip(c[1:], logs, strict=True):
            total = total + slope * value
        forecast: FloatArray = np.exp(total)
        return forecast

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"coefficients": self.coefficients.tolist()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(np.array(raw["coefficients"]))


def fit_variance(
    realised: FloatArray, recent: FloatArray, long_run: FloatArray, vix: FloatArray, prior: float = 0.02
) -> VarianceForecast:
    """Fit by minimising QLIKE, ``realised / forecast + log forecast``, slopes not below zero.

    Its first-order condition makes realised over forecast variance one on average, which is what a risk target needs;
    least squares in logs would be too low. A slope below zero would let a more volatile security have a larger
    position.

    Parameters
    ----------
    realised : ndarray of shape (rows,)
        Realised volatility of the month that followed, annualised decimal.
    recent, long_run, vix
        See :meth:`VarianceForecast.volatility`.
    prior : float
        Ridge penalty on the slopes.

    Notes
    -----
    Patton (2011), doi:10.1016/j.jeconom.2010.03.034, on why QLIKE is robust to a noisy proxy of variance.
    """
    from scipy.optimize import minimize

    logs = [2 * np.log(np.maximum(v, LOWEST)) for v in (recent, long_run, vix / REFERENCE_VIX)]
    design = np.column_stack([np.ones(len(realised)), *logs])
    variance = realised**2

    def loss(c: FloatArray) -> tuple[float, FloatArray]:
        log_forecast = design @ c
        ratio = variance * np.exp(-log_forecast)
        value = float(np.mean(ratio + log_forecast) + prior * np.sum(c[1:] ** 2) / 2)
        slope = design.T @ (1 - ratio) / len(ratio)
        slope[1:] += prior * c[1:]
        return value, slope

    start = np.array([0.0, 0.5, 0.5, 0.0])
    bounds = [(-5, 5), (0, 2), (0, 2), (0, 2)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return VarianceForecast(np.asarray(found.x))
