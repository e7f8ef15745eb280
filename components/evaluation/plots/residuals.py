"""Residuals of the point forecast: by time, as a distribution, against the normal, and their autocorrelation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import order_horizons, pick_entity
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, extent, linear_ticks, percent_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, dots, line, rect, rule, text

if TYPE_CHECKING:
    import pandas as pd

LAGS = 20


def residuals(backtest: pd.DataFrame, entity: str = "", horizon: str = "") -> str:
    """Draw relative residuals, ``actual / point - 1``, of one security and horizon.

    Parameters
    ----------
    backtest : DataFrame
        Columns time, entity, horizon, current, actual, point.
    entity, horizon : str
        What to show; empty for the security with most rows and the shortest horizon (whose errors do not overlap).
    """
    if backtest.empty:
        return missing("The backtest has no rows, so there are no residuals.")
    entity = pick_entity(backtest, entity)
    horizon = horizon or order_horizons(backtest["horizon"])[0]
    rows = backtest[
        (backtest["entity"].astype(str) == entity) & (backtest["horizon"].astype(str) == horizon)
    ].sort_values("time")
    values = rows["actual"].to_numpy(float) / rows["point"].to_numpy(float) - 1
    keep = np.isfinite(values)
    if keep.sum() < 10:
        return missing(f"Only {int(keep.sum())} residuals of {entity} at {f.horizon(horizon)}: too few to draw.")
    values, times = values[keep], to_seconds(rows["time"])[keep]
    return _by_time(times, values, entity, horizon) + _shape(values, entity, horizon)


def _by_time(times: FloatArray, values: FloatArray, entity: str, horizon: str) -> str:
    limit = float(np.quantile(np.abs(values), 0.999)) * 1.1
    chart = Canvas(274, f"Residuals of {entity} at {f.horizon(horizon)} by time")
    panel = Panel.at(66, 28, 876, 220, (times[0], times[-1]), (-limit, limit))
    chart.add(panel.grid(percent_ticks(-limit, limit, 5), "actual / forecast − 1"))
    chart.add(panel.bottom(time_ticks(times[0], times[-1], 8)), rule(66, panel.y.one(0), 942, panel.y.one(0), "zero"))
    chart.add(dots(panel.x(times), panel.y(np.clip(values, -limit, limit)), "c1"))
    window = max(10, min(126, len(values) // 8))
    centre, spread = _rolling(values, window)
    for sign in (-1.645, 1.645):
        chart.add(line(panel.x(times[window - 1 :]), panel.y(centre + sign * spread), "c-base"))
    caption = (
        f"{entity}, {f.horizon(horizon)}: mean residual {f.percent(values.mean(), 3, signed=True)}, standard deviation "
        f"{f.percent(values.std(), 2)}, largest {f.percent(values[np.argmax(np.abs(values))], 1, signed=True)}."
    )
    note = (
        f"Dashed: rolling mean ± 1.645 standard deviations over {window} forecasts; where it widens, volatility was "
        "high."
    )
    return figure(chart.render(), caption, (("c1", "residual"), ("c-base", "rolling 90 % range")), note)


def _shape(values: FloatArray, entity: str, horizon: str) -> str:
    from scipy import stats

    skew, kurtosis = float(stats.skew(values)), float(stats.kurtosis(values))
    rho = autocorrelation(values, LAGS)
    bound = 1.96 / np.sqrt(len(values))
    chart = Canvas(
        300, f"Distribution, normal quantiles and autocorrelation of the residuals of {entity} at {f.horizon(horizon)}"
    )
    chart.add(*_histogram(values, 44), *_quantiles(values, 364), *_acf(rho, bound, 684))
    outside = int((np.abs(rho) > bound).sum())
    caption = (
        f"Left: distribution with the normal curve of equal variance (excess kurtosis {f.number(kurtosis, 2)}, "
        "skewness "
        f"{f.number(skew, 2)}). Middle: quantiles against the normal; fat tails bend away from the line, which is "
        "why the "
        f"intervals come from conformal scores and not from a normal law. Right: autocorrelation; {outside} of "
        f"{LAGS} lags "
        "lie outside the 95 % bounds, where one is expected by chance."
    )
    return figure(chart.render(), caption)


def autocorrelation(values: FloatArray, lags: int) -> FloatArray:
    """Sample autocorrelation at lags 1 to ``lags``."""
    centred = values - values.mean()
    total = float(centred @ centred) or 1.0
    return np.array(
        [float(centred[k:] @ centred[:-k]) / total if k < len(values) else np.nan for k in range(1, lags + 1)]
    )


def _histogram(values: FloatArray, left: float) -> list[str]:
    sigma = float(values.std()) or 1e-9
    edges = np.linspace(-4.5 * sigma, 4.5 * sigma, 46)
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    curve_x = np.linspace(edges[0], edges[-1], 90)
    scale = len(values) * (edges[1] - edges[0])
    curve = scale * np.exp(-0.5 * ((curve_x - values.mean()) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    panel = Panel.at(
        left, 40, 260, 205, (edges[0], edges[-1]), (0, max(float(counts.max()), float(curve.max())) * 1.08)
    )
    bars = [
        rect(
            panel.x.one(edges[i]) + 0.4,
            panel.y.one(n),
            panel.x.one(edges[i + 1]) - panel.x.one(edges[i]) - 0.8,
            panel.y.start - panel.y.one(n),
            "c1 faded",
        )
        for i, n in enumerate(counts.tolist())
    ]
    axis = panel.bottom(percent_ticks(edges[0], edges[-1], 4), "residual")
    return [text(left, 24, "Distribution", "strong"), *bars, line(panel.x(curve_x), panel.y(curve), "c-base"), axis]


def _quantiles(values: FloatArray, left: float) -> list[str]:
    from scipy import stats

    ordered = np.sort(values)
    ranks = (np.arange(1, len(ordered) + 1) - 0.5) / len(ordered)
    if len(ordered) > 400:
        pick = np.unique(
            np.concatenate(
                [np.arange(40), np.linspace(0, len(ordered) - 1, 300).astype(int), np.arange(-40, 0) + len(ordered)]
            )
        )
        ordered, ranks = ordered[pick], ranks[pick]
    theory = stats.norm.ppf(ranks)
    observed = (ordered - values.mean()) / (values.std() or 1e-9)
    low, high = extent(theory, observed, pad=0.04)
    panel = Panel.at(left, 40, 260, 205, (low, high), (low, high))
    ticks = linear_ticks(low, high, 5)
    diagonal = line(panel.x([low, high]), panel.y([low, high]), "c-base")
    return [
        text(left, 24, "Against the normal", "strong"),
        panel.grid(ticks),
        panel.bottom(ticks, "normal quantile (σ)"),
        diagonal,
        dots(panel.x(theory), panel.y(observed), "c1 solid"),
    ]


def _acf(rho: FloatArray, bound: float, left: float) -> list[str]:
    limit = max(0.2, float(np.nanmax(np.abs(rho))) * 1.15, bound * 1.5)
    panel = Panel.at(left, 40, 260, 205, (0.2, len(rho) + 0.8), (-limit, limit))
    bars = [
        rect(
            panel.x.one(lag) - 4,
            panel.y.one(0),
            8,
            panel.y.one(r) - panel.y.one(0),
            "c-bad" if abs(r) > bound else "c1 faded",
        )
        for lag, r in enumerate(rho.tolist(), start=1)
        if np.isfinite(r)
    ]
    bounds = [rule(left, panel.y.one(v), left + 260, panel.y.one(v), "limit") for v in (-bound, bound)]
    ticks = [(float(v), str(v)) for v in (1, 5, 10, 15, 20) if v <= len(rho)]
    return [
        text(left, 24, "Autocorrelation", "strong"),
        panel.grid(linear_ticks(-limit, limit, 4)),
        *bars,
        *bounds,
        rule(left, panel.y.one(0), left + 260, panel.y.one(0), "zero"),
        panel.bottom(ticks, "lag (forecasts)"),
    ]


def _rolling(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    views = np.lib.stride_tricks.sliding_window_view(values, window)
    return views.mean(axis=1), views.std(axis=1)
