"""What an evaluation returns: figures as finite JSON, and the backtest as a frame for plots."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.evaluation.backtest import Backtest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation:
    """Figures and out-of-sample forecasts of one model.

    Attributes
    ----------
    figures : dict
        See ``docs`` of :func:`components.training.evaluate`.
    forecasts : Backtest
        Every out-of-sample row.
    horizons : tuple of str
        Names of the forecasts' columns.
    """

    figures: Mapping[str, Any]
    forecasts: Backtest
    horizons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values; what is not finite becomes None."""
        result: dict[str, Any] = finite(self.figures)
        return result

    @property
    def backtest(self) -> pd.DataFrame:
        """One line per row and horizon: time, entity, horizon, fold, current, actual, point, lower, upper, rw_lower,
        rw_upper (of the first baseline), regime. Prices in the target's unit; NaN where the model has no such value.
        """
        import pandas as pd

        b = self.forecasts
        reference = next(iter(b.baselines.values()))
        missing = np.full(len(b.rows), np.nan)

        def column(array: Any, h: int) -> Any:
            return missing if array is None else array[:, h]

        frames = [
            pd.DataFrame(
                {
                    "time": b.times,
                    "entity": b.entities.astype(str),
                    "horizon": name,
                    "fold": b.fold,
                    "current": b.current[:, 0],
                    "actual": b.actual[:, h],
                    "point": b.model.point[:, h],
                    "lower": column(b.model.lower, h),
                    "upper": column(b.model.upper, h),
                    "rw_lower": column(reference.lower, h),
                    "rw_upper": column(reference.upper, h),
                    "regime": b.regimes.astype(str),
                }
            )
            for h, name in enumerate(self.horizons)
        ]
        return pd.concat(frames, ignore_index=True)


def finite(value: Any) -> Any:
    """Return JSON-ready values: numpy scalars as Python's, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    if isinstance(value, np.ndarray):
        return finite(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
