"""Alibi's AnchorTabular: a rule on the inputs under which the model keeps its direction; in the optional environment.

The explained number is made a class: a forecast with an input column ``close`` in the same unit is *up* when it lies
above that row's own close, else *not up*; any other output is *above* or *below* the median of its background answers.
Columns are discretised at the background's quartiles. A tensor without columns takes part as one category: which row it
came from.

Source: M. T. Ribeiro, S. Singh, C. Guestrin (2018), Anchors: High-Precision Model-Agnostic Explanations, AAAI 32(1),
doi:10.1609/aaai.v32i1.11491.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inference.explain.packing import FloatArray
from inference.explain.problem import Problem

PRECISION = 0.9
"""Wanted probability that the direction stays when everything outside the rule changes."""

CURRENT = "close"


def direction(problem: Problem) -> tuple[str, str, float | None]:
    """Return the names of the two classes (low, high) and the fixed limit; None when each row's close is the limit."""
    if problem.target.relative_to:
        return "not up", "up", 0.0
    for group in problem.packing.groups:
        if problem.task == "forecast" and group.name == CURRENT and group.unit == problem.target.unit:
            return "not up", "up", None
    return "below", "above", float(np.median(problem.usual()))


def anchor_tabular(problem: Problem, row: FloatArray) -> dict[str, Any]:
    """Find a rule for one packed row of shape (width,)."""
    from alibi.explainers import AnchorTabular

    low, high, limit = direction(problem)
    table = np.concatenate([problem.background, row[None, :]])
    codes = _encode(problem, table)
    categories = {
        j: [f"row {i} of the background" for i in range(len(problem.background))] + ["as given"]
        for j, group in enumerate(problem.packing.groups)
        if not group.single
    }

    armed = False

    def classify(coded: FloatArray) -> np.ndarray[Any, Any]:
        if not armed:  # Alibi tries its predictor on a row of zeros, which a model with bounds rightly refuses
            return np.zeros(len(coded), dtype=np.int64)
        rows = _decode(problem, np.asarray(coded, dtype=np.float64), table)
        limits = rows[:, problem.column(CURRENT)] if limit is None else limit
        return np.asarray(problem(rows) > limits, dtype=np.int64)

    names = [g.name for g in problem.packing.groups]
    explainer = AnchorTabular(classify, names, categorical_names=categories, seed=problem.seed)
    armed = True
    explainer.fit(codes[:-1], disc_perc=(25, 50, 75))
    # The beam search draws from numpy's global generator; nothing else in this process uses it.
    np.random.seed(problem.seed)  # noqa: NPY002
    found = explainer.explain(
        codes[-1], threshold=PRECISION, batch_size=128, coverage_samples=1000, beam_size=1, max_anchor_size=4
    )
    return _answer(problem, row, (low, high, limit), found)


def _answer(problem: Problem, row: FloatArray, classes: tuple[str, str, float | None], found: Any) -> dict[str, Any]:
    low, high, limit = classes
    prediction = float(problem(row[None, :])[0])
    level = float(row[problem.column(CURRENT)]) if limit is None else limit
    outcome = high if prediction > level else low
    rule, precision, coverage = list(found.anchor), _number(found.precision), _number(found.coverage)
    against = f"the current {CURRENT}" if limit is None else "the median of the background's predictions"
    against = "zero" if problem.target.relative_to else against
    condition = f"when {' and '.join(rule)}" if rule else "whatever the inputs are"
    return {
        "method": "anchor_tabular",
        "output": problem.target.name,
        "unit": problem.target.unit,
        "prediction": prediction,
        "class": outcome,
        "class_definition": f"{high} when the prediction is above {against} ({level:.6g}), else {low}",
        "anchor": rule,
        "precision": precision,
        "coverage": coverage,
        "reached": precision >= PRECISION,
        "why": f"{problem.target.name} stays {outcome} in {precision:.0%} of cases {condition}; "
        f"this covers {coverage:.0%} of the background.",
        "library": f"alibi {found.meta['version']}",
        "background_rows": len(problem.background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }


def _number(value: Any) -> float:
    return float(np.asarray(value).reshape(-1)[0])


def _encode(problem: Problem, table: FloatArray) -> FloatArray:
    """Return (rows, groups): a column's value, or the row's own number for a group of many values."""
    numbers = np.arange(len(table), dtype=np.float64)
    return np.column_stack([table[:, g.start] if g.single else numbers for g in problem.packing.groups])


def _decode(problem: Problem, codes: FloatArray, table: FloatArray) -> FloatArray:
    parts = [
        codes[:, j : j + 1] if g.single else table[codes[:, j].astype(int), g.start : g.stop]
        for j, g in enumerate(problem.packing.groups)
    ]
    return np.concatenate(parts, axis=1)
