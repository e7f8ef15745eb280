"""Exact TreeSHAP, where the served model is one XGBoost ensemble and its artifact carries it.

Explainers know a model over the protocol only, and TreeSHAP needs the trees. So it is offered where the artifact holds
``model/model.ubj``, and only after the served model's answers to the background turned out to be that ensemble's: its
margin (regression), or the logistic function of it (a probability). A blend, of which trees are one member, is refused
by that check; permutation SHAP explains it as a whole.

For a probability the attributions are in log-odds, the unit in which trees add up. The base value is the mean over the
training rows that the trees' covers remember, not over the background.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from components.errors import InvalidRequest
from inference.explain.answer import attribution_answer
from inference.explain.native_trees import ExplainedBooster
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem

FILE = "model.ubj"
CLOSE = 1e-4
"""Largest difference of the served answers and the ensemble's, relative to their spread: single precision's."""


def tree_shap(problem: Problem, row: FloatArray) -> dict[str, Any]:
    """Explain one packed row of shape (width,).

    Raises
    ------
    InvalidRequest
        If the artifact holds no such ensemble, or the served model is something else.
    """
    booster = _booster(problem)
    unit = _unit(problem, booster)
    values = booster.contributions(row[None, :].astype(np.float32))[0]
    by_group = np.add.reduceat(values[:-1], [g.start for g in problem.packing.groups])
    margin = float(booster.margin(row[None, :].astype(np.float32))[0])
    details = {
        "served_prediction": float(problem(row[None, :])[0]),
        "library": "xgboost",
        "exact": True,
        "background": "training rows, as the trees' covers remember them",
        "model_rows": problem.calls,
    }
    base = float(values[-1])
    return attribution_answer(problem, row, "tree_shap", base, margin, by_group, details, unit=unit)


def _booster(problem: Problem) -> ExplainedBooster:
    path = problem.model_directory and problem.model_directory / FILE
    if not path or not path.is_file():
        raise _refused(f"its artifact has no {FILE}")
    return ExplainedBooster(path.read_bytes())


def _unit(problem: Problem, booster: ExplainedBooster) -> str:
    """Return the unit of the margin, after checking that the served model is this ensemble."""
    if problem.target.relative_to:
        raise _refused(f"{problem.target.name} is a difference", "Leave relative_to out, or use permutation_shap.")
    rows = problem.background.astype(np.float32)
    served, margin = problem(problem.background), booster.margin(rows)
    for unit, expected in ((problem.target.unit, margin), ("log-odds", 1.0 / (1.0 + np.exp(-margin)))):
        if float(np.abs(served - expected).max()) <= CLOSE * max(float(np.ptp(served)), 1e-6):
            return unit
    raise _refused(f"its answers are not those of the trees in {FILE}")


def _refused(why: str, remedy: str = "Use permutation_shap.") -> InvalidRequest:
    return InvalidRequest(f"'tree_shap' cannot explain this model: {why}", remedy, path="parameters.kind")
