"""A decision tree that answers nearly as the model does: the whole model as a page of rules, with its fidelity.

The tree learns from the model's own answers to the background's rows and to rows mixed from them: each feature keeps
its row's value or takes another background row's, so every value is one that the model knows. Its fidelity is measured
on mixed rows that it was not grown on. Below a fidelity of 0.9 its rules are a caricature, and the answer says so.

Source: M. W. Craven, J. W. Shavlik (1996), Extracting Tree-Structured Representations of Trained Networks, NIPS 8: a
tree that learns from a model's answers, sampled as needed, judged by fidelity. The tree itself is scikit-learn's CART.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from components.errors import InvalidRequest
from inference.explain.anchor_tabular import CURRENT, direction
from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.problem import Places, Problem
from inference.explain.space import space_of

TRUSTED = 0.9
"""Fidelity below which the tree is called a caricature."""


class TreeOptions(Options):
    """Options of the tree.

    Attributes
    ----------
    max_depth : int
        Questions from the root to a leaf.
    min_leaf : int
        Fewest rows in a leaf.
    samples : int
        Mixed rows that the model is asked.
    of : str
        ``value``: a regression tree of the explained number. ``class``: a tree of up and not up, or above and below
        the background's median.
    """

    max_depth: int = Field(default=4, ge=1, le=10)
    min_leaf: int = Field(default=20, ge=1, le=1000)
    samples: int = Field(default=8192, ge=256, le=65536)
    of: Literal["value", "class"] = "value"


def surrogate_tree(problem: Problem, options: TreeOptions | None = None) -> dict[str, Any]:
    """Grow a tree on the model's answers."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    asked = options or TreeOptions()
    rng = np.random.default_rng(problem.seed)
    made, origin = mixed(problem, asked.samples, rng)
    rows = np.concatenate([problem.background, made])
    names = space_of(problem).names
    classes: tuple[str, ...] = ()
    target: Any = problem(rows, np.r_[0 : len(problem.background), origin])
    limits = {"max_depth": asked.max_depth, "min_samples_leaf": asked.min_leaf, "random_state": problem.seed}
    if asked.of == "class":
        classes, target = _classes(problem, rows, target)
        tree: Any = DecisionTreeClassifier(**limits)
    else:
        tree = DecisionTreeRegressor(**limits)
    held = len(problem.background) + asked.samples // 4
    judging = slice(len(problem.background), held)
    growing = np.r_[0 : len(problem.background), held : len(rows)]
    tree.fit(rows[growing], target[growing])
    fidelity = _fidelity(tree, rows[judging], target[judging], asked.of)
    grown = _node(tree, names, classes, 0)
    return {
        "method": "surrogate_tree",
        "output": problem.target.name,
        "unit": "" if asked.of == "class" else problem.target.unit,
        "of": asked.of,
        "classes": list(classes),
        "fidelity": fidelity,
        "trustworthy": fidelity["score"] >= TRUSTED,
        "depth": int(tree.get_depth()),
        "leaves": int(tree.get_n_leaves()),
        "rules": rules(grown),
        "tree": grown,
        "why": _why(problem, fidelity, int(tree.get_n_leaves())),
        "samples": asked.samples,
        "library": "scikit-learn",
        "background_rows": len(problem.background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }


def mixed(problem: Problem, count: int, rng: np.random.Generator) -> tuple[FloatArray, Places]:
    """Return rows of shape (count, width) whose features come from two or more background rows; half stay in place.

    Beside them the places of the background rows that they began as, and whose context they keep.
    """
    size = len(problem.background)
    origin = rng.integers(0, size, count)
    rows = problem.background[origin].copy()
    for group in problem.packing.groups:
        swapped = rng.random(count) < 0.5
        donors = rng.integers(0, size, count)
        rows[swapped, group.start : group.stop] = problem.background[donors[swapped], group.start : group.stop]
    return rows, origin


def rules(node: dict[str, Any], path: Mapping[str, tuple[float | None, float | None]] | None = None) -> list[str]:
    """Return one sentence for each leaf of a tree.

    Examples
    --------
    >>> leaf = {"value": 1.0, "share": 0.5}
    >>> rules({"feature": "rsi_14", "threshold": 30.0, "left": leaf, "right": leaf | {"value": 2.0}})
    ['if rsi_14 <= 30 then 1 (50 % of rows)', 'if rsi_14 > 30 then 2 (50 % of rows)']
    """
    bounds = path or {}
    if "feature" not in node:
        told = node["value"] if isinstance(node["value"], str) else f"{node['value']:.6g}"
        condition = " and ".join(_between(name, *ends) for name, ends in bounds.items())
        head = f"if {condition} then " if condition else "always "
        return [f"{head}{told} ({100 * node['share']:.0f} % of rows)"]
    name, at = node["feature"], node["threshold"]
    low, high = bounds.get(name, (None, None))
    return [*rules(node["left"], {**bounds, name: (low, at)}), *rules(node["right"], {**bounds, name: (at, high)})]


def _between(name: str, low: float | None, high: float | None) -> str:
    if low is None:
        return f"{name} <= {high:.6g}"
    return f"{name} > {low:.6g}" if high is None else f"{low:.6g} < {name} <= {high:.6g}"


def _classes(problem: Problem, rows: FloatArray, values: FloatArray) -> tuple[tuple[str, str], Any]:
    low, high, limit = direction(problem)
    limits = rows[:, problem.column(CURRENT)] if limit is None else limit
    labels = np.where(values > limits, 1, 0)
    if labels.min() == labels.max():
        raise InvalidRequest(
            f"the model answers {high if labels[0] else low!r} to every row of its background",
            'Ask for "of": "value", or another output.',
            path="parameters.of",
        )
    return (low, high), labels


def _fidelity(tree: Any, rows: FloatArray, target: Any, of: str) -> dict[str, Any]:
    answers = tree.predict(rows)
    if of == "class":
        usual = max(float((target == c).mean()) for c in (0, 1))
        accuracy = float((answers == target).mean())
        return {"measure": "accuracy", "score": accuracy, "always_the_usual_class": usual, "rows": len(rows)}
    spread = float(((target - target.mean()) ** 2).mean())
    missed = float(((answers - target) ** 2).mean())
    score = 1.0 - missed / spread if spread > 0.0 else 1.0
    error = float(np.abs(answers - target).mean())
    return {"measure": "r2", "score": score, "mean_absolute_error": error, "rows": len(rows)}


def _node(tree: Any, names: tuple[str, ...], classes: tuple[str, ...], at: int) -> dict[str, Any]:
    grown = tree.tree_
    share = float(grown.n_node_samples[at] / grown.n_node_samples[0])
    raw = grown.value[at][0]
    value: Any = classes[int(tree.classes_[raw.argmax()])] if classes else float(raw[0])
    told = {"value": value, "share": share}
    if classes:
        told["probability"] = float(raw.max() / raw.sum())
    if grown.children_left[at] < 0:
        return told
    return {
        "feature": names[int(grown.feature[at])],
        "threshold": float(grown.threshold[at]),
        **told,
        "left": _node(tree, names, classes, int(grown.children_left[at])),
        "right": _node(tree, names, classes, int(grown.children_right[at])),
    }


def _why(problem: Problem, fidelity: dict[str, Any], leaves: int) -> str:
    share = f"{fidelity['score']:.1%}".replace("%", " %")
    what = "of the classes" if fidelity["measure"] == "accuracy" else "of the variation"
    tail = "" if fidelity["score"] >= TRUSTED else " Too little to rely on: the model is no tree of this depth."
    return (
        f"{leaves} rules reproduce {share} {what} of {problem.target.name} on rows that they were not made from.{tail}"
    )
