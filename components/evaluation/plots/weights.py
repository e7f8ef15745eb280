"""Blend weights: how much of the forecast each member makes up, in every fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import figure
from components.evaluation.plots.svg import Canvas, rect, text

Record = Mapping[str, Any]
COLOURS = ("c1", "c2", "c3", "c-canary", "c-base", "c-bad")
NAIVE = "random_walk"
ROW = 24.0


def weights(evaluation: Record, names: Sequence[str]) -> str:
    """Stacked bars, one a horizon and fold; empty when the folds carry no weights."""
    folds = [fold for fold in evaluation.get("folds") or () if fold.get("weights")]
    if not folds:
        return ""
    asked = list(evaluation.get("horizons") or names)
    members = list(dict.fromkeys(member for fold in folds for member in fold["weights"]))
    colour = {member: "c-other" if member == NAIVE else COLOURS[i % len(COLOURS)] for i, member in enumerate(members)}
    height = 16 + sum(ROW * len(folds) + 26 for _ in names)
    chart = Canvas(height, "Blend weights of the members by horizon and walk-forward fold")
    y = 8.0
    for name in names:
        y += 22
        chart.add(text(8, y, f.horizon(name), "strong"))
        for fold in folds:
            _bar(chart, y - 13, f"fold {fold.get('fold', '?')}", _shares(fold["weights"], asked.index(name)), colour)
            y += ROW
        y += 4
    caption = f"Weights that each fold's validation rows gave the members. {_mean(folds, members, asked, names)}"
    note = (
        "The random walk always takes part and takes what the members do not earn: a large grey share is an honest "
        "answer."
    )
    return figure(chart.render(), caption, [(colour[m], f.label(m)) for m in members], note)


def _shares(raw: Record, column: int) -> dict[str, float]:
    return {member: share for member, values in raw.items() if (share := _at(values, column)) > 0}


def _at(values: Any, column: int) -> float:
    listed = values if isinstance(values, Sequence) else [values]
    return f.finite(listed[column] if column < len(listed) else 0.0) or 0.0


def _bar(chart: Canvas, y: float, name: str, shares: Mapping[str, float], colour: Mapping[str, str]) -> None:
    left, width = 200.0, 720.0
    chart.add(text(left - 10, y + 13, name, "tick", "end"))
    total = sum(shares.values()) or 1.0
    for member, share in shares.items():
        size = width * share / total
        chart.add(rect(left, y, max(size - 1, 0.5), ROW - 7, f"{colour[member]} solid-bar"))
        if size > 46:
            chart.add(text(left + size / 2, y + 13, f.percent(share, 0), "on-bar", "middle"))
        left += size


def _mean(folds: Sequence[Record], members: Sequence[str], asked: Sequence[str], names: Sequence[str]) -> str:
    """Say which member carries most at each horizon, on average over the folds."""
    said = []
    for name in names:
        column = asked.index(name)
        mean = {m: sum(_at(fold["weights"].get(m, 0.0), column) for fold in folds) / len(folds) for m in members}
        top = max(mean, key=lambda m: mean[m])
        said.append(f"{f.horizon(name)}: {f.label(top)} {f.percent(mean[top], 0)}")
    return f"Largest on average: {'; '.join(said)}."
