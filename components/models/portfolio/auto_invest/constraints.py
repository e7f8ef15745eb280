"""A user's limits, and the shares that keep them: proportional filling of positions and sectors up to their caps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Constraints:
    """Limits of one user over some securities.

    Attributes
    ----------
    max_position : float
        Largest share of a security, decimal.
    max_positions : int
        Most securities held.
    sector : ndarray of int, shape (securities,)
        Number of each security's sector.
    sector_limit : ndarray of shape (sectors,)
        Largest share of each sector, decimal.
    """

    max_position: float
    max_positions: int
    sector: npt.NDArray[np.int64]
    sector_limit: FloatArray

    @classmethod
    def none(cls, securities: int) -> Constraints:
        """No limit at all."""
        return cls(1.0, securities, np.zeros(securities, dtype=np.int64), np.ones(1))

    def sector_sums(self, weights: FloatArray) -> FloatArray:
        """Return the share of every sector."""
        sums: FloatArray = np.bincount(self.sector, weights, minlength=len(self.sector_limit)).astype(np.float64)
        return sums

    def broken_by(self, weights: FloatArray) -> bool:
        """Tell whether shares exceed a limit."""
        return bool(
            weights.max(initial=0.0) > self.max_position + TOLERANCE
            or np.count_nonzero(weights > TOLERANCE) > self.max_positions
            or (self.sector_sums(weights) > self.sector_limit + TOLERANCE).any()
        )

    def allocate(self, desired: FloatArray, total: float, held: FloatArray | None = None) -> FloatArray:
        """Spread ``total`` in proportion to ``desired``, within what the limits leave beside what is held.

        Parameters
        ----------
        desired : ndarray of shape (securities,)
            Not negative; more than ``max_positions`` of them are the caller's fault.
        total : float
            To spread, decimal; what the limits do not take stays cash.
        held : ndarray of shape (securities,) or None
            Shares that stay as they are; None for none.

        Returns
        -------
        ndarray of shape (securities,)
            Additional shares.
        """
        room, space = np.full(len(desired), self.max_position), self.sector_limit
        if held is not None:
            room = np.maximum(room - held, 0.0)
            space = np.maximum(space - self.sector_sums(held), 0.0)
        weights = fill(desired, room, total)
        if self.sector_limit.min() >= 1:
            return weights
        closed = np.zeros(len(space), dtype=bool)
        # What a full sector leaves over goes to the others, which only then may become full: a sector never reopens.
        while (over := (self.sector_sums(weights) > space + TOLERANCE) & ~closed).any():
            closed |= over
            for number in np.flatnonzero(over):
                own = self.sector == number
                weights[own] = fill(desired[own], room[own], float(space[number]))
            free = ~closed[self.sector]
            weights[free] = fill(desired[free], room[free], total - float(weights[~free].sum()))
        return weights


def fill(desired: FloatArray, room: FloatArray, total: float) -> FloatArray:
    """Spread ``total`` in proportion to ``desired``; what exceeds a security's room goes to the others.

    Examples
    --------
    >>> fill(np.array([3.0, 1.0]), np.array([0.5, 1.0]), 1.0)
    array([0.5, 0.5])
    """
    weights = np.zeros(len(desired))
    free = desired > 0
    left = max(total, 0.0)
    while left > 0 and free.any():
        share = desired * (left / desired[free].sum())
        full = free & (share >= room)
        if not full.any():
            weights[free] = share[free]
            break
        weights[full] = room[full]
        left -= float(room[full].sum())
        free &= ~full
    return weights


def keep_largest(desired: FloatArray, count: int, tie: npt.NDArray[Any]) -> FloatArray:
    """Keep the ``count`` largest; between equals, those with the smallest ``tie``."""
    if count >= len(desired):
        return desired
    kept = np.lexsort((tie, -np.round(desired, 12)))[:count]
    made = np.zeros(len(desired))
    made[kept] = desired[kept]
    return made
