"""How near realised risk comes to the forecast, learned from forecasts of the past. Numpy only at serving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.forecast import LOWEST, REFERENCE_VIX

NEAR: Final = 1.25
"""Realised risk within a factor of this counts as near."""


@dataclass(frozen=True)
class Trust:
    """``log(realised / forecast)`` is normal; the further the market is from its usual state, the wider.

    The spread is ``exp(c0 + c1 |log(recent / long)| + c2 |log(vix / 20)|)``.

    Attributes
    ----------
    bias : float
    coefficients : ndarray of shape (3,)
    """

    bias: float
    coefficients: FloatArray

    def confidence(self, recent: FloatArray, long_run: FloatArray, vix: FloatArray) -> FloatArray:
        """Return the probability that realised risk is within a factor of 1.25 of the forecast, shape (rows,)."""
        spread = np.exp(_unrest(recent, long_run, vix) @ self.coefficients)
        bound = math.log(NEAR)
        upper, lower = ((sign * bound - self.bias) / spread / math.sqrt(2) for sign in (1, -1))
        return np.array([(math.erf(u) - math.erf(v)) / 2 for u, v in zip(upper, lower, strict=True)])

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"bias": self.bias, "coefficients": self.coefficients.tolist()}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(float(raw["bias"]), np.array(raw["coefficients"]))


def learn_trust(error: FloatArray, recent: FloatArray, long_run: FloatArray, vix: FloatArray) -> Trust:
    """Fit bias and spread.

    Parameters
    ----------
    error : ndarray of shape (rows,)
        ``log(realised / forecast)`` of single securities, which those of portfolios are taken to be like.
    recent, long_run, vix : ndarray of shape (rows,)
        As they were known.

    Notes
    -----
    The spread is a regression of ``log |error|``, whose mean for a normal error is 0.635 below the log of its standard
    deviation (Harvey 1976, doi:10.2307/1913974).
    """
    bias = float(np.median(error))
    size = np.log(np.maximum(np.abs(error - bias), 1e-4)) + 0.635
    unrest = _unrest(recent, long_run, vix)
    return Trust(bias, np.asarray(np.linalg.lstsq(unrest, size, rcond=None)[0], dtype=np.float64))


def _unrest(recent: FloatArray, long_run: FloatArray, vix: FloatArray) -> FloatArray:
    moved = np.abs(np.log(np.maximum(recent, LOWEST) / np.maximum(long_run, LOWEST)))
    return np.column_stack([np.ones(len(moved)), moved, np.abs(np.log(vix / REFERENCE_VIX))])
