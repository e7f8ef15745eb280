"""Scores of a backtest: every metric by horizon, for the model and for each baseline, with tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation import metrics
from components.evaluation.backtest import Backtest
from components.evaluation.baselines import Forecast
from components.evaluation.calibration import reliability
from components.evaluation.hypothesis_tests import diebold_mariano, pesaran_timmermann

Array = npt.NDArray[np.float64]


def score(backtest: Backtest, horizons: Sequence[str], nominal: float) -> dict[str, Any]:
    """Return every metric by horizon, the baselines' beside it.

    Directional accuracy is that of the direction a model states, which it may do even when its price says "no change";
    without a stated one it is the sign of the forecast change, which is also what Pesaran-Timmermann's test looks at.

    Parameters
    ----------
    backtest : Backtest
        At least one row.
    horizons : sequence of str
        Names of the columns.
    nominal : float
        Nominal coverage of the intervals, decimal.
    """
    table: dict[str, Any] = {}
    for h, name in enumerate(horizons):
        table[name] = _one(backtest, backtest.model, h, nominal)
        table[name]["baselines"] = {b: _one(backtest, f, h, nominal) for b, f in backtest.baselines.items()}
    return table


def test(
    backtest: Backtest, horizons: Sequence[str], steps: Sequence[int], nominal: float, alpha: float
) -> dict[str, Any]:
    """Return Diebold-Mariano tests against every baseline and Pesaran-Timmermann's on the direction, by horizon."""
    table: dict[str, Any] = {}
    for h, name in enumerate(horizons):
        table[name] = {}
        for baseline, forecast in backtest.baselines.items():
            for metric in _losses_of(backtest):
                ours, theirs = (
                    by_time(row_loss(backtest, f, metric, nominal)[:, h], backtest.times)
                    for f in (backtest.model, forecast)
                )
                result = diebold_mariano(ours, theirs, steps[h], alpha)
                table[name][f"{metric} against {baseline}"] = result.to_dict()
        if backtest.relative:
            rose, called = (
                _spread((v[:, h] > backtest.current[:, 0]).astype(float), backtest) for v in _paths(backtest)
            )
            table[name]["direction"] = pesaran_timmermann(rose, called, steps[h], alpha).to_dict()
    return table


test.__test__ = False  # type: ignore[attr-defined]


def confidence(backtest: Backtest, horizons: Sequence[str]) -> dict[str, Any]:
    """Return how often stated directions were right against the stated confidence, by horizon; empty without one."""
    if backtest.confidence is None or backtest.called_up is None:
        return {}
    right = (backtest.actual > backtest.current) == backtest.called_up
    return {name: reliability(backtest.confidence[:, h], right[:, h]) for h, name in enumerate(horizons)}


def row_loss(backtest: Backtest, forecast: Forecast, metric: str, nominal: float) -> Array:
    """Return the relative loss of every row and horizon.

    Parameters
    ----------
    metric : str
        ``interval_score``, ``rmse`` (squared error) or ``mae`` (absolute error).
    """
    if metric == "interval_score":
        lower, upper = _interval(forecast)
        return metrics.interval_score(backtest.actual, lower, upper, nominal) / backtest.unit
    error = (backtest.actual - forecast.point) / backtest.unit
    if metric == "rmse":
        return error**2
    if metric == "mae":
        return np.abs(error)
    raise ValueError(f"unknown gate metric {metric!r}; use interval_score, rmse or mae")


def by_time(values: Array, times: npt.NDArray[np.datetime64]) -> Array:
    """Return the mean over the rows of each time, in time order: entities of one day are not independent."""
    _, place, counts = np.unique(times, return_inverse=True, return_counts=True)
    mean: Array = np.bincount(place, weights=values) / counts
    return mean


def _one(backtest: Backtest, forecast: Forecast, h: int, nominal: float) -> dict[str, Any]:
    actual, point, unit = backtest.actual[:, h], forecast.point[:, h], backtest.unit[:, 0]
    offset = np.where(np.isfinite(backtest.current[:, 0]), backtest.current[:, 0], 0.0)
    change, called = (actual - offset) / unit, (point - offset) / unit
    out: dict[str, Any] = {
        "rows": len(actual),
        "rmse": metrics.rmse(change, called),
        "mae": metrics.mae(change, called),
        "r2": metrics.r2(change, called),
        "mase": metrics.mase(change, called, backtest.naive_mae[:, h]),
        "mape": metrics.mape(actual, point),
    }
    if backtest.relative:
        direction = called
        if forecast is backtest.model and backtest.called_up is not None:
            direction = np.where(backtest.called_up[:, h], 1.0, -1.0)
        out |= {
            "rmse_price": metrics.rmse(actual, point),
            "mae_price": metrics.mae(actual, point),
            "r2_price": metrics.r2(actual, point),
            "directional_accuracy": metrics.directional_accuracy(change, direction),
            "balanced_directional_accuracy": metrics.balanced_directional_accuracy(change, direction),
            "up_rate": float(np.mean(change > 0)),
            "price_change_accuracy": metrics.price_change_accuracy(change, called),
        }
    if forecast.lower is not None and forecast.upper is not None:
        out |= _interval_metrics(backtest, forecast, h, nominal)
    return out


def _interval_metrics(backtest: Backtest, forecast: Forecast, h: int, nominal: float) -> dict[str, float]:
    lower, upper = (end[:, h] for end in _interval(forecast))
    actual, unit = backtest.actual[:, h], backtest.unit[:, 0]
    tail = (1 - nominal) / 2
    losses = metrics.pinball(actual, lower, tail) + metrics.pinball(actual, upper, 1 - tail)
    return {
        "coverage": metrics.coverage(actual, lower, upper),
        "below": float(np.mean(actual < lower)),
        "above": float(np.mean(actual > upper)),
        "width": float(np.mean((upper - lower) / unit)),
        "interval_score": float(np.mean(metrics.interval_score(actual, lower, upper, nominal) / unit)),
        "pinball": float(np.mean(losses / 2 / unit)),
    }


def _interval(forecast: Forecast) -> tuple[Array, Array]:
    if forecast.lower is None or forecast.upper is None:
        raise ValueError("the metric interval_score needs a model with lower and upper outputs; use rmse or mae")
    return forecast.lower, forecast.upper


def _losses_of(backtest: Backtest) -> list[str]:
    return ["rmse"] if backtest.model.lower is None else ["rmse", "interval_score"]


def _paths(backtest: Backtest) -> tuple[Array, Array]:
    return backtest.actual, backtest.model.point


def _spread(values: Array, backtest: Backtest) -> Array:
    """Lay rows out as (times, entities), NaN where an entity has no row at a time."""
    times, row = np.unique(backtest.times, return_inverse=True)
    entities, column = np.unique(backtest.entities.astype(str), return_inverse=True)
    grid = np.full((len(times), len(entities)), np.nan)
    grid[row, column] = values
    return grid
