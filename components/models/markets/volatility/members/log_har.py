"""Log-HAR: log variance to come, linear in logs of past variance over a day, a week, a month and a quarter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.markets.volatility.design import HAR, har_design
from components.models.markets.volatility.inputs import Prepared, prepare
from components.models.markets.volatility.members.base import Member, realised

STEPS = 50
CONVERGED = 1e-10


class LogHar(Member):
    """Heterogeneous autoregression with leverage and VIX terms, fitted by QLIKE.

    ``log f = x b``; QLIKE is convex in ``b``, so Newton's method finds the one minimum. Fitted so, and not by least
    squares on the logs, ``f`` has the level of the mean, without a correction for the logarithm.
    """

    name = "log_har"

    def _fit(self, train: Dataset, validation: Dataset) -> None:
        design = har_design(prepare(train.inputs, self.level))
        self.centre, deviation = design.mean(axis=0), design.std(axis=0)
        self.scale = np.where(deviation > 1e-9, deviation, 1.0)
        columns = np.column_stack([np.ones(len(design)), (design - self.centre) / self.scale])
        target = realised(train)
        fits = [fit_log_linear(columns, target[:, h], self.params.har_ridge) for h in range(target.shape[1])]
        self.coefficients = np.stack(fits)

    def forecast(self, x: Prepared) -> FloatArray:
        """Return log variances of prepared rows, shape (rows, horizons)."""
        standard = np.clip((har_design(x) - self.centre) / self.scale, -8.0, 8.0)
        # einsum sums every row alone, so that a batch's answer equals its rows' answers; BLAS does not.
        logs: FloatArray = np.einsum("ij,hj->ih", standard, self.coefficients[:, 1:]) + self.coefficients[:, 0]
        return logs

    def state(self) -> dict[str, Any]:
        """Return what was learned, JSON-ready."""
        return {
            "columns": ["constant", *HAR],
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "coefficients": self.coefficients.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.centre, self.scale, self.coefficients = (np.array(state[k]) for k in ("centre", "scale", "coefficients"))

    def _state(self) -> dict[str, Any]:
        return self.state()

    def _restore(self, state: dict[str, Any], directory: Path) -> None:
        self.restore(state)


def fit_log_linear(columns: FloatArray, target: FloatArray, ridge: float) -> FloatArray:
    """Minimise ``mean(y exp(-x b) + x b)``, which is QLIKE, plus a ridge on all but the constant.

    Parameters
    ----------
    columns : ndarray of shape (rows, columns)
        The first is constant.
    target : ndarray of shape (rows,)
        Positive.
    ridge : float
        In rows.

    Returns
    -------
    ndarray of shape (columns,)
    """
    rows, count = columns.shape
    penalty = np.full(count, ridge / rows)
    penalty[0] = 0.0
    b = np.zeros(count)
    b[0] = np.log(target.mean())

    def loss(beta: FloatArray) -> float:
        fitted = columns @ beta
        return float(np.mean(target * np.exp(-fitted) + fitted) + 0.5 * penalty @ beta**2)

    current = loss(b)
    for _ in range(STEPS):
        ratio = target * np.exp(-columns @ b)
        gradient = columns.T @ (1 - ratio) / rows + penalty * b
        # Between Newton's curvature and Fisher's, which is one a row: the first alone vanishes where ratios are small.
        curvature = columns.T @ (columns * (0.5 + 0.5 * ratio)[:, None]) / rows + np.diag(penalty)
        step = np.linalg.solve(curvature + 1e-10 * np.eye(count), gradient)
        size = 1.0
        while loss(b - size * step) > current and size > 1e-6:
            size /= 2
        b = b - size * step
        improved, current = current, loss(b)
        if improved - current < CONVERGED:
            break
    return b
