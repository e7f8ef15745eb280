"""The blend: a weighted mean of the members' log variances, and a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.models.contract import FloatArray

NEGLIGIBLE = 1e-3


@dataclass(frozen=True)
class Blend:
    """Weights and level of each horizon.

    Attributes
    ----------
    weights : dict of str to ndarray of shape (horizons,)
        By member, non-negative, summing to one for each horizon.
    level : ndarray of shape (horizons,)
        Added to the blended log variance.
    """

    weights: dict[str, FloatArray]
    level: FloatArray

    def log_variance(self, predictions: Mapping[str, FloatArray]) -> FloatArray:
        """Return the log of the mean variance, shape (rows, horizons)."""
        total = np.zeros_like(next(iter(predictions.values()))) + self.level
        for name, weight in self.weights.items():
            if weight.any():
                total += predictions[name] * weight
        return total

    def spread(self, predictions: Mapping[str, FloatArray]) -> FloatArray:
        """Return the standard deviation of the members' log variances, shape (rows, horizons): their disagreement."""
        stacked = np.stack([predictions[name] for name in self.weights])
        deviation: FloatArray = stacked.std(axis=0)
        return deviation


def fit_blend(
    predictions: Mapping[str, FloatArray],
    realised: FloatArray,
    independent: FloatArray,
    shrinkage: float,
    level_deviation: float,
) -> Blend:
    """Fit weights and level by QLIKE on rows that the members were not fitted on.

    Parameters
    ----------
    predictions : mapping of str to ndarray of shape (rows, horizons)
        Log variances by member.
    realised : ndarray of shape (rows, horizons)
        Mean daily variances that came.
    independent : ndarray of shape (horizons,)
        Rows whose outcomes do not overlap.
    shrinkage : float
        Penalty on squared distances from equal weights, in such rows.
    level_deviation : float
        Prior standard deviation of the level.

    Notes
    -----
    Equal weights are hard to beat with few rows (Stock and Watson 2004, doi:10.1002/for.928), hence the prior at them;
    the level's prior keeps a calm validation period from teaching the model that it is always too high.
    """
    names = list(predictions)
    fitted = [
        _fit(
            np.stack([predictions[n][:, h] for n in names], axis=1),
            realised[:, h],
            shrinkage / independent[h],
            1 / (level_deviation**2 * independent[h]),
        )
        for h in range(realised.shape[1])
    ]
    weights = {name: np.array([w[i] for w, _ in fitted]) for i, name in enumerate(names)}
    return Blend(weights, np.array([level for _, level in fitted]))


def _fit(logs: FloatArray, realised: FloatArray, shrink: float, anchor: float) -> tuple[FloatArray, float]:
    from scipy.optimize import minimize

    rows, count = logs.shape
    equal = np.full(count, 1 / count)
    # The weights sum to one, so a shift of every log changes only the numbers' size, which the solver likes small.
    centre = logs.mean()
    logs, realised = logs - centre, realised * np.exp(-centre)

    def loss(theta: FloatArray) -> Any:
        forecast = logs @ theta[:-1] + theta[-1]
        ratio = realised * np.exp(-forecast)
        away = theta[:-1] - equal
        value = float(np.mean(ratio + forecast) + 0.5 * shrink * away @ away + 0.5 * anchor * theta[-1] ** 2)
        slope = (1 - ratio) / rows
        return value, np.append(logs.T @ slope + shrink * away, slope.sum() + anchor * theta[-1])

    start = np.append(equal, 0.0)
    bounds = [(0.0, 1.0)] * count + [(-1.0, 1.0)]
    one: Any = {"type": "eq", "fun": lambda t: t[:-1].sum() - 1, "jac": lambda t: np.append(np.ones(count), 0.0)}
    result = minimize(loss, start, jac=True, bounds=bounds, constraints=[one], method="SLSQP")
    weights = np.where(result.x[:-1] < NEGLIGIBLE, 0.0, result.x[:-1])
    return weights / weights.sum(), float(result.x[-1])
