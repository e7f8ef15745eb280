"""How sure it is that next month's volatility will be below that of 1/N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.params import MONTH

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
EDGE = 0.005
"""Shares are kept this far from 0 and 1: a year holds few months."""


def bootstrap_share(returns: Matrix, weights: Vector) -> float:
    """Return the share of all months in the history in which the weights were calmer than 1/N.

    Every run of 21 days is a block of a block bootstrap of one block; taking each once is that bootstrap without its
    noise.

    Parameters
    ----------
    returns : ndarray of shape (window, securities)
        Daily, decimal.
    weights : ndarray of shape (securities,)
        Held every day.
    """
    both = np.stack([np.einsum("ti,i->t", returns, weights), returns.mean(axis=1)])
    sums = np.concatenate([np.zeros((2, 1)), np.cumsum(both**2, axis=1)], axis=1)
    energy = sums[:, MONTH:] - sums[:, :-MONTH]
    # Equal but for the last bits is a draw: 1/N itself is as calm as 1/N.
    draw = np.isclose(energy[0], energy[1], rtol=1e-9, atol=0)
    return float(np.where(draw, 0.5, energy[0] < energy[1]).mean())


@dataclass(frozen=True)
class Calibration:
    """Weights were chosen to be calm in the months that the share counts; this takes that optimism out.

    The probability is ``1 / (1 + exp(-(intercept + slope * logit(share))))``.
    """

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, share: float) -> float:
        """Turn a bootstrap share into a probability."""
        return float(1 / (1 + np.exp(-(self.intercept + self.slope * _logit(np.array([share]))[0]))))

    @classmethod
    def fit(cls, shares: Vector, calmer: npt.NDArray[np.bool_], penalty: float) -> Calibration:
        """Fit to what happened, with a normal prior around the shares as they are.

        Parameters
        ----------
        shares : ndarray of shape (rows,)
        calmer : ndarray of bool, shape (rows,)
            Whether the next month was calmer than 1/N's.
        penalty : float
            Precision of the prior.

        Notes
        -----
        Platt (1999) scaling with a ridge, by Newton's method.
        """
        x = np.column_stack([np.ones(len(shares)), _logit(shares)])
        prior = np.array([0.0, 1.0])
        beta = prior.copy()
        for _ in range(50):
            p = 1 / (1 + np.exp(-x @ beta))
            slope = x.T @ (calmer - p) - penalty * (beta - prior)
            curve = (x * (p * (1 - p))[:, None]).T @ x + penalty * np.eye(2)
            step = np.linalg.solve(curve, slope)
            beta = beta + step
            if np.abs(step).max() < 1e-10:
                break
        # A larger share never means a smaller probability.
        return cls(float(beta[0]), float(max(beta[1], 0.0)))


def _logit(shares: Vector) -> Vector:
    inside = np.clip(shares, EDGE, 1 - EDGE)
    out: Vector = np.log(inside / (1 - inside))
    return out
