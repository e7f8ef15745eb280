"""How much risk a portfolio is for its owner: the loss that would have to be realised, beside what can be borne."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.models.portfolio.risk_assessment.universe import DEPTHS, MONTHS, Universe

Array = npt.NDArray[Any]
CATEGORIES: Final = ((40.0, "low"), (70.0, "moderate"), (85.0, "high"), (101.0, "very_high"))
"""Upper ends of the scores; document 0 calls 68 moderate."""
QUARTILES: Final = (0.75, 0.25)
"""Shares of drawdowns that still last when a recovery time begins and ends."""


def still_lost(universe: Universe, depth: float, months: float) -> float:
    """Return the share of drawdowns of a depth that are not made up for after so many months.

    Interpolated between the depths and months that are known; deeper or later ones count as the last.
    """
    return float(np.interp(months, np.arange(MONTHS + 1.0), lasting_at(universe, depth)))


def lasting_at(universe: Universe, depth: float) -> Array:
    """Return the share of drawdowns of a depth that still last after 0, 1, ... ``MONTHS`` months."""
    place = float(np.interp(depth, DEPTHS, np.arange(len(DEPTHS))))
    below = int(place)
    above = min(below + 1, len(DEPTHS) - 1)
    between: Array = (1 - (place - below)) * universe.lasting[below] + (place - below) * universe.lasting[above]
    return between


def recovery_months(universe: Universe, depth: float) -> tuple[float, float]:
    """Return after how many months a quarter, and three quarters, of drawdowns of a depth are made up for.

    ``MONTHS`` where they are not within what is known.
    """
    at = lasting_at(universe, depth)
    first, last = (int(np.argmax(at <= share)) if (at <= share).any() else MONTHS for share in QUARTILES)
    return float(first), float(last)


def risk_score(universe: Universe, worst_drawdown: float, capacity: float, horizon: float, needs: float) -> float:
    """Return 0 to 100: what the owner may have to realise, over itself plus what the owner can bear.

    Of the worst drawdown of a year (exceeded in one of 20), the owner realises the part on what is needed at any time,
    and of the rest what is usually not made up for by the horizon.

    Parameters
    ----------
    universe : Universe
    worst_drawdown, capacity, needs : float
        Decimal.
    horizon : float
        Months.
    """
    realised = worst_drawdown * (needs + (1 - needs) * still_lost(universe, worst_drawdown, horizon))
    return 100 * realised / (realised + capacity) if realised + capacity > 0 else 0.0


def category(score: float) -> str:
    """Return the score in a word."""
    return next(word for upper, word in CATEGORIES if score < upper)


def recovery_words(first: float, last: float) -> str:
    """Return a span of months as document 0 writes it."""
    if last <= 0:
        return "less than 1 month"
    if first >= MONTHS:
        return f"more than {MONTHS} months"
    if last >= MONTHS:
        return f"more than {max(first, 1):.0f} months"
    first = max(first, 1)
    return f"{first:.0f}-{last:.0f} months" if last > first else f"{last:.0f} month{'s' if last > 1 else ''}"
