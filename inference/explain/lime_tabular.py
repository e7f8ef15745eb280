"""LIME for tables: a sparse linear model that answers as the model does near one row.

Rows are drawn around the instance, the model answers them, near ones weigh more, and a weighted least-squares fit on
the few most telling features stands in for the model there. What it says is worth as much as its fidelity: the share of
the model's local variation that it reproduces on rows that it was not fitted to. Its stability is measured by fitting
again on resampled rows, because a LIME explanation that changes with the seed explains nothing.

Continuous by default: coefficients are per unit of a feature, and a feature's contribution is its coefficient times the
distance of the value from the background's mean, so that contributions add up as SHAP values do. ``discretise`` gives
the original's binary form instead: the contribution of lying in the same quartile of the background as the instance
does. A tensor of more axes (a window) takes part whole, as the instance's own or as a background row's.

The package ``lime`` itself (0.2.0.1, June 2020) is no longer released: a test compares with it where it is installed.

Sources
-------
- M. T. Ribeiro, S. Singh, C. Guestrin (2016), "Why Should I Trust You?", KDD, doi:10.1145/2939672.2939778; the kernel
  exp(-d^2 / (2 w^2)) and its width w = 0.75 sqrt(features) are its implementation's.
- G. Visani et al. (2022), Statistical stability indices for LIME, J. Oper. Res. Soc. 73(1),
  doi:10.1080/01605682.2020.1865846: the stability of the selected variables.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from inference.explain.answer import attribution_answer
from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem
from inference.explain.space import space_of
from inference.explain.sparse_linear import Surrogate, fit, weighted_r2

REFITS = 20
"""Bootstrap samples behind the stability."""

HELD_OUT = 0.25
"""Share of the drawn rows that only judges."""

TRUSTED = 0.5
"""Fidelity below which the sentence says that the explanation is not to be relied on."""


class LimeOptions(Options):
    """Options of LIME.

    Attributes
    ----------
    features : int
        Most features that the surrogate may use.
    samples : int
        Rows drawn around the instance, each asked once; never more than the server's budget.
    discretise : bool
        Quartile bins in place of standardised numbers.
    """

    features: int = Field(default=10, ge=1, le=100)
    samples: int = Field(default=2048, ge=64, le=8192)
    discretise: bool = False


def lime_tabular(problem: Problem, row: FloatArray, options: LimeOptions | None = None) -> dict[str, Any]:
    """Explain one packed row of shape (width,)."""
    asked = options or LimeOptions()
    rng = np.random.default_rng(problem.seed)
    count = min(asked.samples, problem.budget_rows)
    draw = _draw_bins if asked.discretise else _draw_around
    rows, z, distance, own, mean, scale = draw(problem, row, count, rng)
    answers = problem(rows)
    prediction = float(problem(row[None, :])[0])
    groups = len(problem.packing.groups)
    weight = np.exp(-distance / (2 * (0.75**2) * groups))
    kept = count - int(count * HELD_OUT)
    surrogate = fit(z[:kept], answers[:kept], weight[:kept], asked.features)
    fidelity = weighted_r2(answers[kept:], surrogate(z[kept:]), weight[kept:])
    refits = _refits(z[:kept], answers[:kept], weight[:kept], asked.features, rng)
    attributions = surrogate.coefficients * (own - mean)
    base = surrogate.intercept + float((surrogate.coefficients * mean).sum())
    details: dict[str, Any] = {
        "local_prediction": float(surrogate(own[None, :])[0]),
        "fidelity": {"r2": fidelity, "rows": count - kept, "held_out": True},
        "stability": {"selection": _selection_stability(refits), "refits": REFITS},
        "discretised": asked.discretise,
        "samples": count,
        "library": "arthaflow",
        "background_rows": len(problem.background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }
    errors = (refits * (own - mean)).std(axis=0, ddof=1)
    answer = attribution_answer(problem, row, "lime_tabular", base, prediction, attributions, details, errors)
    answer["why"] += _caveat(fidelity)
    return _sparse(problem, answer, surrogate, scale)


def _caveat(fidelity: float) -> str:
    share = f" A linear model reproduces {max(fidelity, 0.0):.0%} of what the model does nearby".replace("%", " %")
    return f"{share}: too little to rely on." if fidelity < TRUSTED else f"{share}."


Drawn = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]


def _draw_around(problem: Problem, row: FloatArray, count: int, rng: np.random.Generator) -> Drawn:
    """Draw rows from a normal distribution around the instance; windows are its own or a background row's.

    Returns
    -------
    rows : (count, width); z : (count, groups), the regressors; distance : (count,), squared, standardised;
    own, mean, scale : (groups,), the instance's regressors, the background's means, and one standard deviation.
    """
    space, groups = space_of(problem), problem.packing.groups
    rows = np.tile(row, (count, 1))
    z = np.empty((count, len(groups)))
    own, mean, scale = np.empty(len(groups)), np.zeros(len(groups)), np.ones(len(groups))
    distance = np.zeros(count)
    swapped: dict[int, npt.NDArray[np.bool_]] = {}
    for j, group in enumerate(groups):
        if group.single:
            deviation = float(problem.background[:, group.start].std())
            rows[:, group.start] += deviation * rng.standard_normal(count)
        else:
            swapped[j] = _swap(problem, rows, group.start, group.stop, rng)
    rows = space.settle(rows)
    for j, group in enumerate(groups):
        if group.single:
            values = problem.background[:, group.start]
            z[:, j], own[j], mean[j], scale[j] = rows[:, group.start], row[group.start], values.mean(), values.std()
            distance += ((z[:, j] - own[j]) / scale[j]) ** 2 if scale[j] > 0 else 0.0
        else:
            z[:, j], own[j] = ~swapped[j], 1.0
            distance += swapped[j]
    return rows, z, distance, own, mean, scale


def _draw_bins(problem: Problem, row: FloatArray, count: int, rng: np.random.Generator) -> Drawn:
    """Draw every feature from the background by itself; a regressor says whether it is in the instance's quartile."""
    groups = problem.packing.groups
    rows = np.tile(row, (count, 1))
    z = np.empty((count, len(groups)))
    for j, group in enumerate(groups):
        if group.single:
            values = problem.background[:, group.start]
            edges = np.unique(np.quantile(values, (0.25, 0.5, 0.75)))
            rows[:, group.start] = rng.choice(values, count)
            z[:, j] = np.searchsorted(edges, rows[:, group.start]) == np.searchsorted(edges, row[group.start])
        else:
            z[:, j] = ~_swap(problem, rows, group.start, group.stop, rng)
    ones = np.ones(len(groups))
    return rows, z, (1.0 - z).sum(axis=1), ones, 0.0 * ones, ones


