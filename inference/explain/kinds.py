"""The kinds of explainer, and which of them can run in this environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from components.errors import ConfigurationError
from components.models.spec import ExplainerSpec
from inference.explain.anchor_tabular import anchor_tabular
from inference.explain.counterfactual import CounterfactualOptions, counterfactual
from inference.explain.decomposition import decomposition
from inference.explain.global_importance import ImportanceOptions, global_importance
from inference.explain.kernel_shap import kernel_shap
from inference.explain.lime_tabular import LimeOptions, lime_tabular
from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import Problem
from inference.explain.sensitivity import SensitivityOptions, sensitivity
from inference.explain.surrogate_tree import TreeOptions, surrogate_tree
from inference.explain.tree_shap import tree_shap


@dataclass(frozen=True)
class Kind:
    """One way to explain.

    Attributes
    ----------
    explain : callable
        Problem, packed row and options to an explanation; of the whole model, problem and options.
    options : type
        Options that a request may give.
    library : str
        What it needs beyond numpy; empty for nothing.
    whole_model : bool
        Explains the model, not one of its answers: takes no instance, costs seconds, and is kept.
    needs : str
        What the model must have: ``columns``, fixed numeric inputs to move; ``parts``, contributions that it tells.
    """

    explain: Callable[..., dict[str, Any]]
    options: type[Options] = Options
    library: str = ""
    whole_model: bool = False
    needs: Literal["columns", "parts"] = "columns"

    def missing(self, problem: Problem) -> str:
        """Return what the model lacks to be explained this way; empty for nothing."""
        if self.needs == "columns" and not problem.packing.width:
            return "the model takes no fixed numeric input that could be moved"
        return "the model tells no parts of its answer" if self.needs == "parts" and problem.parts is None else ""

    def __call__(self, problem: Problem, row: FloatArray | None, options: Options) -> dict[str, Any]:
        """Explain one packed row of shape (width,), or the whole model."""
        given: tuple[Any, ...] = (problem,) if self.whole_model else (problem, row)
        return self.explain(*given) if self.options is Options else self.explain(*given, options)


METHODS: dict[str, Kind] = {
    "kernel_shap": Kind(kernel_shap, library="alibi"),
    "anchor_tabular": Kind(anchor_tabular, library="alibi"),
    "permutation_shap": Kind(permutation_shap),
    "tree_shap": Kind(tree_shap, library="xgboost"),
    "lime_tabular": Kind(lime_tabular, LimeOptions),
    "counterfactual": Kind(counterfactual, CounterfactualOptions),
    "global_importance": Kind(global_importance, ImportanceOptions, whole_model=True),
    "surrogate_tree": Kind(surrogate_tree, TreeOptions, "sklearn", whole_model=True),
    "decomposition": Kind(decomposition, needs="parts"),
    "sensitivity": Kind(sensitivity, SensitivityOptions),
}

SHAP = "shap"
"""Asks for parts that add up to the answer, by whichever of the spec's kinds of them can run."""

SHAP_KINDS = ("tree_shap", "kernel_shap", "permutation_shap")
"""Shapley values."""

ADDITIVE = (*SHAP_KINDS, "decomposition")
"""Whose attributions add up."""

SLOPES = ("lime_tabular", "sensitivity")
"""Which tell how the answer moves with an input."""


def available(kind: str) -> bool:
    """Tell whether the kind's library is installed, without importing it."""
    library = METHODS[kind].library
    return not library or find_spec(library) is not None


def pick(spec: ExplainerSpec, asked: str = "", problem: Problem | None = None) -> str:
    """Return the kind to use: the one asked for, else the spec's first that can run here.

    Parameters
    ----------
    spec : ExplainerSpec
    asked : str
        Empty for the spec's choice, which also stands in where the model lacks what this kind needs: one setting may
        be for many models.
    problem : Problem, optional
        What is explained; without it nothing is known of what the model has.

    Raises
    ------
    ConfigurationError
        If the kind is unknown or explains no single answer, or no kind can run in this environment for this model.
    """
    wanted = (asked,) if asked else spec.kinds
    if asked in METHODS and problem is not None and METHODS[asked].missing(problem):
        wanted = spec.kinds
    reasons = []
    for kind in wanted:
        if kind not in METHODS:
            raise ConfigurationError(f"There is no explainer {kind!r}.", f"Use one of {', '.join(METHODS)}.")
        if METHODS[kind].whole_model and kind == asked:
            raise ConfigurationError(
                f"{kind!r} explains the whole model, not an answer.", "Ask for it per request; name another kind here."
            )
        lacking = METHODS[kind].missing(problem) if problem is not None else ""
        if available(kind) and not METHODS[kind].whole_model and not lacking:
            return kind
        reasons.append(lacking)
    if any(reasons):
        raise ConfigurationError(
            f"The explainer {' or '.join(wanted)} cannot explain this model: {next(filter(None, reasons))}.",
            "Name a kind that fits it in its spec: decomposition needs contributions, every other one numeric inputs.",
        )
    needed = sorted({METHODS[kind].library for kind in wanted} - {""})
    names = ["Alibi" if library == "alibi" else library for library in needed]
    raise ConfigurationError(
        f"The explainer {' or '.join(wanted)} needs {' or '.join(names)}, which is not installed here.",
        "Run it with the Python of .venv-explain, or use permutation_shap.",
    )


def pick_shap(spec: ExplainerSpec) -> str:
    """Return the kind that answers for :data:`SHAP`: the spec's first of them that can run here.

    ``tree_shap`` needs a model that is a tree ensemble as a whole, so it is taken only where a spec names it. A spec
    that names no Shapley values but ``decomposition`` has the model's own parts in their place.
    """
    named = [kind for kind in spec.kinds if kind in SHAP_KINDS and available(kind)]
    if not named and "decomposition" in spec.kinds and not set(spec.kinds) & set(SHAP_KINDS):
        return "decomposition"
    return named[0] if named else "permutation_shap"
