"""Sensitivity: how the answer moves when one fixed numeric input moves, everything else staying as it is.

Central finite differences of the served model, all inputs in one batch. At a bound the difference is one-sided, a whole
number moves by at least one, and yes becomes no. Three readings of the same slope: per unit of the input; for a move of
one interquartile range of the background, which makes inputs of different units comparable and is what ranks them; and
in percent per percent (elasticity).

It is a statement about the neighbourhood of one instance. It does not add up, and inputs that usually move together are
moved one by one. A model of steps (trees) is flat between them: a larger ``step`` sees more of it.

Source: A. Saltelli et al. (2008), Global Sensitivity Analysis: The Primer, section 1.2.2 (one at a time, local);
scaled by the spread of the input, R. Iman, J. Helton (1988), doi:10.1111/j.1539-6924.1988.tb01155.x.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from components.errors import InvalidRequest
from inference.explain.options import Options
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem
from inference.explain.space import Space, space_of

NORMAL_IQR = 1.3489795003921634
"""Interquartile range of a normal distribution in standard deviations."""

ALONE = 1e-3
"""Step of an input that never varies in the background, as a share of its value."""


class SensitivityOptions(Options):
    """Options of the sensitivity.

    Attributes
    ----------
    step : float
        Half of the move that a slope is measured over, as a share of the input's interquartile range.
    """

    step: float = Field(default=0.1, gt=0.0, le=2.0)


def sensitivity(problem: Problem, row: FloatArray, options: SensitivityOptions | None = None) -> dict[str, Any]:
    """Return the slopes at one packed row of shape (width,)."""
    asked = options or SensitivityOptions()
    space = space_of(problem)
    columns = [column for column, _ in space.single()]
    usual = usual_moves(problem.background[:, columns])
    low, high = _ends(space, row, columns, asked.step, usual)
    answers, refused = _ask(problem, row, low, high, [group.name for _, group in space.single()])
    prediction, below, above = float(answers[0]), answers[1 : 1 + len(columns)], answers[1 + len(columns) :]
    entries = []
    for i, (column, group) in enumerate(space.single()):
        width = float(high[i, column] - low[i, column])
        slope = float(above[i] - below[i]) / width if width > 0.0 else None
        value = float(row[column])
        entries.append(
            {
                "feature": group.name,
                "value": value,
                "unit": group.unit,
                "attribution": 0.0 if slope is None else slope * float(usual[i]),
                "move": float(usual[i]),
                "slope": slope,
                "elasticity": slope * value / prediction if slope is not None and value and prediction else None,
                "between": [float(low[i, column]), float(high[i, column])],
                "note": refused.get(i),
            }
        )
    entries.sort(key=lambda entry: -abs(float(str(entry["attribution"]))))
    return {
        "method": "sensitivity",
        "output": problem.target.name,
        "unit": problem.target.unit,
        "base_value": prediction,
        "prediction": prediction,
        "attributions": entries,
        "additivity": None,
        "why": _why(problem, prediction, entries),
        "step": asked.step,
        "held": [g.name for g in problem.packing.groups if not g.single] + [t.name for t in problem.packing.held],
        "library": "arthaflow",
        "background_rows": len(problem.background),
        "model_rows": problem.calls,
    }


def _ask(
    problem: Problem, row: FloatArray, low: FloatArray, high: FloatArray, names: list[str]
) -> tuple[FloatArray, dict[int, str]]:
    """Return the answers at the row and at both ends of each column, and why a column stayed where it was.

    A column's neighbourhood may hold values that the model refuses (0 may stand for "not given", and 0.01 for nothing):
    such a column stays, and the others are asked again.
    """
    refused: dict[int, str] = {}
    while True:
        try:
            return problem(np.concatenate([row[None, :], low, high])), refused
        except InvalidRequest as error:
            at = _refused_column(error.path, names)
            if at is None or at in refused:
                raise
            refused[at] = f"not moved: {error.problem.removeprefix(f'{error.path}: ')}"
            low[at] = high[at] = row


def _refused_column(path: str, names: list[str]) -> int | None:
    """Return which of the moved columns a path like ``conditions.volatility[9]`` names; None for another input."""
    named = path.partition("[")[0]
    return next((i for i, name in enumerate(names) if named == name or named.endswith(f".{name}")), None)


def usual_moves(background: FloatArray) -> FloatArray:
    """Return each column's interquartile range; where that is 0, what a normal column of its spread would have.

    Parameters
    ----------
    background : ndarray of shape (rows, columns)

    Returns
    -------
    ndarray of shape (columns,)
        0 for a column that never varies.
    """
    first, third = np.quantile(background, (0.25, 0.75), axis=0)
    spread = np.where(np.ptp(background, axis=0) > 0.0, NORMAL_IQR * background.std(axis=0), 0.0)
    moves: FloatArray = np.where(third > first, third - first, spread)
    return moves


def _ends(
    space: Space, row: FloatArray, columns: list[int], share: float, usual: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the rows that each column is measured between, each of shape (columns, width)."""
    each = np.arange(len(columns))
    values = row[columns]
    step = np.where(usual > 0.0, share * usual, ALONE * np.maximum(np.abs(values), 1.0))
    step = np.where(space.whole[columns], np.maximum(np.round(step), 1.0), step)
    low, high = (np.repeat(row[None, :], len(columns), axis=0) for _ in range(2))
    low[each, columns], high[each, columns] = values - step, values + step
    return space.settle(low), space.settle(high)


def _why(problem: Problem, prediction: float, entries: list[dict[str, Any]]) -> str:
    name, unit = problem.target.name, f" {problem.target.unit}" if problem.target.unit else ""
    told = [
        f"{e['feature']} ({e['attribution']:+.4g} for {e['move']:+.4g}{' ' + e['unit'] if e['unit'] else ''})"
        for e in entries[:3]
        if e["attribution"] != 0.0
    ]
    head = f"{name} is {prediction:.6g}{unit}"
    return f"{head}; it reacts most to {', '.join(told)}." if told else f"{head}; no input moves it here."
