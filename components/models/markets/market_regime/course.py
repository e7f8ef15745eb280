"""How regimes follow each other, and what each of them means for the next day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.markets.market_regime.dating import REGIMES, IntArray

BARS_PER_YEAR = 252.0


@dataclass(frozen=True)
class RegimeCourse:
    """Dynamics and character of the regimes in training.

    Attributes
    ----------
    transition : ndarray of shape (3, 3)
        Row: from; a step is one bar.
    volatility, expected_return : ndarray of shape (3,)
        Annualised decimals of the next bar's log return, weighted with the probabilities that were served then.
    """

    transition: FloatArray
    volatility: FloatArray
    expected_return: FloatArray

    @property
    def duration(self) -> FloatArray:
        """Expected bars until the regime ends, shape (3,); the same however long it has lasted."""
        lasting: FloatArray = 1 / (1 - np.diag(self.transition))
        return lasting

    def ahead(self, bars: int) -> FloatArray:
        """Return the transition matrix over ``bars`` bars."""
        power: FloatArray = np.linalg.matrix_power(self.transition, bars)
        return power

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {name: getattr(self, name).tolist() for name in ("transition", "volatility", "expected_return")}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(*(np.array(raw[name]) for name in ("transition", "volatility", "expected_return")))


def count_transitions(regime: IntArray, entities: npt.NDArray[Any]) -> FloatArray:
    """Return the transition matrix of dated regimes, with one further observed step from each regime to each.

    Parameters
    ----------
    regime : ndarray of int, shape (rows,)
        In time order.
    entities : ndarray of shape (rows,)
        Steps are counted within an entity.
    """
    kinds = len(REGIMES)
    counts = np.ones((kinds, kinds))
    for entity in np.unique(entities.astype(str)):
        own = regime[entities.astype(str) == entity]
        np.add.at(counts, (own[:-1], own[1:]), 1.0)
    shares: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return shares


def count_spells(regime: IntArray, entities: npt.NDArray[Any]) -> int:
    """Return how many spells of one regime the rows hold; entities that move together count once."""
    names = np.unique(entities.astype(str))
    spells = [1 + int(np.sum(np.diff(regime[entities.astype(str) == name]) != 0)) for name in names]
    return max(1, round(float(np.mean(spells))))


def characterise(probabilities: FloatArray, next_return: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return annualised volatility and mean of the next bar's log return by regime, each of shape (3,).

    Parameters
    ----------
    probabilities : ndarray of shape (rows, 3)
        As served at the time.
    next_return : ndarray of shape (rows,)
        Log returns.
    """
    weight = probabilities / probabilities.sum(axis=0)
    mean = next_return @ weight
    variance = ((next_return[:, None] - mean) ** 2 * weight).sum(axis=0)
    return np.sqrt(BARS_PER_YEAR * variance), BARS_PER_YEAR * mean
