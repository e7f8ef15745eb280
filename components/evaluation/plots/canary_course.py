"""The course of a rollout: weight, traffic, errors, latency and every judgement on one time axis, and the steps in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import Html, badge, figure, inline, missing, table
from components.evaluation.plots.scale import linear_ticks
from components.evaluation.plots.svg import Canvas, Panel, area, circle, dots, line, rule, text

Event = Mapping[str, Any]
ENDINGS = {"promoted": ("promoted", "good"), "rolled_back": ("rolled back", "bad"), "held": ("held for a person", "warn")}
OUTCOMES = {"success": ("success", "good"), "failure": ("failure", "bad"), "inconclusive": ("inconclusive", "warn")}
MARKS = {"success": ("c-good", "✓", "good"), "failure": ("c-bad", "✕", "bad"), "inconclusive": ("c-other", "?", "")}
NAN = float("nan")


def canary_course(events: Sequence[Event]) -> str:
    """Draw one rollout from the events of its history (see :mod:`components.rollout.history`).

    Raises nothing on an unfinished rollout: the course is drawn as far as it goes.
    """
    if not any(e.get("event") == "started" for e in events):
        return missing("The history of this rollout has no start.")
    course = Course.of(events)
    heading = f"<h3>Version {inline(course.version)} {badge(*course.ending)}</h3>"
    said = f'<p class="finding">{inline(course.reason)}</p>' if course.reason else ""
    return heading + said + (_figure(course) if course.looks else "") + _table(course)


def split_rollouts(events: Iterable[Event]) -> list[list[Event]]:
    """Cut a history that holds several rollouts where each one starts."""
    parts: list[list[Event]] = []
    for event in events:
        if event.get("event") in ("started", "recovered") and not (parts and _opening(parts[-1])):
            parts.append([])
        if parts:
            parts[-1].append(event)
    return parts


def _opening(part: Sequence[Event]) -> bool:
    """Whether a rollout has recovered from an earlier one but not started yet."""
    return all(e.get("event") == "recovered" for e in part)


@dataclass(frozen=True)
class Look:
    """One judgement: what both versions did since the step began, times in seconds after the start."""

    at: float
    since: float
    step: int
    outcome: str
    action: str
    reason: str
    stable: Mapping[str, Any]
    canary: Mapping[str, Any]
    moved: float | None


@dataclass(frozen=True)
class Course:
    """A rollout, read from its events."""

    version: str
    stable: str
    began: float
    lasted: float
    ending: tuple[str, str]
    reason: str
    weights: tuple[tuple[float, float], ...]
    looks: tuple[Look, ...]
    limits: Mapping[str, Any]

    @classmethod
    def of(cls, events: Sequence[Event]) -> Course:
        """Read a course."""
        start = next(e for e in events if e.get("event") == "started")
        zero = float(start["time"])
        last = events[-1]
        steps = [(float(e["time"]) - zero, float(e["step"])) for e in events if e.get("event") == "step"]
        ended = float(last["time"]) - zero
        final = {"promoted": 100.0, "rolled_back": 0.0}.get(str(last.get("event")))
        weights = [(0.0, 0.0), *steps] + ([(ended, final)] if final is not None else [])
        return cls(
            str(start.get("version", "?")), str(start.get("stable_version", "?")), zero, ended,
            ENDINGS.get(str(last.get("event")), ("not finished", "warn")), str(last.get("reason", "")), tuple(weights),
            tuple(_look(e, zero) for e in events if e.get("event") == "judged"), (start.get("plan") or {}).get("limits") or {},
        )  # fmt: skip


def _look(event: Event, zero: float) -> Look:
    judgement = event.get("judgement") or {}
    moved = next((c.get("value") for c in judgement.get("checks") or () if c.get("name") == "predictions"), None)
    at = float(event["time"]) - zero
    return Look(
        at, float(event.get("since", event["time"])) - zero, int(event["step"]), str(judgement.get("outcome")),
        str(event.get("action")), str(judgement.get("reason", "")), event.get("stable") or {}, event.get("canary") or {},
        f.finite(moved),
    )  # fmt: skip


def p95(window: Mapping[str, Any]) -> float:
    """95th percentile of a window's latencies, ms (nearest rank); NaN without answers."""
    latencies = window.get("latencies_ms") or ()
    return float(latencies[max(0, int(np.ceil(0.95 * len(latencies))) - 1)]) if latencies else NAN


