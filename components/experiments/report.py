"""One experiment's report: every test with its hypothesis, statistic, p-value, interval and verdict, JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from components.experiments.cuped import Adjustment, adjust
from components.experiments.design import DAY_S, VARIANTS, Design
from components.experiments.metric import Metric
from components.experiments.multiplicity import holm
from components.experiments.segments import by_segment
from components.experiments.sequential import SequentialTest, sequential_test
from components.experiments.srm import RatioCheck, check_ratio
from components.experiments.users import Observations, Sample, Users, Vector, per_user
from components.experiments.verdict import Guard, Verdict, decide, guard

LOOKS = 40
ASSUMPTIONS = (
    "Users are independent of each other, and a user's variant does not change what another user sees.",
    "The intervals hold in the limit of many users; before 100 in each variant nothing is said.",
    "The effect is an average over the time of the experiment.",
)


@dataclass(frozen=True)
class Evidence:
    """What was gathered.

    Attributes
    ----------
    users : Users
        Those that are analysed.
    observations : mapping of str to Observations
        By metric.
    exposed : tuple of int
        Users that were assigned and seen, by variant, before anything was left out.
    left_out : mapping of str to int
        Users or answers that are not analysed, by reason.
    """

    users: Users
    observations: Mapping[str, Observations]
    exposed: tuple[int, int]
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One metric at one time."""

    sample: Sample
    adjustment: Adjustment
    test: SequentialTest


def look_at(design: Design, metric: Metric, evidence: Evidence, until: float = np.inf) -> Look:
    """Aggregate, adjust and test one metric with what was known by ``until``."""
    raw = per_user(evidence.users, evidence.observations[metric.name], metric.kind, until)
    sample, adjustment = adjust(raw)
    test = sequential_test(sample, planned=design.minimum_sample_size, alpha=design.alpha)
    return Look(sample, adjustment, test)


def build_report(
    design: Design, evidence: Evidence, *, now: datetime, segments: tuple[str, ...] = (), looks: int = LOOKS
) -> dict[str, Any]:
    """Return the report.

    Parameters
    ----------
    segments : tuple of str
        Dimensions to look into; empty for all that are known.
    looks : int
        Points of the path over time.
    """
    until = min(now, design.end) if now > design.start else now
    times = look_times(evidence, looks)
    ratio = _ratio(design, evidence, times)
    found = {metric.name: look_at(design, metric, evidence) for metric in design.metrics}
    primary = design.primary
    guards = [guard(m, found[m.name].test) for m in design.metrics if m.role == "guardrail"]
    verdict = _verdict(design, found[primary.name], guards, ratio, now)
    dimensions = [d for d in (segments or tuple(evidence.users.segments)) if d in evidence.users.segments]
    parts = by_segment(
        evidence.users,
        found[primary.name].sample,
        dimensions,
        planned=design.minimum_sample_size,
        alpha=design.alpha,
        lower_is_better=primary.lower_is_better,
    )
    return {
        "experiment_id": design.name,
        "model": design.model,
        "variants": {v: {"model_version": design.versions[v], "traffic_split": design.split[v]} for v in VARIANTS},
        "analysed_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "days": round(max(0.0, (until - design.start).total_seconds()) / DAY_S, 3),
        "planned_days": round((design.end - design.start).total_seconds() / DAY_S, 3),
        "users": dict(zip(VARIANTS, evidence.exposed, strict=True)),
        "minimum_sample_size": design.minimum_sample_size,
        "alpha": design.alpha,
        "left_out": dict(evidence.left_out),
        "sample_ratio": ratio.to_dict(),
        "metrics": _metrics(design, found),
        "guardrails": [g.to_dict() for g in guards],
        "segments": [s.to_dict() for s in parts],
        "path": path_of(design, primary, evidence, times),
        "verdict": verdict.to_dict(),
        "assumptions": list(ASSUMPTIONS),
    }


def look_times(evidence: Evidence, looks: int) -> Vector:
    """Return times at which equally many users had come in, the last one being the newest report."""
    stamps = [evidence.users.entered, *(o.at for o in evidence.observations.values())]
    everything = np.concatenate(stamps) if stamps else np.array([])
    everything = everything[np.isfinite(everything)]
    if not len(everything):
        return np.array([])
    times: Vector = np.unique(np.quantile(everything, np.linspace(0, 1, looks + 1)[1:]))
    return times


def path_of(design: Design, metric: Metric, evidence: Evidence, times: Vector) -> list[dict[str, Any]]:
    """Return the primary metric's confidence sequence at those times."""
    out = []
    for time in times:
        test = look_at(design, metric, evidence, float(time)).test
        moment = datetime.fromtimestamp(float(time), UTC).isoformat(timespec="seconds")
        out.append(
            {
                "at": moment,
                "users": sum(test.users),
                "effect": test.effect,
                "interval": test.interval,
                "p_value": test.p_value,
            }
        )
    return out


def _ratio(design: Design, evidence: Evidence, times: Vector) -> RatioCheck:
    """Check those that are analysed; where users were left out, those that were exposed too, and tell the worse."""
    split = tuple(design.split[v] for v in VARIANTS)
    users = evidence.users
    path = [_counts(users, float(time)) for time in times]
    checks = [check_ratio(_counts(users), split, path)]
    if tuple(evidence.exposed) != _counts(users):
        checks.append(check_ratio(evidence.exposed, split))
    return min(checks, key=lambda c: c.p_value)


def _counts(users: Users, until: float = np.inf) -> tuple[int, int]:
    known = users.variant[users.entered <= until]
    return int((known == 0).sum()), int((known == 1).sum())


def _metrics(design: Design, found: Mapping[str, Look]) -> list[dict[str, Any]]:
    others = [m.name for m in design.metrics if m.role == "secondary"]
    adjusted = dict(zip(others, holm([found[n].test.p_value for n in others]).tolist(), strict=True))
    out = []
    for metric in design.metrics:
        look = found[metric.name]
        control = look.test.control
        relative = look.test.effect / abs(control) if look.test.effect is not None and control else None
        out.append(
            {
                "name": metric.name,
                "role": metric.role,
                "kind": metric.kind,
                "lower_is_better": metric.lower_is_better,
                "observations": look.sample.rows,
                "test": look.test.to_dict(),
                "relative_effect": relative,
                "family_p_value": adjusted.get(metric.name),
                "cuped": look.adjustment.to_dict(),
            }
        )
    return out


def _verdict(design: Design, look: Look, guards: list[Guard], ratio: RatioCheck, now: datetime) -> Verdict:
    return decide(
        design.primary,
        look.test,
        guards,
        ratio,
        minimum_sample_size=design.minimum_sample_size,
        days=max(0.0, (now - design.start).total_seconds()) / DAY_S,
        minimum_days=design.minimum_days,
        planned_days=(design.end - design.start).total_seconds() / DAY_S,
    )
