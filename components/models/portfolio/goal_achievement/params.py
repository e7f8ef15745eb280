"""Hyper-parameters of the goal predictor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    """What is chosen rather than learnt.

    Attributes
    ----------
    seed : int
        Of the paths and of the trees.
    paths : int
        Simulated paths of every goal, even; half of them are the others' antithetic partners.
    memory : float
        Years after which an error of the expected return has mostly faded. Horizons of the training data are shorter,
        so it decides only how fast uncertainty grows beyond them.
    rounds, depth, rate : int, int, float
        Of the trees.
    """

    seed: int = 7
    paths: int = 4096
    memory: float = 10.0
    rounds: int = 60
    depth: int = 3
    rate: float = 0.08
