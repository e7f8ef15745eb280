"""Equity curves: what strategies made of one unit of money, with bands, on a scale of ratios where they grow much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, Tick, extent, linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, line, text

COLOURS = ("c-model", "c-base", "c2", "c3", "c1")
MUCH = 2.5
"""From this ratio of highest to lowest value on, equal distances are equal ratios."""

STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
Band = tuple[FloatArray, FloatArray]


def equity_curves(times: Any, curves: Mapping[str, FloatArray], bands: Mapping[str, Band], note: str = "") -> str:
    """Draw the values of strategies over time.

    Parameters
    ----------
    times : array of datetime64, shape (times,)
        Ascending.
    curves : mapping of str to ndarray of shape (times,)
        Values from 1; the first is the model's, the second its baseline's.
    bands : mapping of str to pair of ndarray of shape (times,)
        Lower and upper end around a curve, under its name; for example the quantiles over seeds.
    note : str
        What the bands mean.
    """
    if len(times) < 2 or not curves:
        return missing("There are fewer than two times, so there is no course to draw.")
    ends = [end for band in bands.values() for end in band]
    low, high = extent(*curves.values(), *ends, pad=0.0)
    if low <= 0:
        return missing("A strategy lost everything, which a scale of ratios cannot show.")
    ratios = high / low >= MUCH
    place = np.log if ratios else np.asarray
    x = to_seconds(times)
    low, high = extent(place(np.array([low, high])), pad=0.05)
    chart = Canvas(410, f"Equity curves of {', '.join(curves)} from {f.date(times[0])} to {f.date(times[-1])}")
    panel = Panel.at(66, 28, 780, 350, (x[0], x[-1]), (low, high))
    ticks = _ratio_ticks(low, high) if ratios else linear_ticks(low, high, 6)
    unit = "value of 1 at the start" + (", equal distances are equal ratios" if ratios else "")
    chart.add(panel.grid(ticks, unit), panel.bottom(time_ticks(x[0], x[-1], 8)))
    styles = dict(zip(curves, (COLOURS[i % len(COLOURS)] for i in range(len(curves))), strict=True))
    for name, (lower, upper) in bands.items():
        chart.add(area(panel.x(x), panel.y(place(lower)), panel.y(place(upper)), styles.get(name, "c-base")))
    for name, values in reversed(list(curves.items())):
        chart.add(line(panel.x(x), panel.y(place(values)), styles[name]))
    _name_ends(chart, panel, {name: float(place(values[-1:])[0]) for name, values in curves.items()})
    for i, at in enumerate(x.tolist()):
        rows = [(name, f.number(values[i], 4), styles[name]) for name, values in curves.items()]
        chart.point(panel.x.one(at), f.date(times[i]), rows)
    return figure(chart.render(28, 378), _caption(curves, times), [(styles[n], n) for n in curves], note)


def _ratio_ticks(low: float, high: float) -> list[Tick]:
    powers = range(int(np.floor(low / np.log(10))) - 1, int(np.ceil(high / np.log(10))) + 1)
    steps = STEPS if high - low < np.log(8) else (1.0, 2.0, 5.0) if high - low < np.log(200) else (1.0,)
    values = [step * 10.0**power for power in powers for step in steps]
    return [(float(np.log(v)), f.compact(v)) for v in values if low <= np.log(v) <= high]


def _name_ends(chart: Canvas, panel: Panel, ends: Mapping[str, float]) -> None:
    """Write each name beside its curve's end, at least a line apart."""
    free = -np.inf
    for name, end in sorted(ends.items(), key=lambda item: -item[1]):
        free = max(panel.y.one(end) + 4, free + 15)
        chart.add(text(panel.x.stop + 8, free, name, "small"))


def _caption(curves: Mapping[str, FloatArray], times: Any) -> str:
    falls = {name: 1 - (values / np.maximum.accumulate(values)).min() for name, values in curves.items()}
    told = "; ".join(
        f"{name} {f.number(values[-1], 3)} (largest fall {f.percent(falls[name])})" for name, values in curves.items()
    )
    return f"What 1 became from {f.date(times[0])} to {f.date(times[-1])}, net of costs: {told}."
