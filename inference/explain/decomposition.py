"""The model's own additive parts of its answer: component VaR by holding, contributions to a goal by source.

Such a model tells, beside the explained number, an output tensor whose values add up to it (``ExplainerSpec.
contributions``), and a text tensor that says whose each is (``labels``). Nothing is sampled and no background is
needed: the served model is asked once, and its parts are checked to add up to what it answered.

Source: D. Tasche (1999), Risk Contributions and Performance Measurement: the parts of a homogeneous risk measure add up
to it by Euler's theorem, each being what its position adds at the margin.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import ArthaflowError, InvalidRequest
from components.models.schema import Batch
from inference.explain.packing import FloatArray
from inference.explain.problem import Parts, Problem

CLOSE = 1e-4
"""Largest gap between the answer and its parts, as a share of the largest of them: what rounding to paise leaves."""


class PartsDoNotAddUp(ArthaflowError):
    """The served model's contributions are not those of its answer."""

    status = 500
    code = "CONTRIBUTIONS_DO_NOT_ADD_UP"


def decomposition(problem: Problem, row: FloatArray) -> dict[str, Any]:
    """Explain one packed row of shape (width,), beside its context.

    Raises
    ------
    InvalidRequest
        If the model tells no parts, or those of another number than the one that was asked about.
    PartsDoNotAddUp
        If they do not add up to it.
    """
    parts = _parts(problem)
    inputs = problem.packing.join(row[None, :], problem.context)
    asked = {problem.target.tensor.name: None, parts.values: None}
    if parts.labels and parts.labels not in inputs:
        asked[parts.labels] = None
    outputs = problem.predict(inputs, tuple(asked))
    problem.calls += 1
    values = outputs[parts.values][0].astype(np.float64)
    prediction = float(problem.read(outputs)[0])
    gap, tolerance = _check(problem, parts, values, prediction)
    entries = _entries(problem, parts, values, inputs, outputs)
    return {
        "method": "decomposition",
        "output": problem.target.name,
        "unit": problem.target.unit,
        "base_value": 0.0,
        "prediction": prediction,
        "attributions": entries,
        "additivity": {"gap": gap, "tolerance": tolerance, "holds": True},
        "why": _why(problem, prediction, entries),
        "parts": parts.values,
        "labels": parts.labels,
        "library": "the model itself",
        "exact": True,
        "model_rows": problem.calls,
    }


def _parts(problem: Problem) -> Parts:
    parts, path = problem.parts, "parameters.kind"
    if parts is None:
        raise InvalidRequest("this model tells no parts of its answer", "Use another kind of explanation.", path=path)
    if problem.target != parts.of:
        raise InvalidRequest(
            f"{parts.values!r} are parts of {parts.of.name}, not of {problem.target.name}",
            "Leave output and relative_to out, or use another kind of explanation.",
            path=path,
        )
    return parts


def _check(problem: Problem, parts: Parts, values: FloatArray, prediction: float) -> tuple[float, float]:
    total = float(values.sum())
    tolerance = CLOSE * max(abs(prediction), float(np.abs(values).max(initial=0.0)))
    if abs(prediction - total) > tolerance:
        raise PartsDoNotAddUp(
            f"The model's {parts.values!r} add up to {total:.9g}, its {problem.target.name} is {prediction:.9g}.",
            "Report it with the request id; the prediction stands, its parts do not.",
        )
    return prediction - total, tolerance


def _entries(problem: Problem, parts: Parts, values: FloatArray, inputs: Batch, outputs: Batch) -> list[dict[str, Any]]:
    """Return the parts that have a name, the largest first; a dataset's padding has none."""
    given = _aligned(problem, parts, inputs)
    seen: Counter[str] = Counter()
    entries = []
    for j, label in enumerate(_labels(problem, parts, inputs, outputs)):
        if not label:
            continue
        seen[label] += 1
        entry: dict[str, Any] = {
            "feature": label if seen[label] == 1 else f"{label} ({seen[label]})",
            "value": None,
            "unit": "",
            "attribution": float(values[j]),
        }
        if given:
            entry["given"] = {name: float(array[j]) for name, array in given.items()}
        entries.append(entry)
    return sorted(entries, key=lambda entry: -abs(float(entry["attribution"])))


def _labels(problem: Problem, parts: Parts, inputs: Batch, outputs: Batch) -> list[str]:
    if not parts.labels:
        return list(problem.outputs[parts.values].column_names)
    return [str(label) for label in (inputs if parts.labels in inputs else outputs)[parts.labels][0]]


def _aligned(problem: Problem, parts: Parts, inputs: Batch) -> dict[str, npt.NDArray[Any]]:
    """Return what the instance gives for each label, for example its weight: numbers of the same variable length."""
    if parts.labels not in inputs:
        return {}
    length = inputs[parts.labels].shape[1]
    return {
        t.name: inputs[t.name][0]
        for t in problem.packing.held
        if t.shape == (-1,) and t.datatype != "BYTES" and inputs[t.name].shape[1] == length
    }


def _why(problem: Problem, prediction: float, entries: list[dict[str, Any]]) -> str:
    name, unit = problem.target.name, f" {problem.target.unit}" if problem.target.unit else ""
    head = f"{name} is {prediction:.6g}{unit}"
    told = [f"{e['feature']} {e['attribution']:+.4g}" for e in entries[:3] if e["attribution"] != 0.0]
    if not told:
        return f"{head}; no part of it has a size."
    rest = f" and {len(entries) - len(told)} more" if len(entries) > len(told) else ""
    return f"{head}, the sum of {', '.join(told)}{rest}."
