"""Counterfactuals: the smallest change of the inputs with which the model would have answered otherwise.

Every answer changes few features, stays within the schema's bounds and the background's ranges, leaves immutable
features alone, and is asked of the served model once more before it is returned. Change is counted as the sum of each
feature's change over its range in the background (Gower's distance without the mean).

What is held still unasked: tensors of more axes (one does not change a window of bars at will) or of no fixed length,
text, features that never vary in the background, and the column that the goal is measured against. Features that are
functions of one another are moved one by one all the same: a counterfactual tells what the model reacts to, not what
can be brought about.

Sources
-------
- S. Wachter, B. Mittelstadt, C. Russell (2018), Harvard J. Law & Tech. 31(2), arXiv:1711.00399: the question.
- D. Brughmans, P. Leyman, D. Martens (2024), NICE, Data Min. Knowl. Disc. 38, doi:10.1007/s10618-023-00930-y: putting
  the values of a nearby row of the other outcome into the instance, the most helpful first.
- R. K. Mothilal, A. Sharma, C. Tan (2020), DiCE, FAT*, doi:10.1145/3351095.3372850: several, differing in what changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from components.errors import InvalidRequest
from inference.explain.counterfactual_search import Search
from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem
from inference.explain.space import Space, space_of
from inference.explain.wanted import reference, wanted


class CounterfactualOptions(Options):
    """Options of a counterfactual.

    Attributes
    ----------
    at_least, at_most : float or None
        Level of the explained number to reach; both for a range, neither for the other class.
    immutable : tuple of str
        Features that must stay as they are.
    ranges : dict
        Feature to the (lowest, highest) value it may take, within the background's range.
    count : int
        Most answers; they differ in which features change.
    max_features : int
        Most features that one answer may change.
    """

    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)
    immutable: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    count: int = Field(default=3, ge=1, le=10)
    max_features: int = Field(default=4, ge=1, le=20)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:g} lies above at_most {self.at_most:g}")
        return self


def counterfactual(problem: Problem, row: FloatArray, options: CounterfactualOptions | None = None) -> dict[str, Any]:
    """Find counterfactuals of one packed row of shape (width,).

    Raises
    ------
    InvalidRequest
        If a named feature does not exist, or the goal is reached already.
    """
    asked = options or CounterfactualOptions()
    goal = wanted(problem, row, asked.at_least, asked.at_most)
    space = space_of(problem)
    held = _held(problem, space, asked, reference(problem, goal))
    low, high = _limits(problem, space, row, asked)
    free = np.array([j for j, g in space.single() if g.name not in held], dtype=np.intp)
    search = Search(problem, space, goal, row, free, low, high, asked.max_features)
    found = _several(search, asked.count)
    prediction = float(problem(row[None, :])[0])
    answers = [_tell(problem, space, search, row, made, prediction) for made in found]
    return {
        "method": "counterfactual",
        "output": problem.target.name,
        "unit": problem.target.unit,
        "prediction": prediction,
        "wanted": goal.text,
        "found": bool(answers),
        "counterfactuals": answers,
        "held": sorted(held),
        "max_features": asked.max_features,
        "why": answers[0]["why"] if answers else _nothing(goal.text, asked.max_features),
        "library": "arthaflow",
        "background_rows": len(problem.background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }


def _several(search: Search, count: int) -> list[FloatArray]:
    """Return at most ``count`` answers that differ in what changes, the smallest change first.

    Where a search finds fewer, it is repeated without the feature that changed most: what else would have done it?
    """
    found: list[FloatArray] = []
    left = search.free
    while len(left) and len(found) < count:
        more = replace(search, free=left).run(count - len(found))
        if not more:
            break
        found += [row for row in more if not any(search.includes(row, earlier) for earlier in found)]
        most = search.free[search.shares(more[0][None, :])[0].argmax()]
        left = left[left != most]
    return sorted(found, key=lambda row: float(search.distance(row[None, :])[0]))


def _held(problem: Problem, space: Space, asked: CounterfactualOptions, against: str) -> set[str]:
    names = {g.name for g in problem.packing.groups}
    for path, given in (("immutable", asked.immutable), ("ranges", asked.ranges)):
        for name in given:
            if name not in names:
                raise InvalidRequest(
                    f"there is no feature {name!r:.80}",
                    f"Use some of {', '.join(sorted(names))}.",
                    f"parameters.{path}",
                )
    still = {g.name for g in problem.packing.groups if not g.single or space.width[g.start] <= 0.0}
    return {*still, *asked.immutable, against} - {""}


def _limits(
    problem: Problem, space: Space, row: FloatArray, asked: CounterfactualOptions
) -> tuple[FloatArray, FloatArray]:
    low, high = space.low.copy(), space.high.copy()
    for name, (smallest, largest) in asked.ranges.items():
        j = problem.column(name)
        low[j], high[j] = max(low[j], smallest), min(high[j], largest)
        if low[j] > high[j]:
            raise InvalidRequest(
                f"[{smallest:g}, {largest:g}] holds no value that {name!r} has in the background",
                f"Give a part of [{space.low[j]:.6g}, {space.high[j]:.6g}].",
                path=f"parameters.ranges.{name}",
            )
    return np.minimum(low, row), np.maximum(high, row)


def _nothing(goal: str, most: int) -> str:
    return f"No change of up to {most} features within the ranges that the model knows leads to: {goal}."


def _tell(
    problem: Problem, space: Space, search: Search, row: FloatArray, made: FloatArray, prediction: float
) -> dict[str, Any]:
    """Return one counterfactual; the model is asked once more, with exactly the row that is told."""
    margin = float(search.goal.margin(problem, made[None, :])[0])
    reached = float(problem(made[None, :])[0])
    changes = [
        {
            "feature": group.name,
            "unit": group.unit,
            "from": float(row[j]),
            "to": float(made[j]),
            "change": float(made[j] - row[j]),
            "share_of_range": float(abs(made[j] - row[j]) / space.width[j]),
        }
        for j, group in space.single()
        if made[j] != row[j]
    ]
    changes.sort(key=lambda c: (-float(str(c["share_of_range"])), str(c["feature"])))
    told = [
        f"{c['feature']} {c['to']:.4g} instead of {c['from']:.4g}{f' {u}' if (u := c['unit']) else ''}" for c in changes
    ]
    whole = problem.packing.join(made[None, :], problem.context)
    instance = {name: values[0].tolist() for name, values in whole.items()}
    return {
        "changes": changes,
        "prediction": reached,
        "difference": reached - prediction,
        "valid": margin >= 0.0,
        "distance": float(search.distance(made[None, :])[0]),
        "unusual": search.unusual(made),
        "instance": instance,
        "why": f"With {' and '.join(told)}, {problem.target.name} would be {reached:.6g} instead of {prediction:.6g}.",
    }
