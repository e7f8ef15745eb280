"""Simulated users: document 0 asks for preference data, and no data set of the platform has any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.models.contract import FloatArray

POSITIONS = (1.0, 0.3, 0.2, 0.15, 0.1)
COUNTS = (1.0, 0.75, 0.5)
NEW_MONEY = (0.0, 0.01, 0.05)
SECTOR_SHARES = (1.0, 1.0, 0.4, 0.3)


@dataclass(frozen=True)
class User:
    """Preferences of one user.

    Attributes
    ----------
    risk_tolerance : float
        0 to 1.
    max_position : float
        Largest share of a security, decimal.
    max_positions : int
        Most securities held.
    sector_share : float
        Largest share of any sector, decimal.
    new_money : float
        Invested at every step, decimal of the value at the start.
    """

    risk_tolerance: float
    max_position: float
    max_positions: int
    sector_share: float
    new_money: float

    @classmethod
    def unlimited(cls, securities: int) -> User:
        """Whoever takes every risk, sets no limit and adds nothing: the one that 1/N is compared for."""
        return cls(1.0, 1.0, securities, 1.0, 0.0)

    @classmethod
    def draw(cls, generator: np.random.Generator, securities: int) -> User:
        """Draw the preferences of a user of so many securities, each alone, from this module's lists."""
        return cls(
            float(generator.uniform()),
            float(generator.choice(POSITIONS)),
            max(1, round(float(generator.choice(COUNTS)) * securities)),
            float(generator.choice(SECTOR_SHARES)),
            float(generator.choice(NEW_MONEY)),
        )


def draw_weights(generator: np.random.Generator, securities: int) -> FloatArray:
    """Draw what such a user holds already: nothing, or any split over the securities and cash with equal chance."""
    if generator.uniform() < 0.25:
        return np.zeros(securities)
    made: FloatArray = generator.dirichlet(np.ones(securities + 1))[:securities]
    return made
