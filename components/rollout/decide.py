"""What follows from a verdict: a pure function, so that a replay decides as the engine did."""

from __future__ import annotations

from typing import Literal

from components.rollout.judge import Outcome
from components.rollout.plan import RolloutPlan

Action = Literal["wait", "advance", "rollback", "hold"]


def decide(outcome: Outcome, elapsed_s: float, plan: RolloutPlan) -> Action:
    """Return what to do after ``elapsed_s`` seconds at a step.

    A failure rolls back at once; a success advances when the soak is over; an inconclusive window
    waits, but not for ever.
    """
    if outcome == "failure":
        return "rollback"
    if outcome == "success" and elapsed_s >= plan.soak_s:
        return "advance"
    if elapsed_s >= plan.max_wait_s:
        return plan.on_inconclusive
    return "wait"
