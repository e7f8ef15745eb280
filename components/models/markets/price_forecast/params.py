"""Hyper-parameters of the price forecast, with their search space, and the bars ahead of its horizons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from components.errors import ConfigurationError
from components.models.contract import FloatArray
from components.models.markets.price_forecast.data import HORIZONS

TREES, LSTM, KERAS = ("xgboost",), ("lstm_attention",), ("keras_lstm",)
"""Members that a searched hyper-parameter changes: tuning fits no other one again."""


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    horizons : tuple of str
        Keys of ``HORIZONS`` of :mod:`components.models.markets.price_forecast.data`, in the order of the target's
        columns.
    members : tuple of str
        Candidates to train. A random walk (no change) always takes part in the blend and needs no training.
    coverage : float
        Nominal coverage of the intervals, decimal.
    seed : int
        Seed of every stochastic member.
    bars_per_year : float
        Bars in a year, as ``volatility_21`` was annualised with (252 for daily bars).
    threads : int
        Threads of a member's training.
    blend_shrinkage : float
        Ridge penalty on the blend weights relative to the target's variance; it pulls the blend to the random walk.
    suspend_quantile : float
        Predictions are marked suspended when volatility exceeds this quantile of the calibration rows, decimal.
    tree_rounds, tree_depth, tree_rate, tree_patience
        XGBoost: largest number of rounds, depth, learning rate, rounds without gain on validation before stopping.
    lstm_hidden, lstm_epochs, lstm_rate
        LSTM with attention: units, passes over the data, learning rate.
    keras_units, keras_epochs, keras_rate
        Keras LSTM of document 2: units of each of the two layers, passes, learning rate.
    batch : int
        Rows of a gradient step of both networks.
    """

    horizons: tuple[str, ...] = ("1_day", "5_day", "1_month")
    members: tuple[str, ...] = ("linear", "regularised", "xgboost", "lstm_attention", "keras_lstm")
    coverage: float = 0.9
    seed: int = 7
    bars_per_year: float = 252.0
    threads: int = 1
    blend_shrinkage: float = field(
        default=4.0, metadata={"search": {"low": 0.25, "high": 64.0, "log": True, "candidates": ()}}
    )
    suspend_quantile: float = 0.99
    tree_rounds: int = 120
    tree_depth: int = field(default=3, metadata={"search": {"low": 2, "high": 6, "candidates": TREES}})
    tree_rate: float = field(
        default=0.04, metadata={"search": {"low": 0.01, "high": 0.2, "log": True, "candidates": TREES}}
    )
    tree_patience: int = 15
    lstm_hidden: int = field(default=16, metadata={"search": {"low": 8, "high": 48, "candidates": LSTM}})
    lstm_epochs: int = field(default=3, metadata={"search": {"low": 1, "high": 12, "candidates": LSTM}})
    lstm_rate: float = field(
        default=3e-3, metadata={"search": {"low": 3e-4, "high": 1e-2, "log": True, "candidates": LSTM}}
    )
    keras_units: int = 50
    keras_epochs: int = field(default=3, metadata={"search": {"low": 1, "high": 12, "candidates": KERAS}})
    keras_rate: float = field(
        default=1e-3, metadata={"search": {"low": 3e-4, "high": 1e-2, "log": True, "candidates": KERAS}}
    )
    batch: int = 256

    def __post_init__(self) -> None:
        unknown = [h for h in self.horizons if h not in HORIZONS]
        if unknown or not self.horizons:
            raise ConfigurationError(
                f"horizons={list(self.horizons)} names {unknown or 'none'}.", f"Use of: {', '.join(HORIZONS)}."
            )
        if not 0.5 < self.coverage < 1:
            raise ConfigurationError(f"coverage={self.coverage} is not in (0.5, 1).", "Use for example 0.9.")

    @property
    def steps(self) -> FloatArray:
        """Bars ahead of each horizon, shape (horizons,)."""
        return np.array([HORIZONS[h] for h in self.horizons], dtype=np.float64)
