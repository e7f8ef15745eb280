"""What follows from the numbers: promote the treatment, keep the control, or go on. One sentence says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from components.experiments.metric import Metric
from components.experiments.sequential import SequentialTest
from components.experiments.srm import RatioCheck

Decision = Literal["promote_treatment", "keep_control", "need_more_data"]
Standing = Literal["passed", "failed", "open"]
WINNERS: dict[Decision, str] = {"promote_treatment": "treatment", "keep_control": "control"}


@dataclass(frozen=True)
class Guard:
    """A guardrail's non-inferiority test.

    Attributes
    ----------
    metric, null : str
    margin : float
        How much worse it may be, absolute.
    standing : str
        ``passed`` (surely not worse by more than the margin), ``failed`` (surely worse by more), or ``open``.
    verdict : str
        One sentence.
    """

    metric: str
    null: str
    margin: float
    interval: tuple[float, float] | None
    standing: Standing
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """The decision that the numbers suggest; a person records the one that is taken.

    Attributes
    ----------
    decision : str
        Document 1's values.
    winner : str
        ``control``, ``treatment`` or ``inconclusive``.
    reason : str
        One sentence.
    blocked : bool
        Whether the comparison cannot be trusted (sample ratio mismatch).
    """

    decision: Decision
    winner: str
    reason: str
    blocked: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def gains(test: SequentialTest, metric: Metric) -> tuple[float, float] | None:
    """Return the interval of the improvement: positive is better, whichever way the metric points."""
    if test.interval is None:
        return None
    low, high = test.interval
    return (-high, -low) if metric.lower_is_better else (low, high)


def guard(metric: Metric, test: SequentialTest) -> Guard:
    """Judge a guardrail: its confidence sequence against the margin."""
    margin = metric.margin * abs(test.control or 0.0)
    null = f"{metric.name} is worse by {margin:.4g} or more"
    interval = gains(test, metric)
    if interval is None:
        return Guard(metric.name, null, margin, None, "open", f"{metric.name}: {test.verdict}")
    told = f"{metric.name} changes by {interval[0]:.4g} to {interval[1]:.4g} (positive is better)"
    if interval[0] > -margin:
        return Guard(metric.name, null, margin, interval, "passed", f"{told}: not worse by {margin:.4g}.")
    if interval[1] < -margin:
        return Guard(metric.name, null, margin, interval, "failed", f"{told}: worse by more than {margin:.4g}.")
    return Guard(metric.name, null, margin, interval, "open", f"{told}: {margin:.4g} worse is still possible.")


def decide(
    metric: Metric,
    test: SequentialTest,
    guards: Sequence[Guard],
    ratio: RatioCheck,
    *,
    minimum_sample_size: int,
    days: float,
    minimum_days: float,
    planned_days: float,
) -> Verdict:
    """Decide.

    A treatment that is surely worse is taken back at any time; one that is surely better waits for the sample size and
    for a whole week, because what comes early is not representative. What is not decided when both the planned time
    and the sample size are over stays with the control: the burden of proof is the treatment's.

    Parameters
    ----------
    days, planned_days : float
        Since the start, and between start and end.
    """
    if ratio.mismatch:
        return Verdict("need_more_data", "inconclusive", f"Sample ratio mismatch. {ratio.verdict}", True)
    interval, users = gains(test, metric), sum(test.users)
    if interval is None:
        return _open(f"{metric.name} cannot be compared yet: {test.verdict}")
    told = f"{metric.name} improves by {interval[0]:.4g} to {interval[1]:.4g}"
    if interval[1] < 0:
        return _keep(f"The treatment is worse: {told}.")
    failed = [g for g in guards if g.standing == "failed"]
    if failed:
        return _keep(f"A guardrail is broken: {failed[0].verdict}")
    over = days >= planned_days and users >= minimum_sample_size
    if interval[0] <= 0:
        if over:
            words = f"No improvement is shown after {days:.0f} days and {users} users: {told}."
            return Verdict("keep_control", "inconclusive", words)
        return _open(f"{told}, so nothing is decided after {users} users; {_missing(users, minimum_sample_size)}")
    if users < minimum_sample_size:
        return _open(f"The treatment looks better ({told}), but {_missing(users, minimum_sample_size)}")
    if days < min(minimum_days, planned_days):
        return _open(f"The treatment looks better ({told}), but only {days:.1f} of {minimum_days:g} days have passed.")
    waiting = [g for g in guards if g.standing == "open"]
    if waiting:
        return _open(f"The treatment is better ({told}), but a guardrail is open: {waiting[0].verdict}")
    return Verdict("promote_treatment", WINNERS["promote_treatment"], f"The treatment is better: {told}.")


def _open(reason: str) -> Verdict:
    return Verdict("need_more_data", "inconclusive", reason)


def _keep(reason: str) -> Verdict:
    return Verdict("keep_control", WINNERS["keep_control"], reason)


def _missing(users: int, wanted: int) -> str:
    return f"{users} of at least {wanted} users were seen." if users < wanted else "the planned time is not over."
