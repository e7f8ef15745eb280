"""The distribution of a portfolio's return, its tail figures, and where scenarios and real crises would lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import Scale, extent, percent_ticks
from components.evaluation.plots.svg import Canvas, Panel, circle, rect, rule, text

LEGEND = (("c-model", "probability"), ("c-bad", "beyond the value at risk"), ("c-base", "scenario or crisis"))
ROW = 22.0


def loss_distribution(
    levels: npt.ArrayLike,
    quantiles: npt.ArrayLike,
    tail: Sequence[tuple[str, float]],
    scenarios: Sequence[tuple[str, float]] = (),
    horizon: str = "a month",
) -> str:
    """Draw a distribution from its quantiles: boxes of known probability, as wide as its quantiles are apart.

    Parameters
    ----------
    levels : array of shape (quantiles,)
        Probabilities, ascending, decimal.
    quantiles : array of shape (quantiles,)
        Returns, decimal.
    tail : sequence of (name, return)
        Figures of the tail, the value at risk first, for example ``("VaR 95 %", -0.085)``.
    scenarios : sequence of (name, return)
        What the same portfolio would do in each.
    horizon : str
        Of the distribution, in words.
    """
    p, q = np.asarray(levels, np.float64), np.asarray(quantiles, np.float64)
    if len(q) < 2 or not np.all(np.diff(q) > 0):
        return missing("The portfolio's return does not vary, so that there is no distribution to draw.")
    height = np.diff(p) / np.diff(q)
    low, high = extent(q, [value for _, value in (*tail, *scenarios)], pad=0.03)
    bottom = 250.0
    chart = Canvas(bottom + 60 + ROW * len(scenarios), f"Distribution of the return over {horizon}, with scenarios")
    panel = Panel.at(66, 46, 876, bottom - 46, (low, high), (0.0, float(height.max()) * 1.05))
    chart.add(panel.bottom(percent_ticks(low, high, 9)))
    edge = tail[0][1] if tail else -np.inf
    for (left, right), tall in zip(pairwise(q.tolist()), height, strict=True):
        chart.add(*_box(panel, left, right, tall, edge))
    for number, (name, value) in enumerate(tail):
        x, y = panel.x.one(value), 40.0 - 14 * number
        chart.add(rule(x, y + 3, x, bottom, "marker"), text(x - 4, y, f"{name} {f.percent(value)}", "small", "end"))
    for number, (name, value) in enumerate(scenarios):
        chart.add(*_scenario(panel.x, bottom + 48 + ROW * number, name, value))
    first = f"{tail[0][0]} is {f.percent(tail[0][1])}: " if tail else ""
    caption = (
        f"{first}how the return over {horizon} is distributed, from the {f.percent(p[0], 1)} to the "
        f"{f.percent(p[-1], 1)} quantile, and below it what the same portfolio would do in scenarios and did in crises."
    )
    note = "The area of a box is its probability. Scenarios and crises have horizons of their own."
    return figure(chart.render(46, bottom), caption, LEGEND, note)


def _box(panel: Panel, left: float, right: float, tall: float, edge: float) -> list[str]:
    """Draw a box of the histogram, cut in two where the value at risk lies within."""
    cuts = [left, edge, right] if left < edge < right else [left, right]
    return [
        rect(
            panel.x.one(a),
            panel.y.one(0),
            panel.x.one(b) - panel.x.one(a),
            panel.y.one(tall) - panel.y.one(0),
            "c-bad" if b <= edge else "c-model",
        )
        for a, b in pairwise(cuts)
    ]


def _scenario(x: Scale, y: float, name: str, value: float) -> list[Any]:
    """Draw one scenario: a mark, its name and its return, on the side where there is room."""
    at = x.one(value)
    room_left = at - x.start > (x.stop - x.start) / 2
    label = f"{f.label(name)}  {f.percent(value)}"
    return [
        rule(x.start, y, x.stop, y, "grid"),
        circle(at, y, 4.5, "c-base"),
        text(at - 10 if room_left else at + 10, y - 5, label, "small", "end" if room_left else "start"),
    ]
