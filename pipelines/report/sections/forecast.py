"""Forecasts against actuals, and the latest forecast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.explorer import fan_explorer
from components.evaluation.plots.fan_chart import fan_chart
from components.evaluation.plots.forecast_chart import forecast_chart
from components.evaluation.plots.horizons import order_horizons, pick_entity
from components.evaluation.plots.markup import table
from components.evaluation.plots.svg import esc
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent


def forecast(data: ReportData) -> Section:
    """Fan chart of the backtest, and the latest forecast with its risk figures."""
    parts = []
    entity = str((data.forecast or {}).get("security_id", ""))
    if data.backtest is not None and data.bars is not None and not data.backtest.empty:
        shown = pick_entity(data.backtest, entity)
        others = sorted(set(data.backtest["entity"].astype(str)) - {shown})
        parts.append(fan_chart(data.backtest, data.bars, shown, level=data.spec.coverage))
        parts.append(fan_explorer(data.backtest, data.bars, shown))
        for name in others:
            chart = fan_chart(data.backtest, data.bars, name, level=data.spec.coverage)
            parts.append(f"<details><summary>The same for {esc(name)}</summary>{chart}</details>")
    else:
        parts.append(
            absent(data, "backtest", "The run left no backtest, so forecasts cannot be laid over actual prices.")
        )
    parts.append("<h3>The latest forecast</h3>")
    if data.forecast:
        parts.append(latest(data, data.forecast))
    else:
        parts.append(
            absent(data, "forecast", "No version was serving when the report was made, so there is no latest forecast.")
        )
    finding = (
        "Each fan starts at a close the model had seen and widens to its longest horizon; the thin line is what came."
    )
    return Section("forecast", "Forecast", "Forecasts against what happened", finding, "".join(parts))


def latest(data: ReportData, answer: Mapping[str, Any]) -> str:
    """Chart and table of one answer."""
    predictions: Mapping[str, Any] = answer.get("predictions") or {}
    chart = forecast_chart(answer, data.bars, level=data.spec.coverage) if data.bars is not None else ""
    current = f.finite(answer.get("current_price"))
    rows = []
    for name in order_horizons(predictions):
        one = predictions[name]
        low, high = [*(one.get("confidence_interval") or ()), None, None][:2]
        price = f.finite(one.get("price"))
        change = price / current - 1 if price is not None and current else None
        rows.append(
            (
                f.horizon(name),
                f.price(price),
                f.percent(change, 2, signed=True),
                f"{f.price(low)} to {f.price(high)}",
                one.get("direction", f.MISSING),
                f.percent(one.get("confidence"), 0),
            )
        )
    head = (
        "horizon",
        "price",
        "change",
        f"{f.percent(data.spec.coverage, 0)} interval",
        "direction",
        "confidence",
    )
    caption = (
        f"Latest forecast of {answer.get('security_id', 'the security')}, model version "
        f"{answer.get('model_version', '?')}"
    )
    return chart + table(caption, head, rows) + risk(answer)


def risk(answer: Mapping[str, Any]) -> str:
    """The risk assessment, in words."""
    values: Mapping[str, Any] = answer.get("risk_assessment") or {}
    if not values:
        return ""
    said = ", ".join(f"{f.label(name)} {f.number(value, 3)}{f.NBSP}%" for name, value in values.items())
    state = "The forecast is suspended: volatility is too high to stand behind it. " if answer.get("suspended") else ""
    return f'<p class="small">{state}Risk assessment, in percent of the current price: {esc(said)}.</p>'
