"""The shape of an explanation on the wire, and its sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from inference.explain.packing import FloatArray
from inference.explain.problem import Problem

TOLERANCE = 1e-3
"""Largest gap between prediction and base value plus attributions, relative to the explained difference's scale."""


def attribution_answer(
    problem: Problem,
    row: FloatArray,
    method: str,
    base_value: float,
    prediction: float,
    attributions: FloatArray,
    details: dict[str, Any],
    standard_errors: FloatArray | None = None,
    unit: str | None = None,
) -> dict[str, Any]:
    """Return an additive explanation, largest attribution first.

    Parameters
    ----------
    problem : Problem
        What was explained.
    row : ndarray of shape (width,)
        The packed instance.
    method : str
        Kind of the explainer.
    base_value, prediction : float
        Mean of the background and the instance's answer, in the output's unit.
    attributions, standard_errors : ndarray of shape (groups,)
        In the output's unit.
    details : dict
        JSON-ready facts about the run: samples, library, seed.
    unit : str or None
        Of prediction and attributions, where it is not the output's.
    """
    groups, unit = problem.packing.groups, problem.target.unit if unit is None else unit
    entries = []
    for j in np.argsort(-np.abs(attributions), kind="stable"):
        group = groups[int(j)]
        entry = {
            "feature": group.name,
            "value": float(row[group.start]) if group.single else None,
            "unit": group.unit,
            "attribution": float(attributions[j]),
        }
        if standard_errors is not None:
            entry["standard_error"] = float(standard_errors[j])
        entries.append(entry)
    gap = prediction - base_value - float(attributions.sum())
    scale = max(abs(prediction - base_value), float(np.abs(attributions).max()), 1e-9)
    return {
        "method": method,
        "output": problem.target.name,
        "unit": unit,
        "base_value": base_value,
        "prediction": prediction,
        "attributions": entries,
        "additivity": {"gap": gap, "tolerance": TOLERANCE * scale, "holds": bool(abs(gap) <= TOLERANCE * scale)},
        "why": _why(problem.target.name, unit, base_value, prediction, entries),
        **details,
    }


def _why(name: str, unit: str, base: float, prediction: float, entries: list[dict[str, Any]]) -> str:
    total = prediction - base
    unit = f" {unit}" if unit else ""
    parts = [f"{e['feature']}{_value(e)} {e['attribution']:+.4g}" for e in entries[:3] if e["attribution"] != 0.0]
    head = f"{name} is {prediction:.6g}{unit}, {abs(total):.4g} {'above' if total >= 0 else 'below'} "
    if not parts:
        return head + f"the usual {base:.6g}; no input moved it."
    return head + f"the usual {base:.6g}, mostly because of {_join(parts)}."


def _value(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return ""
    return f" = {entry['value']:.4g}{' ' + entry['unit'] if entry['unit'] else ''}:"


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
