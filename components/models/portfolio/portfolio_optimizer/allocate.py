"""From limits to weights: the asked method, then a chain of simpler ones, so that an answer is never nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer.constraints import Constraints
from components.models.portfolio.portfolio_optimizer.estimate import Beliefs
from components.models.portfolio.portfolio_optimizer.quadratic import Program, least_traded, nearest
from components.models.portfolio.portfolio_optimizer.question import Question

Vector = npt.NDArray[np.float64]
FALLBACKS = ("", "min_variance_direct", "nearest_to_equal_weight", "fewest_trades")
"""Steps of the chain; the method itself comes first."""
HELD = 1e-6
"""Weights below are solver's dust and are set to the least allowed."""


@dataclass(frozen=True)
class Allocation:
    """Chosen weights, and which step of the chain they come from."""

    weights: Vector
    step: int


def allocate(question: Question, beliefs: Beliefs, constraints: Constraints, row: int) -> Allocation:
    """Choose weights within all limits.

    A limit on the number of positions is met in two steps: the method chooses without it, then again among the largest.

    Raises
    ------
    InvalidRequest
        If no portfolio meets the limits; see also :func:`check_feasible`.
    """
    found = _chain(question, beliefs, constraints)
    most = int(question.limits["max_positions"])
    if found is not None and most and (found.weights > HELD).sum() > most:
        order = np.lexsort((-found.weights, constraints.low <= 0))
        kept = np.isin(np.arange(len(order)), order[:most])
        found = _chain(question, beliefs, constraints.only(kept))
    if found is None:
        named = ", ".join(_limits_of(question)) or "min_weight and max_weight"
        raise InvalidRequest(
            f"no portfolio meets {named} at once",
            "Loosen one of them.",
            path=f"constraints[{row}]",
        )
    return found


def _limits_of(question: Question) -> list[str]:
    asked = {
        "max_positions": question.limits["max_positions"] > 0,
        "turnover_limit": question.limits["turnover_limit"] < 1,
        "sector_limit": bool(question.sector_limits),
        "max_weight": bool((question.high < 1).any()),
        "min_weight": bool((question.low > 0).any()),
    }
    return [name for name, given in asked.items() if given]


def _chain(question: Question, beliefs: Beliefs, constraints: Constraints) -> Allocation | None:
    """Return the first step's weights that meet the constraints."""
    size = len(constraints.low)
    steps: tuple[Callable[[], Vector | None], ...] = (
        lambda: _by_method(question, beliefs, constraints),
        lambda: Program(constraints).minimise(beliefs.covariance, np.zeros(size)),
        lambda: nearest(np.full(size, 1 / size), constraints, np.eye(size)),
        lambda: (found := least_traded(constraints)) and found[0],
    )
    for step, choose in enumerate(steps):
        weights = choose()
        if weights is None or not np.isfinite(weights).all():
            continue
        clean = _clean(weights, constraints)
        if not constraints.violated(clean):
            return Allocation(clean, step)
    return None


def _by_method(question: Question, beliefs: Beliefs, constraints: Constraints) -> Vector | None:
    from skfolio.exceptions import SkfolioError

    from components.models.portfolio.portfolio_optimizer.methods import propose

    kept = constraints.high > 0
    live = constraints.live()
    weights = np.zeros(len(kept))
    if kept.sum() == 1:
        weights[kept] = 1.0
        return weights
    part = Beliefs(beliefs.mean[kept], beliefs.covariance[np.ix_(kept, kept)], beliefs.returns[:, kept])
    try:
        weights[kept] = propose(question.method, part, live, question.limits["risk_aversion"])
    except (SkfolioError, np.linalg.LinAlgError):
        return None
    if constraints.violated(_clean(weights, constraints)):
        # Hierarchies and risk budgets know nothing of turnover: of the allowed portfolios, the one that tracks theirs.
        return nearest(weights, constraints, beliefs.covariance)
    return weights


def _clean(weights: Vector, constraints: Constraints) -> Vector:
    """Remove the solver's dust, and what that changes in the sum is taken from or given to those that have room."""
    held = np.clip(np.where(weights < HELD, 0.0, weights), constraints.low, constraints.high)
    short = 1 - float(held.sum())
    room = np.where(held > 0, constraints.high - held if short > 0 else held - constraints.low, 0.0)
    clean: Vector = held + short * room / room.sum() if room.sum() > 0 else held
    return clean
