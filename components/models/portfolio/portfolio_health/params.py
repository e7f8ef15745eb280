"""Hyper-parameters of the portfolio health score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    """Hyper-parameters.

    Attributes
    ----------
    trees, depth, leaf : int
        Trees of each component's forest, their deepest level, and fewest portfolios of a leaf.
    share : float
        Columns that a split may look at, decimal.
    hidden, epochs, batch : int
        Units of the network's layers, passes over the training rows, rows of a step.
    rate : float
        Learning rate at the start; it falls to nought along a half cosine.
    coverage : float
        Nominal coverage of the interval, decimal.
    within : float
        Points within which the raters' score must lie for the answer to count as right; what confidence is about.
    seed, threads : int
        Of everything random; of the forest's training.
    """

    trees: int = 32
    depth: int = 12
    leaf: int = 4
    share: float = 0.6
    hidden: int = 32
    epochs: int = 60
    batch: int = 128
    rate: float = 3e-2
    coverage: float = 0.9
    within: float = 5.0
    seed: int = 7
    threads: int = 1
