"""The efficient frontier, and where the chosen, the current and the equally weighted portfolio lie beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import extent, percent_ticks
from components.evaluation.plots.svg import Canvas, Panel, circle, line, rule, text

Point = tuple[float, float]
"""Annualised volatility and expected annual return, decimals."""

MARKS = {
    "chosen": ("c-model", "start", -6.0),
    "current": ("c-canary", "end", -6.0),
    "1/N": ("c-base", "start", 16.0),
}
"""Colour class, and where the label stands, of the portfolios that are marked, in the order of the legend."""
RADIUS = 6.5
ROOM = (46.0, 13.0)
"""Pixels that a label needs; a security whose label would lie on another's is told by pointing at it."""


def efficient_frontier(
    frontier: npt.NDArray[Any], portfolios: Mapping[str, Point], assets: Mapping[str, Point], caption: str = ""
) -> str:
    """Draw volatility against expected return.

    Parameters
    ----------
    frontier : ndarray of shape (points, 2)
        Annualised volatility and expected annual return, decimals, in order.
    portfolios : mapping of str to tuple
        Of ``chosen``, ``current`` and ``1/N`` those that are known.
    assets : mapping of str to tuple
        Single securities.
    caption : str
        What is shown, when; a sentence about the chosen portfolio follows.
    """
    points = np.asarray(frontier, dtype=float)
    if not len(points) or not np.isfinite(points).all() or not np.ptp(points):
        return missing("No efficient frontier was computed, so there is nothing to draw.")
    dots = np.array([*assets.values(), *portfolios.values()], dtype=float).reshape(-1, 2)
    low, high = extent(points[:, 0], dots[:, 0], pad=0.06, include=[0.0])
    bottom, top = extent(points[:, 1], dots[:, 1], pad=0.08)
    x_range, y_range = (max(low, 0.0), high), (bottom, top)
    chart = Canvas(430, f"Efficient frontier of {len(assets)} securities with {_list(portfolios)}")
    panel = Panel.at(66, 28, 876, 344, x_range, y_range)
    chart.add(
        panel.grid(percent_ticks(*y_range, 6), "expected return a year"),
        panel.bottom(percent_ticks(*x_range, 8), "volatility a year"),
    )
    if bottom < 0 < top:
        chart.add(rule(panel.x.start, panel.y.one(0), panel.x.stop, panel.y.one(0), "zero"))
    _securities(chart, panel, assets, portfolios)
    chart.add(line(panel.x(points[:, 0]), panel.y(points[:, 1]), "c-model"))
    for name in [n for n in reversed(MARKS) if n in portfolios]:
        css, anchor, up = MARKS[name]
        x, y = panel.x.one(portfolios[name][0]), panel.y.one(portfolios[name][1])
        beside = x + (10 if anchor == "start" else -10)
        chart.add(circle(x, y, RADIUS, css), text(beside, y + up, name, f"strong {css}", anchor))
        chart.point(x, name, _told(portfolios[name], css))
    legend = (
        ("c-model", "efficient frontier, and the chosen portfolio"),
        *((MARKS[n][0], "portfolio held now" if n == "current" else n) for n in ("current", "1/N") if n in portfolios),
        ("c-other", "single securities"),
    )
    note = "Least volatility for every expected return within the limits. Expected returns are mostly noise."
    return figure(chart.render(28, 372), f"{caption} {_sentence(portfolios)}".strip(), legend, note)


def _securities(chart: Canvas, panel: Panel, assets: Mapping[str, Point], portfolios: Mapping[str, Point]) -> None:
    placed = [(panel.x.one(x) + side, panel.y.one(y)) for x, y in portfolios.values() for side in (-46, 0, 46)]
    for name, point in assets.items():
        x, y = panel.x.one(point[0]), panel.y.one(point[1])
        chart.add(circle(x, y, 3.4, "c-other"))
        if all(abs(x - a) > ROOM[0] or abs(y - b) > ROOM[1] for a, b in placed):
            chart.add(text(x + 6, y + 4, name, "small"))
            placed.append((x, y))
        chart.point(x, name, _told(point, "c-other"))


def _told(point: Point, css: str) -> list[tuple[str, str, str]]:
    return [("volatility", f.percent(point[0]), css), ("expected return", f.percent(point[1]), css)]


def _list(portfolios: Mapping[str, Point]) -> str:
    return ", ".join(name for name in MARKS if name in portfolios) or "no portfolio"


def _sentence(portfolios: Mapping[str, Point]) -> str:
    if "chosen" not in portfolios:
        return ""
    chosen = portfolios["chosen"][0]
    others = [
        f"{f.percent(portfolios[name][0])} of {'the portfolio held now' if name == 'current' else name}"
        for name in ("current", "1/N")
        if name in portfolios
    ]
    against = f", against {' and '.join(others)}" if others else ""
    return f"The chosen portfolio is expected to have a volatility of {f.percent(chosen)} a year{against}."
