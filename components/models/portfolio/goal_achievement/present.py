"""The product's JSON of one goal, as document 0 (section 6, Goal Achievement Predictor) words it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy.typing as npt

from components.models.portfolio.goal_achievement.words import whole_step


def present(
    outputs: Mapping[str, npt.NDArray[Any]], columns: Mapping[str, tuple[str, ...]], dates: Sequence[date]
) -> dict[str, Any]:
    """Return the first row of the outputs as nested JSON-ready values; amounts in whole rupees.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        What the model answered.
    columns : mapping of str to tuple of str
        Names of each output tensor's columns.
    dates : sequence of date
        Of the milestones.
    """

    def named(tensor: str) -> dict[str, float]:
        return dict(zip(columns[tensor], outputs[tensor][0].tolist(), strict=True))

    projected, change, assumed = named("projections"), named("adjustments"), named("assumed")
    return {
        "achievement_probability": _share(outputs["achievement_probability"]),
        "standard_error": _share(outputs["standard_error"]),
        "confidence_level": str(outputs["confidence_level"][0, 0]),
        "confidence": _share(outputs["confidence"]),
        "projections": {
            name: float(round(projected[name]))
            for name in ("expected_final_amount", "pessimistic_scenario", "optimistic_scenario")
        },
        "required_adjustments": {
            "to_reach_95_percent_probability": {
                "increase_sip_by": whole_step(change["increase_sip_by"]),
                "or_increase_returns_by": _up(change["increase_returns_by"]) if change["returns_suffice"] else None,
            }
        },
        "milestone_predictions": [
            {"date": day, "projected_amount": float(round(row[1])), "probability_of_reaching": round(float(row[2]), 4)}
            for day, row in zip(dates, outputs["milestones"][0].tolist(), strict=False)
        ],
        "recommendations": [text for text in map(str, outputs["recommendations"][0]) if text],
        "in_todays_money": {
            "expected_final_amount": float(round(projected["expected_in_todays_money"])),
            "achievement_probability": _share(outputs["real_probability"]),
        },
        "assumed": {
            "expected_return": round(assumed["expected_return"], 2),
            "volatility": round(assumed["volatility"], 2),
            "inflation_rate": round(assumed["inflation_rate"], 2),
            "contribution_ratio": round(assumed["contribution_ratio"], 4),
        },
    }


def _share(values: npt.NDArray[Any]) -> float:
    return round(float(values[0, 0]), 4)


def _up(points: float) -> float:
    """Round percentage points up to a tenth, so that they are still enough."""
    return math.ceil(points * 10 - 1e-9) / 10
