"""Why the model said what it said: a waterfall of feature attributions, and the rule that anchors a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure, missing, paragraph, table
from components.evaluation.plots.scale import extent, linear_ticks
from components.evaluation.plots.svg import Canvas, Panel, rect, rule, text

Record = Mapping[str, Any]
ROW = 30.0
TOLERANCE = 1e-3


def attributions(explanation: Record, top: int = 10) -> str:
    """Return the waterfall and table of an attribution explanation, or the rule of an anchor.

    Parameters
    ----------
    explanation : mapping
        ``attributions`` (list of feature, value, attribution, unit), ``base_value``, ``prediction``; or ``anchor`` (list of
        conditions) with ``precision`` and ``coverage``.
    top : int
        Features shown one by one; the rest are summed.
    """
    items = [a for a in explanation.get("attributions") or () if f.finite(a.get("attribution")) is not None]
    rule_ = explanation.get("anchor") or explanation.get("rule")
    parts = []
    if items:
        parts.append(_waterfall(explanation, items, top))
    if rule_ or explanation.get("kind") == "anchor_tabular":
        parts.append(anchor(explanation))
    return "".join(parts) or missing("The explainer's answer holds neither attributions nor an anchor.")


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
    return figure(_draw(steps, start, end), caption, (("c-good", "raises the forecast"), ("c-bad", "lowers it")), note) + _table(ordered)


def _draw(steps: Sequence[tuple[str, str, float]], start: float, end: float) -> str:
    levels = [start]
    for _, _, amount in steps:
        levels.append(levels[-1] + amount)
    low, high = extent(levels, [end], pad=0.12)
    height = 40 + ROW * (len(steps) + 2) + 34
    chart = Canvas(height, "Waterfall of feature attributions from the average forecast to this forecast")
    panel = Panel.at(330, 30, 560, height - 66, (low, high), (0, 1))
    for value, word in linear_ticks(low, high, 5):
        x = panel.x.one(value)
        chart.add(rule(x, 30, x, height - 36, "grid"), text(x, height - 18, word, "tick", "middle"))
    chart.add(text(318, 49, "average over the background", "", "end"), _marker(panel, start, 45), text(panel.x.one(start) + 8, 41, f.number(start, 6), "value"))
    for index, (name, value, amount) in enumerate(steps):
        y = 34 + ROW * (index + 1)
        a, b = panel.x.one(levels[index]), panel.x.one(levels[index + 1])
        css = "c-other" if name == "not attributed" else "c-good" if amount >= 0 else "c-bad"
        chart.add(rect(a, y, b - a if abs(b - a) > 1 else 1, ROW - 11, css, 2), rule(b, y, b, y + ROW, "marker"))
        chart.add(text(318, y + 14, _short(f"{name} = {value}" if value else name), "", "end"))
        side, anchor_ = (max(a, b) + 7, "start") if max(a, b) < 830 else (min(a, b) - 7, "end")
        chart.add(text(side, y + 14, f.minus(f"{'+' if amount >= 0 else ''}{f.number(amount, 3)}"), "small", anchor_))
    y = 34 + ROW * (len(steps) + 1)
    chart.add(text(318, y + 14, "this forecast", "strong", "end"), _marker(panel, end, y + 10), text(panel.x.one(end) + 8, y + 20, f.number(end, 6), "value"))
    return chart.render()


def _marker(panel: Panel, value: float, y: float) -> str:
    return rect(panel.x.one(value) - 2.5, y - 10, 5, 20, "c-model", 1)


def _words(explanation: Record, steps: Sequence[tuple[str, str, float]], start: float, end: float) -> tuple[str, str]:
    named = [s for s in steps if s[1] or s[0] not in ("not attributed",)]
    first = max(named, key=lambda s: abs(s[2]))
    what = " ".join(f.label(explanation[key]) for key in ("output", "column") if explanation.get(key))
    caption = (
        f"The forecast{f' ({what})' if what else ''} of {f.number(end, 6)} differs by {f.number(end - start, 3)} from the average of "
        f"{f.number(start, 6)} over the background rows. Most of it comes from {first[0]} ({f.number(first[2], 3)})."
    )
    kind = f.label(explanation.get("kind") or explanation.get("method") or "unnamed method")
    return caption, f"Method: {kind}. An attribution says what the model used, not what moves the market."


def _table(items: Sequence[Record]) -> str:
    rows = [(_name(a), _value(a), f.number(a["attribution"], 4)) for a in items]
    body = table("Every attribution, in the unit of the forecast", ("feature", "value", "attribution"), rows)
    return f"<details><summary>All {len(rows)} attributions as a table</summary>{body}</details>"


def anchor(explanation: Record) -> str:
    """Word the rule that, as far as sampled, fixes the prediction."""
    raw = explanation.get("anchor") or explanation.get("rule") or ()
    conditions = [raw] if isinstance(raw, str) else [str(c) for c in raw]
    if not conditions:
        return missing("The anchor is empty: no condition is needed, the model answers the same nearly everywhere.")
    precision, coverage = (f.percent(explanation.get(key), 0) for key in ("precision", "coverage"))
    said = " and ".join(conditions)
    return paragraph(
        f"Anchor: whenever {said}, the model gives the same answer in {precision} of sampled cases; {coverage} of the "
        "background rows satisfy the rule.",
        "finding",
    )


def _name(item: Record) -> str:
    return str(item.get("feature", "unnamed"))


def _value(item: Record) -> str:
    value = item.get("value")
    shown = f.number(value, 4) if f.finite(value) is not None else ("" if value is None else str(value))
    unit = str(item.get("unit") or "")
    return f"{shown} {unit}".strip() if unit != "decimal" else shown


def _short(words: str, limit: int = 48) -> str:
    return words if len(words) <= limit else words[: limit - 1] + "…"
