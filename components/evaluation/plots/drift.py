"""Drift before and after a change: every statistic against its threshold, the distributions, and the verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import Html, badge, figure, inline, missing, table
from components.evaluation.plots.scale import linear_ticks, ratio_ticks
from components.evaluation.plots.svg import Canvas, Panel, area, circle, line, rule, text

Record = Mapping[str, Any]
Samples = Mapping[str, Mapping[str, Sequence[float]]]
WORDS = {
    "drift": ("drift", "bad"),
    "no_drift": ("no drift", "good"),
    "insufficient": ("not enough data to judge", "warn"),
}
FLOOR = -1.15
"""Left end of the axis of statistics, as a power of ten of the threshold."""

NAMES = {"ks": "KS distance", "psi": "PSI", "mmd": "MMD²", "alibi_ks": "KS (Alibi)", "alibi_mmd": "MMD² (Alibi)"}


def drift(before: Record | None, after: Record | None, samples: Samples | None = None) -> str:
    """Return verdicts, statistics and distributions.

    Parameters
    ----------
    before, after : mapping or None
        The detector's ``GET /v1/drift``: outcome, sentence, rows, min_rows, results.
    samples : mapping, optional
        By column, values of ``reference``, ``before`` and ``after``.
    """
    if before is None and after is None:
        return missing("The detector was not asked.")
    parts = [verdict("Before", before), verdict("After", after)]
    if _results(before) or _results(after):
        parts += [statistics(before, after), distributions(samples or {}), statistics_table(before, after)]
    return "".join(parts)


def verdict(when: str, answer: Record | None) -> str:
    """One line: the outcome in words and the detector's own sentence."""
    if answer is None:
        return missing(f"{when} the change the detector was not asked.")
    word, kind = WORDS.get(str(answer.get("outcome")), (f.label(answer.get("outcome", "unknown")), "plain"))
    return (
        f'<p class="finding"><strong>{inline(when)}:</strong> {badge(word, kind)} '
        f"{inline(answer.get('sentence', ''))}</p>"
    )


def statistics(before: Record | None, after: Record | None) -> str:
    """Dot plot of statistic over threshold, one panel a detector; beyond 1 a test alarms on its own.

    Without ``before`` it shows one verdict, not a change.
    """
    old, new = _results(before), _results(after)
    keys = list(dict.fromkeys([*new, *old]))
    kinds = list(dict.fromkeys(kind for kind, _ in keys))
    ratios = [_ratio(r) for table_ in (old, new) for r in table_.values()]
    top = math.log10(max([2.0, *(r for r in ratios if r is not None)])) + 0.12
    height = 50 + sum(26 for _ in keys) + 30 * len(kinds) + 30
    change = "" if before is None else ", before and after the simulated change"
    chart = Canvas(height, f"Drift statistics relative to their thresholds{change}")
    panel = Panel.at(330, 30, 520, height - 66, (FLOOR, top), (0, 1))
    for value, word in ratio_ticks(FLOOR, top):
        chart.add(
            rule(panel.x.one(value), 24, panel.x.one(value), height - 40, "grid"),
            text(panel.x.one(value), height - 22, word, "tick", "middle"),
        )
    chart.add(
        rule(panel.x.one(0), 18, panel.x.one(0), height - 40, "limit"),
        text(panel.x.one(0), 14, "threshold", "warn", "middle"),
    )
    y = 24.0
    for kind in kinds:
        y += 30
        chart.add(text(8, y, NAMES.get(kind, kind), "strong"))
        for key in (k for k in keys if k[0] == kind):
            y += 26
            _row(chart, panel, y - 8, _column(key[1]), old.get(key), new.get(key))
    crossed = sorted({_column(c) for (_, c), r in new.items() if r.get("drift")})
    if before is None:
        caption = f"Each statistic relative to its own threshold, on a logarithmic axis. Alarms: {_list(crossed)}."
        return figure(chart.render(), caption, (("c-bad", "alarm"), ("c-model", "no alarm")))
    flagged = sorted({_column(c) for (_, c), r in old.items() if r.get("drift")})
    caption = (
        "Each statistic relative to its own threshold, on a logarithmic axis. Alarms after the change: "
        f"{_list(crossed)}; "
        f"before it: {_list(flagged)}."
    )
    return figure(
        chart.render(), caption, (("c-other", "before"), ("c-bad", "after, alarm"), ("c-model", "after, no alarm"))
    )


