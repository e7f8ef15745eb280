"""Volatility of what is held, and how it moves with the security that is asked about. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.forecast import REFERENCE_VIX


@dataclass(frozen=True)
class Comovement:
    """Correlations of the coming month: those of training, moved towards one in a nervous market.

    ``R' = (1 - s) R + s 11'`` with ``s = tanh(level + slope log(vix / 20))``; for ``s`` below zero the identity takes
    the place of the ones. Either way a correlation matrix stays one.

    Attributes
    ----------
    level, slope : float
        The slope is not below zero.
    """

    level: float
    slope: float

    def shift(self, vix: FloatArray) -> FloatArray:
        """Return ``s`` of each row, between -1 and 1."""
        shift: FloatArray = np.tanh(self.level + self.slope * np.log(vix / REFERENCE_VIX))
        return shift

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"level": self.level, "slope": self.slope}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(float(raw["level"]), float(raw["slope"]))


def book_risk(
    exposure: FloatArray, correlation: FloatArray, place: npt.NDArray[np.int64], shift: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the book's volatility and its correlation with the security that is asked about.

    Parameters
    ----------
    exposure : ndarray of shape (rows, securities)
        Weight times volatility of what is held, annualised decimals.
    correlation : ndarray of shape (securities, securities)
        Of training.
    place : ndarray of int, shape (rows,)
        Column of the security that is asked about; nothing of it is in ``exposure``.
    shift : ndarray of shape (rows,)
        :meth:`Comovement.shift`.

    Returns
    -------
    volatility, correlation : ndarray of shape (rows,)
        Both 0 where nothing is held.
    """
    up, down = np.maximum(shift, 0.0), np.maximum(-shift, 0.0)
    kept = 1 - up - down
    total = exposure.sum(axis=1)
    # einsum, not BLAS: a batch's answer equals its rows' answers to the last bit.
    plain = np.einsum("ri,ij,rj->r", exposure, correlation, exposure)
    variance = kept * plain + up * total**2 + down * np.einsum("ri,ri->r", exposure, exposure)
    covariance = kept * np.einsum("ri,ri->r", exposure, correlation[place]) + up * total
    volatility = np.sqrt(np.maximum(variance, 0.0))
    together = np.divide(covariance, volatility, out=np.zeros_like(volatility), where=volatility > 0)
    return volatility, np.clip(together, -1.0, 1.0)


def assumed_risk(
    invested: FloatArray,
    count: FloatArray,
    typical: FloatArray,
    mean_correlation: tuple[FloatArray, float],
    shift: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the same for a book of which only the number of its positions is known.

    It counts as equal weights of average securities.

    Parameters
    ----------
    invested, count : ndarray of shape (rows,)
        Share of the portfolio, and number of securities.
    typical : ndarray of shape (rows,)
        Volatility of an average security, annualised decimal.
    mean_correlation : (ndarray of shape (rows,), float)
        Of the security with the others, and of all pairs.
    shift : ndarray of shape (rows,)
        :meth:`Comovement.shift`.
    """
    up, kept = np.maximum(shift, 0.0), 1 - np.abs(shift)
    own, pairs = kept * mean_correlation[0] + up, kept * mean_correlation[1] + up
    held = count > 0
    share = 1 / np.maximum(count, 1.0)
    spread = np.sqrt(np.maximum(share + (1 - share) * pairs, 1e-12))
    volatility = np.where(held, invested * typical * spread, 0.0)
    return volatility, np.where(held & (invested > 0), np.clip(own / spread, -1.0, 1.0), 0.0)
