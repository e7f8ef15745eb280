"""The canary's course."""

from __future__ import annotations

from components.evaluation.plots import formats as f
from components.evaluation.plots.canary_course import canary_course
from components.evaluation.plots.markup import facts
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent


def rollout(data: ReportData) -> Section:
    """Every rollout of the run, and what clients saw meanwhile."""
    title = "The canary's course"
    if not data.rollouts:
        body = absent(data, "rollout", "No version was rolled out in this run.")
        return Section("rollout", "Rollout", title, body=body)
    body = traffic(data) + "".join(canary_course(events) for events in data.rollouts)
    return Section("rollout", "Rollout", title, finding(data), body)


def finding(data: ReportData) -> str:
    """Say what clients saw."""
    endings = [str(events[-1].get("event", "")) for events in data.rollouts if events]
    told = (
        f"{endings.count('promoted')} of {f.plural(len(endings), 'rollout')} ended in promotion, "
        f"{endings.count('rolled_back')} in rollback."
    )
    seen = data.traffic or {}
    if f.finite(seen.get("requests")) is None:
        return told
    failures = int(seen.get("failures", 0))
    lost = "not one failed" if failures == 0 else f"{f.plural(failures, 'request')} failed"
    return f"{told} Of {f.count(seen['requests'])} requests that clients sent meanwhile, {lost}."


def traffic(data: ReportData) -> str:
    """What the load generator counted, as facts."""
    return facts(
        [(f.label(name), value_words(name, value)) for name, value in (data.traffic or {}).items() if is_plain(value)]
    )


def is_plain(value: object) -> bool:
    """Whether a value fits on one line."""
    return isinstance(value, (str, int, float)) and len(str(value)) < 200


def value_words(name: str, value: object) -> str:
    """Format a fact by the unit that its name ends with: ``_ms``, ``_s`` or ``_seconds``, ``_mb``, ``_rate``."""
    if isinstance(value, bool) or f.finite(value) is None or isinstance(value, str):
        return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    number = float(str(value))
    if name.endswith("_ms"):
        return f.milliseconds(number)
    if name.endswith(("_s", "seconds")):
        return f.seconds(number)
    if name.endswith("_mb"):
        return f"{f.number(number, 3)}{f.NBSP}MB"
    if name.endswith(("_rate", "_share")):
        return f.percent(number, 2)
    return f.count(number) if number == int(number) else f.number(number, 4)
