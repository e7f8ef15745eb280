"""Blend weights: non-negative, summing to one with a random walk that always takes part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from components.models.contract import FloatArray

RANDOM_WALK = "random_walk"
_SUM_TO_ONE = 1e4
"""Weight of the row that forces the sum; large against the data, small against double precision."""

NEGLIGIBLE = 1e-3
"""Weights below this are set to zero, so that a member that adds nothing is not served."""


def fit_weights(
    predictions: Mapping[str, FloatArray], actual: FloatArray, scale: FloatArray, steps: FloatArray, shrinkage: float
) -> dict[str, FloatArray]:
    """Fit blend weights per horizon by constrained least squares, in units of volatility.

    Minimises ``sum((y - sum_m w_m p_m)^2) + shrinkage * steps * mean(y^2) * sum_m w_m^2`` with ``w >= 0``; the random
    walk predicts zero and takes what is left to one. The penalty is a normal prior on each weight with standard
    deviation ``shrinkage ** -0.5``, so a member must earn its weight; ``steps`` accounts for overlapping returns, of
    which only one in ``steps`` is independent.

    Parameters
    ----------
    predictions : mapping of str to ndarray of shape (rows, horizons)
        Log returns by member, from members that were not fitted on these rows.
    actual : ndarray of shape (rows, horizons)
        Log returns that came.
    scale : ndarray of shape (rows, horizons)
        Volatility of each return; rows are weighted by its inverse square.
    steps : ndarray of shape (horizons,)
        Bars ahead of each horizon.
    shrinkage : float
        Penalty relative to the target's variance.

    Returns
    -------
    dict of str to ndarray of shape (horizons,)
        Weights by member, :data:`RANDOM_WALK` included; each horizon sums to one.

    Notes
    -----
    Bates and Granger (1969), doi:10.1057/jors.1969.103, with the non-negativity of Lawson and Hanson's NNLS.
    """
    from scipy.optimize import nnls

    names = list(predictions)
    weights = np.zeros((len(names) + 1, actual.shape[1]))
    for h in range(actual.shape[1]):
        target = actual[:, h] / scale[:, h]
        members = np.stack([predictions[n][:, h] / scale[:, h] for n in names], axis=1)
        weights[:, h] = _solve(nnls, members, target, shrinkage * steps[h])
    return {name: weights[i] for i, name in enumerate([*names, RANDOM_WALK])}


def _solve(nnls: Callable[..., Any], members: FloatArray, target: FloatArray, shrinkage: float) -> FloatArray:
    rows, count = members.shape
    penalty = np.sqrt(shrinkage * np.mean(target**2))
    top = np.hstack([members, np.zeros((rows, 1))])
    ridge = np.hstack([penalty * np.eye(count), np.zeros((count, 1))])
    matrix = np.vstack([top, ridge, np.full((1, count + 1), _SUM_TO_ONE)])
    solution = np.asarray(nnls(matrix, np.concatenate([target, np.zeros(count), [_SUM_TO_ONE]]))[0])
    solution[:count][solution[:count] < NEGLIGIBLE] = 0.0
    solution[count] = max(0.0, 1.0 - solution[:count].sum())
    normalised: FloatArray = solution / solution.sum()
    return normalised


def blend(
    predictions: Mapping[str, FloatArray], weights: Mapping[str, FloatArray], shape: tuple[int, int]
) -> FloatArray:
    """Return the weighted log return, shape (rows, horizons); the random walk adds zero."""
    out: FloatArray = np.zeros(shape)
    for name, weight in weights.items():
        if name != RANDOM_WALK and weight.any():
            out += predictions[name] * weight
    return out
