"""Shapley values by antithetic permutation sampling: needs numpy alone.

Walking through a random order of the features and replacing, one after the other, the background's value by the
instance's gives each feature a marginal contribution; the Shapley value is its mean over all orders and background
rows. Each background row is walked along its own random order and along that order reversed: this is unbiased, exactly
additive, exact for models without interactions and, by the reversal, for models whose interactions are pairwise.

Sources
-------
- E. Strumbelj, I. Kononenko (2014), Knowl. Inf. Syst. 41, 647-665, doi:10.1007/s10115-013-0679-x.
- R. Mitchell et al. (2022), Sampling Permutations for Shapley Value Estimation, JMLR 23(43),
  https://jmlr.org/papers/v23/21-0439.html: the antithetic (reversed) pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inference.explain.answer import attribution_answer
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem


def permutation_shap(problem: Problem, row: FloatArray) -> dict[str, Any]:
    """Explain one packed row of shape (width,).

    One pass over a background of b rows costs ``2 b groups`` model rows; as many passes are made as the budget holds,
    and the background is thinned where it holds not even one.
    """
    count = len(problem.packing.groups)
    background = problem.subsample(min(len(problem.background), max(problem.budget_rows // (2 * count), 2)))
    passes = max(problem.budget_rows // (2 * count * len(background)), 1)
    start = np.tile(background, (passes, 1))
    order = np.random.default_rng(problem.seed).permuted(np.tile(np.arange(count), (len(start), 1)), axis=1)
    values = walk(problem, row, start, order)
    base, prediction = float(values[: len(background), 0].mean()), float(values[0, count])
    forward = contributions(values[:, : count + 1], order)
    backward_path = np.concatenate([values[:, :1], values[:, count + 1 :], values[:, count : count + 1]], axis=1)
    both = (forward + contributions(backward_path, order[:, ::-1])) / 2
    spread = both.reshape(passes, len(background), count).mean(axis=0)
    error = spread.std(axis=0, ddof=1) / np.sqrt(len(background))
    details = {
        "library": "arthaflow",
        "passes": passes,
        "background_rows": len(background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }
    return attribution_answer(problem, row, "permutation_shap", base, prediction, both.mean(axis=0), details, error)


def walk(problem: Problem, row: FloatArray, start: FloatArray, order: np.ndarray[Any, Any]) -> FloatArray:
    """Return the model's answers along every walk, forward then backward.

    Parameters
    ----------
    row : ndarray of shape (width,)
    start : ndarray of shape (walks, width)
    order : ndarray of shape (walks, groups)

    Returns
    -------
    ndarray of shape (walks, 2 * groups)
        Column 0 is the start, columns 1 to groups the forward steps (the last is the instance itself), the rest the
        ``groups - 1`` inner steps of the reversed order.
    """
    walks, count = order.shape
    rank = np.argsort(order, axis=1)
    owner = problem.packing.owner
    base = problem(start)
    end = float(problem(row[None, :])[0])
    inner = np.arange(1, count)
    forward = rank[:, None, :] < inner[None, :, None]
    backward = (count - 1 - rank)[:, None, :] < inner[None, :, None]
    masks = np.concatenate([forward, backward], axis=1)[:, :, owner]
    mixed = np.where(masks, row[None, None, :], start[:, None, :]).reshape(-1, problem.packing.width)
    steps = problem(mixed).reshape(walks, 2 * (count - 1)) if count > 1 else np.empty((walks, 0))
    ends = np.full((walks, 1), end)
    return np.concatenate([base[:, None], steps[:, : count - 1], ends, steps[:, count - 1 :]], axis=1)


def contributions(path: FloatArray, order: np.ndarray[Any, Any]) -> FloatArray:
    """Return each group's marginal contribution along its walk; shape (walks, groups)."""
    gains = np.diff(path, axis=1)
    result = np.empty_like(gains)
    np.put_along_axis(result, order, gains, axis=1)
    return result
