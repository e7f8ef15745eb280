"""XGBoost classifier: ONNX Runtime answers few rows, XGBoost's own predictor many."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.bench.bench_trees.data import COLUMNS
from components.models.contract import FloatArray
from components.models.engines import Engine, EngineTable, measure
from components.models.onnx_graphs import open_session
from components.models.schema import Batch, Schema, Tensor
from components.models.single import SingleModel
from components.models.xgboost_native import NativeBooster


@dataclass(frozen=True)
class Params:
    """Hyper-parameters."""

    trees: int = 300
    depth: int = 6


class Trees:
    """The classifier: trained by XGBoost, served by whichever engine is fastest for the number of rows."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.source: Path | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train; no early stopping, because the benchmark fixes the number of trees."""
        import xgboost

        self.classifier = xgboost.XGBClassifier(
            n_estimators=self.params.trees, max_depth=self.params.depth, learning_rate=0.1, random_state=7
        ).fit(train.inputs["features"], train.targets["label"][:, 0])
        self.pool = validation.inputs["features"]
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return probabilities of shape (rows, 1)."""
        x = inputs["features"]
        if self.source is None:
            return np.asarray(self.classifier.predict_proba(x)[:, 1:], dtype=np.float64)
        return self.engines[self.table.pick(len(x))](x)

    def save(self, directory: Path) -> None:
        """Write what was trained, or copy what was loaded."""
        if self.source is None:
            self.export(directory)
        else:
            copytree(self.source, directory, dirs_exist_ok=True)

    def export(self, directory: Path) -> None:
        """Write ``model.ubj``, ``model.onnx`` and the measured engine table."""
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType

        self.classifier.get_booster().save_model(directory / "model.ubj")
        inputs = [("features", FloatTensorType([None, len(COLUMNS)]))]
        graph = convert_xgboost(self.classifier, initial_types=inputs, target_opset=15)
        (directory / "model.onnx").write_bytes(graph.SerializeToString())
        table = measure(_engines(directory), self.pool)
        (directory / "engines.json").write_text(json.dumps(table.to_dict()), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        trees = cls(Params())
        trees.source = directory
        trees.engines = _engines(directory)
        trees.table = EngineTable.from_dict(json.loads((directory / "engines.json").read_text(encoding="utf-8")))
        return trees


def _engines(directory: Path) -> dict[str, Engine]:
    session = open_session((directory / "model.onnx").read_bytes())
    probabilities = [session.get_outputs()[1].name]
    native = NativeBooster((directory / "model.ubj").read_bytes())
    return {
        "onnx": lambda x: session.run(probabilities, {"features": x})[0][:, 1:],
        "xgboost": native.predict,
    }


class BoostedTrees(SingleModel):
    """Probability of the label."""

    Params = Params
    Member: Any = Trees

    @property
    def input_schema(self) -> Schema:
        """Thirty bounded features."""
        return Schema((Tensor("features", "FP32", (len(COLUMNS),), COLUMNS),))

    @property
    def output_schema(self) -> Schema:
        """One probability per row."""
        return Schema((Tensor("probability", "FP32", (1,), unit="decimal"),))
