"""An experiment's report as one page: verdict, confidence sequence over time, metrics, segments, sample ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import Html, badge, facts, figure, inline, missing, page, paragraph, table
from components.evaluation.plots.scale import extent, linear_ticks, time_ticks
from components.evaluation.plots.svg import Canvas, Panel, area, circle, dots, line, rule, text

Record = Mapping[str, Any]
BADGES = {
    "promote_treatment": ("promote the treatment", "good"),
    "keep_control": ("keep the control", "plain"),
    "need_more_data": ("need more data", "warn"),
}
STANDINGS = {"passed": "good", "failed": "bad", "open": "warn"}
ROW = 34.0


def experiment_page(report: Record) -> str:
    """Return the page.

    Parameters
    ----------
    report : mapping
        From :func:`components.experiments.report.build_report`.
    """
    verdict = report["verdict"]
    primary = next(m for m in report["metrics"] if m["role"] == "primary")
    versions = [report["variants"][v]["model_version"] for v in ("control", "treatment")]
    head = (
        f'<header class="masthead"><p class="eyebrow">Experiment of {inline(report["model"])}</p>'
        f"<h1>{inline(report['experiment_id'])}</h1>"
        f'<p class="lead">{badge(*BADGES[verdict["decision"]])} {inline(verdict["reason"])}</p>'
        f'<p class="byline">Version {inline(versions[1])} (treatment) against version {inline(versions[0])} (control), '
        f"{report['days']:.1f} of {report['planned_days']:.0f} days, analysed {inline(report['analysed_at'])}.</p>"
        "</header>"
    )
    sections = [
        ("Over time", confidence_path(report["path"], primary)),
        ("Every metric", metrics_table(report["metrics"]) + _guardrails(report["guardrails"])),
        ("Segments", segments_forest(report["segments"], primary["name"])),
        ("Who was seen", sample_ratio(report)),
        ("What this rests on", "<ul>" + "".join(f"<li>{inline(a)}</li>" for a in report["assumptions"]) + "</ul>"),
    ]
    body = "".join(f"<section><h2>{inline(title)}</h2>{part}</section>" for title, part in sections)
    return page(f"Experiment {report['experiment_id']}", f"{head}<main>{body}</main>")


def confidence_path(path: Sequence[Record], metric: Record) -> str:
    """Draw the effect and its confidence sequence as users came in."""
    known = [p for p in path if p["interval"] is not None]
    if not known:
        return missing(f"{metric['name']} cannot be compared yet: {metric['test']['verdict']}")
    times = [datetime.fromisoformat(p["at"]).timestamp() for p in known]
    low, high = ([p["interval"][side] for p in known] for side in (0, 1))
    effects = [p["effect"] for p in known]
    # The first intervals are so wide that they would flatten all the rest: the last three quarters set the scale.
    late = len(known) // 4
    bounds = extent(low[late:], high[late:], [0.0], pad=0.1)
    first, last = min(times), max(times)
    span = (first, last if last > first else first + 1.0)
    chart = Canvas(360, f"Effect on {metric['name']} with its confidence sequence over time")
    panel = Panel.at(86, 30, 844, 270, span, bounds)
    clip = [max(bounds[0], min(bounds[1], v)) for v in low], [max(bounds[0], min(bounds[1], v)) for v in high]
    xs = panel.x(times)
    chart.add(
        panel.grid(linear_ticks(*bounds, 6), f"treatment minus control, {f.label(metric['name'])}"),
        area(xs, panel.y(clip[0]), panel.y(clip[1]), "c-model"),
        rule(86, panel.y.one(0.0), 930, panel.y.one(0.0), "zero"),
        line(xs, panel.y([max(bounds[0], min(bounds[1], v)) for v in effects]), "c-model"),
        dots(xs, panel.y([max(bounds[0], min(bounds[1], v)) for v in effects]), "c-model solid"),
        panel.bottom(time_ticks(*span, 6)),
    )
    for point, time in zip(known, times, strict=True):
        rows = [
            ("effect", f.number(point["effect"], 3), "c-model"),
            ("between", f"{f.number(point['interval'][0], 3)} and {f.number(point['interval'][1], 3)}", "c-model"),
            ("users", f.count(point["users"]), "c-other"),
            ("always-valid p", f.p_value(point["p_value"]), "c-other"),
        ]
        chart.point(panel.x.one(time), point["at"][:16].replace("T", " "), rows)
    better = "Below zero is better." if metric["lower_is_better"] else "Above zero is better."
    return figure(
        chart.render(30, 300),
        f"{metric['test']['verdict'][:1].upper()}{metric['test']['verdict'][1:]} {better}",
        (("c-band", "confidence sequence"), ("c-model", "effect")),
        "The band holds the true effect at all times together with the stated confidence: it may be looked at, and the "
        f"experiment ended, at any of them. {metric['cuped']['why']}",
    )


def segments_forest(segments: Sequence[Record], metric: str) -> str:
    """Draw each segment's effect and interval, one under the other."""
    if not segments:
        return missing("No observation names a segment. Send `segments` with the observations.")
    known = [s for s in segments if s["test"]["interval"] is not None]
    bounds = extent(*([v for s in known for v in s["test"]["interval"]] or [0.0], [0.0]), pad=0.08)
    height = 44 + ROW * len(segments) + 40
    chart = Canvas(height, f"Effect on {metric} by segment")
    panel = Panel.at(250, 34, 450, height - 78, bounds, (0, 1))
    for value, word in linear_ticks(*bounds, 5):
        x = panel.x.one(value)
        chart.add(rule(x, 34, x, height - 44, "grid"), text(x, height - 26, word, "tick", "middle"))
    chart.add(rule(panel.x.one(0), 34, panel.x.one(0), height - 44, "zero"))
    chart.add(text(720, 22, "users", "unit"), text(850, 22, "adjusted level", "unit"))
    for index, segment in enumerate(segments):
        y, test = 34 + ROW * (index + 0.5), segment["test"]
        chart.add(text(240, y + 4, f"{segment['dimension']}: {segment['segment']}", "", "end"))
        chart.add(text(720, y + 4, f.count(sum(test["users"])), "small"))
        if test["interval"] is None:
            chart.add(text(850, y + 4, "too few", "small"))
            continue
        css = "c-model" if segment["finding"] else "c-other"
        left, right = (panel.x.one(v) for v in test["interval"])
        chart.add(rule(left, y, right, y, f"whisker {css}"), circle(panel.x.one(test["effect"]), y, 5, css))
        chart.add(text(850, y + 4, f.compact(segment["adjusted"], 2), "value" if segment["finding"] else "small"))
    return figure(
        chart.render(),
        f"Effect on {f.label(metric)} in {f.plural(len(segments), 'segment')}, with confidence sequences.",
        (("c-model", "a finding after asking all segments"), ("c-other", "no finding")),
        "The adjusted level is the smallest share of false findings at which e-BH would call the segment one; a "
        "finding's is at most alpha. The intervals themselves are not adjusted.",
    )


