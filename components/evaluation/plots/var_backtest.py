"""Value at risk against what happened: returns, the forecast line, and the breaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import extent, percent_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, circle, dots, line, rule

LEGEND = (("c-model", "return"), ("c-bad", "value at risk"), ("miss", "breach"))
MOST_POINTS = 1500
"""Returns with pointer text; more make a page heavy without showing more."""


def var_backtest(
    times: npt.ArrayLike, returns: npt.ArrayLike, value_at_risk: npt.ArrayLike, level: float, what: str = ""
) -> str:
    """Draw returns as dots, the value at risk that was forecast for each as a line, and breaches as circles.

    Parameters
    ----------
    times : array of datetime64, shape (rows,)
        Ascending: when each forecast was made.
    returns, value_at_risk : array of shape (rows,)
        Decimal, losses negative.
    level : float
        Promised share of breaches, decimal.
    what : str
        Whose returns, for the caption.
    """
    r, v = np.asarray(returns, np.float64), np.asarray(value_at_risk, np.float64)
    if not len(r):
        return missing("There are no forecasts to compare with returns.")
    at = to_seconds(times)
    hit = r < v
    low, high = extent(r, v, pad=0.05)
    chart = Canvas(
        400,
        f"Backtest of the {1 - level:.0%} value at risk: {int(hit.sum())} of {len(r)} returns lie below it, "
        f"{level * len(r):.1f} were expected",
    )
    panel = Panel.at(66, 28, 876, 340, (float(at[0]), float(at[-1])), (low, high))
    chart.add(panel.grid(percent_ticks(low, high, 6), "return"), panel.bottom(time_ticks(at[0], at[-1], 8)))
    x = panel.x(at)
    chart.add(rule(panel.x.start, panel.y.one(0), panel.x.stop, panel.y.one(0), "zero"))
    chart.add(dots(x, panel.y(r), ""), line(x, panel.y(v), "c-bad"))
    for i in np.flatnonzero(hit):
        chart.add(circle(x[i], panel.y.one(r[i]), 4.2, "miss"))
    _hover(chart, at, x, r, v)
    caption = (
        f"{what + ': ' if what else ''}{f.plural(int(hit.sum()), 'breach', 'breaches')} in {f.count(len(r))} forecasts "
        f"from {f.date(np.asarray(times)[0])} to {f.date(np.asarray(times)[-1])}, {f.percent(float(hit.mean()), 2)}; "
        f"{f.percent(level, 1)} is what the line promises."
    )
    return figure(chart.render(28, 368), caption, LEGEND, "Every forecast knows what was known at its time only.")


def _hover(chart: Canvas, at: Any, x: Any, r: Any, v: Any) -> None:
    shown = np.unique(np.concatenate([np.flatnonzero(r < v), np.linspace(0, len(r) - 1, MOST_POINTS).astype(int)]))
    for i in shown.tolist():
        rows = [("return", f.percent(r[i], 2), "c-model"), ("value at risk", f.percent(v[i], 2), "c-bad")]
        chart.point(x[i], f.date(np.datetime64(int(at[i]), "s")), rows)
