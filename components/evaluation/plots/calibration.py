"""Are the intervals honest? Coverage by horizon and regime, over time, and where in the interval the actual landed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.horizons import horizon_bars, order_horizons
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, percent_ticks, time_ticks, to_seconds
from components.evaluation.plots.svg import Canvas, Panel, circle, line, rect, rule, text

if TYPE_CHECKING:
    import pandas as pd

REGIMES = ("low", "calm", "medium", "normal", "high", "stressed")
COLOURS = ("c1", "c2", "c3")


def calibration(backtest: pd.DataFrame, level: float = 0.9, tolerance: float = 0.03) -> str:
    """Return the three calibration figures of a backtest.

    Parameters
    ----------
    backtest : DataFrame
        Columns time, entity, horizon, actual, lower, upper, regime, and rw_lower, rw_upper of the baseline where known.
    level : float
        Nominal coverage, decimal.
    tolerance : float
        Distance from the level that the gate accepts, decimal.
    """
    if backtest.empty:
        return missing("The backtest has no rows, so coverage cannot be computed.")
    if not np.isfinite(inside(backtest)).any():
        return missing("This model gives point forecasts without intervals, so there is no coverage.")
    return (
        coverage_by_regime(backtest, level, tolerance)
        + coverage_over_time(backtest, level)
        + interval_position(backtest, level)
    )


def inside(table: pd.DataFrame, lower: str = "lower", upper: str = "upper") -> FloatArray:
    """Return 1 where the actual lies in the interval, 0 where not, NaN where the interval is missing."""
    low, high, actual = (table[name].to_numpy(float) for name in (lower, upper, "actual"))
    return np.where(np.isfinite(low + high + actual), ((low <= actual) & (actual <= high)).astype(float), np.nan)


def wilson(share: float, samples: float) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    z, n = 1.96, max(samples, 1.0)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(centre - half), float(centre + half)


def effective(times: int, horizon: str) -> float:
    """Sample size of ``times`` origins: a forecast ``h`` bars ahead shares ``h - 1`` bars with the next one."""
    bars = horizon_bars(horizon)
    return times / bars if np.isfinite(bars) and bars > 1 else float(times)


def order_regimes(table: pd.DataFrame) -> list[str]:
    """Return the regimes present, calm ones first."""
    known = {name: place for place, name in enumerate(REGIMES)}
    found = table["regime"].dropna().astype(str).unique()
    return sorted(found, key=lambda name: (known.get(name.split("_")[0], len(known)), name))


def coverage_by_regime(backtest: pd.DataFrame, level: float, tolerance: float) -> str:
    """Dots with 95 % bounds: observed coverage in every horizon and volatility regime, against the promise."""
    names = order_horizons(backtest["horizon"])
    groups = ["all", *order_regimes(backtest)]
    frame = backtest.assign(hit=inside(backtest), base=inside(backtest, "rw_lower", "rw_upper"))
    cells = []
    for name in names:
        part = frame[frame["horizon"].astype(str) == name]
        for group in groups:
            rows = part if group == "all" else part[part["regime"].astype(str) == group]
            if rows["hit"].notna().any():
                cells.append(
                    (
                        name,
                        group,
                        float(rows["hit"].mean()),
                        float(rows["base"].mean()),
                        int(rows.loc[rows["hit"].notna(), "time"].nunique()),
                    )
                )
    low = min(0.75, *(min(c[2], c[3] if np.isfinite(c[3]) else 1.0) for c in cells)) - 0.03
    height = 52 + sum(26 for _ in cells) + 14 * len(names) + 46
    chart = Canvas(
        height, "Observed coverage of the intervals by horizon and volatility regime, against the nominal level"
    )
    panel = Panel.at(220, 30, 640, height - 80, (max(0.0, low), 1.0), (0, 1))
    chart.add(
        rect(
            panel.x.one(level - tolerance),
            30,
            panel.x.one(level + tolerance) - panel.x.one(level - tolerance),
            height - 80,
            "wash",
        )
    )
    for tick, word in percent_ticks(max(0.0, low), 1.0, 6):
        chart.add(
            rule(panel.x.one(tick), 30, panel.x.one(tick), height - 50, "grid"),
            text(panel.x.one(tick), height - 32, word, "tick", "middle"),
        )
    chart.add(rule(panel.x.one(level), 24, panel.x.one(level), height - 50, "limit"))
    chart.add(text(panel.x.one(level), 18, f"promised {f.percent(level, 0)}", "warn", "middle"))
    y, previous, good = 34.0, "", 0
    for name, group, share, base, amount in cells:
        if name != previous:
            y, previous = y + 14, name
            chart.add(text(8, y + 16, f.horizon(name), "strong"))
        y += 26
        css = COLOURS[names.index(name) % 3]
        a, b = wilson(share, effective(amount, name))
        good += int(a <= level <= b)
        chart.add(text(208, y - 6, "all regimes" if group == "all" else f"{f.label(group)} volatility", "tick", "end"))
        chart.add(rule(panel.x.one(max(a, low)), y - 10, panel.x.one(min(b, 1.0)), y - 10, f"whisker {css}"))
        if np.isfinite(base):
            chart.add(circle(panel.x.one(base), y - 10, 4.5, "hollow"))
        chart.add(circle(panel.x.one(share), y - 10, 5.5, css), text(872, y - 6, f"{f.percent(share)}", "value"))
    overall = [c for c in cells if c[1] == "all"]
    words = ", ".join(f"{f.percent(c[2])} at {f.horizon(c[0])}" for c in overall)
    caption = (
        f"Observed coverage is {words}. In {good} of {len(cells)} groups the promise of {f.percent(level, 0)} lies "
        "within the 95 % bounds."
    )
    note = (
        "Bounds count the distinct forecast days divided by the horizon in bars: neither overlapping months nor two "
        f"securities on one day are independent. Shaded: the gate's tolerance of ±{f.percent(tolerance, 0)}."
    )
    legend = [(COLOURS[i % 3], f.horizon(name)) for i, name in enumerate(names)]
    return figure(chart.render(), caption, [*legend, ("c-base", "random walk with unconditional interval")], note)


def coverage_over_time(backtest: pd.DataFrame, level: float, window: int = 252) -> str:
    """Rolling share of intervals that held, by horizon, pooled over the securities."""
    names = order_horizons(backtest["horizon"])
    frame = backtest.assign(hit=inside(backtest))
    series = {
        name: part.groupby("time")["hit"].mean().sort_index()
        for name, part in frame.groupby(frame["horizon"].astype(str))
    }
    window = min(window, max(5, min(len(s) for s in series.values()) // 4))
    rolled = {name: s.rolling(window, min_periods=window).mean().dropna() for name, s in series.items()}
    if not any(len(r) for r in rolled.values()):
        return missing(f"The backtest is shorter than the {window} days of the rolling coverage.")
    low = min(0.6, *(float(r.min()) for r in rolled.values() if len(r))) - 0.02
    times = {name: to_seconds(r.index) for name, r in rolled.items() if len(r)}
    span = (min(t[0] for t in times.values()), max(t[-1] for t in times.values()))
    chart = Canvas(296, f"Rolling {window}-day coverage of the intervals by horizon")
    panel = Panel.at(66, 28, 876, 240, span, (low, 1.0))
    chart.add(panel.grid(percent_ticks(low, 1.0, 5), "coverage"), panel.bottom(time_ticks(*span, 8)))
    chart.add(rule(66, panel.y.one(level), 942, panel.y.one(level), "limit"))
    for index, name in enumerate(names):
        if name in times:
            chart.add(line(panel.x(times[name]), panel.y(rolled[name].to_numpy()), COLOURS[index % 3]))
    reference = max(times, key=lambda name: len(times[name]))
    for at in range(0, len(times[reference]), max(1, len(times[reference]) // 400)):
        stamp = rolled[reference].index[at]
        rows = [(f.horizon(n), f.percent(rolled[n].get(stamp)), COLOURS[i % 3]) for i, n in enumerate(names)]
        chart.point(panel.x.one(times[reference][at]), f.date(stamp), rows)
    worst = min(((name, r.idxmin(), float(r.min())) for name, r in rolled.items() if len(r)), key=lambda item: item[2])
    caption = (
        f"Coverage over the last {window} forecast days, pooled over "
        f"{f.plural(backtest['entity'].nunique(), 'security', 'securities')}. "
        f"The low point is {f.percent(worst[2])} for {f.horizon(worst[0])} around {f.date(worst[1])}."
    )
    legend = [
        *((COLOURS[i % 3], f.horizon(n)) for i, n in enumerate(names)),
        ("c-warn", f"promised {f.percent(level, 0)}"),
    ]
    return figure(chart.render(28, 268), caption, legend)


def interval_position(backtest: pd.DataFrame, level: float) -> str:
    """Histogram of where the actual landed: below, in each tenth of the interval, above."""
    names = order_horizons(backtest["horizon"])
    chart = Canvas(250, "Where the actual landed relative to the interval, by horizon")
    width = 880 / len(names)
    shares: dict[str, tuple[float, float]] = {}
    for index, name in enumerate(names):
        part = backtest[backtest["horizon"].astype(str) == name]
        low, high, actual = (part[c].to_numpy(float) for c in ("lower", "upper", "actual"))
        place = (actual - low) / np.where(high > low, high - low, np.nan)
        place = place[np.isfinite(place)]
        edges = np.concatenate([[-np.inf], np.linspace(0, 1, 11), [np.inf]])
        counts = np.histogram(place, edges)[0] / max(len(place), 1)
        shares[name] = float(counts[0]), float(counts[-1])
        panel = Panel.at(60 + index * width, 40, width - 30, 180, (0, 12), (0, max(0.2, float(counts.max()) * 1.1)))
        chart.add(panel.grid(percent_ticks(0, panel.y.high, 3) if index == 0 else [(0.0, "")]))
        step = (width - 30) / 12
        for bin_, share in enumerate(counts):
            css = "c-bad" if bin_ in (0, 11) else COLOURS[index % 3]
            chart.add(
                rect(
                    panel.x.start + bin_ * step + 1,
                    panel.y.one(share),
                    step - 2,
                    panel.y.start - panel.y.one(share),
                    css,
                )
            )
        chart.add(text(panel.x.start, 24, f.horizon(name), "strong"))
        for slot, word, anchor in (
            (0.0, "below", "start"),
            (6.0, "inside the interval", "middle"),
            (12.0, "above", "end"),
        ):
            chart.add(text(panel.x.one(slot), 238, word, "tick", anchor))
    tail = (1 - level) / 2
    words = "; ".join(f"{f.horizon(n)}: {f.percent(a)} below, {f.percent(b)} above" for n, (a, b) in shares.items())
    caption = f"Where the actual landed. An even-tailed interval leaves {f.percent(tail, 0)} on either side. {words}."
    return figure(chart.render(), caption, (), "A hump in the middle is expected: returns near zero are commonest.")
