"""What every member shares: scale-free inputs, volatility-scaled targets, the ONNX file and its check."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.markets.price_forecast.inputs import Prepared, log_returns, prepare
from components.models.markets.price_forecast.params import Params
from components.models.onnx_graphs import max_difference
from components.models.schema import Batch

Float32 = npt.NDArray[np.float32]
GRAPH_INPUTS = ("tabular", "sequence", "scale")
PARITY_ROWS = 1024
"""Rows of the validation set on which an exported graph is compared with the native model."""


class Member(ABC):
    """One trainable member; predicts log returns of shape (rows, horizons), decimal.

    Parameters
    ----------
    params : Params
        Hyper-parameters of the whole model.

    Attributes
    ----------
    facts : dict
        JSON-ready notes of the training: seconds, rows, what was chosen.
    """

    name: ClassVar[str]

    def __init__(self, params: Params) -> None:
        self.params = params
        self.facts: dict[str, Any] = {}
        self._check: Prepared | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` is for early stopping only."""
        started = time.perf_counter()
        x, held = self._prepare(train.inputs), self._prepare(validation.inputs)
        y = log_returns(train.targets["price"], train.inputs) / self._width(x)
        y_held = log_returns(validation.targets["price"], validation.inputs) / self._width(held)
        self._fit(x, y, held, y_held)
        self._check = held.take(slice(-PARITY_ROWS, None))
        self.facts |= {"seconds": round(time.perf_counter() - started, 3), "rows": len(train), "seed": self.params.seed}
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return log returns from the native model, shape (rows, horizons)."""
        return self._predict(self._prepare(inputs))

    def save(self, directory: Path) -> None:
        """Write ``member.onnx``, and ``member.json`` with its largest difference from the native model."""
        graph = self.export()
        assert self._check is not None, "fit before save"
        native = self._predict(self._check)
        facts = {**self.facts, "name": self.name, "onnx_max_abs_diff": max_difference(graph, feed(self._check), native)}
        (directory / "member.onnx").write_bytes(graph)
        (directory / "member.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    def _prepare(self, inputs: Batch) -> Prepared:
        return prepare(inputs, self.params.bars_per_year)

    def _width(self, x: Prepared) -> FloatArray:
        """Volatility of the return to each horizon; targets in its units have about the same variance everywhere."""
        width: FloatArray = x.scale * np.sqrt(self.params.steps)
        return width

    @abstractmethod
    def _fit(self, x: Prepared, y: FloatArray, held: Prepared, y_held: FloatArray) -> None:
        """Learn from scale-free inputs and targets in units of volatility."""

    @abstractmethod
    def _predict(self, x: Prepared) -> FloatArray:
        """Return log returns, decimal."""

    @abstractmethod
    def export(self) -> bytes:
        """Return the ONNX graph: inputs of :data:`GRAPH_INPUTS`, one output of log returns."""


def feed(x: Prepared) -> dict[str, Float32]:
    """Return the tensors a member's graph takes."""
    return {"tabular": x.tabular, "sequence": x.sequence, "scale": x.scale.astype(np.float32)}


class Standardiser:
    """Column means and deviations of training rows, applied with clipping so that no outlier dominates.

    Parameters
    ----------
    x : ndarray of shape (rows, columns)
        Training rows.
    limit : float
        Largest absolute standard score let through.
    """

    def __init__(self, x: Float32, limit: float = 6.0) -> None:
        self.mean = x.mean(axis=0, dtype=np.float64)
        deviation = x.std(axis=0, dtype=np.float64)
        # A constant column says nothing; one keeps it at zero instead of dividing by it.
        self.deviation = np.where(deviation > 1e-9, deviation, 1.0)
        self.limit = limit

    def __call__(self, x: Float32) -> Float32:
        """Return standard scores, single precision."""
        scores = (x - self.mean.astype(np.float32)) / self.deviation.astype(np.float32)
        clipped: Float32 = np.clip(scores, -self.limit, self.limit)
        return clipped

    def add(self, graph: Any, source: str) -> str:
        """Add the same arithmetic to a graph; returns the value's name."""
        centred = graph.node("Sub", [source, graph.constant("mean", self.mean)], "centred")
        scaled = graph.node("Div", [centred, graph.constant("deviation", self.deviation)], "scaled")
        limits = [graph.constant("least", -self.limit), graph.constant("most", self.limit)]
        return str(graph.node("Clip", [scaled, *limits], "scores"))


def add_width(graph: Any, source: str, steps: FloatArray) -> str:
    """Turn units of volatility into log returns inside a graph."""
    width = graph.node("Mul", ["scale", graph.constant("root_steps", np.sqrt(steps))], "width")
    return str(graph.node("Mul", [source, width], "log_return"))
