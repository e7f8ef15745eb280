"""Global importance: which features move the model's answers over its background, by two measures that must agree.

*Mean absolute Shapley value.* Background rows are explained one by one by permutation sampling; the mean size of a
feature's attribution is its importance, and the rank correlation of attribution and value says which way it pushes.

*Permutation importance.* A feature's values are dealt out anew among the rows, and the mean change of the answer is
measured, with its spread over repeats. The original measures the rise of the error; the background carries no outcomes
that a served model could be judged by, so this is the change of the prediction: how much the model *uses* a feature,
not how much it is right to.

Sources
-------
- S. Lundberg et al. (2020), Nat. Mach. Intell. 2, doi:10.1038/s42256-019-0138-9: from local values to global ones.
- L. Breiman (2001), Mach. Learn. 45, doi:10.1023/A:1010933404324.
- A. Fisher, C. Rudin, F. Dominici (2019), All Models are Wrong, but Many are Useful, JMLR 20(177).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import Places, Problem

BUDGETS = 8
"""Local budgets that a global answer may cost; the rows share them."""


class ImportanceOptions(Options):
    """Options of the global importance.

    Attributes
    ----------
    rows : int
        Background rows that are explained.
    repeats : int
        Times each feature is permuted.
    """

    rows: int = Field(default=32, ge=4, le=256)
    repeats: int = Field(default=10, ge=2, le=100)


def global_importance(problem: Problem, options: ImportanceOptions | None = None) -> dict[str, Any]:
    """Rank the features of the whole model."""
    asked = options or ImportanceOptions()
    places = problem.spread(asked.rows)
    rows = problem.background[places]
    values = shapley_values(problem, places)
    shuffled = permuted(problem, asked.repeats)
    answers = problem.usual()
    mean = np.abs(values).mean(axis=0)
    error = np.abs(values).std(axis=0, ddof=1) / np.sqrt(len(rows))
    entries = []
    for j in np.argsort(-mean, kind="stable"):
        group = problem.packing.groups[int(j)]
        entries.append(
            {
                "feature": group.name,
                "unit": group.unit,
                "mean_absolute_shap": float(mean[j]),
                "standard_error": float(error[j]),
                "share": float(mean[j] / mean.sum()) if mean.sum() > 0 else 0.0,
                "direction": spearman(rows[:, group.start], values[:, j]) if group.single else None,
                "permutation": {
                    "mean": float(shuffled[:, j].mean()),
                    "standard_deviation": float(shuffled[:, j].std(ddof=1)),
                },
            }
        )
    return {
        "method": "global_importance",
        "output": problem.target.name,
        "unit": problem.target.unit,
        "base_value": float(answers.mean()),
        "importance": entries,
        "agreement": spearman(mean, shuffled.mean(axis=0)),
        "why": _why(problem, entries),
        "rows": len(rows),
        "repeats": asked.repeats,
        "library": "arthaflow",
        "background_rows": len(problem.background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }


def shapley_values(problem: Problem, places: Places) -> FloatArray:
    """Return permutation Shapley values of some background rows, each beside its own context; shape (n, groups)."""
    index = {g.name: j for j, g in enumerate(problem.packing.groups)}
    values = np.empty((len(places), len(index)))
    for i, place in enumerate(places):
        budget = max(problem.budget_rows * BUDGETS // len(places), 2)
        single = replace(problem.at(problem.beside(place[None])), budget_rows=budget)
        for entry in permutation_shap(single, problem.background[place])["attributions"]:
            values[i, index[entry["feature"]]] = entry["attribution"]
        problem.calls += single.calls
    return values


def permuted(problem: Problem, repeats: int) -> FloatArray:
    """Return the mean absolute change of the answer when a feature is permuted; shape (repeats, groups)."""
    rng = np.random.default_rng(problem.seed)
    background, groups = problem.background, problem.packing.groups
    before = problem.usual()
    places = np.tile(np.arange(len(background)), len(groups))
    changes = np.empty((repeats, len(groups)))
    for repeat in range(repeats):
        tables = []
        for group in groups:
            table = background.copy()
            table[:, group.start : group.stop] = background[rng.permutation(len(background)), group.start : group.stop]
            tables.append(table)
        after = problem(np.concatenate(tables), places).reshape(len(groups), len(background))
        changes[repeat] = np.abs(after - before).mean(axis=1)
    return changes


def spearman(x: FloatArray, y: FloatArray) -> float | None:
    """Return the rank correlation of two vectors, ties sharing their mean rank; None where one of them is constant.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]))
    1.0
    """
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return round(float(a @ b) / scale, 12) if scale > 0.0 else None


def _ranks(values: FloatArray) -> FloatArray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2.0)[inverse.reshape(-1)]
    return ranks


def _why(problem: Problem, entries: list[dict[str, Any]]) -> str:
    top = [f"{e['feature']} ({e['share']:.0%})" for e in entries[:3] if e["mean_absolute_shap"] > 0.0]
    if not top:
        return f"No input moves {problem.target.name} over the background."
    return f"{problem.target.name} is moved most by {', '.join(top)} of all attributions over the background."
