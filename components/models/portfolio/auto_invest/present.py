"""From the model's numbers to document 0's words and percents."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from components.models.product import Tensors

LEAST = 5e-5
"""Shares below are rounding, decimal."""

Frequency = Literal["monthly", "weekly"]


def allocation(outputs: Tensors) -> list[dict[str, Any]]:
    """Return what is held, the largest first, in percent."""
    held = zip(outputs["security"][0], outputs["allocation"][0], outputs["contribution"][0], strict=True)
    kept = [(str(name), float(w), float(c)) for name, w, c in held if w >= LEAST]
    return [
        {
            "security_id": name,
            "allocation_percent": round(100 * weight, 2),
            "expected_contribution": round(100 * part, 2),
        }
        for name, weight, part in sorted(kept, key=lambda item: (-item[1], item[0]))
    ]


def performance(outputs: Tensors) -> dict[str, float]:
    """Return annual return, volatility and largest drawdown in percent, and the Sharpe ratio."""
    annual, volatility, sharpe, drawdown = (float(v) for v in outputs["performance"][0])
    return {
        "annual_return": round(100 * annual, 2),
        "volatility": round(100 * volatility, 2),
        "sharpe_ratio": round(sharpe, 2),
        "max_drawdown": round(100 * drawdown, 2),
    }


def schedule(outputs: Tensors, today: date) -> dict[str, Any]:
    """Return how often the strategy decides, when it next trades more than new money, and what these trades cost.

    A rebalancing that the policy asks for takes place on the first weekday of the next month or week; one that it does
    not ask for, a month or week later at the earliest.
    """
    rebalance, _, cost, _, _, interval = (float(v) for v in outputs["trade"][0])
    frequency: Frequency = "monthly" if interval > 5 else "weekly"
    return {
        "frequency": frequency,
        "next_rebalance": next_date(today, frequency, 1 if rebalance else 2),
        "estimated_cost": round(cost, 2),
    }


def next_date(today: date, frequency: Frequency, periods: int) -> date:
    """Return the first weekday of a later month or week.

    Examples
    --------
    >>> next_date(date(2025, 11, 13), "monthly", 1)
    datetime.date(2025, 12, 1)
    """
    if frequency == "weekly":
        return today + timedelta(days=7 * periods - today.weekday())
    months = today.year * 12 + today.month - 1 + periods
    first = date(months // 12, months % 12 + 1, 1)
    return first + timedelta(days=max(0, 7 - first.weekday()) if first.weekday() > 4 else 0)


def summary(values: list[float]) -> tuple[float, float]:
    """Return mean and standard deviation of percents, as decimals; noughts of none."""
    return (float(np.mean(values)) / 100, float(np.std(values)) / 100) if values else (0.0, 0.0)
