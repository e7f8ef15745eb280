"""Constraints of a portfolio, as linear inequalities of its weights, and who is to blame when none satisfies them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.question import Question

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
TOLERANCE = 1e-5
"""How far a weight may miss a limit: the solvers' accuracy."""


@dataclass(frozen=True)
class Constraints:
    """Weights sum to one, lie within bounds, and respect sectors and turnover; nothing is sold short.

    Attributes
    ----------
    low, high : ndarray of shape (securities,)
    members : ndarray of shape (sectors, securities)
        1 where a security is of a limited sector.
    sector_limits : ndarray of shape (sectors,)
    sector_names : tuple of str
    current : ndarray of shape (securities,)
        Weights held now.
    traded : float
        Largest sum of absolute changes of weights; infinite for no limit.
    """

    low: Vector
    high: Vector
    members: Matrix
    sector_limits: Vector
    sector_names: tuple[str, ...]
    current: Vector
    traded: float

    @classmethod
    def of(cls, question: Question) -> Self:
        """Return what a question asks for, but for the number of positions."""
        names = tuple(question.sector_limits)
        limit = question.limits["turnover_limit"]
        return cls(
            question.low,
            question.high,
            np.array([[float(s == name) for s in question.sectors] for name in names]).reshape(
                len(names), -1 if names else len(question.names)
            ),
            np.array(list(question.sector_limits.values())),
            names,
            question.current,
            np.inf if limit >= 1 else 2 * limit - cash(question.current),
        )

    def only(self, kept: npt.NDArray[np.bool_]) -> Self:
        """Return the constraints with nothing allowed but what is kept."""
        return replace(self, high=np.where(kept, self.high, 0.0))

    def without_turnover(self) -> Self:
        """Return the constraints with any turnover allowed."""
        return replace(self, traded=np.inf)

    def live(self) -> Self:
        """Return the constraints of the securities that may be held; the others are sold, which counts as traded."""
        kept = self.high > 0
        return replace(
            self,
            low=self.low[kept],
            high=self.high[kept],
            members=self.members[:, kept],
            current=self.current[kept],
            traded=self.traded - float(self.current[~kept].sum()),
        )

    def violated(self, weights: Vector) -> tuple[str, ...]:
        """Name the limits that weights miss by more than the tolerance."""
        sector = self.members @ weights - self.sector_limits
        found = {
            "budget": abs(weights.sum() - 1) > TOLERANCE,
            "min_weight": bool((weights < self.low - TOLERANCE).any()),
            "max_weight": bool((weights > self.high + TOLERANCE).any()),
            **{f"sector {name}": over > TOLERANCE for name, over in zip(self.sector_names, sector, strict=True)},
            "turnover_limit": np.abs(weights - self.current).sum() > self.traded + TOLERANCE,
        }
        return tuple(name for name, missed in found.items() if missed)


def cash(current: Vector) -> float:
    """Return the share of the portfolio that is not invested now."""
    return max(0.0, 1.0 - float(current.sum()))


def turnover(current: Vector, weights: Vector) -> float:
    """Return the share of the portfolio that changes hands: half the sum of all changes, that of cash included."""
    return (float(np.abs(weights - current).sum()) + cash(current)) / 2
