"""Plots of the goal predictor's evaluation: one real goal as a fan, and stated probabilities against frequencies."""

from __future__ import annotations

import numpy as np

from components.evaluation.calibration import reliability
from components.evaluation.judge import Judged
from components.evaluation.plots import formats as f
from components.evaluation.plots.calibration import wilson
from components.evaluation.plots.goal_fan import GoalFan, Milestone, goal_fan
from components.evaluation.plots.markup import figure
from components.evaluation.plots.scale import percent_ticks
from components.evaluation.plots.svg import Canvas, Panel, circle, rule
from components.models.portfolio.goal_achievement.schemas import FAN

SHOWN_PROBABILITY = 0.78
"""The document's example: the out-of-sample goal that comes nearest is drawn, among the longest tenth."""


def example_fan(judged: Judged) -> str:
    """Draw one out-of-sample goal with what it came to."""
    months = judged.data.inputs["goal"][:, 2]
    chance = judged.outputs["achievement_probability"][:, 0]
    eligible = months >= np.quantile(months, 0.9)
    row = int(np.argmin(np.where(eligible, np.abs(chance - SHOWN_PROBABILITY), np.inf)))
    return goal_fan(fan_of(judged, row))


def fan_of(judged: Judged, row: int) -> GoalFan:
    """Return what is drawn of one row."""
    columns = {column.name: judged.outputs["fan"][row, :, i] for i, column in enumerate(FAN)}
    start = judged.data.times[row].astype("datetime64[M]")
    count = int(judged.outputs["milestone_count"][row, 0])
    marks = judged.outputs["milestones"][row, :count]
    # Months end where the next one begins, less a day.
    when = (start + 1 + np.round(columns["months_ahead"]).astype(np.int64)).astype("datetime64[D]") - 1
    ends = [(start + 1 + int(m)).astype("datetime64[D]") - 1 for m in marks[:, 0]]
    return GoalFan(
        times=when,
        low=columns["pessimistic"],
        median=columns["median"],
        high=columns["optimistic"],
        paid=columns["paid_in"],
        target=float(judged.data.inputs["goal"][row, 0]),
        probability=float(judged.outputs["achievement_probability"][row, 0]),
        milestones=[Milestone(day, float(m[1]), float(m[2])) for day, m in zip(ends, marks, strict=True)],
        actual=float(judged.data.targets["amount"][row, 0]),
    )


def reliability_chart(judged: Judged) -> str:
    """Draw stated probabilities against frequencies in ten bins of equal mass."""
    table = reliability(judged.outputs["achievement_probability"][:, 0], judged.data.targets["reached"][:, 0] > 0)
    chart = Canvas(420, "Reliability diagram: stated probability of success against how often it came so")
    panel = Panel.at(86, 28, 560, 330, (0.0, 1.0), (0.0, 1.0))
    ticks = percent_ticks(0.0, 1.0, 5)
    chart.add(panel.grid(ticks, "came so"), panel.bottom(ticks, "stated probability"))
    chart.add(rule(panel.x.one(0), panel.y.one(0), panel.x.one(1), panel.y.one(1), "limit"))
    for part in table["bins"]:
        x = panel.x.one(part["probability"])
        low, high = wilson(part["frequency"], part["rows"])
        chart.add(rule(x, panel.y.one(low), x, panel.y.one(high), "whisker c-model"))
        chart.add(circle(x, panel.y.one(part["frequency"]), 5, "c-model"))
    caption = (
        f"Expected calibration error {f.percent(table['ece'])}; mean stated probability "
        f"{f.percent(table['mean_probability'])}, reached {f.percent(table['frequency'])}."
    )
    note = "Whiskers: 95 % bounds as if goals were independent; they share the market, so the truth is wider."
    return figure(chart.render(), caption, (("c-model", "goals, in tenths"), ("c-warn", "perfect")), note)
