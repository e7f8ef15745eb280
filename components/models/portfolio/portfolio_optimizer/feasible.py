"""Is there a portfolio that meets every limit? If not, the limit that cannot be met is named, with what would do."""

from __future__ import annotations

import numpy as np

from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer.constraints import TOLERANCE, Constraints, cash
from components.models.portfolio.portfolio_optimizer.quadratic import least_traded
from components.models.portfolio.portfolio_optimizer.question import Question


def check_feasible(question: Question, constraints: Constraints, row: int) -> None:
    """Refuse limits that no portfolio meets.

    Raises
    ------
    InvalidRequest
        Naming the limit.
    """
    low, high = question.low, question.high
    if low.sum() > 1 + TOLERANCE:
        raise InvalidRequest(
            f"the least weights add up to {low.sum():.4g}, more than one", "Lower them.", path=f"min_weight[{row}]"
        )
    if high.sum() < 1 - TOLERANCE:
        raise InvalidRequest(
            f"the largest weights of {len(high)} securities add up to {high.sum():.4g}, less than one",
            f"Allow each at least {1 / len(high):.4g}, or name more securities.",
            path=f"max_weight[{row}]",
        )
    _check_sectors(question, constraints, row)
    _check_positions(question, row)
    _check_turnover(question, constraints, row)


def _check_sectors(question: Question, constraints: Constraints, row: int) -> None:
    room = 0.0
    for name, limit, member in zip(
        constraints.sector_names, constraints.sector_limits, constraints.members > 0, strict=True
    ):
        if question.low[member].sum() > limit + TOLERANCE:
            raise InvalidRequest(
                f"{name!r} is limited to {limit:.4g}, and its least weights add up to {question.low[member].sum():.4g}",
                "Raise the limit, or lower min_weight.",
                path=f"sector_limit[{row}]",
            )
        room += min(float(limit), float(question.high[member].sum()))
    free = ~(constraints.members > 0).any(axis=0)
    room += float(question.high[free].sum())
    if room < 1 - TOLERANCE:
        raise InvalidRequest(
            f"sector limits and largest weights leave room for {room:.4g} of the portfolio, less than one",
            "Raise a sector's limit, or add securities of other sectors.",
            path=f"sector_limit[{row}]",
        )


def _check_positions(question: Question, row: int) -> None:
    most = int(question.limits["max_positions"])
    if not most:
        return
    needed = int((question.low > 0).sum())
    room = float(np.sort(question.high)[::-1][:most].sum())
    if needed > most or room < 1 - TOLERANCE:
        why = (
            f"{needed} securities have a least weight"
            if needed > most
            else f"their largest weights add up to {room:.4g}, less than one"
        )
        raise InvalidRequest(
            f"{most} positions cannot hold the portfolio: {why}",
            "Allow more positions, or loosen the weights' limits.",
            path=f"constraints.max_positions[{row}]",
        )


def _check_turnover(question: Question, constraints: Constraints, row: int) -> None:
    if not np.isfinite(constraints.traded):
        return
    found = least_traded(constraints)
    if found is None or found[1] <= constraints.traded + TOLERANCE:
        return
    least = (found[1] + cash(question.current)) / 2
    raise InvalidRequest(
        f"a turnover of {question.limits['turnover_limit']:.4g} does not reach any portfolio within the other limits",
        f"Allow at least {least:.4g}.",
        path=f"constraints.turnover_limit[{row}]",
    )
