"""Random forest: trained by scikit-learn, served by ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.bench.bench_forest.data import COLUMNS
from components.models.contract import FloatArray
from components.models.onnx_graphs import open_session
from components.models.onnx_trees import forest_graph
from components.models.schema import Batch, Schema, Tensor
from components.models.single import SingleModel


@dataclass(frozen=True)
class Params:
    """Hyper-parameters."""

    trees: int = 200


class Trees:
    """The regressor."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.source: Path | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Grow full trees, scikit-learn's default."""
        from sklearn.ensemble import RandomForestRegressor

        self.forest = RandomForestRegressor(self.params.trees, random_state=7, n_jobs=2)
        self.forest.fit(train.inputs["features"], train.targets["target"][:, 0])
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return predictions of shape (rows, 1)."""
        if self.source is not None:
            result: FloatArray = self.session.run(None, {"features": inputs["features"]})[0]
            return result
        return np.asarray(self.forest.predict(inputs["features"])[:, None])

    def save(self, directory: Path) -> None:
        """Write what was trained, or copy what was loaded."""
        if self.source is None:
            self.export(directory)
        else:
            copytree(self.source, directory, dirs_exist_ok=True)

    def export(self, directory: Path) -> None:
        """Write ``model.onnx``."""
        graph = forest_graph(self.forest, "features", "prediction")
        (directory / "model.onnx").write_bytes(graph)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        trees = cls(Params())
        trees.source = directory
        trees.session = open_session(directory / "model.onnx")
        return trees


class Forest(SingleModel):
    """The target's mean over the trees."""

    Params = Params
    Member: Any = Trees

    @property
    def input_schema(self) -> Schema:
        """Twenty-two bounded features."""
        return Schema((Tensor("features", "FP32", (len(COLUMNS),), COLUMNS),))

    @property
    def output_schema(self) -> Schema:
        """One number per row."""
        return Schema((Tensor("prediction", "FP32", (1,)),))
