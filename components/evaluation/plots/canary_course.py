"""A rollout's course: weight, traffic, errors, latency and every judgement on one time axis, and its steps in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.course import NAN, Course, Event, Look, error_rate, p95, rates
from components.evaluation.plots.markup import Html, badge, figure, inline, missing, table
from components.evaluation.plots.scale import linear_ticks, percent_ticks
from components.evaluation.plots.svg import Canvas, Panel, area, circle, dots, line, rule, text

OUTCOMES = {"success": ("success", "good"), "failure": ("failure", "bad"), "inconclusive": ("inconclusive", "warn")}
MARKS = {"success": ("c-good", "✓", "good"), "failure": ("c-bad", "✕", "bad"), "inconclusive": ("c-other", "?", "")}


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


def _figure(course: Course) -> str:
    looks, stop = course.looks, max(course.lasted, course.looks[-1].at) or 1.0
    chart = Canvas(
        540, f"Course of the rollout of version {course.version}: canary weight, traffic, errors and p95 latency"
    )
    at = np.array([look.at for look in looks])
    span = (0.0, stop * 1.02)
    _weights(chart, Panel.at(70, 30, 860, 120, span, (0, 100)), course)
    series = {track: np.array(rates(looks, track)) for track in ("stable", "canary")}
    top = float(np.nanmax([1.0, *series["stable"], *series["canary"]])) * 1.12
    _lines(chart, Panel.at(70, 204, 860, 76, span, (0, top)), at, series, "requests per second")
    errors = {"stable": _own(looks, error_rate), "canary": np.array([error_rate(look.canary) for look in looks])}
    limit = f.finite(course.limits.get("error_rate"))
    top = max(0.02, 1.4 * (limit or 0), float(np.nanmax([0, *errors["stable"], *errors["canary"]])) * 1.12)
    panel = Panel.at(70, 318, 860, 70, span, (0, top))
    _lines(chart, panel, at, errors, "error rate since the step began", limit, percent=True)
    latency = {"stable": _own(looks, p95), "canary": np.array([p95(look.canary) for look in looks])}
    highest = float(np.nanmax([0.1, *latency["stable"], *latency["canary"]]))
    limit = f.finite(course.limits.get("p95_ms"))
    near = limit is not None and highest > 0.35 * limit
    panel = Panel.at(70, 424, 860, 70, span, (0, max(highest, limit if near and limit else 0) * 1.15))
    title = "p95 latency, ms" + ("" if near or limit is None else f" (limit {f.milliseconds(limit)}, above the chart)")
    _lines(chart, panel, at, latency, title, limit if near else None)
    chart.add(panel.bottom(linear_ticks(0, span[1], 8, lambda v: f"{v:g}"), "seconds since the rollout began"))
    for look, a, b in zip(looks, series["stable"], series["canary"], strict=True):
        _point(chart, panel, look, float(a), float(b))
    asked = _requests(looks)
    caption = (
        f"Version {course.version} beside version {course.stable}: {f.plural(len(looks), 'judgement')} over "
        f"{f.seconds(course.lasted)}, {f.plural(asked, 'request')} answered by the canary while it was watched."
    )
    legend = (
        ("c-canary", f"canary, version {course.version}"),
        ("c-model", f"stable, version {course.stable}"),
        ("c-warn", "limit"),
    )
    return figure(
        chart.render(30, 494),
        caption,
        legend,
        "Marks: ✓ success, ? inconclusive (keep the weights and wait), ✕ failure.",
    )


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
    chart.add(
        area(x, y, np.full(len(y), panel.y.stop), "c-stable"), area(x, np.full(len(y), panel.y.start), y, "c-canary")
    )
    chart.add(
        panel.grid([(v, f"{v} %") for v in (0, 10, 50, 100)], "share of the traffic that the canary gets"),
        line(x, y, "c-canary"),
    )
    for look in course.looks:
        css, mark, word = MARKS.get(look.outcome, ("c-other", "?", ""))
        spot = panel.x.one(look.at)
        if look.action == "wait":
            chart.add(circle(spot, panel.y.start + 12, 3.2, css))
        else:
            chart.add(
                rule(spot, panel.y.stop, spot, 494, "marker"),
                text(spot, panel.y.start + 17, mark, f"value {word}", "middle"),
            )


def _lines(
    chart: Canvas,
    panel: Panel,
    at: Any,
    series: Mapping[str, Any],
    title: str,
    limit: float | None = None,
    percent: bool = False,
) -> None:
    ticks = percent_ticks if percent else linear_ticks
    chart.add(panel.grid(ticks(0, panel.y.high, 3), title))
    if limit is not None:
        chart.add(rule(panel.x.start, panel.y.one(limit), panel.x.stop, panel.y.one(limit), "limit"))
    for track, css in (("stable", "c-model"), ("canary", "c-canary")):
        chart.add(
            line(panel.x(at), panel.y(series[track]), css), dots(panel.x(at), panel.y(series[track]), f"{css} solid")
        )


def _point(chart: Canvas, panel: Panel, look: Look, stable: float, canary: float) -> None:
    pairs = [
        (
            "judgement",
            OUTCOMES.get(look.outcome, (look.outcome, ""))[0],
            MARKS.get(look.outcome, ("c-other", "", ""))[0],
        ),
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
        rows.append(
            (
                f"{step} %",
                f.seconds(last.at - last.since),
                f.count(len(own)),
                f.count(last.canary.get("requests", 0)),
                f.count(last.canary.get("errors", 0)),
                f.milliseconds(p95(last.canary)),
                f.percent(last.moved, 0),
                badge(*OUTCOMES.get(last.outcome, (last.outcome, "plain"))),
                Html(f'<span class="small">{inline(last.reason)}</span>'),
            )
        )
    if not rows:
        return missing("Nothing was judged: the rollout ended before its first look.")
    head = (
        "canary's share",
        "time",
        "looks",
        "requests",
        "errors",
        "p95",
        "predictions moved",
        "judgement",
        Html("why"),
    )
    body = table(f"Decision at each step of version {course.version}", head, rows)
    return f'<div class="course">{body}</div>'
