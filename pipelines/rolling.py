"""Roll a registered version out on this machine and keep the registry's aliases in step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from components.registry.versions import PRODUCTION, Registry
from components.rollout.engine import RolloutResult, run_rollout
from components.rollout.history import History
from components.rollout.plan import plan_for
from pipelines.stack import Stack


def roll_out(
    stack: Stack, version: str, *, tell: Callable[[dict[str, Any]], None] | None = None, **plan: Any
) -> RolloutResult:
    """Canary a version behind the running router.

    Parameters
    ----------
    stack : Stack
        The running servers.
    version : str
        A version number or alias.
    tell : callable
        Told of every event.
    **plan
        What differs from the default :class:`~components.rollout.plan.RolloutPlan`.

    Raises
    ------
    UnknownModel
        If there is no such version.
    ModelUnavailable
        If the model is not being served.
    """
    registry = Registry()
    name = stack.spec.name
    number = registry.get(name, version).version
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    history = History(stack.serving.home / "rollouts" / f"{name}-{number}-{stamp}.jsonl")
    result = run_rollout(
        stack.target,
        plan_for(stack.spec, **plan),
        version=number,
        artifact=str(registry.resolve(name, number)),
        history=history,
        on_promote=lambda promoted: registry.set_alias(name, PRODUCTION, promoted),
        on_event=tell,
    )
    if result.outcome == "rolled_back":
        registry.reject(name, number, result.reason)
    return result
