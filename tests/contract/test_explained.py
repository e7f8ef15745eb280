"""Every model of the catalogue, explained by the kinds that its spec offers: about one of its golden rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.catalog import catalogue, get_spec
from components.models.schema import Batch
from components.registry.artifact import Artifact, read_artifact
from inference.explain.kinds import METHODS, available, pick
from inference.explain.problem import Problem
from inference.explainer import build_problem
from pipelines.result import RunResult

pytestmark = pytest.mark.slow
BUDGET = 256
KINDS = [
    (name, kind)
    for name, spec in catalogue().items()
    for kind in spec.explainer.kinds
    if available(kind) and not METHODS[kind].whole_model
]


def explained(artifact: Artifact) -> tuple[Problem, np.ndarray[Any, Any]]:
    """The problem of explaining a golden row, asked of the model in this process as its server would check it."""
    spec = get_spec(artifact.model_name)
    model, upstream = artifact.load_model(spec), None
    row = artifact.golden()[0][0]

    def predict(batch: Batch, outputs: tuple[str, ...]) -> Batch:
        artifact.input_schema.validate(batch)
        answer = model.predict(batch)
        return {name: answer[name] for name in outputs}

    problem = replace(build_problem(artifact, spec, upstream, BUDGET), predict=predict)  # type: ignore[arg-type]
    return problem.at(problem.packing.context(row)), problem.packing.pack(row)[0]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_it_tells_what_moved_the_answer(trained: Callable[[str], RunResult], name: str, kind: str) -> None:
    artifact = read_artifact(trained(name).artifact)
    problem, row = explained(artifact)
    told = METHODS[kind](problem, row, METHODS[kind].options())
    target = get_spec(name).explainer.output or artifact.output_schema.tensors[0].name
    assert told["output"].startswith(target)
    assert np.isfinite(told["prediction"])
    parts = [part["attribution"] for part in told.get("attributions", ())]
    assert np.isfinite(parts).all()
    if kind == "decomposition":
        np.testing.assert_allclose(sum(parts), told["prediction"] - told["base_value"], rtol=1e-4, atol=1e-9)
    if kind in ("decomposition", "sensitivity"):
        assert any(parts), "nothing that could be moved moves the answer"


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_one_of_its_kinds_runs_without_an_optional_library(trained: Callable[[str], RunResult], name: str) -> None:
    artifact = read_artifact(trained(name).artifact)
    spec = get_spec(name)
    problem, _ = explained(artifact)
    assert pick(spec.explainer, "", problem) in spec.explainer.kinds
    assert any(not METHODS[kind].library and not METHODS[kind].missing(problem) for kind in spec.explainer.kinds)
