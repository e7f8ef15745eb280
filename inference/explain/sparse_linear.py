"""A sparse weighted linear model, its features chosen one after the other.

Source: S. Chen, S. Billings, W. Luo (1989), Orthogonal least squares methods, Int. J. Control 50(5),
doi:10.1080/00207178908953472.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.explain.packing import FloatArray


@dataclass(frozen=True)
class Surrogate:
    """A fitted weighted linear model; ``coefficients`` has shape (features,), zero where not selected."""

    intercept: float
    coefficients: FloatArray

    def __call__(self, z: FloatArray) -> FloatArray:
        """Return its answers, shape (n,)."""
        answers: FloatArray = self.intercept + (z * self.coefficients).sum(axis=1)
        return answers


def fit(z: FloatArray, y: FloatArray, weight: FloatArray, features: int) -> Surrogate:
    """Fit a weighted linear model on at most ``features`` columns, chosen one after the other.

    Parameters
    ----------
    z : ndarray of shape (n, groups)
    y, weight : ndarray of shape (n,)

    Notes
    -----
    Orthogonal least squares: at each step the column that explains most of what is left, the columns left being made
    orthogonal to those chosen. Columns that add nothing (constant, or a copy of chosen ones) are never chosen.
    """
    total = weight.sum()
    centre, level = weight @ z / total, float(weight @ y / total)
    root = np.sqrt(weight)
    columns, target = (z - centre) * root[:, None], (y - level) * root
    left, residual = columns.copy(), target.copy()
    floor = 1e-10 * np.maximum((columns**2).sum(axis=0), 1e-300)
    chosen: list[int] = []
    for _ in range(min(features, z.shape[1])):
        power = (left**2).sum(axis=0)
        usable = power > floor
        usable[chosen] = False
        gain = np.where(usable, (left.T @ residual) ** 2 / np.where(usable, power, 1.0), -1.0)
        best = int(gain.argmax())
        if gain[best] <= 1e-18 * max(float(target @ target), 1e-300):
            break
        chosen.append(best)
        unit = left[:, best] / np.sqrt(power[best])
        residual -= unit * (unit @ residual)
        left -= np.outer(unit, unit @ left)
    coefficients = np.zeros(z.shape[1])
    if chosen:
        coefficients[chosen] = np.linalg.lstsq(columns[:, chosen], target, rcond=None)[0]
    return Surrogate(level - float(centre @ coefficients), coefficients)


def weighted_r2(actual: FloatArray, fitted: FloatArray, weight: FloatArray) -> float:
    """Return the weighted share of the variation that is reproduced; 1 where there is none to reproduce."""
    level = float(weight @ actual / weight.sum())
    total = float(weight @ (actual - level) ** 2)
    missed = float(weight @ (actual - fitted) ** 2)
    if total <= 1e-24 * max(level**2, 1.0) * float(weight.sum()):
        return 1.0
    return 1.0 - missed / total
