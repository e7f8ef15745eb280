"""Why the model said what it said: a waterfall of feature attributions, and the rule that anchors a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import facts, figure, inline, missing, paragraph, table
from components.evaluation.plots.scale import extent, linear_ticks
from components.evaluation.plots.svg import Canvas, Panel, rect, rule, text

Record = Mapping[str, Any]
ROW = 30.0
TOLERANCE = 1e-3


def attributions(explanation: Record, top: int = 10) -> str:
    """Return the waterfall and table of an additive explanation, or the rule of an anchor.

    Parameters
    ----------
    explanation : mapping
        One of the explainer's ``explanations``: ``attributions`` (list of feature, value, attribution, unit),
        ``base_value``, ``prediction``; or ``anchor`` (list of conditions) with ``precision`` and ``coverage``.
        ``why`` is its sentence.
    top : int
        Features shown one by one; the rest are summed.
    """
    items = [a for a in explanation.get("attributions") or () if f.finite(a.get("attribution")) is not None]
    parts = []
    if items:
        parts.append(f"<h3>{inline(_title(explanation))}</h3>{_why(explanation)}" + _waterfall(explanation, items, top))
    if "anchor" in explanation:
        parts.append(anchor(explanation))
    return "".join(parts) or missing("The explainer's answer holds neither attributions nor an anchor.")


def _title(explanation: Record) -> str:
    names = {"kernel_shap": "Kernel SHAP", "permutation_shap": "Permutation SHAP", "anchor_tabular": "Anchor"}
    method = str(explanation.get("method") or "Attributions")
    what = f.label(explanation.get("output") or "")
    return f"{names.get(method, f.label(method))}{f' of {what}' if what else ''}"


def _why(explanation: Record) -> str:
    return paragraph(explanation["why"], "finding") if explanation.get("why") else ""


def _waterfall(explanation: Record, items: Sequence[Record], top: int) -> str:
    ordered = sorted(items, key=lambda a: -abs(float(a["attribution"])))
    shown, rest = ordered[:top], ordered[top:]
    base = f.finite(explanation.get("base_value"))
    total = sum(float(a["attribution"]) for a in items)
    predicted = f.finite(explanation.get("prediction"))
    start = base if base is not None else 0.0
    end = predicted if predicted is not None else start + total
    steps = [(_name(a), _value(a), float(a["attribution"])) for a in shown]
    if rest:
        steps.append((f"{f.plural(len(rest), 'other feature')}", "", sum(float(a["attribution"]) for a in rest)))
    gap = end - start - total
    scale = max(abs(end - start), *(abs(s[2]) for s in steps), 1e-12)
    if abs(gap) > TOLERANCE * scale:
        steps.append(("not attributed", "", gap))
    caption, note = _words(explanation, steps, start, end)
    return figure(
        _draw(steps, start, end), caption, (("c-good", "raises the forecast"), ("c-bad", "lowers it")), note
    ) + _table(ordered)


def _draw(steps: Sequence[tuple[str, str, float]], start: float, end: float) -> str:
    levels = [start]
    for _, _, amount in steps:
        levels.append(levels[-1] + amount)
    low, high = extent(levels, [end], pad=0.12)
    height = 40 + ROW * (len(steps) + 2) + 34
    chart = Canvas(height, "Waterfall of feature attributions from the average forecast to this forecast")
    panel = Panel.at(330, 30, 560, height - 66, (low, high), (0, 1))
    for tick, word in linear_ticks(low, high, 5):
        x = panel.x.one(tick)
        chart.add(rule(x, 30, x, height - 36, "grid"), text(x, height - 18, word, "tick", "middle"))
    chart.add(
        text(318, 49, "average over the background", "", "end"),
        _marker(panel, start, 45),
        text(panel.x.one(start) + 8, 41, f.number(start, 6), "value"),
    )
    for index, (name, value, amount) in enumerate(steps):
        y = 34 + ROW * (index + 1)
        a, b = panel.x.one(levels[index]), panel.x.one(levels[index + 1])
        css = "c-other" if name == "not attributed" else "c-good" if amount >= 0 else "c-bad"
        chart.add(rect(a, y, b - a if abs(b - a) > 1 else 1, ROW - 11, css, 2), rule(b, y, b, y + ROW, "marker"))
        chart.add(text(318, y + 14, _short(f"{name} = {value}" if value else name), "", "end"))
        side, anchor_ = (max(a, b) + 7, "start") if max(a, b) < 830 else (min(a, b) - 7, "end")
        chart.add(text(side, y + 14, f.minus(f"{'+' if amount >= 0 else ''}{f.compact(amount, 3)}"), "small", anchor_))
    y = 34 + ROW * (len(steps) + 1)
    chart.add(
        text(318, y + 14, "this forecast", "strong", "end"),
        _marker(panel, end, y + 10),
        text(panel.x.one(end) + 8, y + 20, f.number(end, 6), "value"),
    )
    return chart.render()


def _marker(panel: Panel, value: float, y: float) -> str:
    return rect(panel.x.one(value) - 2.5, y - 10, 5, 20, "c-model", 1)


def _words(explanation: Record, steps: Sequence[tuple[str, str, float]], start: float, end: float) -> tuple[str, str]:
    unit = _unit(explanation)
    caption = (
        f"From the average over the background rows ({f.number(start, 6)}{unit}) to this forecast "
        f"({f.number(end, 6)}{unit}): "
        f"{f.plural(len(steps), 'bar')} add up to the difference of {f.number(end - start, 3)}{unit}."
    )
    told = [
        f"{f.label(key)} {explanation[key]}"
        for key in ("library", "model_rows", "background_rows", "seed")
        if explanation.get(key) is not None
    ]
    if f.finite(explanation.get("seconds")) is not None:
        told.append(f"took {f.seconds(explanation['seconds'])}")
    return caption, f"An attribution says what the model used, not what moves the market. {'; '.join(told)}".strip()


def _table(items: Sequence[Record]) -> str:
    spread = any(f.finite(a.get("standard_error")) is not None for a in items)
    rows = [
        (
            _name(a),
            _value(a),
            f.number(a["attribution"], 4),
            *([f.number(a.get("standard_error"), 2)] if spread else []),
        )
        for a in items
    ]
    head = ("feature", "value", "attribution", *(["standard error"] if spread else []))
    body = table("Every attribution, in the unit of the forecast", head, rows)
    return f"<details><summary>All {len(rows)} attributions as a table</summary>{body}</details>"


def anchor(explanation: Record) -> str:
    """Show the rule that, as far as sampled, fixes the prediction's class."""
    raw = explanation.get("anchor") or ()
    conditions = [raw] if isinstance(raw, str) else [str(c) for c in raw]
    rules = "".join(f"<li><code>{inline(c)}</code></li>" for c in conditions) or "<li>whatever the inputs are</li>"
    pairs = [
        ("precision, sampled", f.percent(explanation.get("precision"), 1)),
        ("background rows covered", f.percent(explanation.get("coverage"), 1)),
        ("outcome", explanation.get("class", f.MISSING)),
    ]
    short = (
        ""
        if explanation.get("reached", True)
        else paragraph("The wanted precision was not reached: the rule is the best that was found.")
    )
    meaning = (
        f'<p class="small">{inline(explanation["class_definition"])}.</p>'
        if explanation.get("class_definition")
        else ""
    )
    return (
        f"<h3>{inline(_title(explanation))}</h3>{_why(explanation)}{short}<ul "
        f'class="rule">{rules}</ul>{facts(pairs)}{meaning}'
    )


def _unit(explanation: Record) -> str:
    unit = str(explanation.get("unit") or "")
    return f" {unit}" if unit else ""


def _name(item: Record) -> str:
    return str(item.get("feature", "unnamed"))


def _value(item: Record) -> str:
    value = item.get("value")
    shown = f.compact(value, 4) if f.finite(value) is not None else ("" if value is None else str(value))
    unit = str(item.get("unit") or "")
    return f"{shown} {unit}".strip() if unit != "decimal" else shown


def _short(words: str, limit: int = 48) -> str:
    return words if len(words) <= limit else words[: limit - 1] + "…"
