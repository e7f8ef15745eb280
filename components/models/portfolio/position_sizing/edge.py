"""Expected returns that know how little is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray


@dataclass(frozen=True)
class Edge:
    """Expected arithmetic return of each security, and how market and sector shift it; annualised decimals.

    Attributes
    ----------
    mean, error : ndarray of shape (securities,)
        Shrunk expected returns without a trend or a rotation, and the standard errors of the shrunk ones.
    trend, rotation : float
        Added for a market trend of 1, and for a sector one decimal ahead of the market.
    """

    mean: FloatArray
    error: FloatArray
    trend: float
    rotation: float

    def expected(self, place: npt.NDArray[np.int64], trend: FloatArray, rotation: FloatArray) -> FloatArray:
        """Return expected returns of securities under given conditions, shape (rows,)."""
        total: FloatArray = self.mean[place] + self.trend * trend + self.rotation * rotation
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        arrays = {"mean": self.mean.tolist(), "error": self.error.tolist()}
        return arrays | {"trend": self.trend, "rotation": self.rotation}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(np.array(raw["mean"]), np.array(raw["error"]), float(raw["trend"]), float(raw["rotation"]))


def shrink_means(means: FloatArray, errors: FloatArray, common_error: float) -> tuple[FloatArray, FloatArray]:
    """Shrink means towards their mean by as much as their spread is noise.

    Parameters
    ----------
    means, errors : ndarray of shape (securities,)
        Sample means and the standard errors of what is each security's own.
    common_error : float
        Standard error of the mean of all, which shrinking cannot reduce.

    Returns
    -------
    means, errors : ndarray of shape (securities,)

    Notes
    -----
    Empirical Bayes: Efron and Morris (1973), doi:10.1080/01621459.1973.10481350.
    """
    centre = means.mean()
    spread = float(np.var(means, ddof=1)) if len(means) > 1 else 0.0
    kept = max(0.0, 1 - float(np.mean(errors**2)) / spread) if spread > 0 else 0.0
    shrunk: FloatArray = centre + kept * (means - centre)
    return shrunk, np.sqrt(kept * errors**2 + common_error**2)


def shrink_slope(outcome: FloatArray, driver: FloatArray, times: npt.NDArray[Any], prior: float) -> float:
    """Return the slope of outcomes on a driver, shrunk to 0 by how uncertain it is.

    Parameters
    ----------
    outcome, driver : ndarray of shape (rows,)
        The outcome is free of its mean.
    times : ndarray of shape (rows,)
        Rows of one time move together and count as one observation of the market.
    prior : float
        Standard deviation of the normal prior on the slope: what is plausible before any data.
    """
    centred = driver - driver.mean()
    spread = float(centred @ centred)
    if spread <= 0:
        return 0.0
    slope = float(centred @ outcome) / spread
    residual = outcome - slope * centred
    _, cluster = np.unique(times, return_inverse=True)
    clustered = float(np.sum(np.bincount(cluster, weights=centred * residual) ** 2)) / spread**2
    # Where few times carry the driver, a clustered error is far too small; that of the times' means is not.
    days = np.bincount(cluster)
    shared = (np.bincount(cluster, weights=w) / days for w in (centred, residual))
    x, e = shared
    plain = float(e @ e) / max(len(e) - 2, 1) / float(x @ x) if x @ x > 1e-9 * spread / len(centred) else 0.0
    return slope * prior**2 / (prior**2 + max(clustered, plain))