def _swap(problem: Problem, rows: FloatArray, start: int, stop: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Replace a group by a background row's in half of the rows; return in which."""
    swapped = rng.random(len(rows)) < 0.5
    donors = rng.integers(0, len(problem.background), len(rows))
    rows[swapped, start:stop] = problem.background[donors[swapped], start:stop]
    return swapped


def _refits(z: FloatArray, y: FloatArray, weight: FloatArray, features: int, rng: np.random.Generator) -> FloatArray:
    """Return the coefficients of fits on resampled rows, shape (REFITS, groups)."""
    picks = [rng.integers(0, len(z), len(z)) for _ in range(REFITS)]
    return np.array([fit(z[p], y[p], weight[p], features).coefficients for p in picks])


def _selection_stability(refits: FloatArray) -> float:
    """Return Visani's variables stability index: the mean overlap of the selected features of two refits, 0 to 1."""
    sets = [frozenset(np.flatnonzero(c).tolist()) for c in refits]
    overlaps = [len(a & b) / max(len(a), len(b), 1) if a or b else 1.0 for a, b in combinations(sets, 2)]
    return float(np.mean(overlaps))


def _sparse(problem: Problem, answer: dict[str, Any], surrogate: Surrogate, scale: FloatArray) -> dict[str, Any]:
    """Keep the selected features only, each with its coefficient."""
    index = {g.name: j for j, g in enumerate(problem.packing.groups)}
    kept = []
    for entry in answer["attributions"]:
        j = index[entry["feature"]]
        if surrogate.coefficients[j] != 0.0:
            coefficient = float(surrogate.coefficients[j])
            kept.append({**entry, "coefficient": coefficient, "per_standard_deviation": coefficient * float(scale[j])})
    return {**answer, "attributions": kept}
