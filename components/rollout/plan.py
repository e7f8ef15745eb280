"""How a rollout proceeds: steps, waits, and the limits that the analysis holds a version to."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from components.errors import ConfigurationError

if TYPE_CHECKING:
    from components.models.spec import ModelSpec

ROUNDING = 1e-9
"""Relative slack of a widened tolerance: differences of midpoints are whole steps, give or take their last bits."""


@dataclass(frozen=True)
class Limits:
    """What the judge compares a window with.

    Attributes
    ----------
    error_rate : float
        Largest share of failed requests, decimal.
    p95_ms : float
        Largest 95th percentile of latency, milliseconds.
    slowdown : float
        Largest ratio of the canary's p95 to the stable version's, once it exceeds half of ``p95_ms``.
    distance : float
        Largest share of predictions that may have moved by more than ``tolerance``, decimal; 1 for no limit.
    tolerance : float
        Differences up to this are immaterial, in the unit of the compared number; widened by ``resolution`` already.
    resolution : float
        Width of the steps in which the compared number is counted, in its unit; 0 where each number is known.
    alpha : float
        Error probability of a step's decision over all of its looks.
    power : float
        Wanted probability that a version which behaves like the stable one is judged a success at the minimum sample.
    looks : int
        How often a step may be judged; ``alpha`` is divided by it (Bonferroni), because repeated looks add up.
    """

    error_rate: float = 0.05
    p95_ms: float = 200.0
    slowdown: float = 3.0
    distance: float = 0.35
    tolerance: float = 0.0
    alpha: float = 0.05
    power: float = 0.9
    looks: int = 1
    resolution: float = 0.0

    @property
    def alpha_per_look(self) -> float:
        """Error probability of one judgement."""
        return self.alpha / self.looks

    @property
    def min_requests(self) -> int:
        """Canary requests without an error that show an error rate below the limit."""
        return math.ceil(math.log(self.alpha_per_look) / math.log(1.0 - self.error_rate))

    @property
    def min_effective(self) -> float:
        """Effective two-sample size at which equal versions pass the distance check with the wanted power.

        The distance of two equal samples stays below ``sqrt(ln(2/(1-power)) / 2n)`` with probability ``power``, and the
        band adds ``sqrt(ln(2/alpha) / 2n)``: their sum must not exceed the limit.
        """
        if self.distance >= 1.0:
            return 0.0
        noise = math.sqrt(math.log(2.0 / (1.0 - self.power)) / 2.0)
        band = math.sqrt(math.log(2.0 / self.alpha_per_look) / 2.0)
        return ((noise + band) / self.distance) ** 2


@dataclass(frozen=True)
class RolloutPlan:
    """The course of a rollout.

    Attributes
    ----------
    steps : tuple of int
        Percent of the traffic that the canary gets, rising to 100.
    soak_s : float
        Least time at a step, seconds.
    interval_s : float
        Time between two judgements, seconds.
    max_wait_s : float
        Longest time at a step, seconds; then ``on_inconclusive`` applies.
    on_inconclusive : str
        ``rollback``, or ``hold``: keep the weights and leave the decision to a person.
    limits : Limits
        See there.
    """

    steps: tuple[int, ...] = (10, 50, 100)
    soak_s: float = 60.0
    interval_s: float = 5.0
    max_wait_s: float = 600.0
    on_inconclusive: Literal["rollback", "hold"] = "rollback"
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        rising = list(self.steps) == sorted(set(self.steps)) and all(0 < s <= 100 for s in self.steps)
        if not self.steps or not rising or self.steps[-1] != 100:
            raise ConfigurationError(
                f"The rollout's steps are {list(self.steps)}.",
                "Give rising percentages that end with 100, as 10 50 100.",
            )
        if self.interval_s <= 0 or not 0 <= self.soak_s <= self.max_wait_s:
            raise ConfigurationError(
                f"A step soaks {self.soak_s} s, looks every {self.interval_s} s, waits {self.max_wait_s} s at most.",
                "Give a positive interval, and a soak that is not longer than the longest wait.",
            )
        looks = max(1, math.ceil(self.max_wait_s / self.interval_s))
        object.__setattr__(self, "limits", replace(self.limits, looks=looks))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> RolloutPlan:
        """Inverse of :meth:`to_dict`."""
        return cls(**{**raw, "steps": tuple(raw["steps"]), "limits": Limits(**raw["limits"])})


def plan_for(spec: ModelSpec, **overrides: Any) -> RolloutPlan:
    """Return the plan of a model: limits from its service level objectives, the rest from ``overrides``."""
    limits = Limits(
        error_rate=spec.slo.error_rate,
        p95_ms=spec.slo.p95_ms,
        distance=spec.slo.max_distribution_distance,
        tolerance=spec.rollout.tolerance,
    )
    return RolloutPlan(**{"limits": limits, **overrides})


def cluster_plan_for(spec: ModelSpec, **overrides: Any) -> RolloutPlan:
    """Return the plan of a model on a cluster, where Prometheus knows predictions only by the step they fall into.

    Each is taken for the middle of its step. Two predictions that differ by no more than the spec's tolerance then seem
    to differ by at most one step more, so the tolerance is widened by one step: the analysis never counts a move that
    was immaterial, and misses some that exceed the tolerance by less than two steps. The plan records both numbers.

    Raises
    ------
    ConfigurationError
        If the spec limits how far predictions may move and declares no steps: no rollout could ever succeed.
    """
    plan = plan_for(spec, **overrides)
    if plan.limits.distance >= 1.0:
        return plan
    step = spec.rollout.resolution
    if not step:
        raise ConfigurationError(
            f"{spec.name!r} limits how far predictions may move (max_distribution_distance "
            f"{plan.limits.distance:g}), but declares no RolloutSpec.bounds, so a cluster cannot compare them.",
            "Declare the usual range of the compared number as rollout=RolloutSpec(bounds=(low, high)), or set "
            "slo=SloSpec(max_distribution_distance=1).",
        )
    widened = (plan.limits.tolerance + step) * (1.0 + ROUNDING)
    return replace(plan, limits=replace(plan.limits, tolerance=widened, resolution=step))
