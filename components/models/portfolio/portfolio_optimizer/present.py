"""The product's JSON of one optimised portfolio: percent, rupees, and one sentence on whether to trade."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from components.finance.rupees import rupees
from components.models.product import Tensors

UNMOVED = 1e-4
"""Changes of weight below are no trade."""
DAYS = 365


def present(
    outputs: Tensors,
    row: int,
    names: Sequence[str],
    weights: Mapping[str, float],
    prices: Mapping[str, float],
    value: float,
) -> dict[str, Any]:
    """Return one row of the outputs as nested JSON-ready values.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        What the model answered.
    row : int
        Row of the batch.
    names : sequence of str
        Securities, in the order of the outputs.
    weights : mapping of str to float
        Held now, decimal; others are not held.
    prices : mapping of str to float
        Of one unit, where a quantity is held.
    value : float
        Of the portfolio, rupees.
    """
    metrics = {
        name: _percent(outputs[name][row])
        for name in (
            "expected_volatility",
            "current_volatility",
            "equal_weight_volatility",
            "expected_return",
            "cvar_95",
        )
    }
    return {
        "fallback_used": str(outputs["fallback_used"][row]) or None,
        "positions": [
            _position(outputs, row, i, name, weights.get(name, 0.0), prices.get(name)) for i, name in enumerate(names)
        ],
        "metrics": {**metrics, "diversification_ratio": float(outputs["diversification_ratio"][row])},
        "rebalancing": _rebalancing(outputs, row, metrics, value),
        "efficient_frontier": [
            {"volatility": _percent(risk), "expected_return": _percent(gain)} for risk, gain in outputs["frontier"][row]
        ],
        "confidence": float(outputs["confidence"][row]),
        "estimated_until": str(outputs["estimated_until"][row]),
    }


def _position(outputs: Tensors, row: int, i: int, name: str, weight: float, price: float | None) -> dict[str, Any]:
    target, trade = float(outputs["weight"][row, i]), float(outputs["trade"][row, i])
    moved = abs(target - weight) >= UNMOVED
    share = float(outputs["risk_contribution"][row, i]) / float(outputs["expected_volatility"][row])
    return {
        "security_id": name,
        "current_weight": _percent(weight),
        "target_weight": _percent(target),
        "action": ("buy" if target > weight else "sell") if moved else "hold",
        "trade_value": trade if moved else 0.0,
        "trade_quantity": None if not price else trade / price if moved else 0.0,
        "risk_contribution": _percent(share),
    }


def _rebalancing(outputs: Tensors, row: int, metrics: Mapping[str, float], value: float) -> dict[str, Any]:
    cost, gain = float(outputs["cost"][row]), float(outputs["yearly_gain"][row])
    moved = float(outputs["turnover"][row]) >= UNMOVED
    days = math.ceil(cost / gain * DAYS) if moved and gain > 0 else None
    pays = bool(outputs["rebalance"][row])
    return {
        "recommended": pays,
        "turnover": _percent(outputs["turnover"][row]),
        "cost": cost * value,
        "yearly_gain": gain * value,
        "break_even_days": days,
        "message": _message(pays, days, cost * value, metrics, moved),
    }


def _message(pays: bool, days: int | None, cost: float, metrics: Mapping[str, float], moved: bool) -> str:
    if not moved:
        return "Keep the current weights: there is nothing to trade."
    before, after = metrics["current_volatility"], metrics["expected_volatility"]
    change = f"expected volatility goes from {before:.1f}% to {after:.1f}% a year for {rupees(cost)} of trading cost"
    if pays:
        # Only views can pay for more volatility.
        earned = "is earned" if after < before else "the return that the views expect earns"
        return f"Rebalance: {change}, which {earned} within {days} {'day' if days == 1 else 'days'}."
    if days is None:
        return f"Keep the current weights: {change}, which would never be earned."
    return f"Keep the current weights: {change}, which would take {days} days to be earned."


def _percent(value: Any) -> float:
    return 100 * float(value)
