"""The rollout engine: canary, steps with analysis, then promotion, or rollback by itself with the reason.

The engine holds no traffic: if it crashes, the weights that it set last go on serving, and the next rollout of the
model first sends all traffic back to the stable version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from components.errors import ArthaflowError, ConfigurationError
from components.rollout.clock import Clock, SystemClock
from components.rollout.decide import Action, decide
from components.rollout.history import History
from components.rollout.judge import Judgement, judge
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import Limits, RolloutPlan
from components.rollout.targets.base import RolloutTarget

Judge = Callable[[WindowMetrics, WindowMetrics, Limits], Judgement]


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended.

    Attributes
    ----------
    outcome : str
        ``promoted``, ``rolled_back`` or ``held`` (weights kept, a person decides).
    reason : str
        In one sentence.
    model, version, stable_version : str
        The model, the version that was rolled out, and the one that serves now (beside it, when held).
    step : int
        Percent of the traffic at the end, before a rollback.
    events : list of dict
        What was written into the history.
    """

    outcome: Literal["promoted", "rolled_back", "held"]
    reason: str
    model: str
    version: str
    stable_version: str
    step: int
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)


def run_rollout(
    target: RolloutTarget,
    plan: RolloutPlan,
    *,
    version: str,
    artifact: str,
    history: History,
    clock: Clock | None = None,
    judge: Judge = judge,
    on_promote: Callable[[str], None] | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> RolloutResult:
    """Roll a version out.

    Parameters
    ----------
    target : RolloutTarget
        Where.
    plan : RolloutPlan
        Steps, waits and limits.
    version, artifact : str
        The new version, and where its artifact lies (a folder, or a URI that the target can fetch).
    history : History
        Receives every event; see :func:`components.rollout.history.replay`.
    clock, judge
        For tests.
    on_promote : callable
        Called with the version before the old one is removed, for example to move the registry's alias. If it raises an
        :class:`ArthaflowError`, the rollout is rolled back.
    on_event : callable
        Told of each event, for progress.

    Raises
    ------
    ConfigurationError
        If the version serves already.
    """
    if version == target.stable_version:
        raise ConfigurationError(f"Version {version} of {target.model} serves already.", "Roll out another version.")
    run = _Rollout(target, plan, version, history, clock or SystemClock(), judge, on_event)
    if target.canary_version:
        run.tell("recovered", canary=target.canary_version, reason="an earlier rollout did not finish")
        target.rollback()
    run.tell("started", model=target.model, stable_version=target.stable_version, plan=plan.to_dict())
    try:
        target.deploy_canary(version, artifact)
        run.tell("deployed", artifact=artifact)
        for step in plan.steps:
            action, reason = run.step(step)
            if action != "advance":
                return run.end(action, reason)
        if on_promote is not None:
            on_promote(version)
    except ArthaflowError as error:
        return run.end("rollback", f"Version {version} is not rolled out: {error}")
    return run.promote(reason)


@dataclass
class _Rollout:
    target: RolloutTarget
    plan: RolloutPlan
    version: str
    history: History
    clock: Clock
    judge: Judge
    on_event: Callable[[dict[str, Any]], None] | None
    percent: int = 0
    baseline: tuple[float, float] | None = None

    def tell(self, event: str, **details: Any) -> None:
        """Record an event."""
        record = self.history.append(event, self.clock.now(), version=self.version, **details)
        if self.on_event is not None:
            self.on_event(record)

    def step(self, percent: int) -> tuple[Action, str]:
        """Give the canary its share and judge until something follows from it."""
        self.target.set_canary_weight(percent)
        began, self.percent = self.clock.now(), percent
        self.tell("step", step=percent)
        while True:
            self.clock.sleep(self.plan.interval_s)
            now = self.clock.now()
            stable, canary = self.windows(began, now)
            judgement = self.judge(stable, canary, self.plan.limits)
            action = decide(judgement.outcome, now - began, self.plan)
            self.tell(
                "judged",
                step=percent,
                since=began,
                elapsed_s=now - began,
                action=action,
                judgement=judgement.to_dict(),
                stable=stable.to_dict(),
                canary=canary.to_dict(),
            )
            if action != "wait":
                if percent < 100:
                    self.baseline = (self.baseline[0] if self.baseline else began, now)
                return action, judgement.reason

    def windows(self, began: float, now: float) -> tuple[WindowMetrics, WindowMetrics]:
        """Return both versions' windows. At 100 % the stable version has no traffic: its earlier steps stand in."""
        since, until = (began, now) if self.percent < 100 or self.baseline is None else self.baseline
        stable = self.target.window(self.target.stable_version, since, until)
        return stable, self.target.window(self.version, began, now)

    def end(self, action: Action, reason: str) -> RolloutResult:
        """Roll back, or hold."""
        if action == "hold":
            self.tell("held", step=self.percent, reason=reason)
            return self.result("held", reason)
        self.target.rollback()
        self.tell("rolled_back", step=self.percent, reason=reason)
        return self.result("rolled_back", reason)

    def promote(self, reason: str) -> RolloutResult:
        """Make the canary the stable version."""
        self.target.promote()
        self.tell("promoted", step=self.percent, reason=reason)
        return self.result("promoted", reason)

    def result(self, outcome: Literal["promoted", "rolled_back", "held"], reason: str) -> RolloutResult:
        """Sum up."""
        target = self.target
        return RolloutResult(
            outcome, reason, target.model, self.version, target.stable_version, self.percent, self.history.events
        )