def error_rate(window: Mapping[str, Any]) -> float:
    """Share of failed requests; NaN without requests."""
    return window.get("errors", 0) / window["requests"] if window.get("requests") else NAN


def rates(looks: Sequence[Look], track: str) -> list[float]:
    """Requests per second since the look before; windows grow from the start of their step."""
    out, previous = [], None
    for look in looks:
        same = previous is not None and previous.step == look.step
        before = getattr(previous, track).get("requests", 0) if same and previous else 0
        since = previous.at if same and previous else look.since
        own = look.step < 100 or track == "canary"  # at 100 % the stable window is an earlier one, kept for comparison
        amount = getattr(look, track).get("requests", 0) - before
        out.append(amount / (look.at - since) if own and look.at > since else 0.0 if not own else NAN)
        previous = look
    return out


def _figure(course: Course) -> str:
    looks, stop = course.looks, max(course.lasted, course.looks[-1].at) or 1.0
    chart = Canvas(520, f"Course of the rollout of version {course.version}: canary weight, traffic, errors and p95 latency")
    at = np.array([look.at for look in looks])
    span = (0.0, stop * 1.02)
    _weights(chart, Panel.at(70, 30, 860, 120, span, (0, 100)), course)
    series = {track: np.array(rates(looks, track)) for track in ("stable", "canary")}
    top = float(np.nanmax([1.0, *series["stable"], *series["canary"]])) * 1.12
    _lines(chart, Panel.at(70, 186, 860, 80, span, (0, top)), at, series, "requests per second", f.count)
    errors = {"stable": _own(looks, error_rate), "canary": np.array([error_rate(look.canary) for look in looks])}
    limit = f.finite(course.limits.get("error_rate"))
    top = max(0.02, 1.4 * (limit or 0), float(np.nanmax([0, *errors["stable"], *errors["canary"]])) * 1.12)
    panel = Panel.at(70, 302, 860, 70, span, (0, top))
    _lines(chart, panel, at, errors, "error rate since the step began", lambda v: f.percent(v, 0 if top > 0.04 else 1), limit)
    latency = {"stable": _own(looks, p95), "canary": np.array([p95(look.canary) for look in looks])}
    highest = float(np.nanmax([0.1, *latency["stable"], *latency["canary"]]))
    limit = f.finite(course.limits.get("p95_ms"))
    near = limit is not None and highest > 0.35 * limit
    panel = Panel.at(70, 408, 860, 70, span, (0, max(highest, limit if near and limit else 0) * 1.15))
    title = "p95 latency, ms" + ("" if near or limit is None else f" (limit {f.milliseconds(limit)}, above the chart)")
    _lines(chart, panel, at, latency, title, f.number, limit if near else None)
    chart.add(panel.bottom(linear_ticks(0, span[1], 8, lambda v: f"{v:g}"), "seconds since the rollout began"))
    for look, a, b in zip(looks, series["stable"], series["canary"], strict=True):
        _point(chart, panel, look, float(a), float(b))
    asked = _requests(looks)
    caption = (
        f"Version {course.version} beside version {course.stable}: {f.plural(len(looks), 'judgement')} over "
        f"{f.seconds(course.lasted)}, {f.plural(asked, 'request')} answered by the canary while it was watched."
    )
    legend = (("c-canary", f"canary, version {course.version}"), ("c-model", f"stable, version {course.stable}"), ("c-warn", "limit"))
    return figure(chart.render(30, 478), caption, legend, "Marks: ✓ success, ? inconclusive (keep the weights and wait), ✕ failure.")


