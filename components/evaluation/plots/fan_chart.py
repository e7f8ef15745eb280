"""Forecast fans against what happened: several origins of the backtest on one chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import horizon_bars, order_horizons, pick_entity
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, extent, linear_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, area, circle, line

if TYPE_CHECKING:
    import pandas as pd

LEGEND = (("c-actual", "actual close"), ("c-model", "point forecast"), ("c-band", "interval"))
MOST_BARS = 600
"""More are too many for one chart; intraday bars reach this soon."""

HITS = (("hit", "actual inside the interval"), ("miss", "actual outside it"))


def fan_chart(backtest: pd.DataFrame, bars: pd.DataFrame, entity: str = "", days: int = 420, level: float = 0.9) -> str:
    """Draw fans from origins about a month apart over the last ``days`` days of the backtest.

    Parameters
    ----------
    backtest : DataFrame
        Columns time, entity, horizon, current, actual, point, lower, upper; prices.
    bars : DataFrame
        Columns entity, timestamp, close.
    entity : str
        Security to show; empty for the one with most rows.
    days : int
        Calendar days of history on the chart.
    level : float
        Nominal coverage of the interval, decimal, for the caption.
    """
    import pandas as pd

    if backtest.empty or bars.empty:
        return missing("The backtest has no rows, so there is nothing to draw a fan from.")
    if backtest[["current", "lower", "upper"]].isna().all().any():
        return missing("This model forecasts without intervals around a current price, so there is no fan.")
    entity = pick_entity(backtest, entity)
    rows = backtest[backtest["entity"].astype(str) == entity].sort_values("time")
    close = bars[bars["entity"].astype(str) == entity].sort_values("timestamp")
    start = pd.Timestamp(rows["time"].max()) - pd.Timedelta(days=days)
    close = close[close["timestamp"] >= start].tail(MOST_BARS)
    if close.empty:
        return missing(f"There are no bars of {entity} over the backtest's last {days} days.")
    rows = rows[rows["time"] >= close["timestamp"].iloc[0]]
    names = order_horizons(rows["horizon"].astype(str).tolist())
    fans = _fans(rows, close, names)
    times, prices = to_seconds(close["timestamp"]), close["close"].to_numpy(float)

    low, high = extent(prices, *(fan["band"] for fan in fans), pad=0.06)
    chart = Canvas(410, f"Fan chart of {entity}: actual close and forecasts from {len(fans)} origins with intervals")
    panel = Panel.at(66, 28, 876, 350, (times[0], times[-1]), (low, high))
    chart.add(panel.grid(linear_ticks(low, high, 6), "price"), panel.bottom(time_ticks(times[0], times[-1], 8)))
    hits = total = 0
    for fan in fans:
        x = panel.x(fan["x"])
        chart.add(area(x, panel.y(fan["band"][:, 0]), panel.y(fan["band"][:, 1]), "c-model"))
        chart.add(line(x, panel.y(fan["point"]), "c-model"))
    chart.add(line(panel.x(times), panel.y(prices), "c-actual"))
    for fan in fans:
        for x, y, inside in zip(fan["x"][1:], fan["actual"][1:], fan["inside"][1:], strict=True):
            hits, total = hits + int(inside), total + 1
            chart.add(circle(panel.x.one(x), panel.y.one(y), 4.2, "hit" if inside else "miss"))
    _hover(chart, panel, times, prices, rows, names)
    caption = (
        f"{entity}: forecasts from {f.plural(len(fans), 'origin')} about a month apart, "
        f"{f.date(close['timestamp'].iloc[0])} to "
        f"{f.date(close['timestamp'].iloc[-1])}. {hits} of the {total} intervals drawn contain the actual close; "
        f"{f.percent(level, 0)} is what they promise."
    )
    note = (
        "Every forecast was made with data up to its origin only. Point at the chart, or focus it and use the arrow "
        "keys."
    )
    return figure(chart.render(28, 378), caption, (*LEGEND, *HITS), note)


def _fans(rows: pd.DataFrame, close: pd.DataFrame, names: Sequence[str]) -> list[dict[str, FloatArray]]:
    """Cut the backtest into non-overlapping fans whose every horizon has come due."""
    grid = to_seconds(close["timestamp"])
    where = {t: i for i, t in enumerate(grid.tolist())}
    prices = close["close"].to_numpy(float)
    table = {name: part.set_index("time") for name, part in rows.groupby(rows["horizon"].astype(str))}
    common = sorted(set.intersection(*(set(part.index) for part in table.values())))
    fans: list[dict[str, FloatArray]] = []
    busy = -1.0
    for origin in common:
        at = where.get(float(to_seconds([origin])[0]))
        if at is None or grid[at] < busy:
            continue
        picked = [table[name].loc[origin] for name in names]
        ends = [
            _due(prices, at, float(row["actual"]), horizon_bars(name)) for name, row in zip(names, picked, strict=True)
        ]
        if any(end is None for end in ends):
            continue
        fan = _fan(grid, at, [int(e) for e in ends if e is not None], picked)
        fans.append(fan)
        busy = float(fan["x"][-1])
    return fans


def _due(prices: FloatArray, origin: int, actual: float, expected: float) -> int | None:
    """Return the bar whose close is the forecast's actual, nearest to ``expected`` bars ahead, if on the chart."""
    ahead = 1 + np.flatnonzero(np.isclose(prices[origin + 1 : origin + 65], actual, rtol=1e-9))
    return origin + int(min(ahead, key=lambda bars: abs(bars - expected))) if len(ahead) else None


def _fan(grid: FloatArray, at: int, ends: Sequence[int], picked: Sequence[Any]) -> dict[str, FloatArray]:
    current = float(picked[0]["current"])
    band = [(current, current), *((float(r["lower"]), float(r["upper"])) for r in picked)]
    actual = [current, *(float(r["actual"]) for r in picked)]
    inside = [float(a <= x <= b) for (a, b), x in zip(band, actual, strict=True)]
    return {
        "x": grid[[at, *ends]],
        "band": np.array(band),
        "point": np.array([current, *(float(r["point"]) for r in picked)]),
        "actual": np.array(actual),
        "inside": np.array(inside),
    }


def _hover(
    chart: Canvas, panel: Panel, times: FloatArray, prices: FloatArray, rows: pd.DataFrame, names: Sequence[str]
) -> None:
    table = {
        name: dict(
            zip(to_seconds(part["time"]).tolist(), part[["point", "lower", "upper"]].to_numpy(float), strict=True)
        )
        for name, part in rows.groupby(rows["horizon"].astype(str))
    }
    for time, close in zip(times.tolist(), prices.tolist(), strict=True):
        lines = [("close", f.price(close), "c-actual")]
        for name in names:
            if time in table[name]:
                point, low, high = table[name][time]
                lines.append(
                    (f"in {f.horizon(name)}", f"{f.price(point)} ({f.price(low)} to {f.price(high)})", "c-model")
                )
        chart.point(panel.x.one(time), f"{f.date(np.datetime64(int(time), 's'))}", lines)
