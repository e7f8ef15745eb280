"""Hyper-parameters of the volatility forecast, and the days ahead of its horizons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from components.errors import ConfigurationError

HORIZONS: Final = {"1_day": 1, "5_day": 5, "1_month": 21}
"""Trading days ahead by horizon."""

TRADING_DAYS: Final = 252
"""Days that a variance is annualised with."""


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    horizons : tuple of str
        Keys of :data:`HORIZONS`, in the order of the target's columns.
    members : tuple of str
        Candidates to train.
    coverage : float
        Nominal coverage of the intervals, decimal.
    tolerance : float
        ``confidence`` is the probability that realised volatility differs from the forecast by at most this, decimal.
    har_ridge : float
        Penalty on the standardised coefficients of the log-HAR regression, in rows.
    blend_shrinkage : float
        Penalty that pulls the blend to equal weights, in validation rows that do not overlap.
    level_deviation : float
        Prior standard deviation of the blend's level correction, log variance.
    tree_rounds, tree_depth, tree_rate, tree_patience, tree_rows
        XGBoost: largest number of rounds, depth, learning rate, rounds without gain on validation before stopping, and
        fewest rows of a leaf.
    seed, threads : int
        Of XGBoost.
    """

    horizons: tuple[str, ...] = ("1_day", "5_day", "1_month")
    members: tuple[str, ...] = ("garch_t", "gjr_t", "log_har", "xgboost")
    coverage: float = 0.9
    tolerance: float = 0.25
    har_ridge: float = 10.0
    blend_shrinkage: float = 20.0
    level_deviation: float = 0.02
    tree_rounds: int = 150
    tree_depth: int = 3
    tree_rate: float = 0.05
    tree_patience: int = 15
    tree_rows: int = 50
    seed: int = 7
    threads: int = 1

    def __post_init__(self) -> None:
        unknown = [h for h in self.horizons if h not in HORIZONS]
        if unknown or not self.horizons:
            raise ConfigurationError(
                f"horizons={list(self.horizons)} names {unknown or 'none'}.", f"Use of: {', '.join(HORIZONS)}."
            )
        if not 0.5 < self.coverage < 1:
            raise ConfigurationError(f"coverage={self.coverage} is not in (0.5, 1).", "Use for example 0.9.")

    @property
    def days(self) -> npt.NDArray[np.int64]:
        """Trading days ahead of each horizon, shape (horizons,)."""
        return np.array([HORIZONS[h] for h in self.horizons], dtype=np.int64)
