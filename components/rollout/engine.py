"""The rollout engine: canary, steps with analysis, then promotion, or rollback by itself with the reason.

The engine holds no traffic: if it dies, the weights that it set last go on serving. On a cluster every move is recorded
before it is made, so that running the same rollout again continues where it was: see :class:`Rollout`. On one machine
the next rollout of the model first sends all traffic back to the stable version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.errors import ArthaflowError
from components.rollout.clock import Clock, SystemClock
from components.rollout.course import Decision, Judge, Rollout, RolloutResult
from components.rollout.history import EventLog
from components.rollout.interruption import Interrupted
from components.rollout.judge import judge
from components.rollout.plan import RolloutPlan
from components.rollout.state import Memory, TransientMemory
from components.rollout.targets.base import RolloutTarget

__all__ = ["Decision", "Judge", "Rollout", "RolloutResult", "drive", "run_rollout"]


def run_rollout(
    target: RolloutTarget,
    plan: RolloutPlan,
    *,
    version: str,
    artifact: str,
    history: EventLog,
    clock: Clock | None = None,
    judge: Judge = judge,
    on_promote: Callable[[str], None] | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    memory: Memory | None = None,
    run_id: str = "",
) -> RolloutResult:
    """Roll a version out, in this process, to its end.

    Parameters
    ----------
    target : RolloutTarget
        Where.
    plan : RolloutPlan
        Steps, waits and limits; a resumed rollout keeps the plan that it began with.
    version, artifact : str
        The new version, and where its artifact lies (a folder, or a URI that the target can fetch).
    history : EventLog
        Receives every event; see :func:`components.rollout.history.replay`.
    clock, judge
        For tests.
    on_promote : callable
        Called with the version before the old one is removed, for example to move the registry's alias. If it raises an
        :class:`ArthaflowError` while the target can still go back, the rollout is rolled back.
    on_event : callable
        Told of each event, for progress.
    memory : Memory
        Where the state is kept; None for this process.
    run_id : str
        Recorded with the state.

    Raises
    ------
    ConfigurationError
        If the version serves already.
    Interrupted
        If the rollout cannot go on for a reason that says nothing about the version; it can be resumed.
    """
    rollout = Rollout(
        target,
        plan,
        version,
        artifact,
        history,
        memory or TransientMemory(target),
        clock or SystemClock(),
        judge,
        on_promote,
        on_event,
        run_id,
    )
    return drive(rollout)


def drive(rollout: Rollout) -> RolloutResult:
    """Take a rollout from wherever it stands to its end."""
    decision = rollout.prepare()
    try:
        for percent in rollout.plan.steps:
            if decision.action == "advance":
                decision = rollout.step(percent)
    except Interrupted:
        raise
    except ArthaflowError as error:
        decision = rollout.failed(error)
    return rollout.conclude(decision)
