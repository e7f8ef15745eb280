"""Ridge regression of returns with a fixed-width interval: one candidate, JSON weights, numpy alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.lab.tiny.data import FEATURES, HORIZONS
from components.models.schema import Batch, Column, Schema, Tensor

INPUTS = Schema((Tensor("features", "FP64", (len(FEATURES),), FEATURES),))
OUTPUTS = Schema(
    tuple(
        Tensor(name, "FP64", (len(HORIZONS),), tuple(Column(h, "index points") for h in HORIZONS))
        for name in ("price", "lower", "upper")
    )
)


class Ridge:
    """Ridge regression of the return of each horizon on standardised features."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Solve the normal equations."""
        x, close = train.inputs["features"], train.inputs["features"][:, :1]
        self.mean, self.scale = x.mean(axis=0), x.std(axis=0)
        z = np.column_stack([np.ones(len(x)), (x - self.mean) / self.scale])
        target = train.targets["price"] / close - 1.0
        self.weights = np.linalg.solve(z.T @ z + self.alpha * np.eye(z.shape[1]), z.T @ target)
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return prices of shape (rows, horizons)."""
        x = inputs["features"]
        z = (x - self.mean) / self.scale
        # A sum over the middle axis, not a matrix product: BLAS rounds a batch differently from its rows.
        returns = self.weights[0] + (z[:, :, None] * self.weights[1:]).sum(axis=1)
        price: FloatArray = x[:, :1] * (1.0 + returns)
        return price

    def save(self, directory: Path) -> None:
        """Write ``ridge.json``."""
        values = {k: getattr(self, k).tolist() for k in ("mean", "scale", "weights")}
        (directory / "ridge.json").write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Ridge:
        """Inverse of :meth:`save`."""
        ridge = cls(0.0)
        for name, value in json.loads((directory / "ridge.json").read_text(encoding="utf-8")).items():
            setattr(ridge, name, np.array(value))
        return ridge


@dataclass(frozen=True)
class TinyParams:
    """Hyper-parameters."""

    alpha: float = field(default=1.0, metadata={"search": {"low": 0.1, "high": 100.0, "log": True}})


class Tiny(Model):
    """See the module."""

    Params = TinyParams
    ridge: Ridge
    width: FloatArray

    @property
    def input_schema(self) -> Schema:
        """Four features."""
        return INPUTS

    @property
    def output_schema(self) -> Schema:
        """Price and interval for each horizon."""
        return OUTPUTS

    @classmethod
    def candidates(cls, params: Any) -> Mapping[str, Callable[[], Candidate]]:
        """One ridge regression."""
        return {"ridge": lambda: Ridge(params.alpha)}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Calibrate the interval's half-width, relative to the price, on validation residuals."""
        price = predictions["ridge"]
        self.width = np.quantile(np.abs(validation.targets["price"] / price - 1.0), 0.9, axis=0)
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Add the interval."""
        price = predictions["ridge"]
        return {"price": price, "lower": price * (1.0 - self.width), "upper": price * (1.0 + self.width)}

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch."""
        return self.finish({"ridge": self.ridge.predict(inputs)}, inputs)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Take in the trained candidate."""
        self.ridge = Ridge.load(directories["ridge"])
        return self

    def save(self, directory: Path) -> None:
        """Write ``ridge.json`` and ``width.json``."""
        self.ridge.save(directory)
        (directory / "width.json").write_text(json.dumps(self.width.tolist()), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        model = cls().adopt({"ridge": directory})
        model.width = np.array(json.loads((directory / "width.json").read_text(encoding="utf-8")))
        return model
