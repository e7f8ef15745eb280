"""A goal's way: the fan of possible amounts until the target date, the target, and the milestones on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, circle, line, rule, text
from components.finance.rupees import rupees

LEGEND = (("c-model", "median"), ("c-band", "from pessimistic to optimistic"), ("c-base", "paid in"))
MARKS = (("hit", "milestone, at its expected amount"),)
LAKH, CRORE = 1e5, 1e7
ROOM = 24.0
"""Pixels that a milestone's label needs beside it."""


@dataclass(frozen=True)
class Milestone:
    """One milestone: when, the expected amount, and the probability of being on course."""

    time: np.datetime64
    amount: float
    probability: float


@dataclass(frozen=True)
class GoalFan:
    """What is drawn of a goal; amounts in rupees.

    Attributes
    ----------
    times : ndarray of datetime64, shape (points,)
        From now to the target date.
    low, median, high : ndarray of shape (points,)
        Quantiles of the amount; ``level`` is the share of outcomes between low and high, decimal.
    paid : ndarray of shape (points,)
        What was there plus what the plan says to pay until then.
    target, probability : float
        The goal, and the chance to reach it.
    milestones : sequence of Milestone
    level : float
    actual : float or None
        What it came to, where that is known.
    """

    times: npt.NDArray[np.datetime64]
    low: FloatArray
    median: FloatArray
    high: FloatArray
    paid: FloatArray
    target: float
    probability: float
    milestones: Sequence[Milestone] = ()
    level: float = 0.8
    actual: float | None = None


def goal_fan(fan: GoalFan) -> str:
    """Draw the fan; no script is needed to read it."""
    if len(fan.times) < 2:
        return missing("The goal's target date is now, so there is no way to draw.")
    times = to_seconds(fan.times)
    top = 1.08 * max(float(fan.high.max()), fan.target, fan.actual or 0.0)
    by, chance = f.date(fan.times[-1]), f.percent(fan.probability, 0)
    chart = Canvas(410, f"Fan chart of a goal of {rupees(fan.target)}: {chance} chance by {by}")
    panel = Panel.at(86, 28, 846, 340, (times[0], times[-1]), (0.0, top))
    chart.add(panel.grid(linear_ticks(0.0, top, 6, short_rupees)), panel.bottom(time_ticks(times[0], times[-1], 8)))
    x = panel.x(times)
    chart.add(area(x, panel.y(fan.low), panel.y(fan.high), "c-model"))
    chart.add(line(x, panel.y(fan.paid), "c-base"), line(x, panel.y(fan.median), "c-model"))
    chart.add(rule(panel.x.start, panel.y.one(fan.target), panel.x.stop, panel.y.one(fan.target), "limit"))
    chart.add(text(panel.x.start + 8, panel.y.one(fan.target) - 7, f"target {rupees(fan.target)}", "warn"))
    for mark in fan.milestones:
        _mark(chart, panel, mark)
    if fan.actual is not None:
        chart.add(circle(panel.x.stop, panel.y.one(fan.actual), 5, "c-actual"))
    _hover(chart, panel, fan, times)
    caption = (
        f"{chance} of the simulated ways reach {rupees(fan.target)} by {by}; "
        f"{f.percent(fan.level, 0)} end between {rupees(float(fan.low[-1]))} and {rupees(float(fan.high[-1]))}."
    )
    told = "" if fan.actual is None else f"It came to {rupees(fan.actual)}. "
    came = () if fan.actual is None else (("c-actual", "what it came to"),)
    note = told + "At a milestone: the chance to be on the path that just meets the target. Amounts are nominal."
    return figure(chart.render(28, 368), caption, (*LEGEND, ("c-warn", "target"), *MARKS, *came), note)


def short_rupees(amount: float) -> str:
    """Write an axis label: ``₹25 lakh``, ``₹1.2 crore``, ``₹5000``.

    Examples
    --------
    >>> short_rupees(2_500_000), short_rupees(12_000_000), short_rupees(5000), short_rupees(0)
    ('₹25 lakh', '₹1.2 crore', '₹5000', '₹0')
    """
    for unit, word in ((CRORE, "crore"), (LAKH, "lakh")):
        if abs(amount) >= unit:
            return f"₹{amount / unit:,.6g} {word}"
    return rupees(amount)


def _mark(chart: Canvas, panel: Panel, mark: Milestone) -> None:
    x, y = panel.x.one(float(to_seconds(mark.time)[0])), panel.y.one(mark.amount)
    above = y - ROOM > panel.y.stop
    chart.add(rule(x, panel.y.start, x, y, "marker"), circle(x, y, 5, "hit"))
    anchor = "start" if x + ROOM * 5 < panel.x.stop else "end"
    words = f"{rupees(mark.amount)}, {f.percent(mark.probability, 0)}"
    chart.add(text(x + (7 if anchor == "start" else -7), y + (ROOM - 8 if above else ROOM), words, "value", anchor))


def _hover(chart: Canvas, panel: Panel, fan: GoalFan, times: FloatArray) -> None:
    for i, time in enumerate(times):
        rows = [
            ("median", rupees(float(fan.median[i])), "c-model"),
            ("between", f"{rupees(float(fan.low[i]))} and {rupees(float(fan.high[i]))}", "c-model"),
            ("paid in", rupees(float(fan.paid[i])), "c-base"),
        ]
        chart.point(panel.x.one(float(time)), f.date(fan.times[i]), rows)
