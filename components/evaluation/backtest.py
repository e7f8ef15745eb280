"""The backtest: out-of-sample forecasts of every fold, beside what came and what naive forecasts said.

Everything is kept in two units: the target's own, and relative to the current value where the model states one (so that
an index at 900 and one at 7,000 weigh the same). A model without a current value is judged in the target's unit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.baselines import Forecast

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Backtest:
    """Out-of-sample rows of all folds, in time order.

    Attributes
    ----------
    rows : ndarray of int, shape (rows,)
        Row in the dataset.
    fold : ndarray of int, shape (rows,)
        Fold the forecast is from.
    times, entities, regimes : ndarray, shape (rows,)
        Regime is ``""`` where the model states no current value.
    current : ndarray, shape (rows, 1)
        Current value; NaN where the model states none.
    unit : ndarray, shape (rows, 1)
        What relative errors are divided by: the current value, or one.
    actual : ndarray, shape (rows, horizons)
    model : Forecast
    baselines : dict of str to Forecast
        The first is the one that the gate compares with.
    naive_mae : ndarray, shape (rows, horizons)
        Mean absolute relative error of the first baseline on the training rows of the row's fold.
    confidence, called_up : ndarray or None, shape (rows, horizons)
        Stated confidence and direction, where the model has them.
    """

    rows: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int64]
    times: npt.NDArray[np.datetime64]
    entities: npt.NDArray[np.object_]
    regimes: npt.NDArray[np.object_]
    current: Array
    unit: Array
    actual: Array
    model: Forecast
    baselines: dict[str, Forecast]
    naive_mae: Array
    confidence: Array | None = None
    called_up: npt.NDArray[np.bool_] | None = None

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Backtest:
        """Return some of the rows."""
        taken: dict[str, Any] = {f.name: _take(getattr(self, f.name), rows) for f in fields(self)}
        return Backtest(**taken)

    @property
    def relative(self) -> bool:
        """Whether the model states a current value."""
        return bool(np.isfinite(self.current).all())


def join(parts: list[Backtest]) -> Backtest:
    """Join the folds' parts in time order."""
    joined = Backtest(**{f.name: _join([getattr(p, f.name) for p in parts]) for f in fields(Backtest)})
    return joined.take(np.argsort(joined.times, kind="stable"))


def _take(value: Any, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Any:
    if value is None:
        return None
    if isinstance(value, Forecast):
        return Forecast(value.point[rows], _take(value.lower, rows), _take(value.upper, rows))
    if isinstance(value, dict):
        return {name: _take(forecast, rows) for name, forecast in value.items()}
    return value[rows]


def _join(values: list[Any]) -> Any:
    first = values[0]
    if first is None:
        return None
    if isinstance(first, Forecast):
        return Forecast(*(_join([getattr(f, f_.name) for f in values]) for f_ in fields(Forecast)))
    if isinstance(first, dict):
        return {name: _join([v[name] for v in values]) for name in first}
    return np.concatenate(values)
