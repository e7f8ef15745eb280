"""A plot: realised over wanted risk, month by month, of the model and of what ignores the market's state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.judge import Judged
from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure
from components.evaluation.plots.scale import linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, line
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.claims import WANTED, portfolio_risk, target_risk

COLOURS = {"model": "c-model", "unscaled_volatility": "c-base"}
SPAN = 12
"""Months that a point is pooled over."""


def risk_course(judged: Judged) -> str:
    """Draw the ratio of realised to asked risk, pooled over the last twelve months of each point."""
    answers = {"model": judged.outputs, **{n: judged.baselines[n] for n in COLOURS if n in judged.baselines}}
    courses = {name: _course(judged, answer["recommended_position"] / 100) for name, answer in answers.items()}
    times = to_seconds(np.unique(judged.data.times))
    shown = [values[np.isfinite(values)] for values in courses.values()]
    top = max(1.5, max((float(v.max()) for v in shown if len(v)), default=1.5) * 1.05)
    chart = Canvas(330, "Realised over asked risk, pooled over twelve months, of the model and of a simpler rule")
    panel = Panel.at(66, 28, 876, 250, (times[0], times[-1]), (0.0, top))
    band = np.ones_like(times)
    chart.add(area(panel.x(times), panel.y((1 - WANTED) * band), panel.y((1 + WANTED) * band), "c-good"))
    chart.add(
        panel.grid(linear_ticks(0.0, top, 5), "realised over asked volatility"),
        panel.bottom(time_ticks(times[0], times[-1], 8)),
    )
    for name, values in courses.items():
        chart.add(line(panel.x(times), panel.y(values), COLOURS[name]))
    for i in range(len(times)):
        rows = [(f.label(name), f.number(values[i], 3), COLOURS[name]) for name, values in courses.items()]
        chart.point(panel.x.one(times[i]), f.date(np.datetime64(int(times[i]), "s")), rows)
    legend = [(COLOURS[name], f.label(name)) for name in courses]
    caption = (
        "Risk that portfolios had in the month after the question, over the risk that was asked for; pooled over all "
        "securities and the last twelve months. The band is 10 % either way."
    )
    return figure(chart.render(28, 278), caption, legend)


def _course(judged: Judged, position: FloatArray) -> FloatArray:
    ratio = portfolio_risk(position, judged.data) / target_risk(judged.data)
    monthly = _by_time(ratio**2, judged.data.times)
    mean = np.convolve(monthly, np.ones(SPAN) / SPAN)[: len(monthly)]
    return np.where(np.arange(len(monthly)) >= SPAN - 1, np.sqrt(mean), np.nan)


def _by_time(values: FloatArray, times: npt.NDArray[Any]) -> FloatArray:
    _, place = np.unique(times, return_inverse=True)
    return np.asarray(np.bincount(place, weights=values) / np.bincount(place), dtype=np.float64)
