"""Input and output schema of the portfolio health score."""

from __future__ import annotations

from components.models.portfolio.portfolio_health.actions import ACTIONS
from components.models.portfolio.portfolio_health.columns import FEATURES
from components.models.portfolio.portfolio_health.rubric import COMPONENTS
from components.models.schema import Column, Schema, Tensor

POINTS = "points of 0 to 100"


def input_schema() -> Schema:
    """Return the features, with their bounds."""
    return Schema((Tensor("features", "FP64", (len(FEATURES),), FEATURES, description="Document 0's 22 inputs"),))


def output_schema() -> Schema:
    """Return the scores, their interval and confidence, and every counterfactual."""
    components = tuple(Column(name, POINTS) for name in COMPONENTS)
    per_action = (len(ACTIONS),)

    def actions(unit: str) -> tuple[Column, ...]:
        return tuple(Column(action.name, unit, (action.change.__doc__ or "").strip()) for action in ACTIONS)

    moved = tuple(Column(a.name, "", f"New {a.column}") for a in ACTIONS)
    return Schema(
        (
            Tensor("health_score", "FP64", (), unit=POINTS, description="Mean of the components"),
            Tensor("components", "FP64", (len(COMPONENTS),), components, POINTS, "Document 0's four components"),
            Tensor("lower", "FP64", (), unit=POINTS, description="Lower end of the 90 % conformal interval"),
            Tensor("upper", "FP64", (), unit=POINTS, description="Upper end of the 90 % conformal interval"),
            Tensor(
                "confidence",
                "FP64",
                (),
                unit="decimal",
                description="Calibrated probability that the raters' score is within 5 points",
            ),
            Tensor("category", "BYTES", (), description="Poor, Fair, Good or Excellent"),
            Tensor(
                "counterfactual_score", "FP64", per_action, actions(POINTS), POINTS, "Health score after each action"
            ),
            Tensor(
                "counterfactual_change",
                "FP64",
                per_action,
                actions("points"),
                "points",
                "Change of the health score by each action; 0 where it does not apply",
            ),
            Tensor("counterfactual_target", "FP64", per_action, moved, "", "What the action's own column becomes"),
        )
    )
