"""Key figures of a backtest beside their baselines, by horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.evaluation.plots.calibration import inside
from components.evaluation.plots.horizons import order_horizons
from components.evaluation.plots.scale import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class HorizonSummary:
    """What the blend reached at one horizon.

    Attributes
    ----------
    horizon : str
        Name.
    rows : int
        Forecasts, pooled over securities.
    rmse, rmse_base : float
        Root mean squared error relative to the price at the origin, decimal; of the blend and of no change.
    coverage : float
        Share of intervals that held, decimal.
    score, score_base : float
        Mean interval score relative to the price at the origin, decimal; of the blend and of the random walk's
        interval (NaN where there is none).
    called, direction, up_rate : float
        Share of forecasts that call a direction, share of those calls that are right, and share of rises, decimal; a
        constant call of the commoner direction reaches
        ``max(up_rate, 1 - up_rate)``.
    """

    horizon: str
    rows: int
    rmse: float
    rmse_base: float
    coverage: float
    score: float
    score_base: float
    called: float
    direction: float
    up_rate: float

    @property
    def constant_call(self) -> float:
        """Directional accuracy of always calling the commoner direction, decimal."""
        return max(self.up_rate, 1 - self.up_rate)


def interval_score(lower: FloatArray, upper: FloatArray, actual: FloatArray, level: float) -> FloatArray:
    """Width plus ``2 / (1 - level)`` times the distance by which the actual misses (Gneiting and Raftery 2007,
    doi:10.1198/016214506000001437); lower is better."""
    penalty = 2 / (1 - level)
    score: FloatArray = upper - lower + penalty * (np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0))
    return score


def summarise(backtest: pd.DataFrame, level: float) -> list[HorizonSummary]:
    """Sum a backtest up; ``level`` is the nominal coverage, decimal."""
    names = backtest["horizon"].astype(str)
    return [_one(name, backtest[names == name], level) for name in order_horizons(names)]


def _one(name: str, rows: pd.DataFrame, level: float) -> HorizonSummary:
    current = rows["current"].to_numpy(float)
    unit = np.where(np.isfinite(current), current, 1.0)

    def relative(column: str) -> FloatArray:
        values: FloatArray = rows[column].to_numpy(float) / unit if column in rows else np.full(len(rows), np.nan)
        return values

    actual, point, start = relative("actual"), relative("point"), current / unit
    moved = np.isfinite(start) & (actual != start)
    scores = [
        interval_score(relative(a), relative(b), actual, level)
        for a, b in (("lower", "upper"), ("rw_lower", "rw_upper"))
    ]
    return HorizonSummary(
        name,
        len(rows),
        float(np.sqrt(mean((actual - point) ** 2))),
        float(np.sqrt(mean((actual - start) ** 2))),
        mean(inside(rows)),
        mean(scores[0]),
        mean(scores[1]),
        mean((point != start)[moved]),
        mean(((point > start) == (actual > start))[moved & (point != start)]),
        mean((actual > start)[moved]),
    )


def mean(values: FloatArray | np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Mean of the finite values; NaN, without a warning, when there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
