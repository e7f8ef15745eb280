"""A price with the regime it was said to be in behind it, and the regime it turned out to be in below it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import extent, linear_ticks, percent_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, line, text

COLOURS = ("good", "base", "bad")
"""Of bull, sideways and bear: names of the style sheet's colours, which follow light, dark and print."""

MOST_POINTS = 1500
"""More make the page large without showing more."""

LEFT, WIDTH = 66, 876


def regime_chart(
    times: npt.NDArray[Any],
    close: npt.NDArray[np.float64],
    called: npt.NDArray[np.int64],
    dated: npt.NDArray[np.int64],
    bear: npt.NDArray[np.float64],
    names: Sequence[str],
    entity: str = "",
) -> str:
    """Draw price, called and dated regimes, and the probability of a bear market.

    Parameters
    ----------
    times : ndarray of datetime64, shape (days,)
        Ascending.
    close : ndarray of shape (days,)
        Positive prices, drawn on a logarithmic scale.
    called, dated : ndarray of int, shape (days,)
        Regime as it was called on the day, and as it was dated later; indices into ``names``.
    bear : ndarray of shape (days,)
        Probability of the last regime, decimal.
    names : sequence of str
        Three regimes, the good one first.
    entity : str
        For the caption.
    """
    if len(times) < 2:
        return missing("There are no two days to draw a price between.")
    seconds = to_seconds(times)
    chart = Canvas(490, f"Price of {entity} with the market regime called on each day, and the regime dated later")
    span = (seconds[0], seconds[-1])
    price = Panel.at(LEFT, 28, WIDTH, 280, span, extent(np.log10(close)))
    chance = Panel.at(LEFT, 368, WIDTH, 80, span, (0.0, 1.0))
    chart.add(_bands(price, seconds, called, 0, 280), price.grid(_price_ticks(price), "price, logarithmic"))
    chart.add(_bands(price, seconds, dated, 292, 18), text(LEFT - 8, 333, "dated", "tick", "end"))
    shown = np.unique(np.linspace(0, len(seconds) - 1, min(MOST_POINTS, len(seconds))).astype(int))
    chart.add(line(price.x(seconds[shown]), price.y(np.log10(close[shown])), "c-actual"))
    chart.add(chance.grid(percent_ticks(0.0, 1.0, 2), f"probability of a {names[-1]} market, as it was stated"))
    chart.add(area(chance.x(seconds[shown]), chance.y(0 * bear[shown]), chance.y(bear[shown]), "c-bad"))
    chart.add(line(chance.x(seconds[shown]), chance.y(bear[shown]), "c-bad"), chance.bottom(time_ticks(*span, 8)))
    for i in shown:
        facts = [
            ("close", f.price(close[i]), "c-actual"),
            ("called", names[called[i]], ""),
            ("dated later", names[dated[i]], ""),
            (f"P({names[-1]})", f.percent(bear[i], 0), "c-bad"),
        ]
        chart.point(price.x.one(seconds[i]), f.date(times[i]), facts)
    agree = float(np.mean(called == dated))
    caption = (
        f"{entity}, {f.date(times[0])} to {f.date(times[-1])}: behind the price the regime that was called with what "
        "was known on the day, in the strip below it the regime dated later. "
        f"They agree on {f.percent(agree)} of the days."
    )
    legend = (("c-actual", "close"), *((f"c-{colour}", name) for colour, name in zip(COLOURS, names, strict=True)))
    return figure(
        chart.render(28, 448), caption, legend, "Probabilities are filtered: nothing that came later is in them."
    )


def _bands(
    panel: Panel, seconds: npt.NDArray[np.float64], kinds: npt.NDArray[np.int64], down: float, height: float
) -> str:
    """Return one translucent box for each spell of one regime; the class ``key`` of the page knows no such fill."""
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1), len(kinds)]
    boxes = []
    for start, stop in pairwise(edges):
        left, right = panel.x.one(seconds[start]), panel.x.one(seconds[min(stop, len(seconds) - 1)])
        style = f"fill:var(--{COLOURS[kinds[start]]});fill-opacity:{0.22 if not down else 0.75}"
        boxes.append(
            f'<rect style="{style}" x="{left:.1f}" y="{panel.y.stop + down:.1f}" width="{max(right - left, 0.6):.1f}" '
            f'height="{height:g}"/>'
        )
    return "".join(boxes)


def _price_ticks(panel: Panel) -> list[tuple[float, str]]:
    low, high = 10**panel.y.low, 10**panel.y.high
    return [(float(np.log10(value)), name) for value, name in linear_ticks(low, high, 6) if value > 0]