def _row(chart: Canvas, panel: Panel, y: float, name: str, old: Record | None, new: Record | None) -> None:
    chart.add(text(318, y + 4, name, "tick", "end"))
    a, b = (_place(r) if r else None for r in (old, new))
    if a is not None and b is not None:
        chart.add(rule(panel.x.one(a), y, panel.x.one(b), y, "whisker"))
    if a is not None:
        chart.add(circle(panel.x.one(a), y, 5, "c-other"))
    if b is not None and new:
        chart.add(circle(panel.x.one(b), y, 6, "c-bad" if new.get("drift") else "c-model"))
        chart.add(text(862, y + 4, f.number(new.get("statistic"), 3), "value"))


def distributions(samples: Samples) -> str:
    """Small multiples: reference, before and after by column."""
    usable = {c: s for c, s in samples.items() if len(s.get("reference", ())) > 1}
    if not usable:
        return ""
    rows = (len(usable) + 2) // 3
    chart = Canvas(
        20 + 170 * rows, "Distributions of the watched columns: reference, before and after the simulated change"
    )
    for index, (column, sets) in enumerate(usable.items()):
        _density(chart, 30 + (index % 3) * 312, 34 + (index // 3) * 170, column, sets)
    caption = (
        "Distributions of the watched columns. Where the red curve leaves the grey one, the model is asked about a "
        "world it was not trained on."
    )
    return figure(
        chart.render(),
        caption,
        (("c-other", "reference (training)"), ("c-model", "served before"), ("c-bad", "served after")),
    )


def _density(chart: Canvas, left: float, top: float, column: str, sets: Mapping[str, Sequence[float]]) -> None:
    values = {name: np.asarray(sets.get(name, ()), dtype=float) for name in ("reference", "before", "after")}
    values = {name: v[np.isfinite(v)] for name, v in values.items()}
    pooled = np.concatenate([*values.values()])
    low, high = np.quantile(pooled, [0.005, 0.995])
    if high <= low:
        low, high = float(low) - 0.5, float(high) + 0.5
    edges = np.linspace(low, high, 19)
    share = {n: np.histogram(np.clip(v, low, high), edges)[0] / len(v) for n, v in values.items() if len(v)}
    panel = Panel.at(
        left, top, 270, 100, (float(low), float(high)), (0, max(float(s.max()) for s in share.values()) * 1.08)
    )
    middle = panel.x((edges[1:] + edges[:-1]) / 2)
    chart.add(text(left, top - 10, _column(column), "strong"))
    for name, css in (("reference", "other"), ("before", "c-model"), ("after", "c-bad")):
        if name in share:
            y = panel.y(share[name])
            chart.add(
                area(middle, np.full(len(y), panel.y.start), y, css) if name == "reference" else "",
                line(middle, y, css),
            )
    chart.add(panel.bottom(linear_ticks(float(low), float(high), 3)))


def statistics_table(before: Record | None, after: Record | None) -> str:
    """Every statistic with its threshold and p-value."""
    old, new = _results(before), _results(after)
    rows: list[tuple[Any, ...]] = []
    for key in dict.fromkeys([*new, *old]):
        a, b = old.get(key, {}), new.get(key, {})
        said = Html(badge("drift", "bad") if b.get("drift") else badge("no drift", "good")) if b else "–"
        rows.append(
            (
                f"{NAMES.get(key[0], key[0])}, {_column(key[1])}",
                f.number(a.get("statistic"), 3),
                f.p_value(a.get("p_value")),
                f.number(b.get("statistic"), 3),
                f.p_value(b.get("p_value")),
                f.number(b.get("threshold", a.get("threshold")), 3),
                said,
            )
        )
    head = ("test and column", "before", "", "after", "", "threshold", "after")
    body = table("Drift statistics before and after; p-values are adjusted for the number of columns", head, rows)
    return f"<details><summary>All {len(rows)} statistics as a table</summary>{body}</details>"


def _results(answer: Record | None) -> dict[tuple[str, str], Record]:
    return {(str(r["detector"]), str(r["column"])): r for r in (answer or {}).get("results") or ()}


def _ratio(result: Record) -> float | None:
    value, threshold = f.finite(result.get("statistic")), f.finite(result.get("threshold"))
    return value / threshold if value is not None and threshold else None


def _place(result: Record) -> float | None:
    """Position on the logarithmic axis; what is below its floor, or negative as MMD² can be, stands on the floor."""
    ratio = _ratio(result)
    return None if ratio is None else max(FLOOR, math.log10(ratio)) if ratio > 0 else FLOOR


def _column(name: str) -> str:
    return "all columns together" if name == "*" else f.label(name.split(".", 1)[-1])


def _list(names: Sequence[str], most: int = 4) -> str:
    if not names:
        return "none"
    shown = list(names[:most]) + ([f"{len(names) - most} more"] if len(names) > most else [])
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
