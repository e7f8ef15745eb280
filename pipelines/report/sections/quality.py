"""Calibration and residuals of the backtest."""

from __future__ import annotations

from components.evaluation.plots import formats as f
from components.evaluation.plots.calibration import calibration as draw_calibration
from components.evaluation.plots.calibration import inside
from components.evaluation.plots.horizons import order_horizons
from components.evaluation.plots.residuals import residuals as draw_residuals
from pipelines.report.data import ReportData
from pipelines.report.section import Section, absent

NO_BACKTEST = "The run left no backtest."


def calibration(data: ReportData) -> Section:
    """Do the intervals hold as often as they promise?"""
    title = "Do the intervals keep their promise?"
    if data.backtest is None or data.backtest.empty:
        return Section("calibration", "Calibration", title, body=absent(data, "calibration", NO_BACKTEST))
    tolerance = data.spec.gate.coverage_tolerance
    body = draw_calibration(data.backtest, data.spec.coverage, tolerance)
    return Section("calibration", "Calibration", title, coverage_words(data), body)


def coverage_words(data: ReportData) -> str:
    """Say at which horizons coverage is within the gate's tolerance."""
    if data.backtest is None:
        return ""
    level, tolerance = data.spec.coverage, data.spec.gate.coverage_tolerance
    names = data.backtest["horizon"].astype(str)
    share = {name: float(inside(data.backtest[names == name]).mean()) for name in order_horizons(names)}
    off = {name: value for name, value in share.items() if abs(value - level) > tolerance}
    if not off:
        return (
            f"Yes: at every horizon the {f.percent(level, 0)} intervals held within {f.percent(tolerance, 0)} of "
            "what they promise, "
            "on data that the model had not seen."
        )
    said = "; ".join(f"{f.percent(v)} at {f.horizon(n)}" for n, v in off.items())
    good = len(share) - len(off)
    return (
        f"Not everywhere: {said}, where {f.percent(level, 0)} was promised. The other {f.plural(good, 'horizon')} "
        f"held within {f.percent(tolerance, 0)}."
    )


def residuals(data: ReportData) -> Section:
    """Is something left in the errors?"""
    title = "What is left in the errors"
    if data.backtest is None or data.backtest.empty:
        return Section("residuals", "Residuals", title, body=absent(data, "residuals", NO_BACKTEST))
    first = order_horizons(data.backtest["horizon"].astype(str))[0]
    finding = (
        f"At {f.horizon(first)}, the one horizon whose errors do not overlap. Errors should scatter evenly around "
        "zero and not "
        "echo each other; that they swing with volatility is why the intervals breathe."
    )
    entity = str((data.forecast or {}).get("security_id", ""))
    return Section("residuals", "Residuals", title, finding, draw_residuals(data.backtest, entity, first))
