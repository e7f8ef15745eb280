"""One fan at a time: the reader picks the origin. Needs the page's script; without it the figure is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import horizon_bars, order_horizons, pick_entity
from components.evaluation.plots.markup import figure
from components.evaluation.plots.scale import to_seconds
from components.evaluation.plots.svg import WIDTH, esc, json_block

if TYPE_CHECKING:
    import pandas as pd

HISTORY = 60
MOST_ORIGINS = 600
LEGEND = (("c-actual", "actual close"), ("c-model", "point forecast"), ("c-band", "interval"))


def fan_explorer(backtest: pd.DataFrame, bars: pd.DataFrame, entity: str = "") -> str:
    """Return a figure with a slider over the origins of the backtest; empty when there is nothing to explore.

    Parameters
    ----------
    backtest, bars : DataFrame
        As for :func:`~components.evaluation.plots.fan_chart.fan_chart`, daily bars.
    entity : str
        Security; empty for the one with most rows.
    """
    if backtest.empty or bars.empty or backtest[["current", "lower", "upper"]].isna().all().any():
        return ""
    entity = pick_entity(backtest, entity)
    data = collect(backtest[backtest["entity"].astype(str) == entity], bars[bars["entity"].astype(str) == entity])
    if not data["origins"]:
        return ""
    last = len(data["origins"]) - 1
    controls = (
        f'<div class="controls"><label>Origin<input type="range" min="0" max="{last}" value="{data["surprise"]}" '
        f'aria-label="Origin of the forecast"></label><output></output>'
        '<button type="button" data-go="surprise">Largest surprise</button>'
        '<button type="button" data-go="last">Latest that came due</button></div>'
    )
    svg = (
        f'<svg class="chart" role="img" aria-label="Forecast of {esc(entity)} from the chosen origin" '
        f'viewBox="0 0 {WIDTH:g} 360" data-explorer=""></svg>'
    )
    count = f.plural(len(data["origins"]), "origin")
    caption = f"{entity}: pick any of {count} and see what was forecast then, and what came."
    note = "It opens at the largest surprise: the origin whose actual missed its interval furthest, in widths of it."
    return (
        f'<div class="needs-script">{controls}{figure(svg + json_block(data, "explorer"), caption, LEGEND, note)}</div>'
    )


def collect(rows: pd.DataFrame, bars: pd.DataFrame) -> dict[str, Any]:
    """Gather closes, and per origin its bar and (point, lower, upper, actual) of each horizon, rounded to be small."""
    names = [name for name in order_horizons(rows["horizon"]) if np.isfinite(horizon_bars(name))]
    bars = bars.sort_values("timestamp").reset_index(drop=True)
    place = {stamp: index for index, stamp in enumerate(bars["timestamp"])}
    wide = rows[rows["horizon"].astype(str).isin(names)].pivot_table(
        index="time", columns="horizon", values=["point", "lower", "upper", "actual"], observed=True
    )
    wide = wide.dropna()
    wide = wide[[stamp in place for stamp in wide.index]]
    wide = wide.iloc[:: max(1, -(-len(wide) // MOST_ORIGINS))]
    first = max(0, place[wide.index[0]] - HISTORY) if len(wide) else 0
    origins = [
        [
            place[stamp] - first,
            *(round(float(row[(kind, n)]), 2) for n in names for kind in ("point", "lower", "upper", "actual")),
        ]
        for stamp, row in wide.iterrows()
    ]
    shown = bars.iloc[first:]
    return {
        "closes": [round(float(c), 2) for c in shown["close"]],
        "days": [int(s // 86_400) for s in to_seconds(shown["timestamp"])],
        "names": [f.horizon(n) for n in names],
        "steps": [int(horizon_bars(n)) for n in names],
        "origins": origins,
        "surprise": surprise(origins),
        "history": HISTORY,
    }


def surprise(origins: list[list[float]]) -> int:
    """Return the origin whose actual missed an interval furthest, in widths of the interval."""
    worst, place = -np.inf, 0
    for index, (_, *numbers) in enumerate(origins):
        for k in range(0, len(numbers), 4):
            _, low, high, actual = numbers[k : k + 4]
            miss = max(low - actual, actual - high) / max(high - low, 1e-9)
            if miss > worst:
                worst, place = miss, index
    return place
