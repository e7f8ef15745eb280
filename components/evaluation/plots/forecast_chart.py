"""The latest forecast, drawn into the future."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.fan_chart import LEGEND
from components.evaluation.plots.horizons import order_horizons
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import extent, linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, circle, line, rule, text

if TYPE_CHECKING:
    import pandas as pd


def forecast_chart(forecast: Mapping[str, Any], bars: pd.DataFrame, history: int = 63, level: float = 0.9) -> str:
    """Draw the latest forecast (document 0's shape) after the last ``history`` closes."""
    import pandas as pd

    predictions: Mapping[str, Any] = forecast.get("predictions") or {}
    names = [name for name in order_horizons(list(predictions)) if _interval(predictions[name]) is not None]
    entity = str(forecast.get("security_id", ""))
    own = bars[bars["entity"].astype(str) == entity] if entity in set(bars["entity"].astype(str)) else bars.iloc[:0]
    own = _until(own.sort_values("timestamp"), f.finite(forecast.get("current_price"))).tail(history)
    if not names or own.empty:
        return missing(
            f"The latest forecast of {entity or 'the security'} has no intervals or no price history to stand on."
        )
    last, current = (
        pd.Timestamp(own["timestamp"].iloc[-1]),
        float(forecast.get("current_price") or own["close"].iloc[-1]),
    )
    due = [_due_date(last, name) for name in names]
    bands = np.array([(current, current), *(_interval(predictions[n]) or (np.nan, np.nan) for n in names)])
    point = np.array([current, *(float(predictions[n]["price"]) for n in names)])
    ahead = to_seconds([last, *due])
    times, prices = to_seconds(own["timestamp"]), own["close"].to_numpy(float)
    low, high = extent(prices, bands, pad=0.08)
    chart = Canvas(376, f"Latest forecast of {entity} with intervals up to {f.horizon(names[-1])} ahead")
    panel = Panel.at(66, 28, 760, 320, (times[0], ahead[-1]), (low, high))
    x = panel.x(ahead)
    chart.add(panel.grid(linear_ticks(low, high, 6), "price"), panel.bottom(time_ticks(times[0], ahead[-1], 7)))
    chart.add(rule(x[0], 28, x[0], 348, "marker"), text(x[0] - 6, 40, "last known close", "small", "end"))
    chart.add(area(x, panel.y(bands[:, 0]), panel.y(bands[:, 1]), "c-model"), line(x, panel.y(point), "c-model"))
    chart.add(line(panel.x(times), panel.y(prices), "c-actual"), circle(x[0], panel.y.one(current), 4, "c-actual"))
    for i in range(1, len(x)):
        chart.add(rule(x[i], panel.y.one(bands[i, 0]), x[i], panel.y.one(bands[i, 1]), "whisker c-model"))
        chart.add(circle(x[i], panel.y.one(point[i]), 4, "c-model"))
    for value, word in ((bands[-1, 1], "upper"), (point[-1], "point"), (bands[-1, 0], "lower")):
        chart.add(
            text(x[-1] + 10, panel.y.one(value) + 4, f"{f.price(value)}  {word}", "c-model" if word == "point" else "")
        )
    for time, close in zip(times.tolist(), prices.tolist(), strict=True):
        chart.point(panel.x.one(time), f.date(np.datetime64(int(time), "s")), [("close", f.price(close), "c-actual")])
    for i, name in enumerate(names, start=1):
        rows = [
            ("point", f.price(point[i]), "c-model"),
            ("interval", f"{f.price(bands[i, 0])} to {f.price(bands[i, 1])}", "c-model"),
        ]
        chart.point(x[i], f"in {f.horizon(name)}", rows)
    final = names[-1]
    caption = (
        f"{entity} after the close of {f.date(last)} at {f.price(current)}: in {f.horizon(final)} between "
        f"{f.price(bands[-1, 0])} and {f.price(bands[-1, 1])} with nominal probability {f.percent(level, 0)}."
    )
    return figure(chart.render(28, 348), caption, LEGEND)


def _until(bars: pd.DataFrame, current: float | None) -> pd.DataFrame:
    """Cut the bars at the one that the forecast was made from: the last whose close is the current price."""
    same = np.flatnonzero(
        np.isclose(bars["close"].to_numpy(float), current if current is not None else np.nan, rtol=1e-6)
    )
    return bars.iloc[: int(same[-1]) + 1] if len(same) else bars


def _interval(prediction: Mapping[str, Any]) -> tuple[float, float] | None:
    values = [f.finite(v) for v in prediction.get("confidence_interval") or ()]
    return (values[0], values[1]) if len(values) == 2 and values[0] is not None and values[1] is not None else None


def _due_date(last: pd.Timestamp, name: str) -> pd.Timestamp:
    """Due date on a calendar of weekdays; holidays may move it by a day or two."""
    import pandas as pd

    amount, _, unit = name.partition("_")
    steps = {"day": 1, "week": 5, "month": 21}.get(unit.rstrip("s"))
    if steps is None:
        return last + pd.Timedelta(minutes=5)
    return last + pd.offsets.BusinessDay(steps * int(amount))
