"""Volatility regimes: low, medium and high, by terciles of training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NAMES = ("low", "medium", "high")


@dataclass(frozen=True)
class Regimes:
    """Thresholds between the regimes, in the unit of the volatility they were fitted on."""

    low: float
    high: float

    @classmethod
    def fit(cls, volatility: npt.NDArray[np.float64]) -> Regimes:
        """Take the terciles of training rows; test rows must not decide what counts as high."""
        low, high = np.quantile(volatility, [1 / 3, 2 / 3])
        return cls(float(low), float(high))

    def label(self, volatility: npt.NDArray[np.float64]) -> npt.NDArray[np.object_]:
        """Return the regime of each row, shape (rows,)."""
        return np.array(NAMES, dtype=object)[np.searchsorted([self.low, self.high], volatility, side="right")]
