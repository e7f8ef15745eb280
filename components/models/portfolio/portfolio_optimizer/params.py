"""Hyper-parameters of the portfolio optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WINDOW: Final = 252
"""Daily returns that an estimate is made from: a year. Fixed, because it is the length of the tensor ``history``."""
MONTH: Final = 21
"""Trading days between two rebalancings, and over which the confidence looks ahead."""
YEAR: Final = 252
"""Trading days of a year."""
MAX_SECURITIES: Final = 100
"""Largest portfolio that is optimised; what bounds it is the time of one answer."""
MAX_SECTORS: Final = 20
"""Sector limits of one request."""
FRONTIER: Final = 20
"""Points of the efficient frontier."""

METHODS: Final = ("min_variance", "hrp", "cvar", "black_litterman", "equal_risk", "max_diversification")
"""How weights can be chosen; the first is the default."""


@dataclass(frozen=True)
class Params:
    """What the optimiser learns with.

    Attributes
    ----------
    calibration_penalty : float
        Strength of the prior that the bootstrap probability is right as it is, in observations.
    """

    calibration_penalty: float = 4.0
