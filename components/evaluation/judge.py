"""Judge: how the answers of a model are scored that are no forecasts of its target.

A value at risk, an allocation or a probability is not "near" what happened next; each has its own proper loss, its own
naive competitor and its own claims that must be tested. A model's folder declares them in one ``Judge``; the graph then
evaluates, gates, draws and reports the model like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.contract import FloatArray, Outputs


@dataclass(frozen=True)
class Claim:
    """One statement about a model that its out-of-sample answers support, or not.

    Attributes
    ----------
    name : str
        Short, unique, lower snake case, for example ``kupiec_99``; what ``GateSpec.claims`` names.
    passed : bool or None
        None when it cannot be judged on these rows; ``detail`` says why.
    detail : str
        One sentence with the figures.
    statistic, p_value : float or None
        Of its test.
    """

    name: str
    passed: bool | None
    detail: str
    statistic: float | None = None
    p_value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class Figure:
    """One plot of the evaluation's page and of the report: inline SVG or HTML, without network or script."""

    title: str
    html: str


@dataclass(frozen=True)
class Judged:
    """Out-of-sample answers of all folds, in time order.

    Attributes
    ----------
    data : Dataset
        The test rows: inputs, targets, times and entities.
    outputs : mapping of str to ndarray
        What the model answered.
    baselines : mapping of str to outputs
        What each baseline answered on the same rows.
    loss : ndarray of shape (rows,)
        The model's.
    baseline_losses : mapping of str to ndarray of shape (rows,)
    fold : ndarray of int, shape (rows,)
        Fold of each row.
    params : mapping
        The model's hyper-parameters.
    """

    data: Dataset
    outputs: Outputs
    baselines: Mapping[str, Outputs]
    loss: FloatArray
    baseline_losses: Mapping[str, FloatArray]
    fold: npt.NDArray[np.int64]
    params: Mapping[str, Any] = field(default_factory=dict)


def _none(judged: Judged) -> list[Any]:
    return []


@dataclass(frozen=True)
class Judge:
    """How a model's answers are scored.

    Attributes
    ----------
    name : str
        The loss in words, for example ``tick loss of the 1 % VaR``; lower is better.
    loss : callable
        Outputs (of the model or of a baseline) and their rows to the loss of every row, shape (rows,).
    baselines : mapping of str to callable
        Each takes what was known (training and validation rows of a fold) and the test rows, and returns outputs that
        ``loss`` takes; the first is the one that the gate compares with. None may look at a test row's target.
    claims : callable
        Tests of what the model promises.
    figures : callable
        Plots.
    overlap : int
        How many consecutive times share an outcome (21 for monthly outcomes of daily rows), for the test's variance;
        0 to derive it from the rows' label times.
    unit : str
        Unit of the loss.
    """

    name: str
    loss: Callable[[Outputs, Dataset], FloatArray]
    baselines: Mapping[str, Callable[[Dataset, Dataset], Outputs]]
    claims: Callable[[Judged], list[Claim]] = _none
    figures: Callable[[Judged], list[Figure]] = _none
    overlap: int = 0
    unit: str = ""
