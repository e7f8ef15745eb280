"""How far a rollout has come: what must survive the process that drives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol, cast, get_args

from components.errors import DataRejected
from components.rollout.plan import RolloutPlan
from components.rollout.targets.base import RolloutTarget

TEXTS = ("stable", "stable_artifact", "canary", "canary_artifact", "phase", "retiring", "reason", "run_id", "history")
Phase = Literal["idle", "deploying", "step", "promoting", "rolling_back", "held"]


@dataclass(frozen=True)
class RolloutState:
    """The course of a model's rollouts.

    Attributes
    ----------
    stable, stable_artifact : str
        The version that serves, and where its artifact lies.
    canary, canary_artifact : str
        The version that is rolled out; empty when there is none.
    percent : int
        Share of the traffic that the canary gets, or is about to get.
    phase : str
        ``idle``; ``deploying``; ``step`` (judged at ``percent``); ``promoting``; ``rolling_back``; ``held``.
    began : float
        When the step's share was in force, seconds since the epoch; 0 before.
    passed : int
        The last step that was decided in the canary's favour, percent; it is never soaked again.
    baseline : tuple of float, or None
        Earlier time in which the stable version had traffic; stands in for it at 100 %.
    retiring : str
        A version that serves no more and is not deleted yet.
    reason : str
        Why the last decision was made.
    plan : RolloutPlan or None
        The plan that the rollout began with; a resumed one keeps it.
    run_id, history : str
        Who drives it, and the key of its history.
    """

    stable: str = ""
    stable_artifact: str = ""
    canary: str = ""
    canary_artifact: str = ""
    percent: int = 0
    phase: Phase = "idle"
    began: float = 0.0
    passed: int = 0
    baseline: tuple[float, float] | None = None
    retiring: str = ""
    reason: str = ""
    plan: RolloutPlan | None = None
    run_id: str = ""
    history: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether a rollout has begun and not ended."""
        return self.phase != "idle"

    @property
    def version(self) -> str:
        """The version that the unfinished rollout is about; past the point of no return it is the stable one."""
        return self.canary or (self.stable if self.unfinished else "")

    def rest(self) -> RolloutState:
        """Return the state after a rollout: what serves, and which rollout was the last."""
        return RolloutState(
            stable=self.stable,
            stable_artifact=self.stable_artifact,
            reason=self.reason,
            run_id=self.run_id,
            history=self.history,
        )

    def to_data(self) -> dict[str, str]:
        """Return string keys and values, as a ConfigMap holds them; empty ones are left out."""
        data = {
            **{name: str(getattr(self, name)) for name in TEXTS},
            "percent": str(self.percent) if self.canary else "",
            "passed": str(self.passed) if self.passed else "",
            "began": repr(self.began) if self.began else "",
            "baseline": json.dumps(self.baseline) if self.baseline else "",
            "plan": json.dumps(self.plan.to_dict()) if self.plan else "",
        }
        return {name: value for name, value in data.items() if value}

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> RolloutState:
        """Inverse of :meth:`to_data`.

        Raises
        ------
        DataRejected
            If a value cannot be read; the message names it.
        """
        try:
            baseline = json.loads(data.get("baseline") or "null")
            return cls(
                stable=data.get("stable", ""),
                stable_artifact=data.get("stable_artifact", ""),
                canary=data.get("canary", ""),
                canary_artifact=data.get("canary_artifact", ""),
                percent=int(data.get("percent") or 0),
                phase=_phase(data.get("phase") or "idle"),
                began=float(data.get("began") or 0.0),
                passed=int(data.get("passed") or 0),
                baseline=(float(baseline[0]), float(baseline[1])) if baseline else None,
                retiring=data.get("retiring", ""),
                reason=data.get("reason", ""),
                plan=RolloutPlan.from_dict(json.loads(data["plan"])) if data.get("plan") else None,
                run_id=data.get("run_id", ""),
                history=data.get("history", ""),
            )
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise DataRejected(
                f"The record of a rollout cannot be read ({error}): {dict(data)}.",
                "Correct or delete the ConfigMap <model>-rollout; without it the route says what serves.",
            ) from error


def _phase(text: str) -> Phase:
    for phase in get_args(Phase):
        if phase == text:
            return cast("Phase", phase)
    raise ValueError(f"unknown phase {text!r}")


Change = Callable[[RolloutState], RolloutState]


class Memory(Protocol):
    """Where the state is kept."""

    durable: bool
    """Whether another process finds it."""

    def read(self) -> RolloutState:
        """Return the state."""
        ...

    def update(self, change: Change) -> RolloutState:
        """Write ``change(state)``; asked again with the newer state when somebody else wrote meanwhile."""
        ...


class TransientMemory:
    """The state of a target on one machine: versions are read from the target, the rest lasts as long as the process.

    Parameters
    ----------
    target : RolloutTarget
        Knows its versions.
    """

    durable = False

    def __init__(self, target: RolloutTarget) -> None:
        self._target, self._state = target, RolloutState()

    def read(self) -> RolloutState:
        """Return the state."""
        canary = self._state.canary if self._state.phase == "deploying" else self._target.canary_version
        return replace(self._state, stable=self._target.stable_version, canary=canary)

    def update(self, change: Change) -> RolloutState:
        """Keep ``change(state)``."""
        self._state = change(self.read())
        return self._state
