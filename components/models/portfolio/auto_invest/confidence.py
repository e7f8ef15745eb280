"""Confidence: the probability that a month is not worse than equal shares, as validation bore it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from components.models.contract import FloatArray

PRIOR = 24.0
"""Months of even odds that the validation months are added to."""


@dataclass(frozen=True)
class Confidence:
    """A straight line from the outlook's chance to a probability, no steeper than one.

    Attributes
    ----------
    base : float
        Probability at the centre.
    centre : float
        Mean chance of the validation rows.
    slope : float
        How much of a chance's distance from the centre is believed, 0 to 1.
    """

    base: float = 0.5
    centre: float = 0.5
    slope: float = 0.0

    def __call__(self, chance: float) -> float:
        """Return the probability for a chance, both decimal."""
        return float(np.clip(self.base + self.slope * (chance - self.centre), 0.0, 1.0))

    @classmethod
    def fit(cls, chances: FloatArray, outcomes: FloatArray) -> Self:
        """Fit by least squares with a prior of even odds.

        Parameters
        ----------
        chances : ndarray of shape (rows,)
            Of :meth:`Outlook.chance`.
        outcomes : ndarray of shape (rows,)
            1 where the month was not worse, else 0.
        """
        centre = float(chances.mean())
        base = (float(outcomes.sum()) + PRIOR / 2) / (len(outcomes) + PRIOR)
        away = chances - centre
        # The prior's weight in the denominator draws the slope to nought where chances hardly differ.
        slope = float(away @ (outcomes - outcomes.mean())) / (float(away @ away) + PRIOR * 0.01)
        return cls(base, centre, float(np.clip(slope, 0.0, 1.0)))
