"""What a counterfactual is to reach: a level of the explained number, or the other side of its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.errors import InvalidRequest
from inference.explain.anchor_tabular import CURRENT, direction
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem


@dataclass(frozen=True)
class Wanted:
    """A goal for the explained number.

    Attributes
    ----------
    text : str
        For people, for example ``price.1_day at least 2150``.
    low, high : float
        Closed range the number must come into, after ``column`` is subtracted.
    column : int or None
        Packed input column that is subtracted first: the goal is on this side of each row's own close.
    strict : bool
        The lower end itself does not count.
    """

    text: str
    low: float = -np.inf
    high: float = np.inf
    column: int | None = None
    strict: bool = False

    def margin(self, problem: Problem, rows: FloatArray) -> FloatArray:
        """Return by how much rows of shape (n, width) reach the goal, in the output's unit; negative: they miss it."""
        values = problem(rows)
        if self.column is not None:
            values = values - rows[:, self.column]
        above = values - self.low
        if self.strict:
            above = np.where(above > 0.0, above, np.minimum(above, -np.finfo(float).tiny))
        reached: FloatArray = np.minimum(above, self.high - values)
        return reached


def wanted(problem: Problem, row: FloatArray, at_least: float | None, at_most: float | None) -> Wanted:
    """Return the goal of a request; without a level, the class that the row is not in.

    The classes are those of :mod:`~inference.explain.anchor_tabular`: up or not up for a forecast with a current close,
    else above or below the background's median.

    Raises
    ------
    InvalidRequest
        If the row reaches the level already.
    """
    name, unit = problem.target.name, f" {problem.target.unit}" if problem.target.unit else ""
    prediction = float(problem(row[None, :])[0])
    if at_least is None and at_most is None:
        return _other_class(problem, row, prediction)
    low = -np.inf if at_least is None else at_least
    high = np.inf if at_most is None else at_most
    if low <= prediction <= high:
        raise InvalidRequest(
            f"{name} is {prediction:.6g}{unit}, which lies there already",
            "Ask for a level that it does not reach.",
            path="parameters.at_least" if at_most is None else "parameters.at_most",
        )
    if at_least is None:
        return Wanted(f"{name} at most {high:.6g}{unit}", high=high)
    if at_most is None:
        return Wanted(f"{name} at least {low:.6g}{unit}", low=low)
    return Wanted(f"{name} between {low:.6g} and {high:.6g}{unit}", low, high)


def reference(problem: Problem, goal: Wanted) -> str:
    """Return the input column that a goal is measured against; empty for none."""
    return problem.target.relative_to or (CURRENT if goal.column is not None else "")


def _other_class(problem: Problem, row: FloatArray, prediction: float) -> Wanted:
    below, above, limit = direction(problem)
    column = problem.column(CURRENT) if limit is None else None
    level = float(row[column]) if column is not None else float(limit or 0.0)
    against = f"the row's own {CURRENT}" if column is not None else f"{level:.6g}"
    edge = 0.0 if column is not None else level
    if prediction > level:
        return Wanted(f"{problem.target.name} {below} (at most {against})", high=edge, column=column)
    return Wanted(f"{problem.target.name} {above} (more than {against})", low=edge, column=column, strict=True)
