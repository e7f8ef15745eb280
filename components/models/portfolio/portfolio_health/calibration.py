"""What is learned from validation rows: blend weights, the size of the error to expect, interval and confidence.

Where forest and network disagree, the answer is less certain. Their disagreement predicts the squared error by a
non-negative straight line; the interval is split-conformal in units of the error so predicted, and the confidence is
how often answers of such an expected error were right, in bins that are made monotone. Imports numpy only, because
serving runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.evaluation.conformal import upper_quantile
from components.models.contract import FloatArray

BIN = 150
"""Rows of a bin of the confidence, so that each share is known to 2 points or so; two bins where there are few rows."""
LEAST_ERROR = 0.1
"""Points; no answer is more certain than that."""


@dataclass(frozen=True)
class Calibration:
    """Learned from validation rows.

    Attributes
    ----------
    weights : ndarray of shape (4,)
        The forest's share of each component, decimal; the rest is the network's.
    error : ndarray of shape (2,)
        Expected squared error without disagreement, and per squared point of it.
    width : float
        Half width of the interval in units of the expected error.
    knots, curve : ndarray of shape (bins,)
        Expected errors, ascending, and the share of answers that were right there, not ascending.
    within : float
        Points within which the raters' score must lie for an answer to count as right.
    """

    weights: FloatArray
    error: FloatArray
    width: float
    knots: FloatArray
    curve: FloatArray
    within: float

    def blend(self, members: Mapping[str, FloatArray]) -> FloatArray:
        """Return blended components in [0, 100], shape (rows, ..., 4)."""
        mixed = self.weights * members["forest"] + (1 - self.weights) * members["network"]
        bounded: FloatArray = np.clip(mixed, 0.0, 100.0)
        return bounded

    def expected_error(self, members: Mapping[str, FloatArray]) -> FloatArray:
        """Return the root of the expected squared error of the health score, points, shape (rows,)."""
        squared = self.error[0] + self.error[1] * disagreement(members)
        root: FloatArray = np.sqrt(np.maximum(squared, LEAST_ERROR**2))
        return root

    def confidence(self, expected: FloatArray) -> FloatArray:
        """Return the probability that the raters' score is within ``within`` points, from the expected error."""
        share: FloatArray = np.interp(expected, self.knots, self.curve)
        return share

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        arrays: dict[str, Any] = {k: np.array(v) if isinstance(v, list) else v for k, v in raw.items()}
        return cls(**arrays)


def disagreement(members: Mapping[str, FloatArray]) -> FloatArray:
    """Return the mean squared difference of the two members' components, squared points, shape (rows,)."""
    mean: FloatArray = ((members["forest"] - members["network"]) ** 2).mean(axis=-1)
    return mean


def calibrate(members: Mapping[str, FloatArray], ratings: FloatArray, coverage: float, within: float) -> Calibration:
    """Learn from members that were not fitted on these rows.

    Parameters
    ----------
    members : mapping of str to ndarray of shape (rows, 4)
        Components of ``forest`` and ``network``, points.
    ratings : ndarray of shape (rows, 4)
        The raters' components.
    coverage, within : float
        As in ``Params``.
    """
    weights, none = _weights(members, ratings), np.zeros(1)
    start = Calibration(weights, np.array([1.0, 0.0]), 1.0, none, none, within)
    error = np.abs(ratings.mean(axis=1) - start.blend(members).mean(axis=1))
    line = replace(start, error=_line(disagreement(members), error**2))
    expected = line.expected_error(members)
    width = float(upper_quantile((error / expected)[:, None], coverage)[0])
    knots, curve = _frequencies(expected, error <= within)
    return replace(line, width=width, knots=knots, curve=curve)


def _weights(members: Mapping[str, FloatArray], ratings: FloatArray) -> FloatArray:
    """Return the forest's share of each component with the least squared error, in [0, 1]."""
    apart = members["forest"] - members["network"]
    wanted = ratings - members["network"]
    best = (apart * wanted).sum(axis=0) / np.maximum((apart**2).sum(axis=0), 1e-9)
    shares: FloatArray = np.clip(best, 0.0, 1.0)
    return shares


def _line(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return intercept and slope, neither negative, of the least-squares line."""
    centred = x - x.mean()
    slope = max(float(centred @ y) / max(float(centred @ centred), 1e-9), 0.0)
    intercept = float(y.mean()) - slope * float(x.mean())
    if intercept < 0:
        intercept, slope = 0.0, float(x @ y) / max(float(x @ x), 1e-9)
    return np.array([intercept, slope])


def _frequencies(expected: FloatArray, right: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Return mean expected error and share of right answers of bins, the shares made non-increasing.

    Neighbours in the wrong order, or with the same expected error, are pooled: Ayer et al. (1955),
    doi:10.1214/aoms/1177728423; Zadrozny and Elkan (2002), doi:10.1145/775047.775151. Half an answer is added on either
    side, so that no share is nought or one.
    """
    pools: list[tuple[float, float, float]] = []
    order = np.argsort(expected, kind="stable")
    for rows in np.array_split(order, max(len(order) // BIN, 2)):
        pool = (float(expected[rows].sum()), float(right[rows].sum()), float(len(rows)))
        while pools and (_share(pools[-1]) <= _share(pool) or _middle(pools[-1]) >= _middle(pool)):
            x, hits, count = pools.pop()
            pool = (pool[0] + x, pool[1] + hits, pool[2] + count)
        pools.append(pool)
    return np.array([_middle(pool) for pool in pools]), np.array([_share(pool) for pool in pools])


def _middle(pool: tuple[float, float, float]) -> float:
    return pool[0] / pool[2]


def _share(pool: tuple[float, float, float]) -> float:
    return (pool[1] + 0.5) / (pool[2] + 1)
