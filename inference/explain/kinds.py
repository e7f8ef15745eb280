"""The kinds of explainer, and which of them can run in this environment."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from components.errors import ConfigurationError
from components.models.spec import ExplainerSpec
from inference.explain.anchor_tabular import anchor_tabular
from inference.explain.kernel_shap import kernel_shap
from inference.explain.packing import FloatArray
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import Problem

Method = Callable[[Problem, FloatArray], dict[str, Any]]

METHODS: dict[str, Method] = {
    "kernel_shap": kernel_shap,
    "anchor_tabular": anchor_tabular,
    "permutation_shap": permutation_shap,
}
LIBRARIES = {"kernel_shap": "alibi", "anchor_tabular": "alibi"}
"""Library that a kind needs beyond numpy."""


def available(kind: str) -> bool:
    """Tell whether the kind's library is installed, without importing it."""
    return kind not in LIBRARIES or find_spec(LIBRARIES[kind]) is not None


def pick(spec: ExplainerSpec, asked: str = "") -> str:
    """Return the kind to use: the one asked for, else the spec's first that can run here.

    Raises
    ------
    ConfigurationError
        If the kind is unknown, or no kind can run in this environment.
    """
    wanted = (asked,) if asked else spec.kinds
    for kind in wanted:
        if kind not in METHODS:
            raise ConfigurationError(f"There is no explainer {kind!r}.", f"Use one of {', '.join(METHODS)}.")
        if available(kind):
            return kind
    raise ConfigurationError(
        f"The explainer {' or '.join(wanted)} needs Alibi, which is not installed here.",
        "Run it with the Python of .venv-explain, or use permutation_shap.",
    )
