"""What falls short: found in the numbers, and told by the run."""

from __future__ import annotations

from components.evaluation.plots import formats as f
from components.evaluation.plots.calibration import effective, inside, order_regimes, wilson
from components.evaluation.plots.markup import inline
from components.evaluation.plots.summary import summarise
from pipelines.report.data import ReportData
from pipelines.report.section import Section
from pipelines.report.sections.judgement import shortfalls as from_judgement


def shortfalls(data: ReportData) -> Section:
    """Every shortfall as one sentence."""
    found = [
        *(from_judgement(data) if data.judged else []),
        *from_backtest(data),
        *from_evaluation(data),
        *from_regimes(data),
        *from_drift(data),
        *from_gaps(data),
        *data.notes,
    ]
    if not found:
        body = "<p>The checks of this page found nothing that falls short. That is no proof that nothing does.</p>"
    else:
        body = '<ul class="steps">' + "".join(f"<li>{inline(line)}</li>" for line in found) + "</ul>"
    finding = "Sentences that the page derives from its own numbers, then the run's own notes."
    return Section("shortfalls", "Shortfalls", "What falls short", finding, body)


def from_backtest(data: ReportData) -> list[str]:
    """Horizons where the point forecast or the direction does not beat its baseline."""
    if data.backtest is None or data.backtest.empty:
        return []
    out = []
    rows = summarise(data.backtest, data.spec.coverage)
    worse = [row for row in rows if row.rmse >= row.rmse_base]
    if worse:
        said = ", ".join(
            f"{f.horizon(r.horizon)} ({f.percent(r.rmse / r.rmse_base - 1, 2, signed=True)} RMSE)" for r in worse
        )
        out.append(f"The point forecast does not beat a random walk at {said}.")
    calls = [row for row in rows if row.direction <= row.constant_call]
    if calls:
        said = ", ".join(
            f"{f.horizon(r.horizon)} ({f.percent(r.direction)} against {f.percent(r.constant_call)})" for r in calls
        )
        out.append(f"Direction is no better than always calling the commoner one at {said}.")
    wide = [row for row in rows if row.score_base == row.score_base and row.score >= row.score_base]
    if wide:
        out.append(
            "The interval score does not beat the random walk's interval at "
            f"{', '.join(f.horizon(r.horizon) for r in wide)}."
        )
    return out


def from_evaluation(data: ReportData) -> list[str]:
    """Baselines whose interval score is not beaten, and directions that are no better than chance."""
    evaluation, out = data.evaluation or {}, []
    for name, own in (evaluation.get("horizons") or {}).items():
        score = f.finite(own.get("interval_score"))
        rivals = {b: f.finite(r.get("interval_score")) for b, r in (own.get("baselines") or {}).items()}
        lost = [f.label(b) for b, value in rivals.items() if score is not None and value is not None and value <= score]
        if lost:
            out.append(f"At {f.horizon(name)} the interval score loses to {', '.join(lost)}.")
    for name, tests in (evaluation.get("tests") or {}).items():
        p = f.finite((tests.get("direction") or {}).get("p_value"))
        if p is not None and p >= data.spec.gate.alpha:
            out.append(f"At {f.horizon(name)} directions are not called better than by chance ({f.p_value(p)}).")
    return out


def from_regimes(data: ReportData) -> list[str]:
    """Regimes whose coverage is below the promise beyond chance."""
    if data.backtest is None or data.backtest.empty:
        return []
    out = []
    for (horizon, regime), rows in data.backtest.groupby(["horizon", "regime"], observed=True):
        share = float(inside(rows).mean())
        _, high = wilson(share, effective(rows["time"].nunique(), str(horizon)))
        if high < data.spec.coverage and str(regime) in order_regimes(data.backtest):
            out.append(
                f"At {f.horizon(horizon)} in {f.label(regime)} volatility the intervals held {f.percent(share)} of "
                "the time, below the "
                f"promised {f.percent(data.spec.coverage, 0)} beyond chance."
            )
    return out


def from_drift(data: ReportData) -> list[str]:
    """Detectors that could not run, and windows that were not judged."""
    skipped: dict[str, str] = {}
    for answer in (data.drift_before, data.drift_after):
        skipped |= {str(k): str(v) for k, v in ((answer or {}).get("skipped") or {}).items()}
    return [f"The drift test {name} did not run: {reason}." for name, reason in skipped.items()]


def from_gaps(data: ReportData) -> list[str]:
    """Sections that have no data."""
    gaps = {
        "a backtest": data.backtest is None and not data.judged,
        "an explanation": not data.explanations,
        "a drift verdict": data.drift_after is None,
        "a rollout": not data.rollouts,
        "lineage": not data.lineage,
        "serving facts": not data.serving,
    }
    missing = [name for name, gone in gaps.items() if gone]
    return (
        [
            f"This report has no {', no '.join(name.removeprefix('a ').removeprefix('an ') for name in missing)}; "
            "each section says why."
        ]
        if missing
        else []
    )
