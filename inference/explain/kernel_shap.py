"""Alibi's KernelShap with groups; needs the optional environment.

Source: S. Lundberg, S.-I. Lee (2017), A Unified Approach to Interpreting Model Predictions, NeurIPS 30,
arXiv:1705.07874.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inference.explain.answer import attribution_answer
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem

SAMPLES_PER_GROUP = 8
"""Coalitions per feature that the regression should have: the budget left goes into background rows."""


def kernel_shap(problem: Problem, row: FloatArray) -> dict[str, Any]:
    """Explain one packed row of shape (width,) by a weighted regression over sampled coalitions."""
    from alibi.explainers import KernelShap

    groups = problem.packing.groups
    background = problem.subsample(max(problem.budget_rows // max(SAMPLES_PER_GROUP * len(groups), 64), 2))
    samples = max(problem.budget_rows // len(background), 2 * len(groups) + 2)
    base = float(problem(background).mean())
    # The kernel's sampler draws from numpy's global generator; nothing else in this process uses it.
    np.random.seed(problem.seed)  # noqa: NPY002
    explainer = KernelShap(problem, link="identity", task="regression", seed=problem.seed)
    explainer.fit(
        background, group_names=[g.name for g in groups], groups=[list(range(g.start, g.stop)) for g in groups]
    )
    explanation = explainer.explain(row[None, :], nsamples=samples, l1_reg=False, silent=True)
    values = np.asarray(explanation.shap_values[0], dtype=np.float64).reshape(len(groups))
    prediction = float(problem(row[None, :])[0])
    details = {
        "library": f"alibi {explainer.meta['version']}",
        "samples": samples,
        "background_rows": len(background),
        "seed": problem.seed,
        "model_rows": problem.calls,
    }
    return attribution_answer(problem, row, "kernel_shap", base, prediction, values, details)
