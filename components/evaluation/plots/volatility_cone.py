"""The volatility cone with a forecast in it, and forecasts of volatility against what was realised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, extent, linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, circle, line, rule, text

LENGTHS = (1, 2, 3, 5, 10, 15, 21, 42, 63)
"""Days that the cone is drawn at, as far as the history goes."""

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
DAYS = 252
MOST_DAYS = 756
"""Forecasts drawn against what came: three years."""

CONE_LEGEND = (
    ("c-base", "past volatility: median, middle half and 90 %"),
    ("c-model", "forecast with its interval"),
)
COURSE_LEGEND = (("c-actual", "realised"), ("c-model", "forecast"), ("c-band", "interval"))


def volatility_cone(
    variances: FloatArray,
    days: Sequence[int],
    forecast: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    entity: str = "",
    when: Any = None,
) -> str:
    """Draw quantiles of past volatility by horizon, and the forecast of each horizon among them.

    Parameters
    ----------
    variances : ndarray of shape (history,)
        Daily realised variances, oldest first, decimal squared.
    days : sequence of int
        Trading days of the forecast's horizons.
    forecast, lower, upper : ndarray of shape (horizons,)
        Annualised percent.
    entity : str
        Security, for the caption.
    when : datetime-like, optional
        When the forecast was made.
    """
    lengths = [n for n in LENGTHS if n <= len(variances) // 2]
    if not lengths:
        return missing(f"{len(variances)} days of realised variance are too few for a cone.")
    past = np.array([np.quantile(_rolling(variances, n), LEVELS) for n in lengths])
    low, high = extent(past, lower, upper, pad=0.06)
    chart = Canvas(390, f"Volatility cone of {entity or 'the security'}: past quantiles by horizon, and the forecast")
    ends = (np.log(min([*lengths, *days])) - 0.1, np.log(max([*lengths, *days])) + 0.1)
    panel = Panel.at(66, 28, 876, 310, ends, (max(low, 0.0), high))
    ticks = [(float(np.log(n)), str(n)) for n in lengths]
    chart.add(panel.grid(linear_ticks(max(low, 0.0), high, 6), "annualised %"), panel.bottom(ticks, "trading days"))
    x = panel.x(np.log(lengths))
    for inner, outer in ((1, 3), (0, 4)):
        chart.add(area(x, panel.y(past[:, inner]), panel.y(past[:, outer]), "c-base"))
    chart.add(line(x, panel.y(past[:, 2]), "c-base"))
    places = panel.x(np.log(days))
    chart.add(line(places, panel.y(forecast), "c-model"))
    for at, point, a, b in zip(places.tolist(), forecast, lower, upper, strict=True):
        chart.add(rule(at, panel.y.one(a), at, panel.y.one(b), "whisker c-model"))
        chart.add(circle(at, panel.y.one(point), 4.5, "c-model"))
        chart.add(text(at + 9, panel.y.one(point) - 7, f"{point:.1f} %", "c-model"))
    for at, n, row in zip(x.tolist(), lengths, past, strict=True):
        told = [(f"{q:.0%} of the past below", f"{v:.1f} %", "c-base") for q, v in zip(LEVELS, row, strict=True)]
        chart.point(at, f.plural(n, "day"), told)
    made = f" after the close of {f.date(when)}" if when is not None else ""
    caption = (
        f"{entity}{made}: {forecast[-1]:.1f} % a year is forecast for the next {f.plural(int(days[-1]), 'day')}; over "
        f"as many days it was {_rolling_median(variances, int(days[-1])):.1f} % in the median of "
        f"{f.plural(len(variances), 'past day')}."
    )
    return figure(chart.render(28, 338), caption, CONE_LEGEND)


def forecast_against_realised(
    times: npt.NDArray[np.datetime64],
    forecast: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    realised: FloatArray,
    entity: str = "",
    horizon: str = "1_month",
) -> str:
    """Draw forecasts of volatility over time with what came; all of shape (times,), annualised percent.

    Parameters
    ----------
    times : ndarray of datetime64, shape (times,)
        When each forecast was made, ascending.
    forecast, lower, upper, realised : ndarray of shape (times,)
    entity, horizon : str
        For the caption.
    """
    if len(times) < 2:
        return missing("There are not two forecasts to draw.")
    shown = slice(-MOST_DAYS, None)
    seconds = to_seconds(times[shown])
    forecast, lower, upper, realised = (values[shown] for values in (forecast, lower, upper, realised))
    low, high = extent(forecast, lower, upper, realised, pad=0.05)
    chart = Canvas(380, f"Forecast and realised volatility of {entity or 'the security'}, {f.horizon(horizon)} ahead")
    panel = Panel.at(66, 28, 876, 310, (seconds[0], seconds[-1]), (max(low, 0.0), high))
    chart.add(
        panel.grid(linear_ticks(max(low, 0.0), high, 6), "annualised %"),
        panel.bottom(time_ticks(seconds[0], seconds[-1], 8)),
    )
    x = panel.x(seconds)
    chart.add(area(x, panel.y(lower), panel.y(upper), "c-model"))
    chart.add(line(x, panel.y(realised), "c-actual"), line(x, panel.y(forecast), "c-model"))
    for at, when, point, a, b, came in zip(x.tolist(), times[shown], forecast, lower, upper, realised, strict=True):
        told = [
            ("realised", f"{came:.1f} %", "c-actual"),
            ("forecast", f"{point:.1f} % ({a:.1f} to {b:.1f})", "c-model"),
        ]
        chart.point(at, f.date(when), told)
    inside = float(((lower <= realised) & (realised <= upper)).mean())
    ratio = float(np.median(forecast / realised))
    caption = (
        f"{entity}, {f.horizon(horizon)} ahead: {f.percent(inside)} of {f.plural(len(x), 'outcome')} are inside the "
        f"interval; the forecast is {ratio:.2f} times realised volatility in the median."
    )
    return figure(chart.render(28, 338), caption, COURSE_LEGEND, "Each outcome stands where its forecast was made.")


def _rolling(variances: FloatArray, days: int) -> FloatArray:
    means = np.lib.stride_tricks.sliding_window_view(variances, days).mean(axis=1)
    volatility: FloatArray = 100 * np.sqrt(DAYS * means)
    return volatility


def _rolling_median(variances: FloatArray, days: int) -> float:
    return float(np.median(_rolling(variances, min(days, len(variances)))))
