"""Maximum mean discrepancy of all columns together: it sees a changed dependence that no single column shows.

RBF kernel with the median heuristic, unbiased estimate, p-value by permutation.

Source: A. Gretton et al. (2012), A Kernel Two-Sample Test, JMLR 13, 723-773,
https://jmlr.org/papers/v13/gretton12a.html.
"""

from __future__ import annotations

import numpy as np

from inference.drift.result import JOINT, FloatArray, TestResult

PERMUTATIONS = 500
MAX_REFERENCE = 500
"""Reference rows that are used: the kernel matrix grows with the square."""

SEED = 7


def subsample(reference: FloatArray) -> FloatArray:
    """Return at most :data:`MAX_REFERENCE` rows, drawn at random with a fixed seed.

    Not every n-th row: rows of several securities alternate, and every second one would be one security alone.
    """
    if len(reference) <= MAX_REFERENCE:
        return reference
    return reference[np.sort(np.random.default_rng(SEED).choice(len(reference), MAX_REFERENCE, replace=False))]


def standardise(reference: FloatArray, *others: FloatArray) -> list[FloatArray]:
    """Scale all samples by the reference's median and interquartile range, so that no unit dominates the distance."""
    low, middle, high = np.quantile(reference, [0.25, 0.5, 0.75], axis=0)
    spread = np.where(high > low, high - low, 1.0)
    return [(sample - middle) / spread for sample in (reference, *others)]


def rbf_kernel(rows: FloatArray) -> FloatArray:
    """Return ``exp(-|x - y|^2 / median |x - y|^2)`` between all rows; shape (N, N)."""
    norms = np.sum(rows**2, axis=1)
    squares = np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0)
    median = float(np.median(squares[np.triu_indices(len(rows), 1)]))
    return np.asarray(np.exp(-squares / (median if median > 0 else 1.0)), dtype=np.float64)


def mmd_squared(kernel: FloatArray, members: FloatArray) -> FloatArray:
    """Return unbiased squared MMD for several ways to split the same rows.

    Parameters
    ----------
    kernel : ndarray of shape (N, N)
    members : ndarray of shape (N, B)
        Column b is 1 for the rows of the first sample under split b, else 0.

    Returns
    -------
    ndarray of shape (B,)
    """
    n = members.sum(axis=0)
    m = len(kernel) - n
    others = 1.0 - members
    diagonal = np.diag(kernel)
    toward = kernel @ members
    within = np.einsum("ib,ib->b", members, toward)
    across = np.einsum("ib,ib->b", others, toward)
    beyond = float(kernel.sum()) - within - 2 * across
    first = (within - diagonal @ members) / (n * (n - 1))
    second = (beyond - diagonal @ others) / (m * (m - 1))
    return np.asarray(first + second - 2 * across / (n * m), dtype=np.float64)


def mmd_test(reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float) -> list[TestResult]:
    """Test all columns at once; the random permutations have a fixed seed, so that a verdict can be reproduced."""
    first, second = standardise(subsample(reference), window)
    kernel = rbf_kernel(np.concatenate([second, first]))
    members = np.zeros((len(kernel), PERMUTATIONS + 1))
    members[: len(window), :] = 1.0
    members[:, 1:] = np.random.default_rng(SEED).permuted(members[:, 1:], axis=0)
    statistics = mmd_squared(kernel, members)
    observed, permuted = float(statistics[0]), statistics[1:]
    p_value = float((1 + np.sum(permuted >= observed)) / (1 + PERMUTATIONS))
    threshold = float(np.quantile(permuted, 1 - alpha))
    return [TestResult("mmd", JOINT, observed, p_value, threshold, alpha, p_value <= alpha)]