def metrics_table(metrics: Sequence[Record]) -> str:
    """Return all metrics, the deciding one first."""
    head = (
        "metric",
        "control",
        "treatment",
        "difference",
        "interval",
        "relative",
        "p",
        "variance gone (CUPED)",
        "role",
    )
    rows = []
    for metric in metrics:
        test = metric["test"]
        interval = test["interval"]
        p = metric["family_p_value"] if metric["family_p_value"] is not None else test["p_value"]
        between = f"{f.number(interval[0], 3)} to {f.number(interval[1], 3)}" if interval else test["verdict"]
        rows.append(
            (
                f.label(metric["name"]),
                f.number(test["control"]),
                f.number(test["treatment"]),
                f.number(test["effect"], 3),
                between,
                f.percent(metric["relative_effect"], 1, signed=True),
                f.p_value(p),
                f.percent(metric["cuped"]["variance_reduction"], 0),
                metric["role"],
            )
        )
    caption = "Means and differences (always-valid; p of secondary metrics is Holm-adjusted)"
    return table(caption, head, rows, {0: "ours"})


def _guardrails(guardrails: Sequence[Record]) -> str:
    items = "".join(
        f"<li>{badge(g['standing'], STANDINGS[g['standing']])} {inline(g['verdict'])}</li>" for g in guardrails
    )
    return f'<h3>Guardrails</h3><ul class="verdicts">{items}</ul>' if items else ""


def sample_ratio(report: Record) -> str:
    """Draw how many users each variant has, and should have."""
    ratio = report["sample_ratio"]
    words = ("mismatch", "bad") if ratio["mismatch"] else ("as planned", "good")
    told = paragraph(Html(f"{badge(*words)} {inline(ratio['verdict'])}"))
    pairs = [
        ("users, control / treatment", " / ".join(f.count(n) for n in ratio["observed"])),
        ("expected", " / ".join(f.count(n) for n in ratio["expected"])),
        ("always-valid p", f.p_value(ratio["p_value"])),
        ("chi-squared, one look", f"{f.number(ratio['chi_squared'], 3)}, {f.p_value(ratio['fixed_p_value'])}"),
    ]
    pairs += [(f"left out: {f.label(why)}", f.count(amount)) for why, amount in sorted(report["left_out"].items())]
    return told + facts(pairs)