def _own(looks: Sequence[Look], measure: Any) -> np.ndarray[Any, Any]:
    """The stable version's series, without the stand-in window at 100 %."""
    return np.array([measure(look.stable) if look.step < 100 else NAN for look in looks])


def _requests(looks: Sequence[Look]) -> int:
    """Canary requests over all steps: the last look of each step counts the whole step."""
    return sum({look.step: int(look.canary.get("requests", 0)) for look in looks}.values())


def _weights(chart: Canvas, panel: Panel, course: Course) -> None:
    xs, ys = [0.0], [0.0]
    for when, weight in course.weights:
        xs, ys = [*xs, when, when], [*ys, ys[-1], weight]
    xs, ys = [*xs, panel.x.high], [*ys, ys[-1]]
    x, y = panel.x(xs), panel.y(ys)
    chart.add(area(x, y, np.full(len(y), panel.y.stop), "c-stable"), area(x, np.full(len(y), panel.y.start), y, "c-canary"))
    chart.add(panel.grid([(v, f"{v} %") for v in (0, 10, 50, 100)], "share of the traffic that the canary gets"), line(x, y, "c-canary"))
    for look in course.looks:
        css, mark, word = MARKS.get(look.outcome, ("c-other", "?", ""))
        spot = panel.x.one(look.at)
        if look.action == "wait":
            chart.add(circle(spot, panel.y.start + 12, 3.2, css))
        else:
            chart.add(rule(spot, panel.y.stop, spot, 478, "marker"), text(spot, panel.y.start + 17, mark, f"value {word}", "middle"))


def _lines(chart: Canvas, panel: Panel, at: Any, series: Mapping[str, Any], title: str, form: Any, limit: float | None = None) -> None:
    chart.add(panel.grid(linear_ticks(0, panel.y.high, 3, form), title))
    if limit is not None:
        chart.add(rule(panel.x.start, panel.y.one(limit), panel.x.stop, panel.y.one(limit), "limit"))
    for track, css in (("stable", "c-model"), ("canary", "c-canary")):
        chart.add(line(panel.x(at), panel.y(series[track]), css), dots(panel.x(at), panel.y(series[track]), f"{css} solid"))


def _point(chart: Canvas, panel: Panel, look: Look, stable: float, canary: float) -> None:
    pairs = [
        ("judgement", OUTCOMES.get(look.outcome, (look.outcome, ""))[0], MARKS.get(look.outcome, ("c-other", "", ""))[0]),
        ("canary requests", f.count(look.canary.get("requests", 0)), "c-canary"),
        ("canary errors", f.count(look.canary.get("errors", 0)), "c-canary"),
        ("canary p95", f.milliseconds(p95(look.canary)), "c-canary"),
        ("stable p95", f.milliseconds(p95(look.stable)), "c-model"),
        ("requests per second", f"{f.number(canary, 3)} canary, {f.number(stable, 3)} stable", "c-other"),
        ("predictions moved", f.percent(look.moved, 0), "c-other"),
    ]
    chart.point(panel.x.one(look.at), f"{look.at:.1f} s, canary at {look.step} %", pairs)


def _table(course: Course) -> str:
    rows = []
    for step in dict.fromkeys(look.step for look in course.looks):
        own = [look for look in course.looks if look.step == step]
        last = own[-1]
        waits = sum(look.action == "wait" for look in own)
        rows.append((
            f"{step} %", f.seconds(last.at - last.since), f"{len(own)} ({waits} × wait)", f.count(last.canary.get("requests", 0)),
            f.count(last.canary.get("errors", 0)), f.milliseconds(p95(last.canary)), f.percent(last.moved, 0),
            badge(*OUTCOMES.get(last.outcome, (last.outcome, "plain"))), Html(f'<span class="small">{inline(last.reason)}</span>'),
        ))  # fmt: skip
    if not rows:
        return missing("Nothing was judged: the rollout ended before its first look.")
    head = ("canary's share", "time", "looks", "requests", "errors", "p95", "predictions moved", "judgement", Html("why"))
    body = table(f"Decision at each step of version {course.version}", head, rows)
    return f'<div class="course">{body}</div>'
