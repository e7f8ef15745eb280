"""One rollout, in moves that can be made by one process or by the steps of a graph: prepare, step, conclude.

Each move records what it is about to do before it does it, and can be made again after it was cut short anywhere. A
judgement goes into the history before the decision is recorded; a decision that only the history holds is taken from
there, so that no soak is repeated once it was decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from components.errors import ArthaflowError, ConfigurationError
from components.rollout.clock import Clock
from components.rollout.decide import Action, decide
from components.rollout.history import EventLog
from components.rollout.interruption import Blind, Interrupted, RolloutUnfinished
from components.rollout.judge import Judgement
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import Limits, RolloutPlan
from components.rollout.state import Change, Memory, RolloutState
from components.rollout.targets.base import RolloutTarget
from components.rollout.tenancy import EXPERIMENT, CanaryHeld

Judge = Callable[[WindowMetrics, WindowMetrics, Limits], Judgement]
Outcome = Literal["promoted", "rolled_back", "held"]


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

    outcome: Outcome
    reason: str
    model: str
    version: str
    stable_version: str
    step: int
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Decision:
    """What follows from a move: ``advance``, ``rollback`` or ``hold``, and why."""

    action: Action
    reason: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


DECIDED: dict[str, Action] = {"promoting": "advance", "rolling_back": "rollback", "held": "hold"}


@dataclass
class Rollout:
    """One rollout of one version; see :func:`components.rollout.engine.run_rollout` for the parameters.

    ``environment`` is the namespace on a cluster; the history keeps it.
    """

    target: RolloutTarget
    plan: RolloutPlan
    version: str
    artifact: str
    history: EventLog
    memory: Memory
    clock: Clock
    judge: Judge
    on_promote: Callable[[str], None] | None = None
    on_event: Callable[[dict[str, Any]], None] | None = None
    run_id: str = ""
    environment: str = ""

    def prepare(self) -> Decision:
        """Begin, or take up what was begun; start the canary and wait until it is ready.

        Raises
        ------
        ConfigurationError
            If the version serves already.
        RolloutUnfinished
            If another version's rollout has not ended.
        """
        state = self.memory.read()
        if not self.memory.durable and state.canary:
            self.tell("recovered", canary=state.canary, reason="an earlier rollout did not finish")
            self.target.rollback()
            state = self.memory.update(RolloutState.rest)
        state = self._resume(state) if state.unfinished else self._begin(state)
        if state.phase in DECIDED:
            return Decision(DECIDED[state.phase], state.reason)
        if state.phase == "deploying":
            try:
                self.target.deploy_canary(self.version, self.artifact)
            except Interrupted:
                raise
            except ArthaflowError as error:
                return self.failed(error)
            self.tell("deployed", artifact=self.artifact)
            self._move(lambda s: replace(s, phase="step"))
        return Decision("advance")

    def attach(self) -> Decision:
        """Take the plan from the record of a rollout that :meth:`prepare` began, and say what was decided so far.

        Raises
        ------
        RolloutUnfinished
            If the record is about another version, or about none.
        """
        state = self.memory.read()
        if state.run_id != self.run_id or state.version not in ("", self.version):
            raise RolloutUnfinished(
                f"The rollout of version {self.version} of {self.target.model} is no longer the one that is recorded "
                f"(version {state.version or 'none'}, run {state.run_id or 'none'}).",
                f"See `arthaflow rollout status {self.target.model}`.",
            )
        self.plan = state.plan or self.plan
        return Decision(DECIDED.get(state.phase, "advance"), state.reason)

    def failed(self, error: ArthaflowError) -> Decision:
        """Decide to roll back, because something went wrong that the version is to blame for."""
        decision = Decision("rollback", f"Version {self.version} is not rolled out: {error}")
        self._move(lambda s: replace(s, phase="rolling_back", reason=decision.reason))
        return decision

    def step(self, percent: int) -> Decision:
        """Give the canary its share and judge until something follows from it."""
        state = self.memory.read()
        if state.phase in DECIDED:
            return Decision(DECIDED[state.phase], state.reason)
        if percent <= state.passed:
            return Decision("advance", state.reason)
        if state.percent != percent:
            state = self._move(lambda s: replace(s, percent=percent, began=0.0))
        self.target.set_canary_weight(percent)
        if not state.began:
            began = self.clock.now()
            self.tell("step", step=percent)
            state = self._move(lambda s: replace(s, began=began))
        decision, until = self._remembered(percent, state.began) or self._soak(percent, state)
        self._move(lambda s: _decided(s, percent, decision, until))
        return decision

    def conclude(self, decision: Decision) -> RolloutResult:
        """Promote, roll back, or hold; what was concluded already is only reported."""
        state = self.memory.read()
        if self.memory.durable and not state.unfinished:
            done: Outcome = "promoted" if state.stable == self.version else "rolled_back"
            return self._result(done, state.reason or decision.reason, state)
        if decision.action == "hold":
            state = self._move(lambda s: replace(s, phase="held", reason=decision.reason))
            self._tell_once("held", step=state.percent, reason=decision.reason)
            return self._result("held", decision.reason, state)
        if decision.action == "advance":
            state = self._move(lambda s: replace(s, phase="promoting", reason=decision.reason))
            try:
                self.target.promote(self._announce)
            except Interrupted:
                raise
            except ArthaflowError as error:
                if self.target.canary_version != self.version:
                    raise  # past the point of no return: the way is forward, and can be taken again
                decision = self.failed(error)
            else:
                return self._end("promoted", decision.reason, state)
        state = self._move(lambda s: replace(s, phase="rolling_back", reason=decision.reason))
        self.target.rollback()
        return self._end("rolled_back", decision.reason, state)

    def tell(self, event: str, **details: Any) -> None:
        """Record an event."""
        record = self.history.append(event, self.clock.now(), version=self.version, **details)
        if self.on_event is not None:
            self.on_event(record)

    def _tell_started(self, stable: str) -> None:
        where = {"environment": self.environment} if self.environment else {}
        self.tell("started", model=self.target.model, stable_version=stable, plan=self.plan.to_dict(), **where)

    def _begin(self, state: RolloutState) -> RolloutState:
        if self.version == state.stable:
            raise ConfigurationError(
                f"Version {self.version} of {self.target.model} serves already.", "Roll out another version."
            )

        def begin(found: RolloutState) -> RolloutState:
            return replace(
                found.rest(),
                canary=self.version,
                canary_artifact=self.artifact,
                phase="deploying",
                reason="",
                plan=self.plan,
                run_id=self.run_id,
                history=self.history.key,
            )

        begun = self.memory.update(begin)
        self._tell_started(begun.stable)
        return begun

    def _resume(self, state: RolloutState) -> RolloutState:
        if state.phase == "held" and state.reason.startswith(EXPERIMENT):
            raise CanaryHeld(
                f"The {state.reason} holds version {state.version} of {self.target.model} as its canary.",
                f"End it first: `arthaflow experiments end {state.reason.removeprefix(EXPERIMENT)}`.",
            )
        if state.version != self.version:
            raise RolloutUnfinished(
                f"The rollout of version {state.version} of {self.target.model} has not ended (it is {_words(state)}).",
                f"Finish it with `arthaflow rollout start {self.target.model} --version {state.version}`, or take it "
                f"back with `arthaflow rollout abort {self.target.model}`.",
            )
        again = state.phase == "held" and state.run_id != self.run_id
        self.plan, self.artifact = state.plan or self.plan, state.canary_artifact or self.artifact
        if not any(e["event"] == "started" for e in self.history.events):  # its process died between record and event
            self._tell_started(state.stable)
        self.tell("resumed", step=state.percent, reason=f"it was {_words(state)}")
        if again:  # who starts a held rollout again asks for another look at the same share
            self._move(lambda s: replace(s, phase="step", began=0.0))
        return self._move(lambda s: replace(s, run_id=self.run_id))

    def _move(self, change: Change) -> RolloutState:
        """Record a change, unless somebody else drives the rollout by now."""

        def checked(found: RolloutState) -> RolloutState:
            if self.memory.durable and found.unfinished and found.version != self.version:
                raise RolloutUnfinished(
                    f"The record of {self.target.model} is about version {found.version} now, not {self.version}.",
                    f"See `arthaflow rollout status {self.target.model}`.",
                )
            return change(found)

        return self.memory.update(checked)

    def _remembered(self, percent: int, began: float) -> tuple[Decision, float] | None:
        """A judgement that ended this step, but that the record does not know of."""
        for event in reversed(self.history.events):
            if event["event"] == "judged" and event["step"] == percent and event["since"] == began:
                if event["action"] == "wait":
                    return None
                return Decision(event["action"], event["judgement"]["reason"]), float(event["time"])
        return None

    def _soak(self, percent: int, state: RolloutState) -> tuple[Decision, float]:
        while True:
            self.clock.sleep(self.plan.interval_s)
            now = self.clock.now()
            try:
                stable, canary = self._windows(percent, state, now)
            except Blind as error:
                action = decide("inconclusive", now - state.began, self.plan)
                self.tell("blind", step=percent, action=action, reason=str(error))
                if action != "wait":
                    return Decision(action, f"Version {self.version} cannot be judged: {error}"), now
                continue
            judgement = self.judge(stable, canary, self.plan.limits)
            action = decide(judgement.outcome, now - state.began, self.plan)
            self.tell(
                "judged",
                step=percent,
                since=state.began,
                elapsed_s=now - state.began,
                action=action,
                judgement=judgement.to_dict(),
                stable=stable.to_dict(),
                canary=canary.to_dict(),
            )
            if action != "wait":
                return Decision(action, judgement.reason), now

    def _windows(self, percent: int, state: RolloutState, now: float) -> tuple[WindowMetrics, WindowMetrics]:
        """Return both versions' windows. At 100 % the stable version has no traffic: its earlier steps stand in."""
        since, until = (state.began, now) if percent < 100 or state.baseline is None else state.baseline
        stable = self.target.window(state.stable, since, until)
        return stable, self.target.window(self.version, state.began, now)

    def _announce(self) -> None:
        if self.on_promote is not None:
            self.on_promote(self.version)

    def _end(self, outcome: Outcome, reason: str, state: RolloutState) -> RolloutResult:
        self._tell_once(outcome, step=state.percent, reason=reason)
        return self._result(outcome, reason, replace(self.memory.update(RolloutState.rest), percent=state.percent))

    def _tell_once(self, event: str, **details: Any) -> None:
        if not self.history.events or self.history.events[-1]["event"] != event:
            self.tell(event, **details)

    def _result(self, outcome: Outcome, reason: str, state: RolloutState) -> RolloutResult:
        stable = self.target.stable_version
        return RolloutResult(
            outcome, reason, self.target.model, self.version, stable, state.percent, self.history.events
        )


def _decided(state: RolloutState, percent: int, decision: Decision, until: float) -> RolloutState:
    if decision.action == "rollback":
        return replace(state, phase="rolling_back", reason=decision.reason)
    if decision.action == "hold":
        return replace(state, phase="held", reason=decision.reason)
    baseline = (state.baseline[0] if state.baseline else state.began, until) if percent < 100 else state.baseline
    return replace(state, passed=percent, baseline=baseline, reason=decision.reason)


def _words(state: RolloutState) -> str:
    phase = state.phase.replace("_", " ")
    return f"{phase} at {state.percent} %" if state.phase in ("step", "held") else phase
